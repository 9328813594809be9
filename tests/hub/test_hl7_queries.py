"""Patient look-ups and master files get answers of their own kind, from the records, on a real database."""

from __future__ import annotations

from hl7_feed import a40, adt, feed, msh, records, work_all

from hub.exchange import owed
from hub.exchange.channels import channels_of
from hub.exchange.keep import Keeper
from hub.exchange.receive import receive
from hub.world import Tenant, World

T = "202611221000{:02d}"


async def ask(world: World, tenant: Tenant, message: str) -> list[str]:
    """The segments of the answer to a message that was kept, worked and answered."""
    channel = next(c for c in await channels_of(world, tenant) if c.door == "mllp")
    said = await receive(Keeper(world.database), channel, message.encode())
    assert said.payload == b"" and said.owes, "the answer waits for the records"
    await work_all(world, tenant)
    answers = await owed.settle(world, tenant, [said.message_id])
    return answers[said.message_id].decode().rstrip("\r").split("\r")


def qbp(*terms: str, kind: str = "QBP^Q22^QBP_Q21", rcp: str = "I|10^RD") -> str:
    return f"{msh(kind, T.format(30))}\rQPD|Q22^Find Candidates^HL7|TAG1|{'~'.join(terms)}\rRCP|{rcp}\r"


async def people(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        adt(
            "A28",
            "A1",
            "",
            T.format(1),
            pid="Conceição^Ana Lúcia|Maria Conceição|19800229|F|||Rua A 1^^Recife^PE^50000000",
        ),
        adt("A28", "A2", "", T.format(2), pid="Conceicao^Bruno||19750105|M|||Rua B 2^^Olinda^PE"),
        adt("A28", "A3", "", T.format(3), pid="Lima^Ana||19800229|F"),
    )


async def test_by_name_and_birth_date(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    answer = await ask(world, tenant, qbp("@PID.5.1.1^CONCEICAO", "@PID.7.1^19800229"))
    assert answer[0].split("|")[8] == "RSP^K22^RSP_K21" and answer[1].startswith("MSA|AA|")
    assert answer[2] == "QAK|TAG1|OK|Q22^Find Candidates^HL7|1|1|0" and answer[3].startswith(
        "QPD|Q22^Find Candidates^HL7|TAG1|@PID.5.1.1^"
    )
    (pid,) = [line for line in answer if line.startswith("PID|")]
    assert "A1^^^" in pid and "Conceição^Ana" in pid and "|19800229|F|" in pid


async def test_whole_words_and_wildcards(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    assert (await ask(world, tenant, qbp("@PID.5.1^Conc")))[2].split("|")[2] == "NF"
    assert (await ask(world, tenant, qbp("@PID.5.1^Conc*")))[2].split("|")[4] == "2"
    assert (await ask(world, tenant, qbp("@PID.5.2^ana")))[2].split("|")[4] == "2"


async def test_limit_tells_what_is_left(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    answer = await ask(world, tenant, qbp("@PID.11.4^PE", rcp="I|1^RD"))
    assert answer[2].endswith("|2|1|1") and sum(line.startswith("PID|") for line in answer) == 1


async def test_by_number_merged_and_restricted_records_are_not_told(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    secret = f"{msh('ADT^A31', T.format(5))}\rEVN|A31|{T.format(5)}-0300\rPID|1||A3^^^HOSP^MR\rPD1||||||||||||Y\r"
    await feed(world, tenant, secret, a40(T.format(6), ("A2", "A1")))
    answer = await ask(world, tenant, qbp("@PID.3.1^A1"))
    (pid,) = [line for line in answer if line.startswith("PID|")]
    assert "A2^^^" in pid, "the survivor answers for the merged one"
    assert (await ask(world, tenant, qbp("@PID.3.1^A3")))[2].split("|")[2] == "NF"


async def test_corresponding_identifiers(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, f"{msh('ADT^A28', T.format(1))}\rPID|1||A^^^HOSP^MR~52998224725^^^^CPF||S^A\r")
    answer = await ask(world, tenant, qbp("A^^^HOSP^MR", kind="QBP^Q23^QBP_Q21"))
    assert answer[0].split("|")[8] == "RSP^K23^RSP_K23"
    (pid,) = [line for line in answer if line.startswith("PID|")]
    assert "52998224725" in pid and "S^A" not in pid, "identifiers only"


async def test_what_cannot_be_asked(world: World, tenant: Tenant) -> None:
    for terms in (("@PID.6.1^Maria",), (), ("@PID.7^banana",)):
        answer = await ask(world, tenant, qbp(*terms))
        assert answer[1].startswith("MSA|AE|") and any(line.startswith("QAK|TAG1|AE|") for line in answer), terms


async def test_look_ups_are_audited_without_their_values(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    await ask(world, tenant, qbp("@PID.5.1^LIMA"))
    (seen,) = [p for p in await records(world, tenant, "Patient") if p["name"][0]["family"] == "Lima"]
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT action, entity FROM audit_event WHERE tenant_id = $1 AND actor = 'hl7'")
    told = {(row["action"], row["entity"]) for row in rows}
    assert ("search", "Patient?family") in told and ("read", f"Patient/{seen['id']}") in told
    assert not any("LIMA" in entity for _, entity in told)


async def test_master_file_is_answered_entry_by_entry(world: World, tenant: Tenant) -> None:
    message = (
        f"{msh('MFN^M05^MFN_M05', T.format(1))}\rMFI|LOC^Location^HL70175||UPD|||AL\r"
        "MFE|MAD|1|20261122|UTI^1^2^HSR|PL\rLOC|UTI^1^2^HSR|Leito 2|B\r"
        "MFE|MDC|2|20261122|UTI^1^3^HSR|PL\rLOC|UTI^1^3^HSR||B\r"
    )
    answer = await ask(world, tenant, message)
    assert answer[0].split("|")[8] == "MFK^M05^MFK_M01" and answer[2].startswith("MFI|LOC^Location^HL70175")
    assert [line.split("|")[1:5] for line in answer if line.startswith("MFA")] == [
        ["MAD", "1", "", "S"],
        ["MDC", "2", "", "S"],
    ]
    assert {loc["name"]: loc["status"] for loc in await records(world, tenant, "Location")} == {
        "HSR / UTI / 1 / 2": "active",
        "HSR / UTI / 1 / 3": "inactive",
    }
