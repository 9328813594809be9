"""Questions to RNDS that an operator asks by hand: a person, a professional, a place, and whether the settings hold.

They go over the tenant's own connection at once, outside any request and transaction; nothing of the answer is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.rnds import answers, questions
from adapters.transports import Call
from canonical.errors import Misconfigured, Refused, TryLater
from canonical.problem import Problem
from fhir import jsontext
from hub.exchange.out.connections import Connections
from hub.guard import audit
from hub.rnds.settings import Network, needed
from hub.world import Tenant, World


async def look(world: World, tenant: Tenant, kind: str, number: str, actor: str) -> list[dict[str, Any]]:
    """The records RNDS has under a number: Patient, Practitioner or Organization; empty when there is none.

    The look is audited without the number. Raises ValueError for a number that is none, NotFound without settings, and
    what the way to RNDS raises.
    """
    path = questions.path(kind, number)
    async with world.transaction(tenant) as tx:
        net = await needed(tx)
        await audit.note(tx, actor, "rnds-look", f"rnds/{kind}")
    return records(await asked(world, tenant, net, [Question(f"GET {path}")]))[0]


async def check(world: World, tenant: Tenant, actor: str) -> list[Problem]:
    """What RNDS says of the settings: its token for our certificate, the establishment, the professional's link.

    Empty when all of it holds. Raises NotFound without settings, and what the way to RNDS raises.
    """
    async with world.transaction(tenant) as tx:
        net = await needed(tx)
        await audit.note(tx, actor, "rnds-check", "partner/network/rnds")
    own = net.settings
    cns = own.professional.get("cns", "")
    paths = [questions.path("establishment", own.cnes), *([questions.link(cns, own.cnes)] if cns else [])]
    place, *role = records(await asked(world, tenant, net, [Question(f"GET {path}") for path in paths]))
    found = [] if place else [Problem("rnds.check.establishment", "cnes")]
    if not cns:
        found.append(Problem("rnds.check.professional", "professional"))
    elif not role[0]:
        found.append(Problem("rnds.check.link", "professional.cns"))
    return found


@dataclass(frozen=True, slots=True)
class Question:
    """A call by hand: method and path, and what goes with it."""

    action: str
    content: bytes = b""


async def asked(
    world: World, tenant: Tenant, net: Network, questions: Sequence[Question], professional: str = ""
) -> list[bytes]:
    """The kept answers to questions over one connection, in a professional's name (else one of the settings').

    Raises Refused with what RNDS said, TryLater where it asks for the same later, Misconfigured without a professional.
    """
    numbers = [net.settings.professional, *net.settings.professionals.values()]
    professional = professional or next((one["cns"] for one in numbers if one.get("cns")), "")
    if not professional:
        raise Misconfigured("no professional is known in whose name to ask", code="rnds.call")
    connections = Connections(world)
    found = []
    try:
        transport = await connections.transport(tenant, net.partner, 0)
        for one in questions:
            call = Call(content=one.content, key=one.action, action=one.action, professional=professional)
            answer = await transport.send(call)
            if answer.verdict == "later":
                raise TryLater("RNDS asks for the same later", code=answer.code)
            if answer.verdict == "refused":
                raise Refused("RNDS refuses the call", code=answer.code)
            found.append(answer.content)
    finally:
        await connections.close()
    return found


def records(kept: list[bytes]) -> list[list[dict[str, Any]]]:
    """The records of each answer: itself, those of its Bundle, or none where RNDS has nothing."""
    found = []
    for content in kept:
        body = jsontext.parse(content.partition(b"\r\n\r\n")[2]) if answers.read(content).status < 300 else None
        entries = body.get("entry", ()) if isinstance(body, dict) and body.get("resourceType") == "Bundle" else ()
        inner = [one["resource"] for one in entries if isinstance(one, dict) and isinstance(one.get("resource"), dict)]
        single = [body] if isinstance(body, dict) and body.get("resourceType") != "Bundle" else []
        found.append([*single, *inner])
    return found
