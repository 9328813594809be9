"""Which codes the published HL7 tables hold: R4 brings them in the edition of 2.9, with those of all versions before.

LOINC and SNOMED CT are known by the form of their codes. A system is claimed only for its own codes: a terminology
server refuses any other, and a partner who looks a code up would be told that it does not exist. A house's own code
stays as sent, without the system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from canonical import codes as systems
from canonical import identifiers
from fhir.terminology import known
from mappings.convert.registry import Context, Value
from mappings.tables.table import codes

_OPEN = re.compile(r"<(?!null)[^>]*>|x{3}\Z|\Ax(?=[A-Z])")  # in `Q<integer>H`, `PRNxxx` and `xID`
_LOINC = re.compile(r"(?:[0-9]{1,7}|L[A-Z][0-9]{1,7})-[0-9]|MTHU[0-9]+")  # with the part and answer codes
# Tables that take their codes from ISO 3166 and ISO 639: a word of a sender (`BRASILEIRA`) is none of them.
_FORMS = {
    **dict.fromkeys(("0171", "0212"), re.compile(r"[A-Za-z]{2,3}|[0-9]{3}")),
    "0296": re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{2})?"),
}
_SNOMED = re.compile(r"[0-9]{6,18}(?![0-9A-Za-z.-]).*")  # a concept, or an expression that begins with one
_CLAIMED = tuple(systems.local_codes(name) for name in ("HL70", "LN", "LOINC", "MDC", "SCT", "SNM", "SNOMED"))
_CONCEPTS = systems.coding_system("SCT")
_SIGTAP = systems.coding_system("SIGTAP")
_PRINTED = re.compile(r"[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}\.[0-9]{2,3}-[0-9]\Z")  # as CBHPM, TUSS and SIGTAP are printed
_DEVICES = systems.coding_system("MDC")  # ISO/IEEE 11073-10101
Claims = tuple[tuple[str, str], ...]
_DEFINED = "hl7-defined"
_DOUBTFUL = "hl7-doubtful"


@lru_cache(maxsize=8192)  # a feed says the same few thousand codes again and again
def placed(name: str, code: str, table: str = "") -> tuple[str, str]:
    """System and code of what a sender wrote in a system it names (CWE-3), else in the field's own `table` (`HL70487`).

    A code that differs from the table's by its case alone is the table's. One that a named HL7 table lacks is in a
    local system of the table's name; one that the field's own table lacks, in none. CID-10 is without its dot, as in
    a diagnosis, so that one search finds both.
    """
    system = systems.coding_system(name or table, code)
    if system == systems.CID10 and identifiers.is_cid10(whole := identifiers.compact(code)):
        return system, whole
    if _PRINTED.match(code) and (system.startswith(systems.TUSS) or system == _SIGTAP):
        return system, identifiers.compact(code)
    if holds(system, code) is not False:
        return system, code
    for written in (code.upper(), code.capitalize()):
        if holds(system, written):
            return system, written
    return (systems.local_codes(name) if name else ""), code


def by_number(name: str, code: str, display: str) -> tuple[str, str]:
    """Code and display of a device's term: those of ISO/IEEE 11073-10101 are numbers, their `MDC_…` reference is shown.

    Senders that put the reference first mean the number behind it.
    """
    turned = name.upper() == "MDC" and code.startswith("MDC") and display.isdigit()
    return (display, code) if turned else (code, display)


def alone(table: str, code: str, display: str = "", name: str = "") -> dict[str, Any]:
    """A code as a Coding that stands by itself (a class, a label) and needs a system: a local one for an own code."""
    found = coding_of(table, code, display, name)
    return found if "system" in found else {"system": systems.local_codes(f"HL7{table}"), **found}


def coding_of(table: str, code: str, display: str = "", name: str = "") -> dict[str, Any]:
    """A code as Coding: in the system the sender names, else in the table (four digits) where that has it."""
    system, code = placed(name, " ".join(code.split()), f"HL7{table}")
    system = "" if not name and (doubtful(table, code, display) or of_the_house(table, code, display)) else system
    return {**({"system": system} if system else {}), "code": code, **({"display": display} if display else {})}


def doubtful(table: str, code: str, words: str = "") -> bool:
    """Whether a code of an HL7 table (`0163`) is an abbreviation of another meaning in Brazil, by
    `codes/hl7-doubtful.csv`: `LD`, lado direito, is no left deltoid. The table's words beside it settle it."""
    meanings = codes(_DOUBTFUL).get(f"{table}:{code.upper()}")
    return meanings is not None and words.strip().casefold() not in meanings.casefold().split("|")


def of_the_house(table: str, code: str, words: str) -> bool:
    """Whether a number is the house's own for a table that the house defines (`codes/hl7-defined.csv`): its words are
    not those of the code that HL7 suggests by that number (`1^PRONTO SOCORRO` is no physician's referral)."""
    if not words or not code.isdigit() or codes(_DEFINED).get(table) != "user":
        return False
    listed = known.system(f"{systems.V2}{table}")
    suggested = listed.find(code) if listed else None
    return suggested is not None and words.strip().casefold() != (suggested.display or "").casefold()


def holds(system: str, code: str) -> bool | None:
    """Whether a published HL7 table has the code, or it has the form of a code of LOINC or SNOMED CT, of a device's
    term, or of the codes of countries and languages; None for other systems, and for tables without published codes."""
    if system == systems.LOINC:
        return _LOINC.fullmatch(code) is not None
    if system == _CONCEPTS:
        return _SNOMED.fullmatch(code) is not None
    if system == _DEVICES:
        return code.isascii() and code.isdigit()
    if not system.startswith(systems.V2):
        return None
    listed = known.system(system)
    if listed is None:
        form = _FORMS.get(system.removeprefix(systems.V2))
        return None if form is None else form.fullmatch(code) is not None
    return listed.find(code) is not None or any(pattern.fullmatch(code) for pattern in _patterns(system))


def table_has(table: str, code: str) -> bool | None:
    """Whether an HL7 table (`0001`) has the code; None where the house defines it, or none of its codes is known."""
    if codes(_DEFINED).get(table) == "user":
        return None
    return holds(f"{systems.V2}{table}", code)


@cache
def _patterns(system: str) -> tuple[re.Pattern[str], ...]:
    """The codes of a table that stand for many, as patterns."""
    listed = known.system(system)
    forms = [_OPEN.split(concept.code) for concept in listed.concepts()] if listed else []
    return tuple(re.compile(".+".join(map(re.escape, parts))) for parts in forms if len(parts) > 1)


def claims(codings: Iterable[dict[str, str]]) -> Claims:
    """The codes that the table or LOINC, which the sender names for them, does not have, each behind that name."""
    systems_and_codes = ((coding.get("system", ""), coding["code"]) for coding in codings)
    return tuple((system.rsplit(":", 1)[-1], code) for system, code in systems_and_codes if system.startswith(_CLAIMED))


def tell_claims(value: Value, context: Context, claimed: Claims) -> None:
    """Report what `claims` found, but for tables that the house extends."""
    for table, code in claimed:
        if context.codes(_DEFINED).get(table.removeprefix("hl7")) != "user":
            context.problems.append(value.problem("code.own", table=table, code=code[:20]))


def tell_own(value: Value, context: Context, table: str, code: str, words: str = "") -> None:
    """Report a code that the table lacks, where HL7 and not the house defines the table (`codes/hl7-defined.csv`), and
    one that means something else in Brazil than in the table."""
    if code and doubtful(table[3:], code, words):
        context.problems.append(value.problem("code.two-meanings", table=table.lower(), code=code[:20]))
    elif code and context.codes(_DEFINED).get(table[3:]) == "hl7" and not placed("", code, table)[0]:
        context.problems.append(value.problem("code.own", table=table.lower(), code=code[:20]))
