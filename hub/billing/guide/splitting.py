"""Which guides the charges of one visit at one payer become, and what each bills of a stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from canonical.codes import TUSS
from hub.billing.profiles import PayerProfile
from hub.billing.visit import teams, treatments
from hub.billing.visit.charges import Charge
from hub.billing.visit.executors import executor, organization
from hub.billing.visit.items import PROCEDURES
from hub.billing.visit.stays import PART, Billed, Due, Portion, is_inpatient, portion_of
from hub.billing.visit.surroundings import Surroundings
from mappings.billing.guide_values import longest
from mappings.tables.table import codes

_DENTAL_PACKAGE = "90"
_DENTAL_TABLES = ("22", _DENTAL_PACKAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The charges of one guide to be; `portion` is what it bills of a stay, `executor` who is paid for its fees.

    `treatment` is what it bills of a dental treatment.

    `done` are the codes of all that was done in the stay, on whatever guide it is.
    """

    kind: str
    charges: list[Charge]
    done: tuple[str, ...] = ()
    portion: Portion | None = None
    treatment: treatments.Share = field(default_factory=treatments.Share)
    executor: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A guide of a stay that is built again: only guides before it count as billed already."""

    guide_id: UUID

    def before(self, billed: Sequence[Billed]) -> list[Billed]:
        """The guides that came before it."""
        return [one for one in billed if one.guide_id < self.guide_id]

    def kept(self, billed: Sequence[Billed]) -> Portion | None:
        """What it bills already when it is a part of a stay: that stays, whatever came after."""
        own = next((one.portion for one in billed if one.guide_id == self.guide_id), None)
        return own if own is not None and own.billing == PART else None


def shares(
    group: Sequence[Charge], around: Surroundings, profile: PayerProfile, again: Again | None = None
) -> Iterator[Share]:
    """The guides of a visit.

    Inpatients: resumos de internação, and honorários for fees that others than the provider are paid for. Others: a
    consultation outside the emergency room has its own guide, acts on teeth have theirs, the rest is SP/SADT. The acts
    of a dental treatment over several visits are one guide.
    """
    if group[0].treatment:
        yield from _of_a_treatment(group, around, profile, again)
        return
    if is_inpatient(visit_class(group[0], around)):
        yield from _of_a_stay(group, around, profile, again)
        return
    elective = visit_class(group[0], around) in codes("tiss-consulta-regime")
    dental: list[Charge] = []
    rest: list[Charge] = []
    for charge in group:
        if elective and is_consultation(charge):
            yield Share(kind="consulta", charges=[charge])
        else:
            (dental if is_dental(charge) else rest).append(charge)
    if dental:
        yield Share(kind="odonto", charges=dental)
    if rest:
        yield Share(kind="sp-sadt", charges=rest)


def _of_a_treatment(
    group: Sequence[Charge], around: Surroundings, profile: PayerProfile, again: Again | None
) -> Iterator[Share]:
    own = again.guide_id if again else None
    billed = treatments.share_of(around.treatments[group[0].treatment], profile, around.today, own)
    if billed is not None:  # else it waits for its end, or for the day a part is due
        yield Share(kind="odonto", charges=list(group), treatment=billed)


def _of_a_stay(
    group: Sequence[Charge], around: Surroundings, profile: PayerProfile, again: Again | None
) -> Iterator[Share]:
    encounter = around.encounters.get(group[0].encounter_id or "", {})
    standing = [b for b in around.billed.get(group[0].encounter_id or "", ()) if b.payer_id == profile.partner.id]
    earlier = again.before(standing) if again else standing
    kept = again.kept(standing) if again else None
    due = Due(every=profile.part_days, today=around.today, zone=around.zone)
    places: dict[tuple[str, Portion, tuple[str, str]], list[Charge]] = {}
    names: dict[tuple[str, str], str] = {}
    for charge in group:
        portion = kept or portion_of(encounter, earlier, charge.on, due)
        if portion is None:
            continue  # it waits for the patient's discharge, or for the day a part is due
        paid = _paid(charge, around, profile)
        kind = "honorarios" if paid else "internacao"
        who = (paid.get("code", ""), paid.get("cnes", ""))
        names.setdefault(who, paid.get("name", ""))
        place = (kind, portion, who)
        places.setdefault(place, []).append(charge)
    done = _done(group, around)
    for (kind, portion, who), charges in places.items():
        paid_to = {"code": who[0], "cnes": who[1], "name": names[who]}
        yield Share(kind=kind, charges=charges, portion=portion, executor=paid_to, done=done)


def _done(group: Sequence[Charge], around: Surroundings) -> tuple[str, ...]:
    """The codes of the acts of a visit: those charged, those told without a charge, and last what is no act."""
    acts = [charge.code for charge in group if charge.table in PROCEDURES]
    for body in around.acts_of.get(group[0].encounter_id or "", ()):
        codings = body.get("code", {}).get("coding", ())
        acts += [str(c["code"]) for c in codings if c.get("system") == f"{TUSS}22" and c.get("code")]
    return (*acts, *(charge.code for charge in group if charge.table not in PROCEDURES))


def _paid(charge: Charge, around: Surroundings, profile: PayerProfile) -> dict[str, str]:
    """Who is paid for a fee by a guia de honorários; empty for what the provider bills itself."""
    if charge.table not in PROCEDURES:
        return {}
    other = organization(charge, profile)
    if other and other["code"] != profile.provider.get("code"):
        return other
    if profile.fees != "honorarios":
        return {}
    known = teams.Known(
        practitioners=around.practitioners,
        state=profile.provider.get("state", ""),
        code_system=profile.code_system,
    )
    members = teams.team(charge.body, around.acts(charge), charge.code, known)
    return executor(charge, profile, members[0]) if members else {}


def visit_class(charge: Charge, around: Surroundings) -> str:
    """The encounter's class (v3 ActCode); a charge without encounter counts as ambulatory."""
    body = around.encounters.get(charge.encounter_id or "", {})
    return str(body.get("class", {}).get("code", "")) or "AMB"


def is_consultation(charge: Charge) -> bool:
    """Whether a charge is a medical consultation (TUSS 22, group 1.01.01.01)."""
    return charge.table == "22" and charge.code in codes("tiss-consulta")


def is_dental(charge: Charge) -> bool:
    """Whether a charge is an act of dentistry (TUSS 22, chapters 81 to 87) or a dental package."""
    if charge.table == _DENTAL_PACKAGE:
        return True
    return charge.table in _DENTAL_TABLES and bool(longest("tiss-odonto", charge.code))
