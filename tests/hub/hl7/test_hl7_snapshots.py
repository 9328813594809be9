"""Snapshots of persons and other sets: who left the set is withdrawn, who comes back is back, in any order of arrival."""

from __future__ import annotations

import itertools

import pytest
from channel_feed import put, send
from hl7_feed import adt, records

from hub.world import Tenant, World

AGREED = 'name = "x"\ndoor = "mllp"\n[segments]\nNK1 = "snapshot"\nGT1 = "snapshot"\nAL1 = "snapshot"\n'
T = "202611220{}0000"


def kin(at: str, *numbers: str, guarantors: tuple[str, ...] = (), event: str = "A08", mother: str = "") -> str:
    rows = [f"NK1|{n}|Souza^{who}|SPO{'|' * 30}{who}^^^HOSP^PI" for n, who in enumerate(numbers, start=1)]
    rows += [f"GT1|{n}|{who}^^^HOSP|Souza^{who}" for n, who in enumerate(guarantors, start=1)]
    patient = f"Souza^Ana|Rosa|19800229|F{'|' * 13}{mother}^^^HOSP^MR" if mother else ""
    return adt(event, "M1", "V1", at, *rows, pid=patient)


async def present(world: World, tenant: Tenant) -> dict[str, bool]:
    return {p["name"][0]["text"]: p["active"] for p in await records(world, tenant, "RelatedPerson")}


async def test_who_left_the_set_is_withdrawn_and_comes_back(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, AGREED)
    await send(world, tenant, own, kin(T.format(1), "Rui", "Ivo", guarantors=("Eva",), mother="77", event="A01"))
    await send(world, tenant, own, kin(T.format(2), "Rui"))
    assert await present(world, tenant) == {"Rui Souza": True, "Ivo Souza": False, "Eva Souza": True, "Rosa": True}
    await send(world, tenant, own, kin(T.format(3), guarantors=("Lia",)))
    assert await present(world, tenant) == {
        "Rui Souza": True, "Ivo Souza": False, "Eva Souza": False, "Lia Souza": True, "Rosa": True,
    }  # fmt: skip
    await send(world, tenant, own, kin(T.format(4), "Ivo", guarantors=("Lia", "Eva")))
    assert await present(world, tenant) == {
        "Rui Souza": False, "Ivo Souza": True, "Eva Souza": True, "Lia Souza": True, "Rosa": True,
    }  # fmt: skip


SETS = {1: ("Rui", "Ivo"), 2: ("Rui", "Eva"), 3: ("Eva",)}


@pytest.mark.parametrize("order", list(itertools.permutations(SETS)), ids=lambda order: "".join(map(str, order)))
async def test_sets_in_any_order_end_the_same(world: World, tenant: Tenant, order: tuple[int, ...]) -> None:
    """The newest set holds Eva alone; the others are known and withdrawn, whatever arrives when."""
    own = await put(world, tenant, AGREED)
    await send(world, tenant, own, *(kin(T.format(n), *SETS[n]) for n in order))
    assert await present(world, tenant) == {"Rui Souza": False, "Ivo Souza": False, "Eva Souza": True}


async def test_a_late_set_leaves_what_another_channel_told_of(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, AGREED)
    other = await put(world, tenant, 'name = "y"\ndoor = "mllp"\n')
    await send(world, tenant, other, kin(T.format(1), "Ivo"))
    await send(world, tenant, own, kin(T.format(3), "Rui"), kin(T.format(2), "Ivo"))
    assert await present(world, tenant) == {"Rui Souza": True, "Ivo Souza": True}


async def test_an_allergy_told_again_is_active_again(world: World, tenant: Tenant) -> None:
    own = await put(world, tenant, AGREED)
    for at, codes in ((1, ("PEN", "DIP")), (2, ("DIP",)), (3, ("PEN",))):
        rows = (f"AL1|{n}|DA|{code}^{code}^L" for n, code in enumerate(codes, start=1))
        await send(world, tenant, own, adt("A08", "M1", "V1", T.format(at), *rows))
    found = {
        body["code"]["coding"][0]["code"]: body["clinicalStatus"]["coding"][0]["code"]
        for body in await records(world, tenant, "AllergyIntolerance")
    }
    assert found == {"PEN": "active", "DIP": "inactive"}
