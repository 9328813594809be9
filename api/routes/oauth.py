"""Keys and tokens for partners."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api.state import StateDep
from fhir import jsontext
from hub.guard import tokens

router = APIRouter()


@router.get("/.well-known/jwks.json")
async def jwks(state: StateDep) -> Response:
    """The public keys that verify access tokens (RFC 7517)."""
    return Response(jsontext.text(await tokens.jwks(state.world)), media_type="application/json")
