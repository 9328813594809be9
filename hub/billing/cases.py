"""Cases: the charges of one visit at one payer as the record the mapping tables read, and which guides they become."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from canonical.billing import Item
from canonical.problem import Problem
from hub.billing.authorisations import best
from hub.billing.charges import Charge, Coverage, Surroundings
from hub.billing.professionals import UNKNOWN_CBO, leading, occupation, professional
from hub.billing.profiles import PayerProfile
from hub.billing.stays import is_inpatient, stay
from mappings.guide_values import in_range
from mappings.table import codes
from tiss.tables import Tables

PROCEDURES = ("22", "00", "90", "98")
_NEWBORN_DAYS = 30
_COST_CENTRES = frozenset(str(number) for number in range(1, 11))


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
    def total_cents(self) -> int:
        """What the guide bills."""
        return sum(item["total_cents"] or 0 for item in self.items)


def cases(
    charges: Sequence[Charge], around: Surroundings, profiles: Sequence[PayerProfile], tables: Tables
) -> Iterator[Case]:
    """The guides that charges become: by visit and payer; a consultation outside the emergency room has its own."""
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
        for kind, part in _split(group, around):
            case = Case(kind=kind, profile=by_code[place[1]], coverage=chosen[place], charges=part)
            describe(case, around, tables)
            yield case


def _coverage(charge: Charge, around: Surroundings, payers: Mapping[str, PayerProfile]) -> Coverage | None:
    """The coverage of a known payer that is valid on the day, else the latest one (a finding tells of it)."""
    found = [c for c in around.coverages.get(charge.patient_id or "", ()) if c.payer_code in payers]
    return next((c for c in found if c.covers(charge.on)), found[0] if found else None)


def _split(group: Sequence[Charge], around: Surroundings) -> Iterator[tuple[str, list[Charge]]]:
    rest: list[Charge] = []
    if is_inpatient(visit_class(group[0], around)):
        yield "internacao", list(group)
        return
    elective = visit_class(group[0], around) in codes("tiss-consulta-regime")
    for charge in group:
        if elective and is_consultation(charge):
            yield "consulta", [charge]
        else:
            rest.append(charge)
    if rest:
        yield "sp-sadt", rest


def is_consultation(charge: Charge) -> bool:
    """Whether a charge is a medical consultation (TUSS 22, group 1.01.01.01)."""
    return charge.table == "22" and charge.code in codes("tiss-consulta")


def visit_class(charge: Charge, around: Surroundings) -> str:
    """The encounter's class (v3 ActCode); a charge without encounter counts as ambulatory."""
    body = around.encounters.get(charge.encounter_id or "", {})
    return str(body.get("class", {}).get("code", "")) or "AMB"


def describe(case: Case, around: Surroundings, tables: Tables) -> None:
    """Fill the record of a case and note what is wrong with its charges."""
    first = case.charges[0]
    encounter = around.encounters.get(first.encounter_id or "", {})
    order = around.orders.get(first.encounter_id or "", {})
    case.record = {
        "payer": {"ans": case.profile.ans},
        "provider": _provider(case.profile),
        "requesting_provider": _provider(case.profile),
        "coverage": {"member_number": case.coverage.member_number if case.coverage else ""},
        "encounter": {"class": visit_class(first, around)},
        "order": {"authored_on": order.get("authoredOn"), "reason": _reason(order)},
        "newborn": "S" if _newborn(case, around) else "N",
    }
    _people(case, around, encounter, order)
    _items(case, tables)
    _stay(case, around, encounter)
    _consultation(case, around)
    if case.coverage is not None and not case.coverage.covers(case.executed_on):
        case.problems.append(Problem("guide.coverage-period", "Coverage.period"))


def _newborn(case: Case, around: Surroundings) -> bool:
    """Whether the patient is a newborn who is treated on the mother's card (up to 30 days)."""
    born, day = around.sharing.get(case.charges[0].patient_id or ""), case.executed_on
    return born is not None and day is not None and 0 <= (day - born).days <= _NEWBORN_DAYS


def _stay(case: Case, around: Surroundings, encounter: Mapping[str, Any]) -> None:
    """The stay of an inpatient, and the authorisation the guide stands on (a consultation needs none)."""
    billed = [item["code"] for item in case.record["procedures"]]
    days = sorted(charge.on for charge in case.charges if charge.on)
    authorised = None
    if case.kind == "internacao":
        case.record["stay"] = stay(encounter, around.conditions, billed)
    if case.kind != "consulta":
        found = around.authorisations.get(case.charges[0].patient_id or "", ())
        authorised = best(found, case.profile, days, [charge.code for charge in case.charges])
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


def _people(case: Case, around: Surroundings, encounter: Mapping[str, Any], order: Mapping[str, Any]) -> None:
    """Performer (of the charge, else who attends); requester (of the order or charge, else who attends)."""
    state = case.profile.provider.get("state", "")
    attender = professional(leading(encounter.get("participant", ())), around.practitioners, state)
    performers = case.charges[0].body.get("performer") or [{}]
    performer = professional(performers[0].get("actor"), around.practitioners, state)
    if cbo := occupation(performers[0]):
        performer["cbo"] = cbo
    performer = performer if "number" in performer else {**attender, **performer}
    performer.setdefault("cbo", case.profile.provider.get("cbo", ""))
    asked = [order.get("requester"), *(r for c in case.charges for r in c.body.get("supportingInformation", ()))]
    people = [professional(reference, around.practitioners, state) for reference in asked]
    requester = next((found for found in people if "number" in found), {})
    requester = requester if "number" in requester else dict(attender or performer)
    requester["cbo"] = requester.get("cbo") or UNKNOWN_CBO
    case.record["performer"] = performer
    case.record["requester"] = requester


def _items(case: Case, tables: Tables) -> None:
    procedures: list[dict[str, Any]] = []
    expenses: list[dict[str, Any]] = []
    totals: dict[str, int] = defaultdict(int)
    charges = sorted(case.charges, key=lambda c: c.table not in PROCEDURES)
    for sequence, charge in enumerate(charges, start=1):
        item = item_of(charge, sequence, tables)
        case.problems += item.pop("problems")
        (procedures if not item["expense"] else expenses).append(item)
        totals[item["expense"] or "procedures"] += item["total_cents"] or 0
    totals["all"] = sum(totals.values())
    case.record |= {"procedures": procedures, "expenses": expenses, "total": dict(totals)}
    if case.kind == "consulta":
        case.record["item"] = [*procedures, *expenses][0]
    case.record["encounter"]["leading_code"] = (procedures or expenses)[0]["code"]


def item_of(charge: Charge, sequence: int, tables: Tables) -> dict[str, Any]:
    """A charge as a guide item with exact amounts; `problems` holds what is wrong with them."""
    body, place, problems = charge.body, f"ChargeItem[{sequence}]", []
    quantity = _decimal(body.get("quantity", {}).get("value", 1))
    factor = _decimal(body.get("factorOverride", 1))
    total = _decimal(body.get("priceOverride", {}).get("value"))
    unit: int | None = None
    total_cents: int | None = None
    if total is None or quantity is None or factor is None or total <= 0 or quantity <= 0 or factor <= 0:
        problems.append(Problem("guide.amount", place))
    else:
        total_cents = int((total * 100).to_integral_value())
        unit = int((total * 100 / (quantity * factor)).to_integral_value())
        if (
            total_cents != total * 100
            or Item(quantity=quantity, unit_cents=unit, factor=factor).total_cents != total_cents
        ):
            problems.append(Problem("guide.unit-price", place))
    time = str(body.get("occurrenceDateTime", ""))
    return {
        "charge_id": charge.id,
        "sequence": sequence,
        "date": charge.on,
        "time": time[11:19] if len(time) >= 19 else "",
        "table": charge.table,
        "code": charge.code,
        "description": _description(charge, tables),
        "quantity": quantity,
        "unit": str(body.get("quantity", {}).get("code") or body.get("quantity", {}).get("unit") or "1"),
        "factor": factor,
        "unit_cents": unit,
        "total_cents": total_cents,
        "expense": _expense(charge),
        "cost_centre": _cost_centre(body),
        "problems": problems,
    }


def _description(charge: Charge, tables: Tables) -> str:
    """The term of the TUSS table, which the payer knows; the sender's words for codes the table does not hold."""
    term = tables.tuss(charge.table, charge.code)
    if term is not None:
        return term.name
    code = charge.body.get("code", {})
    shown = [coding.get("display") for coding in code.get("coding", ()) if coding.get("display")]
    return str((shown or [code.get("text", "")])[0])


def _expense(charge: Charge) -> str:
    """codigoDespesa of a charge; empty for a procedure."""
    if charge.table in PROCEDURES:
        return ""
    kinds = codes("tiss-despesa")
    within = in_range(f"tiss-despesa-{charge.table}", charge.code) if charge.table == "18" else ""
    return within or kinds.get(charge.table, "")


def _cost_centre(body: Mapping[str, Any]) -> str:
    value = str(body.get("costCenter", {}).get("identifier", {}).get("value", ""))
    return value if value in _COST_CENTRES else ""


def _consultation(case: Case, around: Surroundings) -> None:
    """tipoConsulta: 1 first, 2 follow-up; only where a consultation is billed (tipoAtendimento 04)."""
    if case.kind == "consulta" or str(case.record["encounter"]["leading_code"]).startswith("101"):
        seen = case.charges[0].patient_id in around.seen_before
        case.record["encounter"]["consultation"] = "2" if seen else "1"


def _decimal(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
