"""The team of a charged act: who took part and in which degree (table 35), as equipe and profissionais name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canonical.codes import TUSS
from canonical.problem import Problem
from hub.billing.visit.professionals import occupation, professional
from mappings.billing.guide_values import longest
from mappings.tables.table import codes

Body = Mapping[str, Any]
_DEGREES = f"{TUSS}35"
_NEEDED = {"council": "conselho", "number": "número no conselho", "state": "UF", "cbo": "CBO", "name": "nome"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known around a team: practitioners by id, the provider's state, the system of codes at the payer."""

    practitioners: Mapping[str, Body]
    state: str
    code_system: str


def team(charge: Body, procedures: Sequence[Body], code: str, known: Known) -> list[dict[str, str]]:
    """Who took part in a charged act, most senior first; `code` is the act's own.

    The charge's performers and those of the procedures it bills, each once; a degree told anywhere counts. Who alone
    performed and has no degree has that of the act's chapter.
    """
    entries = [*charge.get("performer", ()), *(p for body in procedures for p in body.get("performer", ()))]
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for entry in entries:
        member = _member(entry, known)
        key = tuple(member.get(name, "") for name in ("council", "number", "state", "cpf", "code"))
        if any(key):
            found[key] = found.get(key, {}) | member
    members = list(found.values())
    if len(members) == 1 and "degree" not in members[0] and (usual := longest("tiss-grau-capitulo", code)):
        members[0] |= {"degree": usual, "assumed": "S"}
    return sorted(members, key=lambda member: member.get("degree", "99"))


def _member(entry: Body, known: Known) -> dict[str, str]:
    member = professional(entry.get("actor"), known.practitioners, known.state, known.code_system)
    if cbo := occupation(entry):
        member["cbo"] = cbo
    if degree := _degree(entry.get("function", {}).get("coding", ())):
        member["degree"] = degree
    return member


def _degree(codings: Iterable[Body]) -> str:
    named = [(str(coding.get("system", "")), str(coding.get("code", ""))) for coding in codings]
    told = next((code for system, code in named if system == _DEGREES and code), "")
    return told.zfill(2) if told else next((d for _, code in named if (d := codes("tiss-grau").get(code, ""))), "")


def contracted(member: Mapping[str, str]) -> dict[str, str]:
    """The member with the one number a guide may carry: the code at the payer, else the CPF."""
    left = {"assumed", *(("cpf",) if member.get("code") else ())}
    return {name: value for name, value in member.items() if name not in left}


def complete(
    members: Iterable[Mapping[str, str]], place: str, *, needed: bool
) -> tuple[list[dict[str, str]], list[Problem]]:
    """Those a guide can name, and a finding for each whose degree was told, or is `needed`, and who lacks something."""
    whole: list[dict[str, str]] = []
    problems: list[Problem] = []
    for position, member in enumerate(members, start=1):
        lacking = [words for name, words in _NEEDED.items() if not member.get(name)]
        if not (member.get("code") or member.get("cpf")):
            lacking.insert(0, "CPF ou código na operadora")
        if not lacking:
            whole.append(contracted(member))
        elif needed or (member.get("degree") and "assumed" not in member):
            told = (("degree", member.get("degree", "-")), ("lacking", ", ".join(lacking)))
            problems.append(Problem("guide.team", f"{place}.performer[{position}]", args=told))
    if needed and not whole:
        problems.append(Problem("guide.no-team", place))
    return whole, problems
