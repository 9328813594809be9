"""Where elements come from: version, message, field, table row and code rows, and no value of the record."""

from __future__ import annotations

import json

import pytest

from canonical.errors import NotFound
from hub.operate.origins import Origin, origins
from hub.records.saved import Origin as Writer
from hub.records.write import Write, save
from hub.world import Tenant, World
from mappings.tables.table import HERE
from tests.hub.test_operate import GOOD, put, work

ORU = (
    "MSH|^~\\&|LIS|HOSP|PONTE|HUB|20261122090000||ORU^R01^ORU_R01|r-1|P|2.5||||||UNICODE UTF-8\r"
    "PID|1||31^^^HOSP^MR||Conceição^Ana||19800229|F\r"
    "OBR|1|P1^HIS|F1^LIS|58410-2^Hemograma^LN|||20261122080000||||||||148201^Nóbrega^Antônio^^^Dr.^^^CRM||||||20261122085900||LAB|F\r"
    "OBX|1|NM|718-7^Hemoglobina^LN||12.50|g/dL^grama^UCUM|12.0-16.0|N|||F\r"
    "OBX|2|NM|789-8^Hemácias^LN||4.10|10*6/uL^milhões^UCUM|3.9-5.0|L|||F\r"
)


async def of(world: World, tenant: Tenant, kind: str, path: str, where: str = "true") -> list[Origin]:
    async with world.transaction(tenant) as tx:
        identity = await tx.value(f"SELECT id FROM resource WHERE tenant_id = $1 AND type = $2 AND {where}", kind)
    return await origins(world, tenant, kind, identity, path)


def row_of(origin: Origin) -> str:
    """The table row an origin names, as it stands in the file."""
    name, _, line = origin.row.removeprefix("mappings/").rpartition(":")
    return (HERE / name).read_text(encoding="utf-8").splitlines()[int(line) - 1]


async def test_an_element_names_version_message_field_row_and_codes(world: World, tenant: Tenant) -> None:
    await put(world, tenant, GOOD.format(control="first", mrn="4"))
    await work(world, tenant)
    later = GOOD.format(control="second", mrn="4").replace("Conceição", "Falcão").replace("080000", "090000")
    await put(world, tenant, later)
    await work(world, tenant)
    (name,) = await of(world, tenant, "Patient", "name.family")
    assert (name.path, name.cause.version, name.cause.control_id) == ("Patient.name[0].family", 2, "second")
    assert (name.source, name.by) == ("PID#3-5", "message") and row_of(name).startswith("Patient.name,PID-5")
    (gender,) = await of(world, tenant, "Patient", "gender")
    assert (gender.cause.version, gender.cause.control_id, gender.source) == (1, "first", "PID#3-8")
    (code,) = gender.codes
    line = int(code.rpartition(":")[2])
    table = (HERE / code.removeprefix("mappings/").rpartition(":")[0]).read_text(encoding="utf-8").splitlines()
    assert ",F,female," in table[line - 1] and row_of(gender).startswith("Patient.gender,PID-8")
    with pytest.raises(NotFound):
        await of(world, tenant, "Patient", "photo")


async def test_every_element_is_explained_and_no_value_is_told(world: World, tenant: Tenant) -> None:
    await put(world, tenant, ORU)
    attended = "PV1|1|I|||||148201^Nóbrega^Antônio^^^^^^CRM^L^^^LN|||"
    await put(world, tenant, GOOD.format(control="first", mrn="31").replace("PV1|1|I||||||||", attended))
    await work(world, tenant)
    for kind in ("Patient", "DiagnosticReport", "ServiceRequest", "Practitioner"):
        told = await of(world, tenant, kind, "")
        assert told and all(origin.row or origin.path.startswith(f"{kind}.meta") for origin in told), kind
        assert [origin.row for origin in told if origin.path == f"{kind}.meta"] == [""], "versions are the hub's own"
        assert not any(
            word in json.dumps([o.as_json() for o in told], default=str) for word in ("Concei", "Ana", "1980")
        )


async def test_results_of_one_report_are_told_apart(world: World, tenant: Tenant) -> None:
    await put(world, tenant, ORU)
    await work(world, tenant)
    for code, segment in (("718-7", "OBX#4"), ("789-8", "OBX#5")):
        (value,) = await of(world, tenant, "Observation", "value.ofType(Quantity)", f"body LIKE '%{code}%'")
        assert (value.source, value.path) == (f"{segment}-5", "Observation.valueQuantity")
        assert f"{segment}-6" in value.beside, "the unit is another field"
        (order,) = await of(world, tenant, "Observation", "basedOn", f"body LIKE '%{code}%'")
        assert order.codes == (), "what a row before it looked up in vain is not its own"
        (status,) = await of(world, tenant, "Observation", "status", f"body LIKE '%{code}%'")
        assert status.source == f"{segment}-11" and status.codes
        (flag,) = await of(world, tenant, "Observation", "interpretation", f"body LIKE '%{code}%'")
        assert flag.source == f"{segment}-8" and flag.codes[0].startswith("mappings/codes/hl70078.csv:")


async def test_what_no_message_wrote_names_its_writer(world: World, tenant: Tenant) -> None:
    await put(world, tenant, GOOD.format(control="first", mrn="9"))
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        identity = await tx.value("SELECT id FROM resource WHERE tenant_id = $1 AND type = 'Patient'")
        body = json.loads(await tx.value("SELECT body FROM resource WHERE tenant_id = $1 AND type = 'Patient'"))
        body["language"] = "pt-BR"
        writer = Writer(actor="client portal", now=world.now(), zone=tenant.zone)
        await save(tx, [Write(type="Patient", id=identity, body=body)], writer)
    (language,) = await origins(world, tenant, "Patient", identity, "Patient.language")
    assert (language.by, language.cause.version, language.row, language.source) == ("client portal", 2, "", "")
    (gender,) = await origins(world, tenant, "Patient", identity, "gender")
    assert (gender.cause.version, gender.source) == (1, "PID#3-8")


REACTIONS = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261122090000||ADT^A60^ADT_A60|a-1|P|2.7||||||UNICODE UTF-8\r"
    "EVN|A60|20261122090000\rPID|1||31^^^HOSP^MR||Conceição^Ana||19800229|F\rIAM|1|DA|70618^Penicilina^L|SV||A\r"
    "IAR|39579001^Anafilaxia^SCT|SV\rIAR|271807003^Exantema^SCT|MI\r"
)
CLASSES = (
    GOOD.format(control="c-1", mrn="31")
    + "IN1|1|PLAN^Enfermaria|ANS326305^^^ANS|Operadora Sul||||CONTRATO7|Empresa|||20260101|20261231||||SEL\r"
)


@pytest.mark.parametrize(
    ("text", "kind", "path", "expected"),
    [
        (REACTIONS, "AllergyIntolerance", "reaction", [{"IAR#5"}, {"IAR#6"}]),
        (CLASSES, "Coverage", "class", [{"IN1#5-8", "IN1#5-9.1"}, {"IN1#5-2.1", "IN1#5-2.2"}]),
    ],
)
async def test_an_item_of_a_list_is_not_told_with_the_fields_of_the_one_beside_it(
    world: World, tenant: Tenant, text: str, kind: str, path: str, expected: list[set[str]]
) -> None:
    """Items share values (a system), each comes from its own segment or fields."""
    await put(world, tenant, text)
    await work(world, tenant)
    told: dict[str, set[str]] = {}
    for origin in await of(world, tenant, kind, path):
        told.setdefault(origin.path, set()).add(
            origin.source if kind == "Coverage" else origin.source.partition("-")[0]
        )
    assert sorted(map(sorted, told.values())) == sorted(map(sorted, expected))
