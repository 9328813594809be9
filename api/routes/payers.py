"""/payers/{tenant}/{registro ANS}: our own SOAP door, for payers that call back with what they decided meanwhile.

A payer logs in with HTTP Basic: login and password lie in the tenant's vault, under the name its profile gives
(`secrets.callback`). What it says is checked (version, schema, hash, sender), kept, matched by numbers, and answered
with an empty body; what is wrong with the message is a tissFault.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import datetime
import hmac
import re
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.state import State, StateDep
from api.routes.tiss_files import bounded
from canonical.errors import NotFound
from canonical.problem import blocking
from hub.billing.check import checking
from hub.billing.profiles import PayerProfile, payers
from hub.guard import audit, vault
from hub.guard.tokens import InvalidToken
from hub.requests import returned
from hub.world import Tenant
from tiss.wire import message, soap, transactions

router = APIRouter(prefix="/payers", tags=["TISS"])
XML = "text/xml; charset=ISO-8859-1"
_BASIC = "basic "
_PLACE = re.compile(r"[a-z0-9\-]{1,60}/[0-9]{6}\Z", re.ASCII)
CALLS = 300
"""How many calls of one payer from one address are looked at in a minute."""
_EMPTY = f'<?xml version="1.0"?><soap:Envelope xmlns:soap="{soap.SOAP_11}"><soap:Body/></soap:Envelope>'.encode()
_XML = {"content": {"text/xml": {"schema": {"type": "string"}}}}


@router.post(
    "/{tenant}/{payer}",
    response_class=Response,
    responses={
        200: {"description": "kept", **_XML},
        401: {"description": "a SOAP fault (LoginInvalido); log in with HTTP Basic", **_XML},
        500: {"description": "a SOAP fault (tissFault)", **_XML},
    },
    openapi_extra={"requestBody": {"required": True, **_XML}},
)
async def called_back(tenant: str, payer: str, request: Request, state: StateDep) -> Response:
    """Take an answer of a payer: a decision, a protocol, a state, a statement, a receipt (401 without its password)."""
    await _counted(request, state, f"payer {tenant}/{payer}")
    try:
        owner, profile = await _authenticated(state, tenant, payer, request.headers.get("authorization", ""))
    except InvalidToken:
        await _refused(state, tenant, payer)
        refusal = soap.fault("LoginInvalido", _WORDS["LoginInvalido"], code="Client")
        return Response(refusal, 401, {"WWW-Authenticate": 'Basic realm="ponte", charset="UTF-8"'}, XML)
    raw = await bounded(request)
    today = state.world.now().astimezone(ZoneInfo(owner.zone)).date()
    fault = await asyncio.to_thread(_fault, raw, request.headers.get("content-type", ""), profile, today)
    if fault:
        async with state.world.transaction(owner) as tx:
            await audit.note(tx, f"payer {profile.ans}", "call-back", fault, "failure")
        return Response(soap.fault(fault, _WORDS[fault], code="Client"), 500, media_type=XML)
    await returned.take(state.world, owner, profile, raw, f"payer {profile.ans}")
    return Response(_EMPTY, 200, media_type=XML)


async def _refused(state: State, slug: str, ans: str) -> None:
    """Note a wrong login at the door of a payer that exists; what was typed is not repeated."""
    if not _PLACE.match(f"{slug}/{ans}"):
        return
    with contextlib.suppress(NotFound):
        tenant = await state.world.tenant(slug)
        async with state.world.transaction(tenant) as tx:
            if any(one.ans == ans for one in await payers(tx)):
                await audit.note(tx, f"payer {ans}", "login", "call-back", "failure")


async def _counted(request: Request, state: State, payer: str) -> None:
    """Count a call by its address and the payer it says it is; raises Throttled: a password is not to be guessed."""
    address = request.client.host if request.client is not None else ""
    await state.limits.take([(f"call-back:{payer[:200]}:{address}", CALLS)])


_WORDS = {
    "LoginInvalido": "o login ou a senha não conferem; use HTTP Basic com os dados que o prestador informou",
    "SchemaInvalido": "a mensagem não é válida no schema da versão acordada, ou não é uma resposta de operadora",
    "VersaoInvalida": "a versão do padrão não é a acordada",
    "HashInvalido": "o hash não confere",
    "RemetenteInvalido": "o registro ANS de origem não é o desta operadora",
}


async def _authenticated(state: State, slug: str, ans: str, header: str) -> tuple[Tenant, PayerProfile]:
    """The tenant and payer a login belongs to; raises InvalidToken, whatever of it is wrong."""
    login, password = _credentials(header)
    try:
        tenant = await state.world.tenant(slug)
    except NotFound:
        raise InvalidToken("the login is not known") from None
    async with state.world.transaction(tenant) as tx:
        profile = next((one for one in await payers(tx) if one.ans == ans), None)
        name = profile.secrets.get("callback", "") if profile is not None else ""
        owner = profile.partner.owner if profile is not None else ""
        known = await vault.reveal(tx, state.world.settings, name, owner=owner) if name else None
    said, kept = f"{login}\0{password}", f"{(known or {}).get('login', '')}\0{(known or {}).get('password', '')}"
    if not hmac.compare_digest(said.encode(), kept.encode()) or profile is None or not password:
        raise InvalidToken("the login is not known")
    return tenant, profile


def _credentials(header: str) -> tuple[str, str]:
    """Login and password of an HTTP Basic header; raises InvalidToken."""
    if not header.lower().startswith(_BASIC):
        raise InvalidToken("the payer must log in")
    try:
        text = base64.b64decode(header[len(_BASIC) :], validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidToken("the login cannot be read") from None
    login, _, password = text.partition(":")
    return login, password


def _fault(raw: bytes, content_type: str, profile: PayerProfile, today: datetime.date) -> str:
    """The tissFault of a message that may not come in; empty when it may."""
    body = soap.read(raw, content_type)
    if not isinstance(body, soap.Body):
        return "SchemaInvalido"
    found = message.read(body.content)
    kinds_told = transactions.told_by(found) if isinstance(found, message.Tiss) else ()
    if not isinstance(found, message.Tiss) or not kinds_told or any(row.requests for row in kinds_told):
        return "SchemaInvalido"
    if found.version != profile.version:
        return "VersaoInvalida"
    if found.text("cabecalho/origem/registroANS") != profile.ans:
        return "RemetenteInvalido"
    told = blocking(checking.findings(body.content, profile, today))
    kinds = {problem.code.partition(".")[0] for problem in told}
    return "SchemaInvalido" if "xsd" in kinds else "HashInvalido" if "hash" in kinds else ""
