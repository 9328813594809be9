"""Dental treatments: the visits of one plano de tratamento, which are billed together on one guia.

Visits belong together by the episode of care they name (R4 Encounter.episodeOfCare; HL7 v2 PV1-54). Their acts wait for
the end of the treatment, or for the day the payer takes a part of it (table 55: 1 parcial, 4 total).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from fhir import jsontext
from hub.billing.profiles import PayerProfile
from hub.billing.writing import stored
from hub.records.index import key_of
from hub.store.database import Row, Transaction
from mappings.tables.table import codes

PART, WHOLE = "1", "4"
_TYPE = "EpisodeOfCare"
_ENDED = ("finished", "cancelled", "entered-in-error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """The dental acts of a patient in one episode: the day of the first that is not billed, the day of the last.

    `status` is what an EpisodeOfCare says of it, empty where only its number is known; `expected`: a visit is planned;
    `guides` are those that stand for some of it; `payers` those the patient has a membership of.
    """

    status: str
    first_open: datetime.date | None
    last: datetime.date | None
    expected: bool = False
    guides: frozenset[UUID] = frozenset()
    payers: frozenset[str] = frozenset()

    def ended(self, profile: PayerProfile, today: datetime.date) -> bool:
        """Whether it is over: its episode says so, else nothing was done for the days of the payer's profile."""
        if self.status or self.expected or self.last is None:
            return self.status in _ENDED
        return self.last + datetime.timedelta(days=profile.treatment_days) <= today

    def due(self, profile: PayerProfile, today: datetime.date) -> bool:
        """Whether a guide of what is not billed is made now: at its end, or when a part is due."""
        if self.ended(profile, today):
            return True
        first = self.first_open
        return bool(profile.part_days and first and first + datetime.timedelta(days=profile.part_days) <= today)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one guide bills of a treatment: tipoFaturamento, and whether the treatment ended with it."""

    billing: str = WHOLE
    ended: bool = True


def share_of(found: Treatment, profile: PayerProfile, today: datetime.date, own: UUID | None) -> Share | None:
    """What a guide bills of a treatment; None while it has to wait. `own` is a guide that is built again."""
    if own is None and not found.due(profile, today):
        return None
    ended = found.ended(profile, today)
    return Share(billing=PART if found.guides - {own} or not ended else WHOLE, ended=ended)


@cache
def belongs() -> str:
    """SQL: whether a charge `c` of a visit `e` is an act of a treatment (dentistry outside a stay, with an episode)."""
    stays = ",".join(f"'{code}'" for code in sorted(codes("tiss-internacao")))
    acts = " OR ".join(f"c.code LIKE '{prefix}%'" for prefix in sorted(codes("tiss-odonto")))
    return (
        f"(e.episode <> '' AND c.patient_id = e.patient_id AND e.class NOT IN ({stays}) "
        f"AND (c.tiss_table = '90' OR (c.tiss_table = '22' AND ({acts}))))"
    )


def key() -> str:
    """SQL: the key of the treatment a charge `c` of a visit `e` is an act of, else NULL."""
    return f"CASE WHEN {belongs()} THEN e.patient_id || '/' || e.episode END"


async def waiting(tx: Transaction, profiles: Sequence[PayerProfile], today: datetime.date, zone: str) -> list[str]:
    """The keys of treatments with open acts that no payer of the patient is due a guide of."""
    rows = await tx.rows(
        "SELECT DISTINCT e.episode FROM charge c JOIN encounter e ON e.tenant_id = $1 AND e.id = c.encounter_id "
        f"WHERE c.tenant_id = $1 AND c.guide_id IS NULL AND c.status = 'billable' AND {belongs()}"
    )
    found = await of_episodes(tx, [row["episode"] for row in rows], today, zone)
    return [
        name
        for name, one in found.items()
        if not any(one.due(profile, today) for profile in profiles if profile.ans in one.payers)
    ]


_FOUND = """
SELECT e.patient_id || '/' || e.episode AS key, e.episode, max(c.occurred_on) AS last,
       min(c.occurred_on) FILTER (WHERE c.guide_id IS NULL) AS first_open,
       array_agg(DISTINCT g.id) FILTER (WHERE g.id IS NOT NULL) AS guides,
       bool_or(e.status = 'planned' AND e.start_at >= $3::date::timestamp AT TIME ZONE $4) AS expected,
       array(SELECT v.payer_code FROM coverage v WHERE v.tenant_id = $1 AND v.patient_id = e.patient_id) AS payers
FROM encounter e
LEFT JOIN charge c ON c.tenant_id = $1 AND c.encounter_id = e.id AND c.status = 'billable' AND {belongs}
LEFT JOIN guide g ON g.tenant_id = $1 AND g.id = c.guide_id AND g.kind = 'odonto' AND g.status <> 'cancelada'
WHERE e.tenant_id = $1 AND e.episode = ANY($2::text[]) AND e.patient_id <> '' GROUP BY e.patient_id, e.episode
"""


async def of_episodes(
    tx: Transaction, episodes: Sequence[str], today: datetime.date, zone: str
) -> dict[str, Treatment]:
    """The treatments of episodes as of `today` in `zone`, by key."""
    wanted = sorted({episode for episode in episodes if episode})
    if not wanted:
        return {}
    statuses = await _statuses(tx, wanted)
    rows = await tx.rows(_FOUND.format(belongs=belongs()), wanted, today, zone)
    return {row["key"]: _treatment(row, statuses.get(row["episode"], "")) for row in rows}


def _treatment(row: Row, status: str) -> Treatment:
    return Treatment(
        status=status,
        first_open=row["first_open"],
        last=row["last"],
        expected=bool(row["expected"]),
        guides=frozenset(row["guides"] or ()),
        payers=frozenset(row["payers"]),
    )


_BY_NUMBER = """
SELECT x.episode, r.body FROM unnest($3::text[], $4::text[], $5::text[]) AS x(episode, system, code)
CROSS JOIN LATERAL (SELECT rid FROM idx_token WHERE tenant_id = $1 AND key = $2 AND code = x.code
                    AND (system || '') = x.system OFFSET 0) t
CROSS JOIN LATERAL (SELECT body FROM resource WHERE tenant_id = $1 AND rid = t.rid AND NOT deleted OFFSET 0) r
"""


async def _statuses(tx: Transaction, episodes: Sequence[str]) -> dict[str, str]:
    """What EpisodeOfCare records say of episodes: those named by a reference, those known by a number."""
    literal = {one: one.partition("/")[2] for one in episodes if one.startswith(f"{_TYPE}/")}
    bodies = await stored(tx, _TYPE, list(literal.values()))
    found = {one: str(bodies[identity].get("status", "")) for one, identity in literal.items() if identity in bodies}
    numbered = [(one, *one.split("|", 1)) for one in episodes if "|" in one]
    columns = [list(column) for column in zip(*numbered, strict=True)] or [[], [], []]
    for row in await tx.rows(_BY_NUMBER, key_of(_TYPE, "identifier"), *columns):
        found[row["episode"]] = str(jsontext.stored(row["body"]).get("status", ""))
    return found
