"""A stay of an inpatient as the guides of internação and honorários read it: what is billed of it, its end, diagnoses.

tipoFaturamento (table 55): a stay is billed once (4 total), or in parts (1 parcial … 2 final); what is charged for days
that are billed already is complementary (3).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical import local
from canonical.codes import CID10, TUSS, aliases
from canonical.local import Moment
from hub.records.projections import target
from mappings.tables.table import codes

_ENDINGS = f"{TUSS}39"
_MOST_DIAGNOSES = 4
_SURGICAL = "3"
PART, LAST, LATE, WHOLE = "1", "2", "3", "4"
_STAYS_ON = "28"  # motivoEncerramento of a part, when nothing tells why the patient stays
_MIDNIGHT, _DAYS_END = "00:00:00", "23:59:59"
_ONE_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What one guide bills of a stay: its tipoFaturamento, from when until when."""

    billing: str
    begin: Moment
    end: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """A resumo de internação of a stay that stands: its guide, its payer, and what it bills."""

    guide_id: UUID
    payer_id: UUID
    portion: Portion

    @property
    def last_day(self) -> datetime.date | None:
        """The last day it bills."""
        return local.date(self.portion.end.date)


def is_inpatient(encounter_class: str) -> bool:
    """Whether the charges of a visit of this class go on a resumo de internação."""
    return encounter_class in codes("tiss-internacao")


def portion_of(
    encounter: Mapping[str, Any], earlier: Sequence[Billed], on: datetime.date | None, due: Due
) -> Portion | None:
    """What a charge of that day belongs to, after the guides that stand already; None while it has to wait."""
    period = encounter.get("period", {})
    begin, end = local.moment(period.get("start"), due.zone), local.moment(period.get("end"), due.zone)
    ended = encounter.get("status") == "finished"
    until = max((one.last_day for one in earlier if one.last_day), default=None)
    if ended and any(one.portion.billing in (LAST, WHOLE) for one in earlier):
        return Portion(billing=LATE, begin=begin, end=end)
    if until is not None and on is not None and on <= until:
        return Portion(billing=LATE, begin=begin, end=Moment(until.isoformat(), _DAYS_END))
    if until is not None:
        begin = Moment((until + _ONE_DAY).isoformat(), _MIDNIGHT)
    if ended:
        return Portion(billing=WHOLE if until is None else LAST, begin=begin, end=end)
    cut = due.cut(local.day(period.get("start"), due.zone))
    if cut is None or on is None or on >= cut:
        return None
    return Portion(billing=PART, begin=begin, end=Moment((cut - _ONE_DAY).isoformat(), _DAYS_END))


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """How a payer wants long stays: a part every so many days (0: only at the end), as of `today` in `zone`."""

    every: int
    today: datetime.date
    zone: str

    def cut(self, start: datetime.date | None) -> datetime.date | None:
        """The first day that is not billed yet when the parts due until today are; None when none is due."""
        if not self.every or start is None or self.today < start:
            return None
        parts = (self.today - start).days // self.every
        return start + datetime.timedelta(days=parts * self.every) if parts else None


def stay(
    encounter: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
    done: Sequence[str],
    portion: Portion,
) -> dict[str, Any]:
    """The record of a stay; `done` are codes of what was done, of which the first surgical one leads."""
    leading = next((code for code in done if code.startswith(_SURGICAL)), next(iter(done), ""))
    ending = ending_of(encounter.get("hospitalization", {}).get("dischargeDisposition", {}))
    if portion.billing == PART or encounter.get("status") != "finished":
        ending = ending if ending.startswith("2") else _STAYS_ON
    return {
        "from_date": portion.begin.date,
        "from_time": portion.begin.time,
        "until_date": portion.end.date,
        "until_time": portion.end.time,
        "leading_code": leading,
        "ending": ending,
        "diagnoses": diagnoses_of(encounter, conditions)[:_MOST_DIAGNOSES],
        "billing": portion.billing,
    }


def ending_of(disposition: Mapping[str, Any]) -> str:
    """motivoEncerramento: the code of table 39 where that was sent, else through the table of dispositions."""
    known = codes("tiss-motivo-encerramento")
    for coding in disposition.get("coding", ()):
        code = str(coding.get("code", ""))
        if coding.get("system") == _ENDINGS:
            return code
        if code in known:
            return known[code]
    return ""


def diagnoses_of(encounter: Mapping[str, Any], conditions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """CID-10 without dot (the form the guide wants), by rank where one is told, else in the order of the visit's."""
    named = sorted(encounter.get("diagnosis", ()), key=lambda one: int(str(one.get("rank", 99))))
    bodies = (conditions.get(target(one.get("condition"), "Condition") or "", {}) for one in named)
    return list(dict.fromkeys(code for body in bodies for code in cids(body.get("code", {}).get("coding", ()))))


def cids(codings: Iterable[Mapping[str, Any]]) -> list[str]:
    """The CID-10 codes among codings, without dot."""
    family = aliases(CID10)
    return [str(c["code"]).replace(".", "") for c in codings if c.get("system") in family and c.get("code")]


def conditions_of(encounter: Mapping[str, Any]) -> list[str]:
    """The ids of the conditions a visit names."""
    return [i for named in encounter.get("diagnosis", ()) if (i := target(named.get("condition"), "Condition"))]
