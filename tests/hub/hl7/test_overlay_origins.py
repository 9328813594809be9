"""A kept message is read again under the channel version it came by: overlay and plans of then, not of today."""

from __future__ import annotations

from channel_feed import put, send
from hl7_feed import a40, adt, by_number, msh, oru, records

from hub.operate.origins import origins
from hub.world import Tenant, World

T = "202611221000{:02d}"
OWN = """
name = "his"
door = "mllp"
overlay = "hospital_exemplo"

[plans]
"ADT^Z98" = "adt"
"""
PLAIN = 'name = "his"\ndoor = "mllp"\n'


def alert(mrn: str, at: str) -> str:
    """A message only the channel's own plan maps, with a segment only its overlay maps."""
    pid = f"PID|1||{mrn}^^^HOSP^MR||Souza^Ana||19800229|3"
    return "\r".join((msh("ADT^Z98", at), f"EVN|Z98|{at}-0300", pid, "ZPD|1|Nina", "ZAL|1|Q|Queda|A|20261122")) + "\r"


async def test_an_unmerge_gives_back_what_a_channels_own_plan_and_overlay_made(world: World, tenant: Tenant) -> None:
    his = await put(world, tenant, OWN)
    await send(world, tenant, his, adt("A01", "A", "VA", T.format(1)), adt("A01", "B", "VB", T.format(2)))
    await send(world, tenant, his, a40(T.format(3), ("B", "A")))
    await send(world, tenant, his, alert("A", T.format(4)), oru("B", "4", "F", "93", T.format(5)))
    (flag,) = await records(world, tenant, "Flag")
    patients = await records(world, tenant, "Patient")
    a, b = (by_number(patients, number)["id"] for number in "AB")
    assert flag["subject"]["reference"] == f"Patient/{b}", "the merge holds"
    his = await put(world, tenant, PLAIN)
    undo = "\r".join(
        (msh("ADT^A37", T.format(6)), f"EVN|A37|{T.format(6)}-0300", "PID|1||B^^^HOSP^MR", "PID|1||A^^^HOSP^MR")
    )
    await send(world, tenant, his, undo + "\r")
    (flag,) = await records(world, tenant, "Flag")
    assert flag["subject"]["reference"] == f"Patient/{a}", "it came under A's number, as the channel of then tells"
    (result,) = await records(world, tenant, "Observation")
    assert result["subject"]["reference"] == f"Patient/{b}"


async def test_an_element_of_an_overlay_names_the_overlays_row(world: World, tenant: Tenant) -> None:
    his = await put(world, tenant, OWN)
    await send(world, tenant, his, alert("A", T.format(1)))
    await put(world, tenant, PLAIN)
    (flag,) = await records(world, tenant, "Flag")
    (patient,) = await records(world, tenant, "Patient")
    (text,) = await origins(world, tenant, "Flag", flag["id"], "code.text")
    assert text.row.startswith("mappings/partners/hospital_exemplo/hl7/zal.csv:") and text.source.endswith("-3")
    (gender,) = await origins(world, tenant, "Patient", patient["id"], "gender")
    assert gender.codes[0].startswith("mappings/partners/hospital_exemplo/codes/hl70001-gender.csv:")
