"""capabilities and SMART configuration: generated from the registry, readable without a token."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

from api.routes.fhir import registry
from api.routes.fhir.exchange import check_accept, pairs_of
from api.state import state_of
from fhir import capability, forms, jsontext


async def metadata(request: Request) -> Response:
    """The CapabilityStatement of this server."""
    query = pairs_of(request.scope["query_string"].decode("latin-1"))
    form = check_accept(request, query)
    text, tag = _statement(state_of(request).world.settings.base_url)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    pretty = ("_pretty", "true") in query
    return Response(forms.rendered(text, form, pretty=pretty), 200, headers, forms.MEDIA[form])


@lru_cache(maxsize=4)
def _statement(root: str) -> tuple[str, str]:
    offer = capability.Offer(
        base=f"{root}/fhir",
        root=root,
        software="0.1.0",
        released=registry.RELEASED,
        type_interactions=registry.codes("type", "instance"),
        system_interactions=registry.codes("system"),
        operations=registry.operations("type", "instance"),
        system_operations=registry.operations("system"),
        conditional=registry.conditional(),
    )
    text = jsontext.text(capability.statement(offer))
    return text, f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


async def smart_configuration(request: Request) -> Response:
    """What SMART clients need to know (SMART App Launch 2.2 §4): only what is offered."""
    root = state_of(request).world.settings.base_url
    document = {
        "issuer": root,
        "jwks_uri": f"{root}/.well-known/jwks.json",
        "token_endpoint": f"{root}/oauth/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint": f"{root}/oauth/revoke",
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.cruds", "system/*.read", "system/*.write", "system/*.*"],
        "capabilities": ["permission-v1", "permission-v2"],
    }
    return Response(jsontext.text(document), 200, None, "application/json")
