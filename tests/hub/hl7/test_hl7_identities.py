"""Accounts and visits merged, moved and renumbered; patients linked, unlinked and unmerged, on a real database."""

from __future__ import annotations

import itertools

import pytest
from hl7_feed import a40, adt, by_number, feed, msh, oru, records

from hub.world import Tenant, World

T = "202611221000{:02d}"
SOUZA = "Souza^Ana||19800229|F"


def event(kind: str, at: str, *lines: str) -> str:
    return "\r".join([msh(f"ADT^{kind}", at), f"EVN|{kind}|{at}-0300", *lines]) + "\r"


def pid(mrn: str, account: str = "") -> str:
    return f"PID|1||{mrn}^^^HOSP^MR||{SOUZA}" + (f"||||||||||{account}^^^HOSP" if account else "")


def pv1(visit: str) -> str:
    return f"PV1|1|I|||||||||||||||||{visit}^^^HOSP"


def mrg(mrn: str = "", account: str = "", visit: str = "", alternate: str = "") -> str:
    cx = [
        f"{value}^^^HOSP{kind}" if value else ""
        for value, kind in ((mrn, "^MR"), (account, ""), (visit, ""), (alternate, ""))
    ]
    return f"MRG|{cx[0]}||{cx[1]}||{cx[2]}|{cx[3]}".rstrip("|")


def obx(code: str) -> str:
    return f"OBX|1|NM|{code}^Pulso^LN||80|/min|||||F"


def uses(record: dict, element: str = "identifier") -> dict[str, str | None]:
    return {i["value"]: i.get("use") for i in record.get(element, ())}


async def one(world: World, tenant: Tenant, kind: str, number: str) -> dict:
    return by_number(await records(world, tenant, kind), number)


async def test_unmerge_gives_each_its_own_back(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        adt("A01", "A", "VA", T.format(1)),
        adt("A01", "B", "VB", T.format(2)),
        oru("A", "1", "F", "90", T.format(3)),
        oru("B", "2", "F", "91", T.format(4)),
        a40(T.format(5), ("B", "A")),
        oru("A", "3", "F", "92", T.format(6)),
        oru("B", "4", "F", "93", T.format(7)),
    )
    assert {r["subject"]["reference"] for r in await records(world, tenant, "Observation")} == {
        f"Patient/{(await one(world, tenant, 'Patient', 'B'))['id']}"
    }
    (undone,) = await feed(world, tenant, event("A37", T.format(8), pid("B"), pid("A")))
    assert undone["status"] == "TRANSFORMED" and "semantic.not-linked" not in undone["problems"]
    a, b = await one(world, tenant, "Patient", "A"), await one(world, tenant, "Patient", "B")
    assert a["active"] is True and "link" not in a and "link" not in b
    assert uses(b) == {"B": None} and uses(a) == {"A": None}
    values = {
        o["valueQuantity"]["value"]: o["subject"]["reference"] for o in await records(world, tenant, "Observation")
    }
    assert values == {
        90: f"Patient/{a['id']}",
        92: f"Patient/{a['id']}",
        91: f"Patient/{b['id']}",
        93: f"Patient/{b['id']}",
    }
    visits = {e["identifier"][0]["value"]: e["subject"]["reference"] for e in await records(world, tenant, "Encounter")}
    assert visits == {"VA": f"Patient/{a['id']}", "VB": f"Patient/{b['id']}"}
    (late,) = await feed(world, tenant, oru("A", "5", "F", "94", T.format(9)))
    assert "semantic.merged-patient" not in late["problems"], "later messages to the former loser go to it again"
    again = await feed(world, tenant, event("A37", T.format(10), pid("B"), pid("A")), a40(T.format(11), ("B", "A")))
    assert "semantic.not-linked" in again[0]["problems"]
    assert (await one(world, tenant, "Patient", "A"))["active"] is False, "and they can be merged again"


@pytest.mark.parametrize("gone", ["A", "B"])
async def test_unmerge_inside_a_chain(world: World, tenant: Tenant, gone: str) -> None:
    """A into B, B into C. When B leaves C it takes A along; when A leaves, B stays."""
    await feed(world, tenant, *(adt("A01", n, f"V{n}", T.format(i)) for i, n in enumerate("ABC")))
    await feed(world, tenant, a40(T.format(4), ("B", "A")), a40(T.format(5), ("C", "B")))
    await feed(world, tenant, event("A37", T.format(6), pid("C"), pid(gone)))
    people = {n: (await one(world, tenant, "Patient", n)) for n in "ABC"}
    owner = {
        e["identifier"][0]["value"]: e["subject"]["reference"][8:] for e in await records(world, tenant, "Encounter")
    }
    ids = {p["id"]: n for n, p in people.items()}
    expected = {"A": {"VA": "A", "VB": "C", "VC": "C"}, "B": {"VA": "B", "VB": "B", "VC": "C"}}[gone]
    assert {visit: ids[person] for visit, person in owner.items()} == expected
    assert [n for n in "ABC" if people[n]["active"]] == {"A": ["A", "C"], "B": ["B", "C"]}[gone]
    if gone == "B":
        assert people["A"]["link"][0]["other"]["reference"] == f"Patient/{people['B']['id']}"
        assert uses(people["B"]) == {"B": None, "A": "old"} and uses(people["C"]) == {"C": None}


@pytest.mark.parametrize("gone", [("C", "B"), ("B", "A"), ("C", "A")])
async def test_unmerge_inside_a_chain_that_came_out_of_order(
    world: World, tenant: Tenant, gone: tuple[str, str]
) -> None:
    """B into C is told first, A into B afterwards: undone, they part as if they had come in order."""
    await feed(world, tenant, *(adt("A01", n, f"V{n}", T.format(i)) for i, n in enumerate("ABC")))
    await feed(world, tenant, a40(T.format(5), ("C", "B")), a40(T.format(4), ("B", "A")))
    (undone,) = await feed(world, tenant, event("A37", T.format(6), pid(gone[0]), pid(gone[1])))
    assert "semantic.not-linked" not in undone["problems"]
    people = {n: (await one(world, tenant, "Patient", n)) for n in "ABC"}
    assert [n for n in "ABC" if people[n]["active"]] == (["B", "C"] if gone[1] == "B" else ["A", "C"])
    ids = {p["id"]: n for n, p in people.items()}
    visits = await records(world, tenant, "Encounter")
    owner = {e["identifier"][0]["value"]: ids[e["subject"]["reference"][8:]] for e in visits}
    assert owner == ({"VA": "B", "VB": "B", "VC": "C"} if gone[1] == "B" else {"VA": "A", "VB": "C", "VC": "C"})
    await feed(world, tenant, oru("A", "7", "F", "90", T.format(8)))
    (late,) = await records(world, tenant, "Observation")
    assert ids[late["subject"]["reference"][8:]] == gone[1], "a late result goes where its patient is now"


async def test_link_and_unlink(world: World, tenant: Tenant) -> None:
    await feed(
        world, tenant, event("A24", T.format(1), pid("A"), pid("B")), event("A24", T.format(2), pid("A"), pid("B"))
    )
    a, b = await one(world, tenant, "Patient", "A"), await one(world, tenant, "Patient", "B")
    assert a["link"] == [{"other": {"reference": f"Patient/{b['id']}"}, "type": "seealso"}] and len(b["link"]) == 1
    assert a["active"] and b["active"]
    await feed(world, tenant, event("A37", T.format(3), pid("B"), pid("A")))
    assert all("link" not in p for p in await records(world, tenant, "Patient"))


async def test_an_unmerge_takes_back_the_link_of_before_on_both(world: World, tenant: Tenant) -> None:
    linked = event("A24", T.format(1), pid("A"), pid("B"))
    await feed(world, tenant, linked, a40(T.format(2), ("A", "B")), event("A37", T.format(3), pid("A"), pid("B")))
    people = await records(world, tenant, "Patient")
    assert all(p["active"] and "link" not in p for p in people) and len(people) == 2


async def test_an_unmerge_that_comes_before_its_merge(world: World, tenant: Tenant) -> None:
    """What A37 told apart an older merge or link does not join, known or not, sent once or again; a newer one does."""
    await feed(world, tenant, adt("A01", "A", "VA", T.format(1)))
    (early,) = await feed(world, tenant, event("A37", T.format(5), pid("B"), pid("A")))
    assert early["status"] == "TRANSFORMED" and "semantic.not-linked" in early["problems"]
    merge, link = a40(T.format(3), ("B", "A")), event("A24", T.format(4), pid("A"), pid("B"))
    for outcome in await feed(world, tenant, merge, link, a40(T.format(3), ("A", "B"))):
        assert outcome["status"] == "TRANSFORMED" and "semantic.merge-undone" in outcome["problems"]
    people = await records(world, tenant, "Patient")
    assert [p["active"] for p in people] == [True, True] and not any("link" in p for p in people)
    await feed(world, tenant, a40(T.format(8), ("B", "A")))
    assert (await one(world, tenant, "Patient", "A"))["active"] is False
    await feed(world, tenant, event("A37", T.format(9), pid("B"), pid("A")))
    (again,) = await feed(world, tenant, a40(T.format(8), ("B", "A")))
    assert "semantic.merge-undone" in again["problems"] and (await one(world, tenant, "Patient", "A"))["active"]


async def test_link_with_itself_is_refused(world: World, tenant: Tenant) -> None:
    (outcome,) = await feed(world, tenant, event("A24", T.format(1), pid("A"), pid("A")))
    assert outcome["status"] == "ERROR" and "semantic.merge-self" in outcome["problems"]


@pytest.mark.parametrize("kind", ["A18", "A30", "A34", "A40"])
async def test_older_forms_merge_patients_too(world: World, tenant: Tenant, kind: str) -> None:
    await feed(world, tenant, adt("A01", "A", "VA", T.format(1)))
    (outcome,) = await feed(world, tenant, event(kind, T.format(2), pid("B"), mrg("A")))
    assert outcome["status"] == "TRANSFORMED"
    b = await one(world, tenant, "Patient", "B")
    (visit,) = await records(world, tenant, "Encounter")
    assert visit["subject"]["reference"] == f"Patient/{b['id']}" and uses(b) == {"B": None, "A": "old"}


async def test_external_identifiers_merge(world: World, tenant: Tenant) -> None:
    """A39: PID-2 survives MRG-4."""
    await feed(world, tenant, event("A28", T.format(1), f"PID|1|X1^^^MPI|A^^^HOSP^MR||{SOUZA}"))
    await feed(world, tenant, event("A39", T.format(2), f"PID|1|X2^^^MPI|||{SOUZA}", "MRG||||X1^^^MPI"))
    patients = await records(world, tenant, "Patient")
    assert [p["active"] for p in patients if any(i["value"] == "X2" for i in p["identifier"])] == [True]
    assert sum(p["active"] for p in patients) == 1


async def test_patient_and_account_merge(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "VA", T.format(1), pid=f"{SOUZA}||||||||||CA^^^HOSP"))
    await feed(world, tenant, event("A36", T.format(2), pid("B", "CB"), mrg("A", "CA")))
    b = await one(world, tenant, "Patient", "B")
    accounts = {a["status"]: a for a in await records(world, tenant, "Account")}
    assert uses(accounts["active"]) == {"CB": None, "CA": "old"} and "identifier" not in accounts["inactive"]
    assert accounts["active"]["subject"][0]["reference"] == f"Patient/{b['id']}"
    (visit,) = await records(world, tenant, "Encounter")
    assert visit["account"] == [{"reference": f"Account/{accounts['active']['id']}"}]
    assert visit["subject"]["reference"] == f"Patient/{b['id']}"


@pytest.mark.parametrize("kind", ["A35", "A41"])
async def test_accounts_merge(world: World, tenant: Tenant, kind: str) -> None:
    await feed(world, tenant, adt("A01", "A", "VA", T.format(1), pid=f"{SOUZA}||||||||||C1^^^HOSP"))
    merge = event(kind, T.format(2), pid("A", "C2"), mrg("A", "C1"))
    await feed(world, tenant, merge)
    kept = await one(world, tenant, "Account", "C2")
    assert uses(kept) == {"C2": None, "C1": "old"} and kept["status"] == "active"
    before = await records(world, tenant, "Account")
    again, reverse, itself = await feed(
        world,
        tenant,
        event(kind, T.format(3), pid("A", "C2"), mrg("A", "C1")),
        event(kind, T.format(4), pid("A", "C1"), mrg("A", "C2")),
        event(kind, T.format(5), pid("A", "C2"), mrg("A", "C2")),
    )
    assert again["status"] == "TRANSFORMED" and "semantic.merge-cycle" in reverse["problems"]
    assert "semantic.merge-self" in itself["problems"]
    assert [uses(a) for a in await records(world, tenant, "Account")] == [uses(a) for a in before]


async def test_unknown_account_becomes_an_alias(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, event("A41", T.format(2), pid("A", "C2"), mrg("A", "C1")))
    await feed(world, tenant, adt("A01", "A", "VA", T.format(1), pid=f"{SOUZA}||||||||||C1^^^HOSP"))
    (account,) = await records(world, tenant, "Account")
    (visit,) = await records(world, tenant, "Encounter")
    assert visit["account"] == [{"reference": f"Account/{account['id']}"}]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_visits_merge_in_any_order(world: World, tenant: Tenant, order: tuple[int, ...]) -> None:
    steps = [
        adt("A01", "A", "V1", T.format(1), obx("8867-4")),
        adt("A01", "A", "V2", T.format(2), obx("8310-5")),
        event("A42", T.format(3), pid("A"), mrg("A", visit="V1"), pv1("V2")),
    ]
    outcomes = await feed(world, tenant, *(steps[i] for i in order))
    assert {o["status"] for o in outcomes} == {"TRANSFORMED"}
    alive = [e for e in await records(world, tenant, "Encounter") if e["status"] != "entered-in-error"]
    assert len(alive) == 1 and uses(alive[0]) == {"V2": None, "V1": "old"}
    observations = await records(world, tenant, "Observation")
    assert {o["encounter"]["reference"] for o in observations} == {f"Encounter/{alive[0]['id']}"}


async def test_visit_moves_with_all_its_records(world: World, tenant: Tenant) -> None:
    await feed(
        world,
        tenant,
        adt("A01", "A", "V1", T.format(1), obx("8867-4"), "DG1|1||I10^Hipertensão^CID10|||A"),
        adt("A01", "A", "V2", T.format(2), obx("8310-5")),
        event("A45", T.format(3), pid("B"), mrg("A", visit="V1"), pv1("V1")),
    )
    ids = {n: f"Patient/{(await one(world, tenant, 'Patient', n))['id']}" for n in "AB"}
    visits = {e["identifier"][0]["value"]: e for e in await records(world, tenant, "Encounter")}
    assert {n: e["subject"]["reference"] for n, e in visits.items()} == {"V1": ids["B"], "V2": ids["A"]}
    (condition,) = await records(world, tenant, "Condition")
    assert condition["subject"]["reference"] == ids["B"]
    told = {
        o["code"]["coding"][0]["code"]: o["subject"]["reference"] for o in await records(world, tenant, "Observation")
    }
    assert told == {"8867-4": ids["B"], "8310-5": ids["A"]}


async def test_account_moves(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1), pid=f"{SOUZA}||||||||||C1^^^HOSP"))
    await feed(world, tenant, event("A44", T.format(2), pid("B", "C1"), mrg("A", "C1")))
    (account,) = await records(world, tenant, "Account")
    assert account["subject"][0]["reference"] == f"Patient/{(await one(world, tenant, 'Patient', 'B'))['id']}"
    (unknown,) = await feed(world, tenant, event("A44", T.format(3), pid("B", "C9"), mrg("A", "C9")))
    assert "semantic.unknown-record" in unknown["problems"]


async def test_one_account_number_of_two_patients_is_two_accounts(world: World, tenant: Tenant) -> None:
    """Also where the account moved before it came."""
    first = event("A44", T.format(2), pid("B", "C1"), mrg("A", "C1"))
    _, late = await feed(world, tenant, first, adt("A01", "A", "V1", T.format(1), pid=f"{SOUZA}||||||||||C1^^^HOSP"))
    assert (late["status"], late["problems"]) == ("TRANSFORMED", [])
    owners = {account["subject"][0]["reference"] for account in await records(world, tenant, "Account")}
    assert owners == {f"Patient/{(await one(world, tenant, 'Patient', n))['id']}" for n in "AB"}


@pytest.mark.parametrize(
    ("kind", "record", "old", "new", "message"),
    [
        ("A47", "Patient", "A", "N", (pid("N"), mrg("A"))),
        ("A49", "Account", "C1", "C2", (pid("A", "C2"), mrg("A", "C1"))),
        ("A50", "Encounter", "V1", "V2", (pid("A"), mrg("A", visit="V1"), pv1("V2"))),
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_a_changed_number_keeps_the_record(
    world: World, tenant: Tenant, kind: str, record: str, old: str, new: str, message: tuple[str, ...], late: bool
) -> None:
    first = adt("A01", "A", "V1", T.format(1), pid=f"{SOUZA}||||||||||C1^^^HOSP")
    change = event(kind, T.format(2), *message)
    outcomes = await feed(
        world, tenant, *((change, first) if late else (first, change, event(kind, T.format(2), *message)))
    )
    assert {o["status"] for o in outcomes} == {"TRANSFORMED"}
    (kept,) = await records(world, tenant, record)
    assert uses(kept) == {old: "old", new: None}


async def test_a_number_that_is_taken_is_refused(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), adt("A01", "B", "V2", T.format(2)))
    (outcome,) = await feed(world, tenant, event("A47", T.format(3), pid("B"), mrg("A")))
    assert outcome["status"] == "ERROR" and "semantic.identifier-taken" in outcome["problems"]


async def test_identifier_moves_with_what_came_under_it(world: World, tenant: Tenant) -> None:
    """A43: prontuário B was filed under person X1 by mistake and belongs to X2."""
    both = f"PID|1|X1^^^MPI|A^^^HOSP^MR||{SOUZA}"
    wrong = f"PID|1|X1^^^MPI|B^^^CLIN^MR||{SOUZA}"
    await feed(world, tenant, event("A28", T.format(1), both), event("A28", T.format(2), wrong))
    lab = msh("ORU^R01", T.format(3), sender="LIS|CLIN")
    await feed(world, tenant, f"{lab}\rPID|1||B^^^CLIN^MR||{SOUZA}\rOBR|1|||GLI^G^L|||20261122\r{obx('2345-7')}\r")
    await feed(world, tenant, oru("A", "7", "F", "90", T.format(4), code="718-7"))
    right = "PID|1|X2^^^MPI|B^^^CLIN^MR||Lima^Rosa||19750105|F"
    (moved,) = await feed(world, tenant, event("A43", T.format(5), right, "MRG|B^^^CLIN^MR|||X1^^^MPI"))
    assert moved["status"] == "TRANSFORMED"
    patients = {i["value"]: p for p in await records(world, tenant, "Patient") for i in p["identifier"]}
    assert {i["value"] for i in patients["X1"]["identifier"]} == {"X1", "A"}
    assert {i["value"] for i in patients["X2"]["identifier"]} == {"X2", "B"}
    told = {
        o["code"]["coding"][0]["code"]: o["subject"]["reference"] for o in await records(world, tenant, "Observation")
    }
    assert told == {"2345-7": f"Patient/{patients['X2']['id']}", "718-7": f"Patient/{patients['X1']['id']}"}


async def test_moving_the_only_number_moves_everything(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), adt("A01", "B", "V2", T.format(2)))
    await feed(world, tenant, event("A43", T.format(3), f"PID|1||B^^^HOSP^MR~A^^^HOSP^MR||{SOUZA}", mrg("A")))
    b = await one(world, tenant, "Patient", "B")
    visits = await records(world, tenant, "Encounter")
    assert {e["subject"]["reference"] for e in visits} == {f"Patient/{b['id']}"}


async def test_a_number_given_to_somebody_else_is_no_alias(world: World, tenant: Tenant) -> None:
    """A47 corrected A to N; later A really is the prontuário of another person."""
    await feed(world, tenant, adt("A01", "A", "V1", T.format(1)), event("A47", T.format(2), pid("N"), mrg("A")))
    (outcome,) = await feed(world, tenant, adt("A01", "A", "V9", T.format(3), pid="Lima^Pedro||20150105|M"))
    assert "semantic.number-reused" in outcome["problems"]
    patients = await records(world, tenant, "Patient")
    assert len(patients) == 2 and {p["name"][0]["given"][0] for p in patients} == {"Ana", "Pedro"}
