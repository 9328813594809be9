"""All data about one person, for that person: whole, with merged records, and nothing of anybody else."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from canonical.errors import Misconfigured, NotFound
from hub.exchange.out.outbox import Outgoing, enqueue
from hub.exchange.partners import Partner, save_partner
from hub.guard import audit
from hub.operate.persons import subject
from hub.world import Tenant, World
from tests.hub.test_operate import GOOD, put, work

MERGE = (
    "MSH|^~\\&|HIS|HOSP|PONTE|HUB|20261123080000||ADT^A40^ADT_A39|merge|P|2.5||||||UNICODE UTF-8\r"
    "EVN|A40|20261123080000\rPID|1||501^^^HOSP^MR||Conceição^Ana||19800229|F\rMRG|502^^^HOSP^MR\r"
)


def table(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))


async def test_everything_about_one_person(world: World, tenant: Tenant, other_tenant: Tenant, tmp_path: Path) -> None:
    for control, mrn in (("one", "501"), ("two", "502"), ("other", "777")):
        await put(world, tenant, GOOD.format(control=control, mrn=mrn))
    await put(world, other_tenant, GOOD.format(control="elsewhere", mrn="501"))
    await work(world, tenant)
    await work(world, other_tenant)
    await put(world, tenant, MERGE)
    await work(world, tenant)
    async with world.transaction(tenant) as tx:
        kept, lost = await subject.patients_of(tx, "501"), await subject.patients_of(tx, "502")
        assert kept == lost and len(kept) == 2, "merged records are one person"
        (stranger,) = await subject.patients_of(tx, "777")
        await audit.note(tx, "dr.ana", "read", f"Patient/{kept[0]}")
        await audit.note(tx, "dr.eva", "read", f"Patient/{stranger}")
        partner = Partner(id=tenant.id, kind="lab", code="lab-x", name="=Lab", adapter="", active=True, settings={})
        await save_partner(tx, partner)
        for patient in (kept[0], stranger):
            sent = Outgoing(
                operation="test", format="hl7", type="ADT^A01", content=b"MSH|", subject=f"Patient/{patient}"
            )
            await enqueue(tx, partner, sent)
        several = Outgoing(
            operation="several", format="hl7", type="OML^O21", content=b"MSH|", subject="ServiceRequest/of-nobody",
            others=(f"Patient/{kept[0]}", "ServiceRequest/of-nobody-else"),
        )  # fmt: skip
        await enqueue(tx, partner, several)
    target = tmp_path / "person.zip"
    gathered = await subject.export(world, tenant, "501", target, actor="dpo")
    assert target.stat().st_mode & 0o077 == 0 and list(gathered.patients) == kept
    with zipfile.ZipFile(target) as archive:
        whole = b"".join(archive.read(name) for name in archive.namelist()).decode()
        records = [json.loads(line) for line in archive.read("registros.ndjson").splitlines()]
        versions = [json.loads(line) for line in archive.read("versoes.ndjson").splitlines()]
        messages = [archive.read(name) for name in archive.namelist() if name.startswith("mensagens/")]
        seen, sent_to = table(archive, "acessos.csv"), table(archive, "envios.csv")
    assert {"Patient", "Encounter"} <= {record["resourceType"] for record in records}
    assert len(versions) >= len(records) and all({"type", "id", "version", "body"} <= set(one) for one in versions)
    assert sorted(GOOD.format(control=c, mrn=m).encode() in messages for c, m in (("one", "501"), ("two", "502"))) == [
        True,
        True,
    ]
    assert {"dr.ana", "hl7"} <= {row["actor"] for row in seen} and "dr.eva" not in {row["actor"] for row in seen}
    assert [(row["code"], row["name"], row["subject"], row["operation"]) for row in sent_to] == [
        ("lab-x", "'=Lab", f"Patient/{kept[0]}", "test"),
        ("lab-x", "'=Lab", f"Patient/{kept[0]}", "several"),
    ]
    assert stranger not in whole and "777" not in {i["value"] for r in records for i in r.get("identifier", [])}
    async with world.transaction(tenant) as tx:
        assert await tx.value("SELECT count(*) FROM audit_event WHERE tenant_id = $1 AND action = 'person-export'") == 2
        assert "dr.ana" in {event["actor"] for event in await subject.accesses(tx, f"Patient/{kept[0]}")}
    with pytest.raises(Misconfigured):
        await subject.export(world, tenant, "501", target, actor="dpo")
    for wrong in ("no-such-number", "Patient/nobody"):
        with pytest.raises(NotFound):
            await subject.export(world, tenant, wrong, tmp_path / "none.zip", actor="dpo")
    assert not (tmp_path / "none.zip").exists()


@pytest.mark.parametrize(("value", "shown"), [("=1+1", "'=1+1"), ("@x", "'@x"), (None, ""), (12, "12"), ("Ana", "Ana")])
def test_no_cell_is_a_formula(value: Any, shown: str) -> None:
    assert subject._cell(value) == shown
