"""Keys and tokens for partners: client credentials (RFC 6749 §4.4) by secret or by signed assertion (RFC 7523 §2.2,
SMART Backend Services), revocation (RFC 7009), introspection (RFC 7662), public keys (RFC 7517)."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.rejected import Rejected
from api.http.state import RATE, StateDep, state_of
from api.routes.fhir.exchange import body_of, check_content_type, pairs_of
from canonical.errors import NotFound
from fhir import jsontext
from hub.guard import assertions, clients, scopes, tokens
from hub.guard.clients import Client, InvalidClient
from hub.guard.limits import Throttled, token_limits
from hub.guard.tokens import Identity, InvalidToken
from hub.records.requests.entry import is_id

router = APIRouter()
_FORM = frozenset(("application/x-www-form-urlencoded",))
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST_FORM = 64 * 1024
PATH = "/oauth/token"
_FORM_TEXT = "a form with UTF-8 text and one way to prove the client is expected; see docs/reference/access.md"
_REASONS = {
    "form": "the assertion is not a JWT of at most 8192 characters",
    "subject": "iss and sub must both be the client's id",
    "algorithm": "the signature algorithm is not offered; RS384 and ES384 always are",
    "key": "the client is unknown, or none of its keys made this signature",
    "claims": "exp, jti and aud are needed",
    "audience": "aud must be the token address as the SMART configuration states it",
    "expired": "the assertion has expired or is not valid yet; check the clock",
    "lifetime": "exp may lie at most five minutes ahead",
    "replayed": "the jti was used before; every assertion needs a new one",
}


@router.get("/.well-known/jwks.json")
async def jwks(state: StateDep) -> Response:
    """The public keys that verify access tokens (RFC 7517)."""
    return json_answer(await tokens.jwks(state.world))


@router.post(PATH)
async def token(request: Request) -> Response:
    """An access token for a client that proves itself: by a signed assertion, or by its secret in the form or by HTTP
    Basic. `patient`, the id of a Patient record, narrows the token to that patient for its `patient/…` scopes."""
    proven = await _proven(request)
    if isinstance(proven, Response):
        return proven
    form, client = proven
    if form.get("grant_type") != "client_credentials":
        return _error(400, "unsupported_grant_type", "grant_type must be client_credentials")
    return await _issued(request, form, client)


async def _issued(request: Request, form: dict[str, str], client: Client) -> Response:
    wanted = form.get("scope", "").split() or list(client.scopes)
    if refused := [scope for scope in wanted if not scopes.covers(client.scopes, scope)]:
        return _error(400, "invalid_scope", f"{len(refused)} of the scopes asked for are not granted to this client")
    patient = form.get("patient", "")
    if patient and not is_id(patient):
        return _error(400, "invalid_request", "patient must be the id of a Patient record")
    if not patient and scopes.needs_patient(wanted):
        return _error(400, "invalid_request", "these scopes need the parameter patient: the id of a Patient record")
    world = state_of(request).world
    claims = tokens.claims(world, client.tenant, client.client_id, roles=client.roles, scopes=wanted)
    answer = {
        "access_token": await tokens.signed(world, {**claims, **({"patient": patient} if patient else {})}),
        "token_type": "Bearer",
        "expires_in": int(tokens.LIFETIME.total_seconds()),
        "scope": " ".join(wanted),
        **({"patient": patient} if patient else {}),
    }
    return Response(jsontext.text(answer), 200, _NO_STORE, "application/json")


@router.post("/oauth/revoke")
async def revoke(request: Request) -> Response:
    """End a token of the calling client. A token that is not valid, or another client's, changes nothing (200)."""
    given = await _asked(request)
    if isinstance(given, Response):
        return given
    text, client, identity = given
    if identity is not None and identity.subject == client.client_id:
        state = state_of(request)
        await tokens.revoke(state.world, identity)
        state.verifier.forget(text)
    return Response(status_code=200, headers=_NO_STORE)


@router.post("/oauth/introspect")
async def introspect(request: Request) -> Response:
    """What a token of the calling client's tenant may do, for whom and until when. Of one that is not valid, or of
    another tenant, only that it is not active."""
    given = await _asked(request)
    if isinstance(given, Response):
        return given
    identity = given[2]
    if identity is None:
        return Response(jsontext.text({"active": False}), 200, _NO_STORE, "application/json")
    told = {
        "scope": " ".join(sorted(identity.scopes)),
        "client_id": identity.client_id,
        "token_type": "Bearer",
        "exp": int(identity.expires_at.timestamp()),
        "sub": identity.subject,
        "iss": tokens.ISSUER,
        "jti": identity.token_id,
        "patient": identity.patient,
    }
    answer = {"active": True, **{name: value for name, value in told.items() if value != ""}}
    return Response(jsontext.text(answer), 200, _NO_STORE, "application/json")


async def _asked(request: Request) -> tuple[str, Client, Identity | None] | Response:
    """The token that the form is about, the client that asks, and what the token says when it is valid and of the
    client's tenant; or the answer to what is not asked well."""
    proven = await _proven(request)
    if isinstance(proven, Response):
        return proven
    form, client = proven
    text = form.get("token", "")
    if not text:
        return _error(400, "invalid_request", "token is missing")
    try:
        identity = await state_of(request).verifier.verify(text)
    except InvalidToken:
        return text, client, None
    return text, client, identity if identity.tenant_id == client.tenant.id else None


async def _proven(request: Request) -> tuple[dict[str, str], Client] | Response:
    """The form and the client that proves itself by it, or why not. Every try counts, whatever the form is for: what
    asks for a client's proof without counting would be the place to guess it."""
    try:
        form = await _form(request)
        await _counted(request, form)
        return form, await _client(request, form)
    except Rejected as rejected:
        return _error(rejected.status, "invalid_request", _FORM_TEXT)
    except InvalidClient as invalid:
        return _invalid_client(request, invalid)
    except Throttled as throttled:
        return _error(429, "slow_down", "too many requests for tokens; a token lives 15 minutes", throttled.headers)


async def _counted(request: Request, form: dict[str, str]) -> None:
    """Count the request by its address and by the client it says it is; raises Throttled."""
    state = state_of(request)
    claimed = _stated(request, form)[0] or assertions.claimed(form.get("client_assertion", ""))
    try:
        tenant = await state.world.tenant(claimed.partition(".")[0].replace("\0", ""))
    except NotFound:
        tenant = None
    address = request.client.host if request.client is not None else ""
    request.scope[RATE] = await state.limits.take(token_limits(tenant, claimed, address))


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
    """The client that proves itself, in one way only (RFC 6749 §2.3); raises InvalidClient, Rejected."""
    stated = _stated(request, form)
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    if "client_assertion" in form or "client_assertion_type" in form:
        return await _by_assertion(request, form, alone=not form.get("client_secret") and scheme != "basic")
    return await clients.authenticate(state_of(request).world, *stated)


def _stated(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """The client's id and secret, by HTTP Basic or in the form; raises InvalidClient for what cannot be read."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        raise InvalidClient from None
    return unquote_plus(name), unquote_plus(password)


async def _by_assertion(request: Request, form: dict[str, str], *, alone: bool) -> Client:
    if not alone or form.get("client_assertion_type") != assertions.TYPE:
        raise Rejected(400, [])
    state = state_of(request)
    audience = f"{state.world.settings.base_url}{PATH}"
    client = await assertions.authenticate(state.world, state.published, form.get("client_assertion", ""), audience)
    if form.get("client_id", client.client_id) != client.client_id:
        raise InvalidClient("subject")
    return client


def _invalid_client(request: Request, error: InvalidClient) -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="ponte"'} if "authorization" in request.headers else {}
    text = _REASONS.get(error.reason, "the client is unknown or its secret is wrong")
    return _error(401, "invalid_client", text, headers)


def _error(status: int, code: str, text: str, headers: dict[str, str] | None = None) -> Response:
    document = {"error": code, "error_description": text}
    return Response(jsontext.text(document), status, {**_NO_STORE, **(headers or {})}, "application/json")
