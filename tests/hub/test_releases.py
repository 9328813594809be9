"""Releases as publishers hand them out: what is read of each, what is told as not read, whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import release_packages as made
from endings import Died, Life, living

from canonical.errors import NotFound, Refused
from hub.store import owned
from hub.terms.releases import importing
from hub.terms.releases.importing import Taken, Wish
from hub.world import Tenant, World


def owner_of(world: World, cluster: Any) -> Any:
    """The tables' owner."""
    return owned.opened(dataclasses.replace(world.settings, owner_database_url=cluster[1].owner_url))


async def bring(world: World, cluster: Any, tenant: Tenant, *paths: Path, **more: Any) -> Taken:
    """A release brought in."""
    async with owner_of(world, cluster) as owner:
        return await importing.take_in(owner, tenant, Wish(paths=paths, **more), world.now(), "test")


async def concepts(world: World, release: int) -> dict[str, Any]:
    """The concepts of a release by code."""
    rows = await world.database.global_rows(
        "SELECT c.*, ARRAY(SELECT p.code FROM term_concept p WHERE p.number = ANY(c.ancestors) ORDER BY 1) AS above "
        "FROM term_concept c WHERE release = $1",
        release,
    )
    return {row["code"]: row for row in rows}


async def test_snomed(world: World, cluster: Any, tenant: Tenant, tmp_path: Path) -> None:
    taken = await bring(world, cluster, tenant, made.zipped(tmp_path / "edition.zip", made.snomed()))
    assert taken.version == f"http://snomed.info/sct/{made.CORE}/version/20260301"
    assert taken.counts["concept"] == 10 and taken.counts["member"] == 2 + 4 and taken.counts["mapped"] == 4
    assert taken.not_read == {
        "inactive relationships": 1,
        "stated relationships": 1,
    }
    found = await concepts(world, taken.id)
    assert found["400000995"]["above"] == [made.ROOT, "400000991", "400000992", "400000994"]
    assert (found["400000992"]["display"], found["400000992"]["language"]) == ("Lua clara", "pt")
    assert (found["400000995"]["display"], found["400000995"]["language"]) == ("Twilight moon", "en-US")
    assert found[made.GONE]["inactive"] and not found["400000992"]["inactive"]
    assert f"^{made.LIST}" in found["400000993"]["marks"] and "400000998=400000997" in found["400000992"]["marks"]


async def test_an_extension_over_its_edition(world: World, cluster: Any, tenant: Tenant, tmp_path: Path) -> None:
    edition = made.zipped(tmp_path / "edition.zip", made.snomed())
    taken = await bring(world, cluster, tenant, edition, made.folder(tmp_path / "extension", made.extension()))
    assert taken.version == f"http://snomed.info/sct/{made.BRAZIL}/version/20260601"
    found = await concepts(world, taken.id)
    assert "400000992" in found["400001000"]["above"] and found["400001000"]["display"] == "Lua de São João"
    assert found["400000995"]["above"] == [made.ROOT, "400000991", "400000992"]


async def test_loinc(world: World, cluster: Any, tenant: Tenant, tmp_path: Path) -> None:
    taken = await bring(world, cluster, tenant, made.zipped(tmp_path / "loinc.zip", made.loinc()))
    assert (taken.system, taken.version) == ("http://loinc.org", "9.81") and taken.not_read == {"file group.csv": 1}
    found = await concepts(world, taken.id)
    assert found["99001-1"]["display"] == "Substância lunar no sangue" and found["99001-1"]["above"] == ["LP99999-1"]
    assert found["99002-9"]["display"] == "Substância lunar:CMass:Pt:Urina:Qn" and found["99003-7"]["inactive"]
    assert {"CLASS=CHEM", "answer-list=LL9999-1", "^99003-7"} <= set(found["99001-1"]["marks"])
    assert "^LL9999-1" in found["LA99991-1"]["marks"] and found["LP99999-1"]["abstract"]


CASES: dict[str, tuple[Callable[[], Mapping[str, str]], str, str, dict[str, list[str]], set[str]]] = {
    "cid10.zip": (
        made.cid10, "http://hl7.org/fhir/sid/icd-10", "2008",
        {"A00.1": ["A00", "A00-A04", "A00-A09", "I"], "A05": ["A00-A09", "I"], "Z03": ["XXI"]},
        {"file cid-o-categorias.csv", "categories repeated as subcategories"},
    ),
    "TabelaUnificada_202606_v2606.zip": (
        made.sigtap, "https://terminologia.saude.gov.br/fhir/CodeSystem/BRTabelaSUS", "202606",
        {"0301010999": ["03", "0301", "030101"]}, {"file tb_cid.txt"},
    ),
    "cbo.zip": (
        made.cbo, "https://terminologia.saude.gov.br/fhir/CodeSystem/BRCBO", "2002",
        {"225999": ["2", "22", "225", "2259"]}, {"file cbo2002 - perfilocupacional.csv"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_brazilian_lists(world: World, cluster: Any, tenant: Tenant, tmp_path: Path, name: str) -> None:
    files, system, version, above, not_read = CASES[name]
    taken = await bring(world, cluster, tenant, made.zipped(tmp_path / name, files(), "latin-1"))
    assert (taken.system, taken.version, set(taken.not_read)) == (system, version, not_read)
    found = await concepts(world, taken.id)
    assert {code: found[code]["above"] for code in above} == above
    assert any("mar" in row["display"].lower() and "é" in row["display"] for row in found.values()) or name == "cbo.zip"


async def test_a_broken_package_leaves_what_was_there(
    world: World, cluster: Any, tenant: Tenant, tmp_path: Path
) -> None:
    before = await bring(world, cluster, tenant, made.folder(tmp_path / "good", made.cid10()))
    files = made.cid10()
    files["CID-10-SUBCATEGORIAS.CSV"] += "A002;;\r\n"
    with pytest.raises(Refused, match=r"CID-10-SUBCATEGORIAS.CSV, line 5: columns; nothing was changed"):
        await bring(world, cluster, tenant, made.folder(tmp_path / "bad", files))
    assert len(await concepts(world, before.id)) == before.counts["concept"]
    again = await bring(world, cluster, tenant, made.folder(tmp_path / "good", made.cid10()))
    assert (again.id, again.counts) == (before.id, before.counts)
    for lost in (made.folder(tmp_path / "other", {"a.txt": "x"}), tmp_path / "good" / "CID-10-GRUPOS.CSV"):
        with pytest.raises(Refused):
            await bring(world, cluster, tenant, lost)


async def test_who_uses_a_release(
    world: World, cluster: Any, tenant: Tenant, other_tenant: Tenant, tmp_path: Path
) -> None:
    path = made.folder(tmp_path / "cbo", made.cbo())
    taken = await bring(world, cluster, tenant, path, version="9001")
    async with owner_of(world, cluster) as owner:
        assert [each.id for each in await importing.listed(owner, tenant) if each.version == "9001"] == [taken.id]
        assert all(each.id != taken.id for each in await importing.listed(owner, other_tenant))
        with pytest.raises(NotFound):
            await importing.removed(owner, other_tenant, taken.id, "test")
    await bring(world, cluster, other_tenant, path, version="9001")
    async with owner_of(world, cluster) as owner:
        assert not await importing.removed(owner, tenant, taken.id, "test") and await concepts(world, taken.id)
        assert await importing.removed(owner, other_tenant, taken.id, "test") and not await concepts(world, taken.id)
    house = await bring(world, cluster, tenant, path, version="9002", house=True)
    async with owner_of(world, cluster) as owner:
        assert house.id in {each.id for each in await importing.listed(owner, other_tenant)}
        assert await importing.removed(owner, other_tenant, house.id, "test")


async def test_a_release_goes_with_its_last_user(world: World, cluster: Any, tenant: Tenant, tmp_path: Path) -> None:
    """Were it left behind by a process that ended in between, nobody could name it any more."""
    taken = await bring(world, cluster, tenant, made.folder(tmp_path / "cbo", made.cbo()), version="9003")
    with contextlib.suppress(Died), living(Life(1)):
        async with owner_of(world, cluster) as owner:
            await importing.removed(owner, tenant, taken.id, "test")
    assert not await concepts(world, taken.id)


@pytest.mark.parametrize(
    "change", ["DELETE FROM term_concept", "UPDATE term_release SET house = true", "DELETE FROM term_use"]
)
async def test_the_application_only_reads(world: World, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.database.global_rows(change)
