"""capabilities and SMART configuration: generated from the registry, readable without a token.

Whoever comes with a token is told what its tenant offers: its policies, its own search parameters, its algorithms.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.http.state import caller_of, state_of
from api.routes.fhir import registry
from api.routes.fhir.exchange import accept_of, check_accept, pairs_of
from api.routes.fhir.terminology import RETOLD
from fhir import capability, forms, jsontext, subset
from fhir.definitions.table import Parameter
from hub.guard import assertions, keys, policies, registration
from hub.guard.tokens import InvalidToken
from hub.records import custom, profiled
from hub.records.profiled import Declared
from hub.records.requests.acting import Policy, policy_of
from hub.subscriptions.topics import topics
from hub.terms.usable import Usable, everyones, usable
from hub.world import Tenant

_MOST_ELEMENTS = 20
_NONE = Declared()  # without a tenant nothing is declared
_Own = tuple[tuple[str, tuple[Parameter, ...]], ...]


async def metadata(request: Request) -> Response:
    """The CapabilityStatement of this server, or of the tenant whose token comes with the request; of the mode
    `terminology` the TerminologyCapabilities.
    """
    query = pairs_of(request.scope["query_string"].decode("latin-1"))
    form = check_accept(request, query)
    world, tenant = state_of(request).world, await _tenant(request)
    if ("mode", "terminology") in query:
        systems = await everyones() if tenant is None else await usable(world, tenant)
        text, tag = _terminology(world.settings.base_url, tenant.name if tenant is not None else "", systems)
    elif tenant is None:
        text, tag = _statement(world.settings.base_url, "", Policy(), ())
    else:
        known = await custom.known(world, tenant)
        own = tuple((kind, tuple(found[code] for code in sorted(found))) for kind, found in sorted(known.items()))
        cors = bool(policies.origins_of(tenant))
        stated = await profiled.declared(world, tenant)
        text, tag = _statement(world.settings.base_url, tenant.name, policy_of(tenant), own, stated, cors=cors)
    text, tag = _shown(query, text, tag)
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept, Authorization"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    pretty = ("_pretty", "true") in query
    media = forms.media(form, accept_of(request), forms.stated_in(query))
    return Response(forms.rendered(text, form, pretty=pretty), 200, headers, media)


async def _tenant(request: Request) -> Tenant | None:
    """The tenant of a good token; a bad one is as none here, since nothing of a tenant is asked for."""
    if "authorization" not in request.headers:
        return None
    try:
        return (await caller_of(request)).tenant
    except InvalidToken:
        return None


@lru_cache(maxsize=64)
def _statement(
    root: str, name: str, policy: Policy, own: _Own, stated: Declared = _NONE, *, cors: bool = False
) -> tuple[str, str]:
    offer = dataclasses.replace(
        _offer(root),
        description=_described(name),
        update_creates=policy.update_create,
        requires_match=policy.require_match,
        deletes_several=policy.delete_most > 1,
        notes=registry.NOTES,
        profiles=dict(stated.profiles),
        guides=stated.guides,
        cors=cors,
        own={kind: {parameter.code: parameter for parameter in found} for kind, found in own},
    )
    return _tagged(capability.statement(offer))


@lru_cache(maxsize=16)
def _terminology(root: str, name: str, systems: Usable) -> tuple[str, str]:
    offer = dataclasses.replace(_offer(root), description=_described(name))
    return _tagged(capability.terminology(offer, (*RETOLD, "tx-resource"), systems))


def _described(name: str) -> str:
    return f"Ponte FHIR R4: {name}" if name else "Ponte FHIR R4"


def _shown(query: list[tuple[str, str]], text: str, tag: str) -> tuple[str, str]:
    """What `_elements` or `_summary` leave of a statement, with a tag of its own."""
    stated = dict(query)
    names = tuple(sorted(name for name in stated.get("_elements", "").split(",") if name))
    summary = stated.get("_summary", "")
    if not names and summary not in subset.SUMMARIES:
        return text, tag
    return _part(text, summary, names[:_MOST_ELEMENTS])


@lru_cache(maxsize=16)
def _part(text: str, summary: str, names: tuple[str, ...]) -> tuple[str, str]:
    part = subset.text(text, summary, names)
    return part, _tag(part)


def _offer(root: str) -> capability.Offer:
    """What everyone is offered."""
    return capability.Offer(
        base=f"{root}/fhir",
        topics=tuple(topics()),
        root=root,
        software="0.1.0",
        released=registry.RELEASED,
        type_interactions=registry.codes("type", "instance"),
        system_interactions=registry.codes("system"),
        operations=registry.operations("type", "instance"),
        system_operations=registry.operations("system"),
        conditional=registry.conditional(),
    )


def _tagged(document: dict[str, Any]) -> tuple[str, str]:
    text = jsontext.text(document)
    return text, _tag(text)


def _tag(text: str) -> str:
    return f'W/"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


async def smart_configuration(request: Request) -> Response:
    """What SMART clients need to know (SMART App Launch 2.2 §9): only what is offered, so no authorization address."""
    root = state_of(request).world.settings.base_url
    tenant = await _tenant(request)
    methods = ["private_key_jwt", "client_secret_basic", "client_secret_post"]
    taken = list(assertions.algorithms(tenant)) if tenant is not None else list(keys.ALGORITHMS)
    document = {
        "jwks_uri": f"{root}/.well-known/jwks.json",
        "token_endpoint": f"{root}/oauth/token",
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": taken,
        "revocation_endpoint": f"{root}/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": f"{root}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": methods,
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": list(registration.SUPPORTED),
        "capabilities": [
            "client-confidential-asymmetric",
            "client-confidential-symmetric",
            "permission-patient",
            "permission-user",
            "permission-v1",
            "permission-v2",
        ],
    }
    return Response(jsontext.text(document), 200, {"Vary": "Authorization"}, "application/json")
