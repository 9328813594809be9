"""Every segment and field a version knows for an event has a place or a reason, for every message type that is served.

A message is made of each structure: all segments once, in order, all fields filled by their type.
"""

from __future__ import annotations

from collections import Counter

import pytest

from fhir.terminology import known
from hl7 import er7
from hl7.er7 import Message
from hl7.structure import _TOKEN, _branches, _split
from hl7.versions.table import Item, Version, version_named
from hub.records.drafts.offline import bundle
from mappings.reading.engine import translate
from mappings.tables.serving import plans

TYPES = {
    "CX": "N7^^^HOSP^PI", "XPN": "Souza^Ana", "PN": "Souza^Ana", "XCN": "123^Lima^Rui^^^^^^CRM-SP", "CN": "123^Lima^Rui",
    "XAD": "Rua A 1^^Recife^PE^50000-000^BRA", "AD": "Rua A 1^^Recife^PE", "XTN": "^PRN^PH^^55^81^33334444",
    "PL": "UTI^1^2^HOSP", "XON": "Org^^^^^HOSP^XX^^^9", "CQ": "1^mL", "MO": "10.00^BRL", "CP": "10.00&BRL", "TQ": "1^BID",
    "ED": "^application^pdf^Base64^JVBERi0xLjQ=", "DT": "20260101", "TM": "1000", "DTM": "20260101100000",
    "TS": "20260101100000", "NM": "1", "SI": "1", "DR": "20260101^20260102", "RI": "BID", "PPN": "123^Lima^Rui", "SN": "^1",
    "CM_PRACTITIONER": "123&Lima&Rui", "PLN": "123^CRM",
}  # fmt: skip
FIELDS = {
    "PID-3": "N1^^^HOSP^MR", "PV1-2": "I", "ORC-1": "NW", "OBX-2": "ST", "OBX-11": "F", "FT1-6": "CG", "MFE-1": "MAD",
    "MFE-4": "K1", "MRG-1": "N2^^^HOSP^MR", "RXA-20": "CP", "PRB-1": "AD", "GOL-1": "AD", "PTH-1": "AD", "MSA-1": "AA",
    "QAK-2": "OK", "EVN-1": "", "FT1-7": "40301630^Hemograma^TUSS", "PRB-3": "I10^Hipertensão^I10", "DG1-3": "I10^H^I10",
}  # fmt: skip
SILENT = {"MSH", "DSC", "ANY"}
WITHOUT_CONTENT = {
    "MFN^M01": {"MFE"},
    "MFN^M13": {"MFE"},
    "MFN^M15": {"MFE"},
}  # a master file without segments of its own


def value(place: str, item: Item) -> str:
    if place in FIELDS:
        return FIELDS[place]
    if item.type in TYPES:
        return TYPES[item.type]
    if item.type in ("EI", "EIP"):
        return f"{place}^HIS"
    table = known.system(f"http://terminology.hl7.org/CodeSystem/v2-{item.table}") if item.table else None
    code = next((c.code for c in table.concepts() if c.code != "..."), "X") if table else "X"  # `...`: none
    return f"{code}^Nome^HL7{item.table}" if item.type in ("CE", "CWE", "CNE") and item.table else code


def names(tokens: list[str]) -> list[str]:
    """The segments of a structure, each choice by its first branch."""
    found = []
    for part in _split(tokens):
        inner = _branches(part[1:-1])[0] if part[0] == "<" else part[1:-1]
        found += part if len(part) == 1 else names(inner)
    return [name for name in found if len(name) == 3 and name not in SILENT]


def made(kind: str, version: Version, structure: str) -> Message:
    lines = [f"MSH|^~\\&|HIS|HOSP|PONTE|HUB|20260101100000||{kind}^{structure}|C1|P|{version.name}"]
    for name in names(_TOKEN.findall(version.structures[structure])):
        fields = version.segments.get(name, {})
        told = {n: value(f"{name}-{n}", item) for n, item in fields.items() if item.use != "X"}
        lines.append("|".join([name, *(told.get(n, "") for n in range(1, max(fields, default=0) + 1))]))
    message = er7.read(("\r".join(lines) + "\r").encode())
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize("version", ["2.3.1", "2.8.2"])
def test_everything_a_version_knows_is_mapped_or_declared(version: str) -> None:
    tables = version_named(version)
    assert tables is not None
    left: dict[str, set[str]] = {}
    judged = Counter[str]()
    for kind in plans():
        code, _, event = kind.partition("^")
        structure = tables.structure_of(code, event, "")
        if not structure:
            continue
        message = made(kind, tables, structure)
        translation = translate(message, zone="America/Sao_Paulo")
        fates = translation.account.fate
        lost = {segment.name for segment in message.segments if fates[segment.index] == "unmapped"}
        lost |= {p.where.split("#")[0] + "-" + p.where.rpartition("-")[2] for p in translation.problems if p.code == "field.unmapped"}  # fmt: skip
        lost |= {f"R4 {p.where}" for p in bundle(translation.drafts, "s")[1] if p.code.startswith("fhir.")}
        judged[structure] += 1
        if lost - WITHOUT_CONTENT.get(kind, set()):
            left[kind] = lost
    assert left == {} and judged.total() > 60
