"""What other versions have that 2.5.1 has not, fields and parts of fields, is read, told or declared too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hl7.er7 import Segment
from hl7.versions.table import Item, Version, version_named
from mappings.reading.parts import reason_for
from mappings.tables.plan import Plan
from mappings.tables.serving import plan_for, plans
from tests.mappings.accounted.test_hl7_every_part import AROUND, COMMON, Audit, Part, alone, parts_of, rows_of, told
from tests.mappings.accounted.test_hl7_every_segment import made

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.6", "2.7", "2.8.2")
NEARER = {"2.1": "2.2", "2.2": "2.3", "2.3": "2.3.1", "2.3.1": "2.4", "2.7": "2.6", "2.8.2": "2.7"}
APART = {"PRT", "ARV", "SFT", "UAC", "VAR", "CTI", "BLG"}  # many and the same below each group
BELOW = {"ORU^R01": ("PRT",), "RAS^O17": ("PRT",), "ADT^A01": ("PRT", "ARV")}  # some of those groups
SHOWN = {("XAD", (16, 1)), ("XAD", (17, 1))}  # Y or N: `test_an_address_that_is_temporary_or_bad`
SHOWN |= {(kind, (oid, 1)) for kind in ("CWE", "CNE") for oid in (14, 17, 20)}  # `test_a_coding_system_by_its_oid`


def numbered(segment: Segment) -> str:
    """The segment with people and organizations of its own in each field."""
    found = []
    for number, raw in enumerate(segment.raw.split("|")):
        unique = f"{segment.index}{number:02}"
        found.append(raw.replace("XX^^^9", f"XX^^^9{unique}").replace("123^Lima", f"{unique}123^Lima"))
    return "|".join(found)


def new_parts(name: str, number: int, item: Item, version: Version) -> list[Part]:
    """The parts of a field that neither 2.5.1 nor the next version on the way there has in its place."""
    known: set[Part] = set()
    for base in (version_named("2.5.1"), version_named(NEARER.get(version.name, "2.5.1"))):
        assert base is not None
        old = base.segments.get(name, {}).get(number)
        known |= {part for part, _ in parts_of(old.type, base)} if old is not None else set()
    parts = [part for part, _ in parts_of(item.type, version)]
    new = [part for part in parts if part not in known and (item.type, part) not in SHOWN]
    return new if len(parts) > 1 else []


def undeclared(
    version: Version, kinds: dict[str, tuple[str, ...]], seen: set[object]
) -> tuple[dict[str, list[Part]], int]:
    """The new parts of a version's fields without effect or reason, and how many were tried."""
    lost: dict[str, list[Part]] = {}
    tried = 0
    for kind, only in kinds.items():
        code, _, event = kind.partition("^")
        structure, plan = version.structure_of(code, event, ""), plan_for(kind)
        if not structure or plan is None or (version.name, plan.name, structure) in seen:
            continue
        seen.add((version.name, plan.name, structure))
        for place, item, audit, parts in audited(kind, version, plan, only, seen):
            tried += len(parts)
            found = audit.silent(item.type, place, version, parts)
            if found:
                lost[place] = sorted({*lost.get(place, []), *found})
    return lost, tried


def audited(
    kind: str, version: Version, plan: Plan, only: tuple[str, ...], seen: set[object]
) -> Iterator[tuple[str, Item, Audit, list[Part]]]:
    code, _, event = kind.partition("^")
    message = made(kind, version, version.structure_of(code, event, ""))
    kept = [
        s
        for s in message.segments
        if s.name in only or s.name in ("MSH", "EVN", *AROUND) or not (only or s.name in APART)
    ]
    lines, read = [numbered(segment) for segment in kept], None
    for at, segment in enumerate(kept[1:], start=1):
        if only and segment.name not in only:
            continue
        for number, item in version.segments.get(segment.name, {}).items():
            rows = rows_of(plan, segment.name, number)
            parts = [
                part
                for part in new_parts(segment.name, number, item, version)
                if (segment.name, number, part, rows) not in seen and not reason_for(f"{segment.name}-{number}", *part)
            ]
            if not parts or not segment.raw_field(number):
                continue
            seen.update((segment.name, number, part, rows) for part in parts)
            read = read if read is not None else told(lines)[2]
            if read.get(at + 1, 0) >> number & 1:
                yield f"{segment.name}-{number}", item, Audit(*alone(lines, at, read), number), parts


def test_new_parts_of_the_common_segments() -> None:
    seen = set[object]()
    lost, tried = {}, 0
    for name in VERSIONS:
        version = version_named(name)
        assert version is not None
        lost[name], more = undeclared(version, COMMON, seen)
        tried += more
    assert {name: found for name, found in lost.items() if found} == {} and tried > 200


def test_new_parts_of_participations_and_restrictions() -> None:
    seen = set[object]()
    tried = 0
    for name in ("2.6", "2.7", "2.8.2"):
        version = version_named(name)
        assert version is not None
        lost, more = undeclared(version, BELOW, seen)
        assert lost == {}, name
        tried += more
    assert tried > 30


@pytest.mark.slow
@pytest.mark.parametrize("name", VERSIONS)
def test_new_parts_of_every_field_that_is_read(name: str) -> None:
    version = version_named(name)
    assert version is not None
    assert undeclared(version, dict.fromkeys(plans(), ()), set())[0] == {}


def test_a_person_in_subcomponents_as_up_to_2_2() -> None:
    lines = [
        "MSH|^~\\&|A|B|C|D|20261122||ADT^A01|1|P|2.2",
        "PID|||7^^^H||Souza^Ana",
        "PV1||I|4N",
        "PR1|1|L|1234|Exame|20261122||||||41&Reis&Nora^S|52&Melo&Rui^E",
    ]
    drafts = told(lines)[1]
    assert "'value': '52'" in drafts and "Rui Melo" in drafts and "52&Melo" not in drafts


@pytest.mark.parametrize(("parts", "use"), [("Y", "temp"), ("N^Y", "old"), ("N^N", "home")])
def test_an_address_that_is_temporary_or_bad(parts: str, use: str) -> None:
    kind = "H" if use == "home" else ""
    pid = f"PID|||7^^^H||Souza^Ana||||||Rua A 1^^Recife^PE^50000-000^BRA^{kind}{'^' * 9}{parts}"
    drafts = told(["MSH|^~\\&|A|B|C|D|20261122||ADT^A31|1|P|2.8.2", pid])[1]
    assert f"'use': '{use}'" in drafts


@pytest.mark.parametrize(
    ("code", "oid", "system"),
    [
        ("2345-7", "2.16.840.1.113883.6.1", "http://loinc.org"),
        ("A", "2.16.840.1.113883.12.206", "http://terminology.hl7.org/CodeSystem/v2-0206"),
        ("77", "1.2.840.99999.7", "urn:oid:1.2.840.99999.7"),
    ],
)
def test_a_coding_system_by_its_oid(code: str, oid: str, system: str) -> None:
    """CWE-14, 17 and 20 name the system where CWE-3, 6 and 12 do not."""
    coded = "^".join([code, "Glicose", "", "X1", "Outro", *[""] * 8, oid, "", "", "1.2.840.99999.8"])
    lines = ["MSH|^~\\&|A|B|C|D|20261122||ORU^R01|1|P|2.8.2", "PID|||7^^^H||Souza^Ana", "OBR|1||F1|X^Exame^L"]
    drafts = told([*lines, f"OBX|1|NM|{coded}||92|mg/dL|||||F"])[1]
    assert f"'code': '{code}', 'system': '{system}'" in drafts
    assert "'code': 'X1', 'system': 'urn:oid:1.2.840.99999.8'" in drafts


@pytest.mark.parametrize("role", ["PI", "PRI", "AI", "ARI"])
def test_who_interprets_a_report_by_a_participation(role: str) -> None:
    """Up to 2.6 it is OBR-32 and OBR-33, from 2.7 on a PRT."""
    lines = ["MSH|^~\\&|A|B|C|D|20261122||ORU^R01|1|P|2.8.2", "PID|||7^^^H||Souza^Ana", "OBR|1||F1|X^Exame^L"]
    drafts = told([*lines, f"PRT|1|UC||{role}^Interprete^HL70912|41^Reis^Nora"])[1]
    assert "'resultsInterpreter': [{" in drafts and "'value': '41'" in drafts
    assert "resultsInterpreter" not in told([*lines, "PRT|1|UC||TN^Tecnico^HL70912|41^Reis^Nora"])[1]


def test_who_entered_a_prescription_by_a_participation() -> None:
    lines = ["MSH|^~\\&|A|B|C|D|20261122||OMP^O09|1|P|2.8.2", "PID|||7^^^H||Souza^Ana", "ORC|NW|P1"]
    drafts = told([*lines, "PRT|1|UC||EP^Digitador^HL70912|41^Reis^Nora", "RXO|1^Dipirona^L|500||mg"])[1]
    assert "'recorder': {" in drafts and "'value': '41'" in drafts
