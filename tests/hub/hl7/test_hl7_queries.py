"""Patient look-ups and master files get answers of their own kind, from the records, on a real database."""

from __future__ import annotations

import pytest
from hl7_feed import a40, adt, feed, msh, records, work_all

from hl7 import er7
from hl7.grammar import conform
from hub.exchange.answer import lookups, owed
from hub.exchange.channels import channels_of
from hub.exchange.door.keep import Keeper
from hub.exchange.door.receive import receive
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


async def test_an_entry_without_a_record_is_not_answered_as_done(world: World, tenant: Tenant) -> None:
    message = (
        f"{msh('MFN^M13^MFN_M13', T.format(2))}\rMFI|GEN^General^L||UPD|||AL\r"
        "MFE|MAD|1|20261122|CC10^Custos^L|CWE\rZCC|CC10\rMFE|MDL|2|20261122|UTI^1^3^HSR|PL\rLOC|UTI^1^3^HSR||B\r"
    )
    answer = await ask(world, tenant, message)
    assert [line.split("|")[1:5] for line in answer if line.startswith("MFA")] == [
        ["MAD", "1", "", "U"],
        ["MDL", "2", "", "S"],
    ]
    assert [place["status"] for place in await records(world, tenant, "Location")] == ["inactive"]


def persons(answer: list[str]) -> list[str]:
    return [line.split("|")[3].partition("^")[0] for line in answer if line.startswith("PID|")]


async def test_a_look_up_goes_on_where_dsc_points(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        *(adt("A28", f"C{n}", "", T.format(n), pid=f"Prado^N{n}||19800229|F") for n in range(7)),
        wave=True,
    )
    seen: list[str] = []
    pointer, counts = "", []
    for _ in range(4):
        answer = await ask(
            world, tenant, qbp("@PID.5.1^PRADO", rcp="I|3^RD") + (f"DSC|{pointer}|I\r" if pointer else "")
        )
        seen += persons(answer)
        counts.append(answer[2].split("|")[4:7])
        pointer = next((line.split("|")[1] for line in answer if line.startswith("DSC|")), "")
        if not pointer:
            break
    assert sorted(seen) == [f"C{n}" for n in range(7)] and len(set(seen)) == 7
    assert counts == [["7", "3", "4"], ["7", "3", "1"], ["7", "1", "0"]]


async def test_a_pointer_of_another_query_is_refused(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    first = await ask(world, tenant, qbp("@PID.11.4^PE", rcp="I|1^RD"))
    pointer = next(line for line in first if line.startswith("DSC|"))
    for said in (pointer, "DSC|page-2|I", "DSC|99999999999999999999.1.0|I"):
        answer = await ask(world, tenant, qbp("@PID.5.1^LIMA", rcp="I|1^RD") + said + "\r")
        assert answer[1].startswith("MSA|AE|") and "query.continuation" in answer[2] and not persons(answer)


async def test_restricted_records_do_not_end_a_page(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_COUNTED", 2)
    hidden = [
        f"{msh('ADT^A31', T.format(n))}\rPID|1||H{n}^^^HOSP^MR||Prado^H{n}\rPD1||||||||||||Y\r" for n in range(1, 6)
    ]
    await feed(world, tenant, *hidden, adt("A28", "SHOWN", "", T.format(9), pid="Prado^Iva||19800229|F"))
    assert persons(await ask(world, tenant, qbp("@PID.5.1^PRADO"))) == ["SHOWN"]


@pytest.mark.parametrize("version", ["2.5.1", "2.8.2"])
async def test_a_candidate_comes_with_why(world: World, tenant: Tenant, version: str) -> None:
    await people(world, tenant)
    told = qbp("@PID.5.1^LIMA", "@PID.5.2^ANA", rcp="I|1^RD").replace("|2.5.1", f"|{version}")
    answer = await ask(world, tenant, told)
    assert [line[:3] for line in answer[2:6]] == ["QAK", "QPD", "PID", "QRI"] and answer[5] == "QRI|100|NA"
    message = er7.read(("\r".join(answer) + "\r").encode())
    assert isinstance(message, er7.Message) and not [p for p in conform(message) if p.code.startswith("structure.")]


def qry(who: str, *, version: str = "2.5.1", what: str = "DEM", most: str = "10^RD") -> str:
    header = msh("QRY^A19", T.format(40)).replace("|2.5.1|", f"|{version}|")
    return f"{header}\rQRD|{T.format(40)}|R|I|TAG9|||{most}|{who}|{what}|HIS\r"


@pytest.mark.parametrize("version", ["2.2", "2.3.1", "2.5.1"])
async def test_a19_tells_the_person_and_the_visit(world: World, tenant: Tenant, version: str) -> None:
    await feed(world, tenant, adt("A01", "A1", "V9", T.format(1), pid="Conceição^Ana||19800229|F"))
    answer = await ask(world, tenant, qry("A1", version=version))
    assert answer[0].split("|")[8] == "ADR^A19^ADR_A19" and answer[1].startswith("MSA|AA|")
    assert [line[:3] for line in answer[2:]] == [*(["QAK"] if version == "2.5.1" else []), "QRD", "PID", "PV1"]
    assert "A1^^^" in answer[-2] and "Conceição^Ana" in answer[-2] and answer[-1].split("|")[2] == "I"
    assert answer[-1].split("|")[19].startswith("V9^^^")
    message = er7.read(("\r".join(answer) + "\r").encode())
    found = conform(message) if isinstance(message, er7.Message) and version != "2.3.1" else []
    assert [p for p in found if p.code.startswith("structure.segment")] == []


async def test_a19_by_several_numbers_by_name_and_by_parts(world: World, tenant: Tenant) -> None:
    await people(world, tenant)
    assert sorted(persons(await ask(world, tenant, qry("A1~A3")))) == ["A1", "A3"]
    assert persons(await ask(world, tenant, qry("^LIMA^ANA"))) == ["A3"]
    assert persons(await ask(world, tenant, qry("A1^^^^^^^^HOSP^^^^MR"))) == ["A1"]
    assert persons(await ask(world, tenant, qry("A1^^^^^^^^OUTRO^^^^MR"))) == []
    first = await ask(world, tenant, qry("A1~A2~A3", most="2^RD"))
    dsc = next(line for line in first if line.startswith("DSC|"))
    rest = await ask(world, tenant, qry("A1~A2~A3", most="2^RD") + dsc + "\r")
    assert sorted(persons(first) + persons(rest)) == ["A1", "A2", "A3"] and not any(x.startswith("DSC") for x in rest)
    assert first[-2].startswith("PV1|2|N"), "in no visit"


async def test_a19_asks_for_demographics_of_somebody(world: World, tenant: Tenant) -> None:
    for who, what, code in (("A1", "RES", "query.subject"), ("", "DEM", "query.who")):
        answer = await ask(world, tenant, qry(who, what=what))
        assert answer[1].startswith("MSA|AE|") and code in answer[2]


async def test_giving_up_a_query_is_acknowledged(world: World, tenant: Tenant) -> None:
    (outcome,) = await feed(
        world, tenant, f"{msh('QCN^J01^QCN_J01', T.format(50))}\rQID|TAG1|Q22^Find Candidates^HL7\r"
    )
    assert (outcome["code"], outcome["status"], outcome["problems"]) == ("AA", "TRANSFORMED", [])
