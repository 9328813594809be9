"""Payer cases (tests/cases/payers/<payer>/<what-it-shows>): one visit's records in, the exact lotes out, the payer's answer read.

`in.json` holds coverage, encounter and charges; `lote-<n>.xml` the messages; `reply.xml` what the payer answered to the
first one and `reply.json` how it is understood. `--accept` writes the expected files.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from billing_day import partner_row
from lxml import etree
from payer_server import sides

from adapters import registry
from api.simulators.payer_book import Book
from api.simulators.payer_replies import Replies
from hub.billing.check import checking
from hub.billing.guide import guides
from hub.billing.guide.cases import cases
from hub.billing.message import messages
from hub.billing.message.replies import hear
from hub.billing.profiles import profile_of
from hub.billing.visit.charges import Charge, Coverage
from hub.billing.visit.surroundings import Surroundings
from hub.records.saved import Origin
from mappings.billing import guides as mapped
from mappings.tables.table import HERE, codes
from tiss.tables import tables
from tiss.wire import shapes, soap, versions

CASES = Path(__file__).resolve().parents[2] / "cases" / "payers"
PAYERS = {p.name: p for p in registry.profiles().values() if p.kind == "payer"}
FOLDERS = [path for name in sorted(PAYERS) for path in sorted((CASES / name).iterdir()) if path.is_dir()]
AT = datetime.datetime(2026, 11, 21, 9, 0, 0, tzinfo=datetime.UTC)


def lotes(folder: Path) -> list[bytes]:
    given = json.loads((folder / "in.json").read_text(encoding="utf-8"))
    profile = profile_of(partner_row(given["coverage"]["payer"]))
    coverage = Coverage(
        id="v1", patient_id="p1", payer_code=profile.ans, member_number=given["coverage"]["member"], plan_name="Plano", active=True,
        valid_from=None, valid_until=None,
    )  # fmt: skip
    around = Surroundings(
        today=AT.date(), zone="America/Sao_Paulo", coverages={"p1": [coverage]}, encounters={"e1": given["encounter"]}
    )
    found = [charge(body) for body in given["charges"]]
    made = []
    for number, case in enumerate(cases(found, around, [profile], tables.installed()), start=1):
        done = guides.finish(case, str(number), AT, Origin(actor="test", now=AT, zone="America/Sao_Paulo"))
        assert done.status == guides.READY, done.problems
        body = {"numeroLote": str(number), "guiasTISS": {mapped.plan(case.kind).guide: [done.tree]}}
        mark = messages.Stamp(sequence=number, at=AT, login={"loginPrestador": "h", "senhaPrestador": "s"})
        raw = messages.request(profile, "ENVIO_LOTE_GUIAS", body, mark)
        assert [p for p in checking.findings(raw, profile, AT.date()) if p.blocks] == []
        made.append(raw)
    return made


def charge(body: dict[str, Any]) -> Charge:
    coding = body["code"]["coding"][0]
    day = datetime.date.fromisoformat(body["occurrenceDateTime"][:10])
    table = coding["system"].rpartition("-")[2]
    return Charge(
        id=body["id"], patient_id="p1", encounter_id="e1", table=table, code=coding["code"], on=day, body=body
    )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_visit_becomes_these_lotes(folder: Path, pytestconfig: pytest.Config) -> None:
    made = lotes(folder)
    if pytestconfig.getoption("--accept"):
        for number, raw in enumerate(made, start=1):
            (folder / f"lote-{number}.xml").write_bytes(raw + b"\n")
    expected = sorted(folder.glob("lote-*.xml"))
    assert [path.read_bytes().rstrip(b"\n") for path in expected] == made


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_payers_answer_is_understood(folder: Path, pytestconfig: pytest.Config) -> None:
    path = folder / "reply.xml"
    if pytestconfig.getoption("--accept"):
        raw = lotes(folder)[0]
        side = next(side for side in sides() if side.ans == PAYERS[folder.parent.name].ans)
        root = etree.fromstring(raw)
        book = Book(side)
        path.write_bytes(soap.envelope(Replies(book, root).protocol(book.take(root, raw, signed=False))) + b"\n")
    heard = hear(path.read_bytes(), profile_of(partner_row(PAYERS[folder.parent.name].ans)))
    shown = {"refusal": None, "answers": [{"kind": type(a).__name__, **dataclasses.asdict(a)} for a in heard.answers]}
    assert heard.refusal is None and not heard.unreadable
    expected = folder / "reply.json"
    if pytestconfig.getoption("--accept"):
        expected.write_text(json.dumps(shown, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert json.loads(expected.read_text(encoding="utf-8")) == json.loads(json.dumps(shown))


@pytest.mark.parametrize("version", versions.installed())
@pytest.mark.parametrize("kind", mapped.kinds())
def test_every_mapped_path_exists_in_the_guide_of_each_version(version: str, kind: str) -> None:
    found = shapes.of(version, service=True)
    plan = mapped.plan(kind)
    guide = _type(found, found.roots["loteGuiasWS"], ["loteGuias", "guiasTISS", plan.guide])
    for row in mapped.rows(plan.table, version):
        _type(found, guide, row.target.split("/"))
    _parts_exist(found, guide, plan.parts, version)


def _parts_exist(found: shapes.Shapes, outer: str, parts: tuple[mapped.Part, ...], version: str) -> None:
    for part in parts:
        inner = _type(found, outer, part.path.split("/"))
        for row in mapped.rows(part.table, version):
            _type(found, inner, row.target.split("/"))
        _parts_exist(found, inner, part.parts, version)


def _type(found: shapes.Shapes, start: str, steps: list[str]) -> str:
    for step in steps:
        parts = {part.name: part.type for part in found.types[start].parts}
        assert step in parts, f"{start} has no {step}"
        start = parts[step]
    return start


def test_tables_are_sorted_and_their_codes_exist() -> None:
    for path in sorted((HERE / "tiss").rglob("*.csv")):
        if path.name == "justificativas.csv":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
        targets = [line.split(",")[0] for line in lines]
        assert targets == sorted(targets), f"{path.name} is not sorted"
    for version in versions.installed():
        for table in sorted(path.stem for path in (HERE / "tiss").glob("*.csv") if path.stem != "justificativas"):
            for row in mapped.rows(table, version):
                if row.convert in ("code", "prefix"):
                    assert codes(row.argument)


def test_a_version_lays_its_rows_over_the_common_ones() -> None:
    here = {row.target for row in mapped.rows("despesa", "4.03.00")}
    assert here - {row.target for row in mapped.rows("despesa", "4.02.00")} == {"servicosExecutados/centroConsumo"}


def test_every_expense_kind_is_found_by_its_range() -> None:
    from mappings.billing.guide_values import in_range

    assert in_range("tiss-despesa-18", "60000015") == "05"
    assert in_range("tiss-despesa-18", "60001399") == "01"
    assert in_range("tiss-despesa-18", "60000325") == "07"
    assert in_range("tiss-despesa-18", "1") == ""
