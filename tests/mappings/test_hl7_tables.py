"""The mapping tables are complete: targets exist in R4, sources and conversions exist, every code is decided."""

from __future__ import annotations

import ast
import csv
from pathlib import Path

import pytest

from canonical.problem import catalogue
from fhir.definitions.table import type_named
from mappings.convert import CONVERSIONS, GATHERERS
from mappings.reading.program import program
from mappings.tables.serving import plans
from mappings.tables.table import HERE, TableError, codes, table

TABLES = sorted(path.stem for path in (HERE / "hl7").glob("*.csv") if path.stem != "ignored")
CODES = sorted(path.stem for path in (HERE / "codes").glob("*.csv"))
RECORDS = {(plan.name, record.name, record.anchor): record for plan in plans().values() for record in plan.records}
CODE_CONVERSIONS = ("code", "action-code", "quiet-code", "coding", "concept", "concept-or-own")
ASKED = [
    *(f"ADT^A{n:02}" for n in range(1, 63) if n not in (19, *range(56, 60))), "QRY^A19",
    *(f"BAR^P{n}" for n in ("01", "02", "05", "06", "10", "12")), *(f"MFN^M{n}" for n in ("01", "02", "05", "08", "12")),
    *(f"PPR^PC{n}" for n in (1, 2, 3)), *(f"PGL^PC{n}" for n in (6, 7, 8)), *(f"PPP^PC{n}" for n in "BCD"),
    *(f"PPG^PC{n}" for n in "GHJ"), "QBP^Q22", "QBP^Q23", "RSP^K22", "QCN^J01", "ADR^A19",
    "ORM^O01", "OMG^O19", "OML^O21", "OML^O33", "OML^O35", "OMI^O23", "ORR^O02", "ORL^O22", "ORL^O34", "ORL^O36",
    "ORU^R01", "ORU^R30", "ORU^R32", "OUL^R22", *(f"SIU^S{n}" for n in range(12, 27) if n != 25),  # S25 is a query
    *(f"MDM^T{n:02}" for n in range(1, 12)), "DFT^P03", "DFT^P11", "RDE^O11", "RDS^O13", "RAS^O17", "VXU^V04",
    *(f"{t}^I{n}" for t in ("REF", "RRI") for n in (12, 13, 14, 15)),
]  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_table_is_sorted_and_explained(name: str) -> None:
    with (HERE / "hl7" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and [r["target"] for r in rows] == sorted(r["target"] for r in rows), "sort the rows by target"
    assert all(row["spec"] for row in rows), "name the clause of every row"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_used(name: str) -> None:
    assert any(f"hl7/{name}" in record.tables for record in RECORDS.values())


@pytest.mark.parametrize("place", RECORDS, ids=str)
def test_every_record_can_run(place: tuple[str, str, str]) -> None:
    assert program(RECORDS[place]), "paths exist in R4, conversions exist"


@pytest.mark.parametrize("place", RECORDS, ids=str)
def test_attached_segments_are_read_and_read_segments_can_be_there(place: tuple[str, str, str]) -> None:
    record = RECORDS[place]
    read = {row.source.segment for name in record.tables for row in table(name) if row.source}
    assert set(record.follow) <= read, "a segment that attaches must have a row, else it would be lost in silence"
    shared = {"MSH", "EVN", "PID", "PV1", "ORC", "OBR", "NTE", "PRT", "IN1"}
    assert read <= {record.anchor, record.without, *record.follow, *record.lead, *shared}, (
        "a row reads a segment that never comes"
    )


@pytest.mark.parametrize("place", RECORDS, ids=str)
def test_relatives_exist(place: tuple[str, str, str]) -> None:
    plan = next(p for p in plans().values() if p.name == place[0])
    names = {record.name for record in plan.records}
    record = RECORDS[place]
    assert record.merge_into in ("", *names)
    optional = {
        "specimen",
        "specimen-obr",
        "observation",
        "condition",
        "request",
        "report",
        "procedure",
        "administration",
        "document",
        "encounter",
        "immunization",
        "loser",
        "account",
        "coverage",
        "prior",
        "prior-account",
        "prior-visit",
        "subscriber",
        "guarantor",
        "patient",
    }
    wanted = {row.reference or row.children for name in record.tables for row in table(name)} - {""}
    assert wanted <= names | optional and set(record.under) <= names | optional


@pytest.mark.parametrize("name", CODES)
def test_codes_are_decided_and_sorted(name: str) -> None:
    assert codes(name) is not None
    with (HERE / "codes" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        keys = [row["from"] for row in csv.DictReader(file)]
    assert keys and len(keys) == len(set(keys))
    if name.startswith(("hl7", "adt", "siu", "br-")):
        assert keys == sorted(keys)


def test_code_tables_that_rows_name_exist() -> None:
    for name in TABLES:
        for row in table(f"hl7/{name}"):
            if row.convert in CODE_CONVERSIONS:
                assert codes(row.argument), row.place


@pytest.mark.parametrize("name", [n for n in CODES if n.startswith("hl7")])
def test_targets_of_required_bindings_are_r4_codes(name: str) -> None:
    """A mapped code must be one that R4 takes where the row puts it."""
    from fhir.definitions.table import codes as bound

    for file in TABLES:
        for row in table(f"hl7/{file}"):
            if (
                row.argument != name
                or row.convert not in ("code", "action-code", "quiet-code")
                or row.path.startswith("@")
            ):
                continue
            found = type_named(row.target.partition(".")[0])
            element = found.elements.get(row.path) if found else None
            if element is not None and element.binding:
                assert {to for to in codes(name).values() if to} <= bound(element.binding), row.place


STANDARD = {
    "hl70001-gender": "A F M N O U",
    "hl70004-class": "E I O P R B C N U",
    "hl70004-status": "E I O P R B C N U",
    "hl70009": "A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 B1 B2 B3 B4 B5 B6",
    "hl70127-type": "AA DA EA FA LA MA MC PA",
    "hl70128-severity": "MI MO SV U",
    "hl70206-allergy": "A D U X",
    "hl70206-condition": "A D U X",
    "hl70206-procedure": "A D U X",
    "hl70217": "1 2 3",
    "hl70287-condition": "AD CO DE LI UC UN UP",
    "hl70430": "A C F H O P U",
    "hl70436": "AD AL CT IN SE",
    "hl70438": "C D E I P S U",
    "hl70443-participation": "AD AI AP AT CLP CP DP EP FHCP IP MDIR OP PH PI PP RO RP RT TN TR VP VPS VTS",
    "hl70717": "ALL DEM DRG HIV LOC NO OI OO PID-17 PID-7 PSY SMD STD",
    "mfe-active": "MAC MAD MDC MDL MUP",
    "mfe-location": "MAC MAD MDC MDL MUP",
    "mfe-publication": "MAC MAD MDC MDL MUP",
    "hl70038": "A CA CM DC ER HD IP RP SC",
    "hl70038-report": "A CA CM DC ER HD IP RP SC",
    "hl70280": "A R S",
    "hl70283": "A E P R",
    "hl70283-task": "A E P R",
    "hl70119": "AF CA CH CN CP CR DC DE DF DR FU HD HR LI MC NA NW OC OD OE OF OH OK OP OR PA PR PY RE RF RL RO RP RQ RR RU "
    "SC SN SR SS UA UC UD UF UH UM UN UR UX XO XR XX",
    "hl70085": "A B C D F I N O P R S U V W X",
    "hl70123": "A C F I M N O P R S X Y Z",
    "hl70127": "AA DA EA FA LA MA MC PA",
    "hl70128": "MI MO SV U",
    "hl70017": "AJ CD CG CO PY",
    "hl70278": "Blocked Booked Cancelled Complete Deleted Discontinued Noshow Overbook Pending Started Waitlist",
    "hl70200": "A B BAD C D F I K L M MSK N NAV NB NOUSE P R REL S T TEMP U",
    "hl70201": "ASN BPN EMR NET ORN PRN PRS VHN WPN",
    "hl70202": "BP CP FX Internet MD PH SAT TDD TTY X.400",
    "hl70052": "A F W",
    "siu-event-status": "S12 S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S26",
}


@pytest.mark.parametrize("name", STANDARD)
def test_every_code_of_the_hl7_table_is_there(name: str) -> None:
    missing = set(STANDARD[name].split()) - set(codes(name))
    assert not missing, f"map these or leave their `to` empty, with who decided: {sorted(missing)}"


def test_order_control_codes_as_decided() -> None:
    table = codes("hl70119")
    guide = [
        "NW",
        "OK",
        "AF",
        "PR",
        "PY",
        "RL",
        "RO",
        "RQ",
        "HD",
        "CA",
        "HR",
        "OH",
        "CR",
        "OC",
        "DC",
        "DR",
        "OD",
        "DF",
        "FU",
    ]
    requests = ("CA", "DC", "HD", "RL", "RP", "XO", "RF")
    assert not any(table[code] for code in requests), "requests change nothing yet"
    assert table["RQ"] == table["RU"] == "revoked", "the order that was replaced no longer counts"
    others = [code for code in guide if code not in ("CA", "DC", "HD", "RL", "RQ")]
    standard = STANDARD["hl70119"].split()
    assert {code for code in standard if table[code]} == {*others, "RQ", "RU", "OE", "OR"}


def test_every_asked_message_has_a_plan() -> None:
    assert set(ASKED) <= set(plans())


def test_every_event_of_a_plan_is_in_its_tables() -> None:
    for message in plans():
        kind, _, event = message.partition("^")
        if plans()[message].name == "adt":
            parts = ("status", "must-exist", "clear", "action")
            assert all(event in codes(f"adt-event-{part}") for part in parts), message
            assert event in codes("adt-visit-active"), message
        if plans()[message].name == "adt_person":
            assert event in codes("adt-person-active") and event in codes("adt-event-must-exist"), message
        if kind == "BAR":
            assert event in codes("bar-event-status") and event in codes("bar-event-must-exist"), message
        if plans()[message].name.startswith(("adt_merge", "adt_account", "adt_visit", "adt_identifier", "adt_link")):
            assert any(codes(f"identity-{part}")[event] for part in ("patient", "account", "visit")), message
        if kind == "SIU":
            assert event in codes("siu-event-status"), message


def test_conversions_are_documented_and_used() -> None:
    used = {row.convert for name in TABLES for row in table(f"hl7/{name}")}
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in (HERE / "convert").rglob("*.py")]
    functions = [node for source in sources for node in source.body if isinstance(node, ast.FunctionDef)]
    documented = {node.name for node in functions if ast.get_docstring(node)}
    for name, function in {**CONVERSIONS, **GATHERERS}.items():
        assert function.__name__ in documented, name
        assert name in used or name in ("", "text"), f"no row uses {name}"


def test_every_finding_has_words() -> None:
    import re

    for room in ("hl7", "mappings", "hub/records", "hub/exchange"):
        for path in (HERE.parent / room).rglob("*.py"):
            for code in re.findall(r'(?:Problem|problem)\(\s*"([a-z0-9.-]+)"', path.read_text(encoding="utf-8")):
                if not code.endswith("."):
                    assert code in catalogue(), f"{path.name}: {code} has no row in problems.csv"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Patient.nickname,PID-5,text,,n,s", "R4 has no"),
        ("Patient.gender,PID-8,guess,,n,s", "conversion"),
        ("Patient.gender,PID8,text,,n,s", "source"),
        ("Patient.gender,PID-8,text,sometimes,n,s", "when"),
        ("Patient.@magic,PID-8,text,,n,s", "target"),
        ("Encounter.status,PID-8,text,,n,s", "not of Patient"),
        ("Patient.gender,PID-8,text", "columns"),
    ],
)
def test_a_wrong_row_stops_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str, said: str
) -> None:
    monkeypatch.setattr("mappings.tables.table.HERE", tmp_path)
    name = f"wrong-{tmp_path.name}"
    (tmp_path / f"{name}.csv").write_text(f"target,source,convert,when,note,spec\n{row}\n", encoding="utf-8")
    record = type(RECORDS[("adt", "patient", "PID")])(name="p", type="Patient", anchor="PID", tables=(name,))
    with pytest.raises(TableError, match=said) as caught:
        program(record)
    assert f"{name}.csv:2" in str(caught.value)
