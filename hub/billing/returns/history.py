"""What the tenant's own statements say of items like these: denied in x of y cases, under which glosa, for how much.

Counted from the judged lines of the last months, item by item: payer, table, code, professional, and the glosa a
finding of the check would become. Below the payer's minimum of cases nothing is said.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from canonical.billing import money
from canonical.problem import Problem
from hub.billing.guide.claims import professional_name
from hub.billing.profiles import PayerProfile
from hub.billing.writing import glosa_name
from hub.store.database import Transaction
from mappings.billing.record_values import professional
from tiss.rules import billed
from tiss.wire.message import Tiss

_COUNTED = """
SELECT k.n, c.* FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS k(tiss_table, code, professional, n)
CROSS JOIN LATERAL (
    SELECT count(*) AS cases, count(*) FILTER (WHERE l.denied_cents > 0) AS denied,
           coalesce(sum(l.denied_cents), 0)::bigint AS cents,
           count(*) FILTER (WHERE l.professional = k.professional) AS own_cases,
           count(*) FILTER (WHERE l.professional = k.professional AND l.denied_cents > 0) AS own_denied
    FROM statement_line l WHERE l.tenant_id = $1 AND l.payer_id = $2 AND l.code = k.code
    AND l.tiss_table = k.tiss_table AND l.judged_on >= $6 AND NOT l.replaced
) c
"""
_GLOSAS = """
SELECT k.n, d.glosa_code, count(*) AS times, sum(d.amount_cents)::bigint AS cents,
       coalesce(sum(d.granted_cents), 0)::bigint AS granted
FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS k(tiss_table, code, n)
CROSS JOIN LATERAL (
    SELECT l.id FROM statement_line l WHERE l.tenant_id = $1 AND l.payer_id = $2 AND l.code = k.code
    AND l.tiss_table = k.tiss_table AND l.judged_on >= $5 AND NOT l.replaced AND l.denied_cents > 0 OFFSET 0
) l
JOIN denial d ON d.tenant_id = $1 AND d.statement_line_id = l.id
GROUP BY k.n, d.glosa_code ORDER BY k.n, count(*) DESC, sum(d.amount_cents) DESC, d.glosa_code
"""

Args = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item as history knows it; `professional` is council and number (`crm-sp 123456`), empty when not told."""

    table: str
    code: str
    professional: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How often one glosa was applied, its cents, and those won back by appeals."""

    glosa: str
    times: int
    cents: int
    granted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was judged of an item in the payer's months: cases and how many were denied, those of the professional."""

    cases: int = 0
    denied: int = 0
    cents: int = 0
    own_cases: int = 0
    own_denied: int = 0
    glosas: tuple[Times, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The figures as the API and the command line tell them."""
        glosas = [
            {
                "code": g.glosa,
                "name": glosa_name(g.glosa),
                "times": g.times,
                "cents": g.cents,
                "granted_cents": g.granted,
            }
            for g in self.glosas
        ]
        return {
            "cases": self.cases,
            "denied": self.denied,
            "denied_cents": self.cents,
            "professional_cases": self.own_cases,
            "professional_denied": self.own_denied,
            "glosas": glosas,
        }


def since(profile: PayerProfile, today: datetime.date) -> datetime.date:
    """The first day of the payer's months."""
    month = today.year * 12 + today.month - 1 - profile.terms.months
    return datetime.date(month // 12, month % 12 + 1, min(today.day, 28))


async def seen(tx: Transaction, profile: PayerProfile, items: Iterable[Item], today: datetime.date) -> dict[Item, Seen]:
    """What was judged of each item; nothing for a payer whose history is switched off."""
    wanted = sorted({item for item in items if item.code}, key=lambda item: (item.table, item.code, item.professional))
    if not wanted or not profile.terms.months:
        return {}
    first = since(profile, today)
    columns = [item.table for item in wanted], [item.code for item in wanted]
    counted = await tx.rows(_COUNTED, profile.partner.id, *columns, [item.professional for item in wanted], first)
    glosas: dict[int, list[Times]] = {}
    if any(row["denied"] for row in counted):
        for row in await tx.rows(_GLOSAS, profile.partner.id, *columns, first):
            times = Times(glosa=row["glosa_code"], times=row["times"], cents=row["cents"], granted=row["granted"])
            glosas.setdefault(row["n"], []).append(times)
    return {
        wanted[row["n"] - 1]: Seen(
            cases=row["cases"],
            denied=row["denied"],
            cents=row["cents"],
            own_cases=row["own_cases"] if wanted[row["n"] - 1].professional else 0,
            own_denied=row["own_denied"] if wanted[row["n"] - 1].professional else 0,
            glosas=tuple(glosas.get(row["n"], ())),
        )
        for row in counted
    }


def findings(
    profile: PayerProfile,
    places: Sequence[tuple[str, Item]],
    known: Mapping[Item, Seen],
    warned: Iterable[Problem] = (),
) -> list[Problem]:
    """What is worth a warning of items (place, item), each table and code once; never blocks.

    `warned` are the check's own findings: where the glosa one would become was applied to such an item, it says so.
    """
    rules = {glosa: problem.code for problem in warned if (glosa := dict(problem.args).get("glosa", ""))}
    found: list[Problem] = []
    told: set[Item] = set()
    for where, item in places:
        if item in told or item not in known:
            continue
        told.add(item)
        found += _of_item(profile, where, (item, known[item]), rules)
    return found


def _of_item(profile: PayerProfile, where: str, one: tuple[Item, Seen], rules: Mapping[str, str]) -> Iterable[Problem]:
    item, counted = one
    asked = profile.terms
    base = (("table", item.table), ("code", item.code), ("months", str(asked.months)))
    if _enough(profile, counted.cases, counted.denied):
        yield Problem("history.item", where, args=(*base, *_said(counted.denied, counted.cases, counted)))
    if _enough(profile, counted.own_cases, counted.own_denied) and _worse(counted):
        said = _said(counted.own_denied, counted.own_cases, counted)
        yield Problem("history.professional", where, args=(*base, ("professional", item.professional), *said))
    for times in counted.glosas if counted.cases >= asked.minimum else ():
        if times.glosa in rules:
            said = (("glosa", times.glosa), ("denied", str(times.times)), ("cases", str(counted.cases)))
            rule = (("rule", rules[times.glosa]), ("value", money(times.cents)))
            yield Problem("history.rule", where, args=(*base, *rule, *said))


def _enough(profile: PayerProfile, cases: int, denied: int) -> bool:
    return cases >= profile.terms.minimum and denied > 0 and denied * 100 >= profile.terms.percent * cases


def _worse(counted: Seen) -> bool:
    """Whether the professional's share is above that of all."""
    return counted.own_denied * counted.cases > counted.denied * counted.own_cases


def _said(denied: int, cases: int, counted: Seen) -> Args:
    top = counted.glosas[0] if counted.glosas else Times(glosa="-", times=0, cents=counted.cents, granted=0)
    name = glosa_name(top.glosa)
    said = (("glosa", f"{top.glosa} {name}".strip()), ("value", money(top.cents)))
    return (("denied", str(denied)), ("cases", str(cases)), *said)


async def of_guides(
    tx: Transaction, profile: PayerProfile, guide_ids: Sequence[UUID], today: datetime.date
) -> list[Problem]:
    """What history says of the items of stored guides, each table and code once: how a batch is told."""
    rows = await tx.rows(
        "SELECT g.number, g.professional, i.sequence, i.tiss_table, i.code FROM guide g "
        "JOIN guide_item i ON i.tenant_id = $1 AND i.guide_id = g.id "
        "WHERE g.tenant_id = $1 AND g.id = ANY($2::uuid[]) ORDER BY length(g.number), g.number, i.sequence",
        list(guide_ids),
    )
    places = [
        (
            f"guia {row['number']}/item[{row['sequence']}]",
            Item(table=row["tiss_table"], code=row["code"], professional=row["professional"]),
        )
        for row in rows
    ]
    return findings(profile, places, await seen(tx, profile, [item for _, item in places], today))


async def tell(tx: Transaction, profile: PayerProfile, item: Item, today: datetime.date) -> dict[str, Any]:
    """The figures of one item, and what the check would say of it, as the API and the command line tell them."""
    known = await seen(tx, profile, [item], today)
    found = findings(profile, [("item", item)], known)
    return {
        "payer": profile.ans,
        "table": item.table,
        "code": item.code,
        "professional": item.professional,
        "since": since(profile, today).isoformat(),
        **known.get(item, Seen()).as_json(),
        "findings": [problem.as_json() for problem in found],
    }


async def of_file(
    tx: Transaction, profile: PayerProfile, message: Tiss, found: Iterable[Problem], today: datetime.date
) -> list[Problem]:
    """What history says of the items of a file of any system; `found` are the check's own findings."""
    places = [
        (one.where, Item(table=one.table, code=one.code, professional=_professional(one)))
        for one in billed.items(message)
    ]
    return findings(profile, places, await seen(tx, profile, [item for _, item in places], today), found)


def _professional(one: billed.Billed) -> str:
    told = {"conselhoProfissional": one.council, "numeroConselhoProfissional": one.number, "UF": one.state}
    return professional_name(professional(told, ""))
