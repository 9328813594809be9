"""One document from the stored records: the Bundle as it would be sent, what lacks, and in whose name it goes."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from canonical.problem import Problem, blocking
from fhir import jsontext
from fhir.document import document
from fhir.validation.validator import validate
from hub.rnds import people
from hub.rnds.gather import gather
from hub.rnds.people import RESPONSIBLE
from hub.rnds.settings import Network
from hub.store.database import Transaction
from mappings.national import document_plans, documents
from mappings.national.document_plans import DocumentPlan
from mappings.national.document_values import REQUESTER, View

WITHOUT_NUMBER = "rnds.without-number"  # told of somebody who could not be identified


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which document: its kind and subject, its number in our system, and the RNDS id it replaces (empty: none)."""

    kind: str
    subject: str
    number: str
    replaces: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A document: its Bundle, findings (a blocking one forbids sending), patient, professional's CNS and content mark.

    `digest` is the same as long as the records say the same: dates of making and replacements do not enter it.
    """

    bundle: dict[str, Any]
    problems: tuple[Problem, ...]
    patient: str
    professional: str
    version: int
    digest: str
    scope: Mapping[str, Any] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether it may be sent."""
        return not blocking(self.problems)

    @property
    def text(self) -> str:
        """The exact text that is sent."""
        return jsontext.text(self.bundle)


async def build(tx: Transaction, net: Network, zone: str, now: datetime.datetime, wish: Wish) -> Built:
    """The document as the records stand now; raises NotFound when the subject is gone, LookupError for no such kind."""
    moment = now.astimezone(ZoneInfo(zone))
    plan = document_plans.plan_at(wish.kind, moment.date())
    scope = await gather(tx, net.settings, wish.kind, wish.subject)
    said = moment.isoformat(timespec="seconds")
    scope["document"] = {"now": said, **({"replaces": wish.replaces} if wish.replaces else {})}
    known = await people.known(tx, net.settings, list(people.references(scope)))
    scope |= _responsible(scope, known)
    view = View(
        now=moment, cnes=net.settings.cnes, people=known, codes=net.settings.codes, prefer=net.settings.prefer
    )  # fmt: skip
    entries, problems = documents.compose(plan, scope, view)
    professional = _professional(scope, known)
    if not professional:
        problems.append(Problem("rnds.no-professional", wish.subject))
    identifier = {"system": f"{REQUESTER}{net.settings.requester}", "value": wish.number}
    if "extension" in entries[0][1].get("subject", {}):
        problems.append(Problem(WITHOUT_NUMBER, wish.subject))
    bundle = document(identifier, said, entries)
    if not blocking(problems):
        problems += [problem for problem in validate(bundle) if problem.blocks]
    return Built(
        bundle=bundle,
        problems=tuple(problems),
        patient=str(scope["patient"].get("id", "")),
        professional=professional,
        version=int(str((scope["subject"].get("meta") or {}).get("versionId", "0"))),
        digest=_digest(plan, identifier, entries),
        scope=scope,
    )


def _responsible(scope: Mapping[str, Any], known: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The settings' own professional where one is asked for; for a visit only when nobody known attended."""
    own = [{"reference": RESPONSIBLE}] if RESPONSIBLE in known else []
    attending = [
        one.get("individual", {}).get("reference") for one in scope.get("encounter", {}).get("participant", ())
    ]
    attended = any(known.get(str(name), {}).get("cns") and known[str(name)].get("cbo") for name in attending)
    return {"responsible": own, "substitutes": [] if attended else own}


def _professional(scope: Mapping[str, Any], known: Mapping[str, Mapping[str, str]]) -> str:
    """The CNS of the document's first known professional, else of the settings' own."""
    parts: Sequence[Any] = [scope.get(name) for name in ("subject", "results", "procedures", "responsible")]
    named = (known.get(str(one["reference"]), {}).get("cns", "") for one in people.references(parts))
    return next((cns for cns in named if cns), "") or known.get(RESPONSIBLE, {}).get("cns", "")


def _digest(plan: DocumentPlan, identifier: Mapping[str, str], entries: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """A mark of what the document says; when it was made, and when a state began, is no saying."""
    head = {name: value for name, value in entries[0][1].items() if name not in ("date", "relatesTo")}
    events = [{name: value for name, value in one.items() if name != "period"} for one in head.get("event", ())]
    said = [plan.version, identifier, {**head, "event": events}, *(body for _, body in entries[1:])]
    return hashlib.sha256(jsontext.text(said).encode()).hexdigest()
