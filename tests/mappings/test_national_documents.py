"""National documents: whole from whole records, a finding with remedy for everything that lacks, profiles kept."""

from __future__ import annotations

import csv
import datetime
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import rnds_records as records
from shared_files import standards

from canonical.problem import Problem, blocking
from fhir.document import document
from fhir.terminology.bodies import Bodies, membership
from fhir.terminology.sets import Reader
from fhir.validation import profiles
from fhir.validation.validator import validate
from mappings.national import document_plans, documents
from mappings.national.document_codes import NATIONAL
from mappings.national.document_plans import DocumentPlan, Part
from mappings.national.document_values import CONVERSIONS, PROFILE, valued
from mappings.tables.body import compiled
from mappings.tables.table import HERE, codes

CASES = Path(__file__).resolve().parents[1] / "cases" / "networks" / "rnds"
DAY = records.NOW.date()
KINDS = document_plans.kinds()
TABLES = sorted(path.stem for path in (HERE / "rnds").glob("*.csv") if path.stem != "systems")


def made(kind: str, scope: dict[str, Any] | None = None, **view: Any) -> tuple[list[dict[str, Any]], list[Problem]]:
    plan = document_plans.plan_at(kind, DAY)
    entries, problems = documents.compose(plan, scope or records.scope(kind), records.view(**view))
    return [body for _, body in entries], problems


def parts_of(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield part
        yield from parts_of(part.parts)


def uses(plan: DocumentPlan) -> Iterator[tuple[str, str, str]]:
    """Every table of a plan with the type and the element it fills."""
    for name in plan.tables:
        yield name, "Composition", ""
    for entry in plan.entries:
        for name in entry.tables:
            yield name, entry.type, ""
        for part in parts_of(entry.parts):
            for name in part.tables:
                yield name, entry.type, part.element


def test_every_table_is_used_and_every_row_has_a_place_in_r4() -> None:
    used = {name for plan in document_plans.plans() for name, _, _ in uses(plan)}
    assert used == set(TABLES)
    for plan in document_plans.plans():
        for name, type_name, below in uses(plan):
            for row in documents.table(name, type_name, below):
                compiled(type_name, f"{below}.{row.path}" if below else row.path)


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_sorted_and_name_their_source(name: str) -> None:
    with (HERE / "rnds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["target"] for row in rows] == sorted(row["target"] for row in rows)
    assert all(row["spec"] for row in rows)
    assert all(row["convert"].partition(":")[0] in CONVERSIONS for row in rows if row["convert"])


def test_lists_that_rows_translate_to_have_their_tables() -> None:
    """A row's list is translated by a table, or taken from a system that carries it."""
    with (HERE / "rnds" / "systems.csv").open(encoding="utf-8", newline="") as file:
        carried = {row["list"] for row in csv.DictReader(file) if row["spelling"] != "own"}
    own = {
        "BRGrupoAtendimento",
        "BRCondicaoMaternal",
        "BRFabricantePNI",
        "BRNomeExameGAL",
        "BRCIAP2",
        "BRMedicamento",
        "BRAlergenosCBARA",
        "BRObmCATMAT",
        "BRObmVMP",
        "BRObmANVISA",
        "BRObmEAN",
    }
    named: set[str] = set()
    for name in TABLES:
        with (HERE / "rnds" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                convert, _, argument = row["convert"].partition(":")
                if convert in ("coding", "known-coding", "concept", "code", "unit"):
                    named |= set(argument.split(","))
                elif convert == "extended":
                    named |= set(argument.split(",")[1:])
    for name in named - carried - own:
        assert codes(f"rnds-{name.lower()}"), name


@pytest.mark.parametrize("kind", KINDS)
def test_whole_records_make_a_whole_document(kind: str) -> None:
    bodies, problems = made(kind)
    assert problems == []
    entries = [(f"{documents.URL}{n}", body) for n, body in enumerate(bodies)]
    bundle = document({"system": "urn:x", "value": "1"}, records.NOW.isoformat(), entries)
    assert validate(bundle) == []
    plan = document_plans.plan_at(kind, DAY)
    assert bodies[0]["type"]["coding"][0]["code"] == plan.code and bodies[0]["title"] == plan.title
    assert all(body["meta"]["profile"][0].startswith(PROFILE) for body in bodies)
    linked = {r for body in bodies for r in _literals(body)}
    assert {url for url in linked if url.startswith("urn:")} <= {url for url, _ in entries}
    assert {url for url, _ in entries[1:]} <= linked, "every entry is referred to"


@pytest.mark.parametrize("kind", KINDS)
def test_documents_are_the_expected_ones(kind: str, request: pytest.FixtureRequest) -> None:
    """`--accept` writes them anew; an analyst reads the difference."""
    file = CASES / f"{kind.lower()}-whole" / "document.json"
    text = orjson.dumps(made(kind)[0], option=orjson.OPT_INDENT_2).decode() + "\n"
    if request.config.getoption("--accept"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == text


def _literals(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from _literals(value)
    elif isinstance(node, list):
        for value in node:
            yield from _literals(value)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_named_and_nothing_is_displayed(kind: str) -> None:
    """RNDS gets numbers: no name, no birth date, no display of a code, no literal reference to our records."""
    bodies, _ = made(kind)
    for body in bodies:
        assert not {"display", "name", "birthDate"} & set(_keys(body))
        assert all(r.startswith(("urn:uuid:transient-", "Practitioner/2")) for r in _literals(body))


def _keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node
        for value in node.values():
            yield from _keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from _keys(value)


def without(path: str) -> Callable[[dict[str, Any]], None]:
    def change(scope: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        nodes: list[Any] = [scope]
        for step in steps:
            nodes = [node[step] for node in nodes]
            nodes = [item for node in nodes for item in (node if isinstance(node, list) else [node])]
        for node in nodes:
            node.pop(last, None)

    return change


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(scope: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        node: Any = scope
        for step in steps:
            node = node[int(step)] if isinstance(node, list) else node[step]
        node[last] = value

    return change


FUTURE = "2026-11-21T08:00:00-03:00"
FAULTS: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "patient without number": ("REL", put("patient.identifier", [{"system": "urn:x", "value": "1"}]), "rnds.individual"),
    "CNS of wrong digits": ("REL", put("patient.identifier", [{"system": records.codes.CNS, "value": "123456789010001"}]), "rnds.individual"),
    "CNES": ("REL", put("establishment.cnes", "12"), "rnds.establishment"),
    "exam not in LOINC": ("REL", put("results.0.code", {"coding": [{"system": "urn:local", "code": "GLI"}]}), "rnds.code"),
    "no method": ("REL", without("results.method"), "rnds.missing"),
    "no value": ("REL", without("results.valueString"), "rnds.missing"),
    "value of another kind": ("REL", put("results.1.valueString", "ver laudo"), "rnds.code"),
    "result of tomorrow": ("REL", put("results.0.issued", FUTURE), "rnds.future"),
    "result without hour": ("REL", put("results.0.issued", "2026-11-20"), "rnds.time"),
    "no specimen": ("REL", put("specimens", []), "rnds.link"),
    "specimen unknown": ("REL", put("specimens.0.type", {"text": "Fita"}), "rnds.code"),
    "no suspicion": ("REL", put("suspicion", {}), "rnds.entry-missing"),
    "no results": ("REL", put("results", []), "rnds.entry-missing"),
    "no range": ("REL", without("results.referenceRange"), "rnds.missing"),
    "no vaccine code": ("RIA", put("administered.0.vaccineCode", {"text": "vacina"}), "rnds.code"),
    "no lot": ("RIA", without("administered.lotNumber"), "rnds.missing"),
    "no dose": ("RIA", without("administered.protocolApplied"), "rnds.missing"),
    "vaccinated tomorrow": ("RIA", put("administered.0.occurrenceDateTime", FUTURE), "rnds.future"),
    "no group": ("RIA", put("vaccination.group", []), "rnds.missing"),
    "unknown vaccinator": ("RIA", put("administered.0.performer", [{"actor": {"reference": "Practitioner/x"}}]), "rnds.professional"),
    "no end": ("RAC", without("encounter.period.end"), "rnds.missing"),
    "no diagnosis": ("RAC", put("conditions", []), "rnds.entry-missing"),
    "no procedure": ("RAC", put("procedures", []), "rnds.entry-missing"),
    "class without modality": ("RAC", put("encounter.class", {"system": "urn:x", "code": "Z"}), "rnds.code"),
    "no financing": ("RAC", put("settings", {}), "rnds.missing"),
    "no outcome": ("RAC", without("encounter.hospitalization"), "rnds.missing"),
    "nobody known attends": ("RAC", put("encounter.participant", []), "rnds.missing"),
    "no evolution": ("SA", put("evolutions", []), "rnds.entry-missing"),
    "campaign without maker": ("RIAC", without("administered.manufacturer"), "rnds.missing"),
    "campaign copied from a booklet": ("RIAC", put("administered", []), "rnds.entry-missing"),
    "nobody knows who, nor how old": ("RAC", lambda s: s.update(patient={}, unidentified={"reason": "03"}), "rnds.unidentified"),
    "nobody knows who, for no reason": ("RAC", lambda s: s.update(patient={}, unidentified={"reason": "9", "birthYear": "1980"}), "rnds.code"),
    "a laboratory knows whose": ("REL", lambda s: s.update(patient={}, unidentified={"reason": "03", "birthYear": "1980"}), "rnds.individual"),
    "a discharge knows whose": ("SA", lambda s: s.update(patient={}, unidentified={"reason": "03", "birthYear": "1980"}), "rnds.individual"),
    "request without reason": ("RIRA", put("indications", []), "rnds.entry-missing"),
    "request without procedure": ("RIRA", without("request.code"), "rnds.missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_lacks_is_told_with_its_remedy(name: str) -> None:
    kind, change, code = FAULTS[name]
    scope = records.scope(kind)
    change(scope)
    _, problems = made(kind, scope)
    found = [problem for problem in blocking(problems) if problem.code == code]
    assert found, [(p.code, p.where) for p in problems]
    for problem in found:
        text = problem.text("pt") + problem.remedy("pt")
        assert "{" not in text and problem.remedy("pt") and records.PATIENT_CNS not in text + problem.where


def test_what_is_optional_is_left_out_with_a_warning_and_the_rest_keeps_its_order() -> None:
    scope = records.scope("RAC")
    scope["measures"].insert(0, {**records.WEIGHT, "id": "outra", "code": {"text": "sem código"}})
    scope["encounter"]["participant"].append({"type": [], "individual": {"reference": "Practitioner/x"}})
    bodies, problems = made("RAC", scope)
    assert {p.code for p in problems} == {"rnds.left-out"} and not blocking(problems)
    assert len(bodies[1]["participant"]) == 1 and [b["resourceType"] for b in bodies] == [
        "Composition", "Encounter", "Condition", "Procedure", "Observation", "AllergyIntolerance", "Composition",
        "MedicationRequest", "Medication", "CarePlan", "CarePlan", "Condition", "Observation",
    ]  # fmt: skip
    assert bodies[0]["section"][3]["entry"] == [{"reference": f"{documents.URL}4"}]


def test_emergency_is_never_elective() -> None:
    scope = records.scope("RAC")
    scope["encounter"]["class"]["code"] = "EMER"
    bodies, _ = made("RAC", scope)
    assert bodies[1]["priority"]["coding"][0]["code"] == "02" and bodies[1]["class"]["code"] == "06"


def test_a_house_translates_its_own_codes_and_prefers_its_number() -> None:
    scope = records.scope("REL")
    scope["results"] = [{**records.RESULTS[0], "code": {"coding": [{"system": "urn:local", "code": "GLI"}]}}]
    scope["patient"]["identifier"].append({"system": records.codes.CPF, "value": "529.982.247-25"})
    own = {"BRNomeExameLOINC": {"urn:local|GLI": "2345-7"}}
    bodies, problems = made("REL", scope, codes=own, prefer=("cpf", "cns"))
    assert problems == [] and bodies[2]["code"]["coding"] == [
        {"system": f"{NATIONAL}/CodeSystem/BRNomeExameLOINC", "code": "2345-7"}
    ]
    assert bodies[0]["subject"]["identifier"]["value"] == "52998224725"


@pytest.mark.parametrize(("number", "own", "code"), [(5, {}, "5"), (6, {}, ""), (7, {"BRDose": {"7": "38"}}, "38")])
def test_a_number_of_a_dose_is_no_code_of_another_name(number: int, own: dict[str, Any], code: str) -> None:
    dose = {**records.IMMUNIZATION, "protocolApplied": [{"doseNumberPositiveInt": number}]}
    view = records.view()
    whole = {**view.codes, **own} if own else view.codes
    bodies, problems = made("RIA", {**records.scope("RIA"), "administered": [dose]}, codes=whole)
    assert [p.code for p in problems] == ([] if code else ["rnds.code"])
    if code:
        assert [b["protocolApplied"][0]["doseNumberString"] for b in bodies if b["resourceType"] == "Immunization"] == [
            code
        ]


def test_transcribed_doses_need_no_lot_but_their_origin() -> None:
    scope = records.scope("RIA")
    dose = {
        **records.IMMUNIZATION,
        "primarySource": False,
        "reportOrigin": {
            "coding": [{"code": "record", "system": "http://terminology.hl7.org/CodeSystem/immunization-origin"}]
        },
    }
    for name in ("lotNumber", "manufacturer", "route", "site"):
        dose.pop(name)
    scope |= {"administered": [], "transcribed": [dose]}
    bodies, problems = made("RIA", scope)
    assert problems == [] and bodies[1]["reportOrigin"]["coding"][0]["code"] == "01"


def test_versions_are_dated() -> None:
    assert document_plans.plan_at("REL", datetime.date(2026, 1, 1)).version == "3.2.1"
    with pytest.raises(LookupError):
        document_plans.plan_at("REL", datetime.date(2000, 1, 1))
    with pytest.raises(LookupError):
        document_plans.plan_at("XYZ", DAY)


def test_triggers_mean_finished_things_only() -> None:
    plan = document_plans.plan_at("REL", DAY)
    send, delete = plan.triggers
    assert send.meant(records.REPORT) and not send.meant({**records.REPORT, "status": "preliminary"})
    assert not send.meant({**records.REPORT, "category": []}) and delete.meant(
        {**records.REPORT, "status": "cancelled"}
    )


def test_an_unidentified_value_is_not_walked_into() -> None:
    assert valued({"a": [{"b": 1}, {"b": [2, {}]}, {"c": ""}]}, "a.b") == [1, 2]
    assert valued({"a": [1, 2]}, "a.1") == [2] and valued({}, "a.b") == [] and valued({"a": ""}, "a") == []


# Where a published definition is at odds with the published examples, and why.
UNTOLD = {
    "BRRegistroAtendimentoClinico.section:problemasDiagnosticosAvaliados",  # its slicing stands in the base alone
    "BRProcedimentoRealizado-1.0.performer:practitioner",  # names a slice without saying what tells it
    "BRRegistroPrescricaoMedicamento.type",  # the document types of 2021 have no RPM, which the profile itself fixes
    "BRPrescricaoMedicamento.dosageInstruction.route",  # the routes of 2021 are those of vaccines
    "BRObservacaoDescritiva-1.0.code",  # the same, and the code the profile itself fixes
    "BRMedidaObservada.code",  # the value set of 2021 does not know the LOINC codes every example carries
}


@cache
def published() -> dict[str, dict[str, Any]]:
    """Profiles, value sets and short code lists; the long lists (CID-10, TUSS, SIGTAP) are not listed, hence not judged."""
    folder = standards("rnds")
    with zipfile.ZipFile(folder / "definitions.json.zip") as archive:
        texts = [
            archive.read(one)
            for one in archive.infolist()
            if one.file_size < 100_000 or one.filename[:9] == "Structure"
        ]
    texts += [file.read_bytes() for file in sorted(folder.glob("*/*.json"))]
    bodies = [orjson.loads(text) for text in texts if text.startswith(b"{")]
    return {body["url"]: body for body in bodies if body.get("url")}


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_profiles_hold(kind: str) -> None:
    """Cardinalities, fixed values, bindings and slices of the profiles that are published in the shared folder."""
    named = published()
    holds = membership(Reader(Bodies(named.values()), steps=10**7))
    checked = 0
    for body in made(kind)[0]:
        url = body["meta"]["profile"][0]
        if url in named:
            checked += 1
            found = profiles.check(body, url, named, holds, url)
            name = url.removeprefix(PROFILE)
            assert {p.where.replace(url, name) for p in found if p.blocks} <= UNTOLD
    assert checked >= {"REL": 1, "RIA": 1, "RIAC": 0, "RAC": 11, "SA": 7, "RIRA": 3}[kind]
