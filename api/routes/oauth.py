"""Keys and tokens for partners: client credentials (RFC 6749 §4.4), revocation (RFC 7009), public keys (RFC 7517)."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.failures import Rejected
from api.routes.fhir.exchange import body_of, check_content_type, pairs_of
from api.state import StateDep, state_of
from fhir import jsontext
from hub.guard import clients, scopes, tokens
from hub.guard.clients import Client, InvalidClient
from hub.guard.tokens import InvalidToken

router = APIRouter()
_FORM = frozenset(("application/x-www-form-urlencoded",))
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST_FORM = 64 * 1024


@router.get("/.well-known/jwks.json")
async def jwks(state: StateDep) -> Response:
    """The public keys that verify access tokens (RFC 7517)."""
    return Response(jsontext.text(await tokens.jwks(state.world)), media_type="application/json")


@router.post("/oauth/token")
async def token(request: Request) -> Response:
    """An access token for a client that proves its secret, in the form or by HTTP Basic."""
    try:
        form = await _form(request)
        client = await _client(request, form)
    except Rejected as rejected:
        return _error(rejected.status, "invalid_request", "a form with UTF-8 text is expected")
    except InvalidClient:
        return _invalid_client(request)
    if form.get("grant_type") != "client_credentials":
        return _error(400, "unsupported_grant_type", "grant_type must be client_credentials")
    wanted = form.get("scope", "").split() or list(client.scopes)
    if refused := [scope for scope in wanted if not scopes.covers(client.scopes, scope)]:
        return _error(400, "invalid_scope", f"{len(refused)} of the scopes asked for are not granted to this client")
    issued = await tokens.issue(
        state_of(request).world, client.tenant, client.client_id, roles=client.roles, scopes=wanted
    )
    answer = {
        "access_token": issued,
        "token_type": "Bearer",
        "expires_in": int(tokens.LIFETIME.total_seconds()),
        "scope": " ".join(wanted),
    }
    return Response(jsontext.text(answer), 200, _NO_STORE, "application/json")


@router.post("/oauth/revoke")
async def revoke(request: Request) -> Response:
    """End a token of the calling client. A token that is not valid, or another client's, changes nothing (200)."""
    state = state_of(request)
    try:
        form = await _form(request)
        client = await _client(request, form)
    except Rejected as rejected:
        return _error(rejected.status, "invalid_request", "a form with UTF-8 text is expected")
    except InvalidClient:
        return _invalid_client(request)
    text = form.get("token", "")
    if not text:
        return _error(400, "invalid_request", "token is missing")
    try:
        identity = await state.verifier.verify(text)
    except InvalidToken:
        return Response(status_code=200, headers=_NO_STORE)
    if identity.subject == client.client_id and identity.tenant_id == client.tenant.id:
        await tokens.revoke(state.world, identity)
        state.verifier.forget(text)
    return Response(status_code=200, headers=_NO_STORE)


async def _form(request: Request) -> dict[str, str]:
    """The form; a repeated parameter is an error (RFC 6749 §3.1). Raises Rejected."""
    check_content_type(request, _FORM)
    body = await body_of(request, _MOST_FORM)
    pairs = pairs_of(body.decode("utf-8", "replace"))
    form = dict(pairs)
    if len(form) != len(pairs) or any("\0" in value for value in form.values()):
        raise Rejected(400, [])
    return form


async def _client(request: Request, form: dict[str, str]) -> Client:
    """The client that proves its secret; raises InvalidClient."""
    identity, secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            raise InvalidClient from None
        identity, secret = unquote_plus(name), unquote_plus(password)
    return await clients.authenticate(state_of(request).world, identity, secret)


def _invalid_client(request: Request) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="ponte"'} if "authorization" in request.headers else {}
    return _error(401, "invalid_client", "the client is unknown or its secret is wrong", headers)


def _error(status: int, code: str, text: str, headers: dict[str, str] | None = None) -> Response:
    document = {"error": code, "error_description": text}
    return Response(jsontext.text(document), status, {**_NO_STORE, **(headers or {})}, "application/json")
