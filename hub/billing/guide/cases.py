"""Cases: the charges of one visit at one payer as the record the mapping tables read, and which guides they become."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from canonical import local
from canonical.problem import Problem
from hub.billing.guide.splitting import Again, Share, shares, visit_class
from hub.billing.profiles import PayerProfile
from hub.billing.visit import accidents, items, teams
from hub.billing.visit.admission import character
from hub.billing.visit.authorisations import best
from hub.billing.visit.charges import Charge, Coverage
from hub.billing.visit.executors import executor
from hub.billing.visit.professionals import UNKNOWN_CBO, leading, occupation, professional
from hub.billing.visit.stays import diagnoses_of, stay
from hub.billing.visit.surroundings import Surroundings
from mappings.billing.guide_values import longest
from tiss.tables.tables import Tables

_NEWBORN_DAYS = 30
_DENTAL_ORDER = "43152"  # table 51: an urgency, orthodontics or a treatment goes before the exams made for it


@dataclass(slots=True, kw_only=True)
class Case:
    """One guide to be: its kind, the payer and coverage, its charges, the record for the tables, and findings."""

    kind: str
    profile: PayerProfile
    coverage: Coverage | None
    charges: list[Charge]
    record: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def items(self) -> list[dict[str, Any]]:
        """All items in the order of their sequence."""
        if self.kind == "consulta":
            return [self.record["item"]]
        return sorted([*self.record["procedures"], *self.record["expenses"]], key=lambda item: item["sequence"])

    @property
    def executed_on(self) -> datetime.date | None:
        """The first day something was done."""
        return min((charge.on for charge in self.charges if charge.on), default=None)

    @property
    def last_day(self) -> datetime.date | None:
        """The last day something was done."""
        return max((charge.on for charge in self.charges if charge.on), default=None)

    @property
    def total_cents(self) -> int:
        """What the guide bills."""
        return sum(item["total_cents"] or 0 for item in self.items)


def cases(
    charges: Sequence[Charge],
    around: Surroundings,
    profiles: Sequence[PayerProfile],
    tables: Tables,
    again: Again | None = None,
) -> Iterator[Case]:
    """The guides that charges become, by visit and payer; `again` says which standing guide they are built for."""
    by_code = {profile.ans: profile for profile in profiles}
    groups: dict[tuple[str, str], list[Charge]] = defaultdict(list)
    chosen: dict[tuple[str, str], Coverage] = {}
    for charge in charges:
        coverage = _coverage(charge, around, by_code)
        if coverage is not None:
            place = (charge.visit, coverage.payer_code)
            groups[place].append(charge)
            chosen.setdefault(place, coverage)
    for place, group in groups.items():
        profile = by_code[place[1]]
        for share in shares(group, around, profile, again):
            case = Case(kind=share.kind, profile=profile, coverage=chosen[place], charges=share.charges)
            describe(case, share, around, tables)
            yield case


def _coverage(charge: Charge, around: Surroundings, payers: Mapping[str, PayerProfile]) -> Coverage | None:
    """The coverage of a known payer that is valid on the day, else the latest one (a finding tells of it)."""
    found = [c for c in around.coverages.get(charge.patient_id or "", ()) if c.payer_code in payers]
    return next((c for c in found if c.covers(charge.on)), found[0] if found else None)


def describe(case: Case, share: Share, around: Surroundings, tables: Tables) -> None:
    """Fill the record of a case and note what is wrong with its charges."""
    first = case.charges[0]
    encounter = around.encounters.get(first.encounter_id or "", {})
    order = around.orders.get(first.encounter_id or "", {})
    diagnosed = diagnoses_of(encounter, around.conditions)
    reasons = [concept for charge in case.charges for concept in charge.body.get("reason", ())]
    coverage = case.coverage
    case.record = {
        "payer": {"ans": case.profile.ans},
        "patient": {"name": around.names.get(first.patient_id or "", "")},
        "provider": _provider(case.profile),
        "requesting_provider": _provider(case.profile),
        "coverage": {
            "member_number": coverage.member_number if coverage else "",
            "plan": coverage.plan_name if coverage else "",
        },
        "encounter": {"class": visit_class(first, around), "character": character(encounter)},
        "order": {"authored_on": local.day(order.get("authoredOn"), around.zone), "reason": _reason(order)},
        "accident": accidents.indicator(encounter, diagnosed, reasons),
        "newborn": "S" if _newborn(case, around) else "N",
        "today": around.today,
    }
    known = teams.Known(
        practitioners=around.practitioners,
        state=case.profile.provider.get("state", ""),
        code_system=case.profile.code_system,
    )
    _people(case, known, encounter, order)
    _items(case, items.items((case.kind, case.profile.partner.id), case.charges, around, known, tables))
    _stay(case, share, around, encounter)
    _consultation(case, around)
    if case.kind == "odonto":
        ended_on = case.last_day if share.treatment.ended else None
        case.record["treatment"] = {"billing": share.treatment.billing, "ended_on": ended_on}
    days = {charge.on for charge in case.charges}
    if case.coverage is not None and not all(map(case.coverage.covers, days)):
        case.problems.append(Problem("guide.coverage-period", "Coverage.period"))


def _newborn(case: Case, around: Surroundings) -> bool:
    """Whether the patient is a newborn who is treated on the mother's card (up to 30 days)."""
    born, day = around.sharing.get(case.charges[0].patient_id or ""), case.executed_on
    return born is not None and day is not None and 0 <= (day - born).days <= _NEWBORN_DAYS


def _stay(case: Case, share: Share, around: Surroundings, encounter: Mapping[str, Any]) -> None:
    """The stay of an inpatient, and the authorisation the guide stands on (a consultation needs none)."""
    days = sorted(charge.on for charge in case.charges if charge.on)
    authorised = None
    if share.portion is not None:
        case.record["stay"] = stay(encounter, around.conditions, share.done, share.portion)
        case.record["executor"] = share.executor
    if case.kind == "internacao":
        case.record["declarations"] = around.papers.get(case.charges[0].encounter_id or "", [])
    if case.kind != "consulta":
        found = around.authorisations.get(case.charges[0].patient_id or "", ())
        billed = [charge.code for charge in case.charges]
        authorised = best(found, case.profile, days, billed, stay=share.portion is not None)
    if authorised is not None:
        quantities: dict[str, Decimal] = defaultdict(Decimal)
        for item in case.record["procedures"]:
            quantities[item["code"]] += item["quantity"] or 0
        case.problems += authorised.beyond(quantities)
    case.record["authorisation"] = {
        "absence": case.profile.absence,
        **(authorised.record() if authorised else {}),
    }


def _provider(profile: PayerProfile) -> dict[str, str]:
    shown = {name: profile.provider.get(name, "") for name in ("cnes", "name")}
    return {**shown, profile.provider_key: profile.provider.get(profile.provider_key, "")}


def _reason(order: Mapping[str, Any]) -> str:
    reasons = order.get("reasonCode") or [{}]
    return str(reasons[0].get("text", ""))


def _people(case: Case, known: teams.Known, encounter: Mapping[str, Any], order: Mapping[str, Any]) -> None:
    """Performer (of the charge, else who attends); requester (of the order or charge, else who attends)."""

    def person(reference: Any) -> dict[str, str]:
        return professional(reference, known.practitioners, known.state, known.code_system)

    attender = person(leading(encounter.get("participant", ())))
    performers = case.charges[0].body.get("performer") or [{}]
    performer = person(performers[0].get("actor"))
    if cbo := occupation(performers[0]):
        performer["cbo"] = cbo
    performer = performer if "number" in performer else {**attender, **performer}
    performer.setdefault("cbo", case.profile.provider.get("cbo", ""))
    asked = [order.get("requester"), *(r for c in case.charges for r in c.body.get("supportingInformation", ()))]
    named = next((found for found in map(person, asked) if "number" in found), {})
    requester = named or dict(attender or performer)
    requester["cbo"] = requester.get("cbo") or UNKNOWN_CBO
    case.record["performer"] = performer
    if case.kind == "odonto":
        case.record["second"] = _second(case, performer, person)
    case.record["performer_code"] = executor(case.charges[0], case.profile, performer)
    case.record["requester"] = requester
    case.record["requested_by"] = {name: value for name, value in named.items() if named}


def _second(case: Case, first: Mapping[str, str], person: Callable[[Any], dict[str, str]]) -> dict[str, str]:
    """The other dentist of a treatment; a guia has room for two, whoever came third is told in a finding."""
    actors = [one.get("actor") for charge in case.charges for one in charge.body.get("performer", ())[:1]]
    told = {found["number"]: found for found in map(person, actors) if "number" in found}
    others = [found for number, found in told.items() if number != first.get("number")]
    if others[1:]:
        case.problems.append(Problem("guide.dentists", "performer", args=(("count", str(len(others) + 1)),)))
    second = dict(others[0]) if others else {}
    second["cbo"] = second.get("cbo") or first.get("cbo", "")  # the schema wants it even where there is no second one
    return second


def _items(case: Case, found: items.Described) -> None:
    case.problems += found.problems
    case.record |= {"procedures": found.procedures, "expenses": found.expenses, "total": found.total}
    if case.kind == "consulta":
        case.record["item"] = [*found.procedures, *found.expenses][0]
    leads = [item["code"] for item in found.procedures or found.expenses]
    if case.kind == "odonto":
        leads.sort(key=lambda code: _DENTAL_ORDER.find(longest("tiss-odonto", code)))
    case.record["encounter"]["leading_code"] = leads[0]


def _consultation(case: Case, around: Surroundings) -> None:
    """tipoConsulta: 1 first, 2 follow-up; only where a consultation is billed (tipoAtendimento 04)."""
    if case.kind == "consulta" or str(case.record["encounter"]["leading_code"]).startswith("101"):
        seen = case.charges[0].patient_id in around.seen_before
        case.record["encounter"]["consultation"] = "2" if seen else "1"
