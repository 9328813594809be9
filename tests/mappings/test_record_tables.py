"""The tables of billing records: every path exists in R4, everything a guide says is read, and bad input stays valid."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from fhir.validation.validator import validate
from mappings.billing import guides, records
from mappings.billing.guide_values import Unmapped
from mappings.billing.record_values import RECORD_CONVERSIONS
from mappings.billing.records import RecordPart, RecordPlan, describe, record_plan, record_plans
from mappings.tables.table import HERE, TableError, codes
from tiss.wire import versions

FOLDER = HERE / "tiss" / "records"
TABLES = sorted(path.stem for path in FOLDER.glob("*.csv"))
# What a guide's tree says and its Claim does not repeat, with the reason.
LEFT = {
    "cabecalhoConsulta/numeroGuiaPrestador": "the guide's row",
    "cabecalhoConsulta/registroANS": "the payer",
    "cabecalhoGuia/numeroGuiaPrestador": "the guide's row",
    "cabecalhoGuia/registroANS": "the payer",
    "numeroGuiaPrestador": "the guide's row",
    "registroANS": "the payer",
    "dadosProfissionaisResponsaveis/cbosExec2": "stands with the person it is of, the second executor where there is one",
    "procedimento/descricaoProcedimento": "the same words as display",
    "procSolic/descricaoProcedimento": "the same words as display",
    "servicosExecutados/descricaoProcedimento": "the same words as display",
    "codigoDespesa": "the item's category",
    "dadosBeneficiario/nomeBeneficiario": "the patient (3.05.00)",
    "beneficiario/nomeBeneficiario": "the patient (3.05.00)",
    "contratadoExecutante/nomeContratado": "the provider (3.05.00)",
    "dadosExecutante/contratadoExecutante/nomeContratado": "the provider (3.05.00)",
    "dadosContratadoExecutante/nomeContratadoExecutante": "the provider (3.05.00)",
    "dadosProfissionaisResponsaveis/nomeProfExec": "the first executor (3.05.00)",
    "dadosSolicitante/contratadoSolicitante": "the contractor itself; its name stands in supportingInfo",
    "valorTotal/": "sums of items by kind; the grand total is Claim.total",
}


def parts_of(parts: tuple[RecordPart, ...]) -> Iterator[RecordPart]:
    for part in parts:
        yield part
        yield from parts_of(part.parts)


def tables_of(plan: RecordPlan) -> set[str]:
    return {*plan.tables, *(table for part in parts_of(plan.parts) for table in part.tables)}


@pytest.mark.parametrize("name", TABLES)
def test_rows_name_their_clause_and_their_words(name: str) -> None:
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(row["spec"] and row["note"] for row in rows)
    for row in rows:
        convert, _, argument = row["convert"].partition(":")
        if convert == "code":
            assert codes(argument)


def test_every_table_is_used_and_every_plan_can_run() -> None:
    plans = [record_plan(name) for name in record_plans()]
    assert {table for plan in plans for table in tables_of(plan)} == set(TABLES)
    for plan in plans:
        for version in versions.installed():
            body, problems = describe(plan, {}, version)
            assert body["resourceType"] == plan.type and all(problem.code == "guide.missing" for problem in problems)


@pytest.mark.parametrize("kind", guides.kinds())
def test_what_a_guide_says_its_claim_says(kind: str) -> None:
    plan, guide = record_plan(f"claim-{kind}"), guides.plan(kind)
    read = {part.source for part in parts_of(plan.parts)}
    for table in tables_of(plan):
        with (FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            read |= {row["source"] for row in csv.DictReader(file)}
    for version in versions.installed():
        said = [row.target for row in guides.rows(guide.table, version)]
        said += [row.target for part in guide.parts for row in guides.rows(part.table, version)]
        for target in said:
            path = target.replace("/", ".")
            whole = path.rpartition(".")[0]
            places = {f"tree.{path}", f"item.node.{path}", f"tree.{whole}", f"item.node.{path.rpartition('.')[2]}"}
            places.add(f"paper.node.{path}")
            assert places & read or any(target.startswith(left) for left in LEFT), (
                f"{kind}: {target} is not in its Claim"
            )


def test_every_state_of_a_guide_or_appeal_has_one_of_a_claim() -> None:
    from hub.billing.appeal import appeals
    from hub.billing.batch import batches
    from hub.billing.guide.guides import PENDING, READY

    known = codes("claim-status")
    assert {PENDING, READY, "bloqueada", "enviada", "cancelada"} <= set(known)
    assert {appeals.DRAFT, appeals.SENDING, appeals.DISCARDED, batches.BLOCKED} <= set(known)
    assert set(codes("claim-type")) == {"consulta", "sp-sadt", "internacao", "honorarios", "odonto"}
    assert set(codes("status-protocolo")) <= set(codes("claim-outcome"))


@pytest.mark.parametrize(
    ("name", "argument", "value", "expected"),
    [
        ("text", "", "  a\x01 \n b ", "a b"),
        ("count", "", "7", 7),
        ("count", "3", "there", 3),
        ("flag", "", "S", True),
        ("flag", "", "N", False),
        ("date", "", "2026-02-28T10:00:00", "2026-02-28"),
        ("moment", "", datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC), "2026-01-02T03:04:05Z"),
        ("time", "", "10:30:00.5", "10:30:00"),
        ("literal", "Patient", "x", "Patient/x"),
        ("tuss", "", "22", "https://fhir.ans.gov.br/CodeSystem/tuss-22"),
        ("tuss", "", "00", "urn:ponte:codes:tabela-00"),
        ("system", "lote", "999806", "urn:ponte:999806:lote"),
        ("absent", "", "unknown", {"extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}),
    ],
)  # fmt: skip
def test_values(name: str, argument: str, value: Any, expected: Any) -> None:
    assert RECORD_CONVERSIONS[name](value, argument) == expected


@pytest.mark.parametrize(("value", "digits"), [("25.40", "25.40"), (2540, "25.40"), (-5, "-0.05"), ("1E+2", "100")])
def test_money_keeps_its_digits(value: Any, digits: str) -> None:
    assert str(RECORD_CONVERSIONS["money"](value, "")["value"]) == digits


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", " "), ("count", "0"), ("count", "x"), ("count", str(2**31)), ("integer", "1.5"), ("date", "28/02/2026"),
        ("time", "25:00:00"), ("decimal", "NaN"), ("decimal", "1e99"), ("money", "a"), ("tuss", "2 2"),
    ],
)  # fmt: skip
def test_what_has_no_form_is_told(name: str, value: Any) -> None:
    with pytest.raises(Unmapped):
        RECORD_CONVERSIONS[name](value, "")


def test_a_table_that_leaves_its_type_names_itself(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tiss" / "records"
    folder.mkdir(parents=True)
    (folder / "wrong.csv").write_text("target,source,convert,when,note,spec\nClaim.nowhere,x,text,,n,s\n", "utf-8")
    monkeypatch.setattr(guides, "HERE", tmp_path)
    plan = RecordPlan(name="wrong", type="Claim", tables=("wrong",), parts=())
    with pytest.raises(TableError, match=r"records/wrong\.csv.*Claim\.nowhere"):
        describe(plan, {}, "4.03.00")
    with pytest.raises(TableError, match="no repeating element"):
        records._inner(records._Place("Claim", "Claim"), "patient")


def test_later_rows_fill_only_what_is_empty() -> None:
    told = describe(record_plan("demonstrativo"), {"claim": {"patient": {"reference": "Patient/1"}}}, "4.03.00")[0]
    untold = describe(record_plan("demonstrativo"), {}, "4.03.00")[0]
    assert told["patient"] == {"reference": "Patient/1"} and "extension" in untold["patient"]
    assert [p.where for p in validate(untold) if p.blocks and "insurer" not in p.where] != []  # created, provider
