"""The context of care (contexto de atendimento): a professional sees a patient at the establishment, and may then read.

EHR-services wants it opened before a patient's documents are read. What RNDS answers is handed on and never stored:
the hub keeps that somebody looked, in whose name and at which document, not what it said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapters.rnds import questions
from canonical import identifiers
from canonical.errors import Misconfigured, NotFound
from fhir import jsontext
from hub.guard import audit
from hub.rnds.look import Question, asked, records
from hub.rnds.settings import Network, needed
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Who sees whom: the patient by CNS or CPF, the professional by CNS (empty: the one of the settings)."""

    patient: str
    professional: str = ""


async def opened(world: World, tenant: Tenant, meeting: Meeting, actor: str) -> Any:
    """What RNDS answers to a context of care: its JSON, or a text under `token`; the act is audited without numbers.

    Raises ValueError for a number that is none, NotFound for a CPF RNDS does not know, Refused with RNDS's reason.
    """
    net = await _needed(world, tenant, actor, "rnds-context", "rnds/context")
    professional = _professional(net, meeting)
    content = await _context(world, tenant, net, meeting, professional)
    (kept,) = await asked(world, tenant, net, [Question(f"POST {questions.CONTEXT}", content)], professional)
    return _said(kept)


async def document(world: World, tenant: Tenant, identity: str, meeting: Meeting, actor: str) -> dict[str, Any]:
    """A whole document of a patient by its RNDS id, read within a context of care opened for it; nothing is stored.

    Raises as `opened`, and NotFound where RNDS has no such document.
    """
    path = questions.document(identity)
    net = await _needed(world, tenant, actor, "rnds-read", f"rnds/Composition/{identity}")
    professional = _professional(net, meeting)
    content = await _context(world, tenant, net, meeting, professional)
    calls = [Question(f"POST {questions.CONTEXT}", content), Question(f"GET {path}")]
    _, kept = await asked(world, tenant, net, calls, professional)
    body = jsontext.parse(kept.partition(b"\r\n\r\n")[2])
    if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
        raise NotFound("RNDS has no such document")
    return body


async def _needed(world: World, tenant: Tenant, actor: str, action: str, entity: str) -> Network:
    async with world.transaction(tenant) as tx:
        net = await needed(tx)
        await audit.note(tx, actor, action, entity)
    return net


def _professional(net: Network, meeting: Meeting) -> str:
    found = identifiers.compact(meeting.professional) or net.settings.professional.get("cns", "")
    if not found:
        raise Misconfigured("no professional is known in whose name to ask", code="rnds.call")
    return found


async def _context(world: World, tenant: Tenant, net: Network, meeting: Meeting, professional: str) -> bytes:
    """The body of the call; a patient named by CPF is looked up for the definitive CNS."""
    number = identifiers.compact(meeting.patient)
    if identifiers.is_cpf(number) and not identifiers.is_cns(number):
        look = Question(f"GET {questions.path('patient', number)}")
        found = records(await asked(world, tenant, net, [look], professional))[0]
        number = next((str(one.get("id", "")) for one in found if one.get("resourceType") == "Patient"), "")
        if not identifiers.is_cns(number):
            raise NotFound("RNDS knows nobody with this CPF")
    return questions.context(net.settings.cnes, professional, number)


def _said(kept: bytes) -> Any:
    text = kept.partition(b"\r\n\r\n")[2]
    body = jsontext.parse(text) if text[:1] in (b"{", b"[") else None
    return body if body is not None else {"token": text.decode("utf-8", "replace").strip().strip('"')}
