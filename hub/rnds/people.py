"""Professionals as RNDS knows them: CNS and CBO, from the record, from its register elsewhere, or from the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from canonical import codes, identifiers
from hub.records.reading import Body, bodies
from hub.rnds.settings import Settings
from hub.store.database import Transaction

RESPONSIBLE = "Practitioner/responsible"  # no record has this id: it stands for the settings' own professional


def references(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every Reference to a professional within records."""
    if isinstance(node, Mapping):
        if str(node.get("reference", "")).startswith(("Practitioner/", "PractitionerRole/")):
            yield node
        for value in node.values():
            yield from references(value)
    elif isinstance(node, Sequence) and not isinstance(node, str | bytes):
        for value in node:
            yield from references(value)


async def known(tx: Transaction, settings: Settings, found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """CNS and CBO of the professionals referred to, by reference; what is not known is left out."""
    names = list(dict.fromkeys(str(one["reference"]) for one in found))
    records = await bodies(tx, names)
    roles = {name: body for name, body in records.items() if body.get("resourceType") == "PractitionerRole"}
    behind = [str(role.get("practitioner", {}).get("reference", "")) for role in roles.values()]
    records |= await bodies(tx, [name for name in behind if name and name not in records])
    people: dict[str, dict[str, str]] = {}
    for one in found:
        name = str(one["reference"])
        role = roles.get(name, {})
        person = records.get(str(role.get("practitioner", {}).get("reference", ""))) if role else records.get(name)
        numbers = [*((one.get("identifier") and [one["identifier"]]) or []), *((person or {}).get("identifier") or [])]
        made = _person(settings, numbers, (role, person or {}))
        if made:
            people.setdefault(name, {}).update({k: v for k, v in made.items() if v})
    if settings.professional:
        people[RESPONSIBLE] = dict(settings.professional)
    return people


def _person(settings: Settings, numbers: Sequence[Mapping[str, Any]], records: tuple[Body, Body]) -> dict[str, str]:
    """What is known of one professional; the tenant's own table adds to it by `system|value`."""
    said = [settings.professionals.get(f"{n.get('system', '')}|{n.get('value', '')}", {}) for n in numbers]
    cns = _cns(numbers) or next((one["cns"] for one in said if one.get("cns")), "")
    own = next(
        (settings.professionals[f"{codes.CNS}|{cns}"] for _ in (1,) if f"{codes.CNS}|{cns}" in settings.professionals),
        {},
    )
    cbo = _cbo(records) or next((one["cbo"] for one in (*said, own) if one.get("cbo")), "")
    if not cbo and cns and cns == settings.professional.get("cns"):
        cbo = settings.professional.get("cbo", "")
    return {"cns": cns, "cbo": cbo} if cns or cbo else {}


def _cns(numbers: Sequence[Mapping[str, Any]]) -> str:
    known_as = codes.aliases(codes.CNS)
    values = (identifiers.compact(str(n.get("value", ""))) for n in numbers if n.get("system") in known_as)
    return next((value for value in values if identifiers.is_cns(value)), "")


def _cbo(records: tuple[Body, Body]) -> str:
    """The occupation of a PractitionerRole, else of a qualification."""
    role, person = records
    concepts = [*role.get("code", ()), *role.get("specialty", ())]
    concepts += [q.get("code", {}) for q in person.get("qualification", ())]
    known_as = codes.aliases(codes.CBO)
    found = (
        c.get("code", "") for concept in concepts for c in concept.get("coding", ()) if c.get("system") in known_as
    )
    return next((identifiers.compact(code) for code in found if identifiers.is_cbo(identifiers.compact(code))), "")
