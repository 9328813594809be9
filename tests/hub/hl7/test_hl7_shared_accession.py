"""A susceptibility under the number of its culture's accession is joined to its organism, whichever comes first."""

from __future__ import annotations

import itertools

import pytest
from hl7_feed import feed, records, versions

from hub.world import Tenant, World
from tests.hub.hl7.test_hl7_clinical import T, message


def culture(at: int, *, accession: str = "F1", patient: str = "A") -> str:
    text = message(
        "ORU^R01",
        at,
        f"OBR|1|P1^HOSP|{accession}^LAB|CULT^Cultura^L|||20261120|||||||||||||||{T.format(at)}|||F",
        "OBX|1|CWE|634-6^Bactéria^LN|1|112283007^E. coli^SCT||||||F",
        "OBX|2|CWE|634-6^Bactéria^LN|2|56415008^K. pneumoniae^SCT||||||F",
    )
    return text.replace("||A^^^HOSP", f"||{patient}^^^HOSP")


def gram(at: int) -> str:
    """Another panel of the same accession, without the organism."""
    return message(
        "ORU^R01",
        at,
        f"OBR|1|P1^HOSP|F1^LAB|GRAM^Gram^L|||20261120|||||||||||||||{T.format(at)}|||F",
        "OBX|1|CWE|664-3^Gram^LN|1|BGN^Bacilos^L||||||F",
    )


def susceptibility(at: int, isolate: int, parent: str = "P1&HOSP^F1&LAB") -> str:
    return message(
        "ORU^R01",
        at,
        f"OBR|1|P1^HOSP|F1^LAB|TSA{isolate}^Antibiograma^L|||20261120||||G|||||||||||{T.format(at)}|||F|"
        f"634-6&Bactéria&LN^{isolate}^isolado|||{parent}",
        f"OBX|1|SN|18906-8^Cipro^LN||<=^{isolate}|ug/mL||S|||F",
    )


async def joined(world: World, tenant: Tenant) -> dict[str, str]:
    """The organism of each susceptibility that is joined in both directions."""
    stored = {f"Observation/{body['id']}": body for body in await records(world, tenant, "Observation")}
    found = {}
    for reference, body in stored.items():
        for item in body.get("derivedFrom", ()):
            parent = stored.get(item.get("reference", ""))
            if parent is not None and {"reference": reference} in parent.get("hasMember", ()):
                found[str(body["valueQuantity"]["value"])] = parent["valueCodeableConcept"]["text"]
    return found


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3], ids=lambda o: "".join(map(str, o)))
async def test_joined_in_any_order(world: World, tenant: Tenant, order: tuple[int, ...]) -> None:
    sent = [culture(1), gram(2), susceptibility(3, 1), susceptibility(4, 2)]
    outcomes = await feed(world, tenant, *(sent[n] for n in order))
    assert all(outcome["status"] == "TRANSFORMED" for outcome in outcomes), outcomes
    assert await joined(world, tenant) == {"1": "E. coli", "2": "K. pneumoniae"}
    assert len(await records(world, tenant, "Observation")) == 5, "nothing is made up for a parent that is to come"


async def test_without_obr_29_the_accession_is_meant(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, susceptibility(1, 2, parent=""), culture(2))
    assert await joined(world, tenant) == {"2": "K. pneumoniae"}


async def test_sending_again_changes_nothing(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, susceptibility(1, 1), culture(2), susceptibility(3, 1), culture(4))
    before = len(await versions(world, tenant, "Observation"))
    assert await joined(world, tenant) == {"1": "E. coli"}
    child = next(b for b in await records(world, tenant, "Observation") if "derivedFrom" in b)
    assert len(child["derivedFrom"]) == 1
    await feed(world, tenant, culture(4), susceptibility(3, 1))
    assert len(await versions(world, tenant, "Observation")) == before


async def test_another_patients_culture_is_not_meant(world: World, tenant: Tenant) -> None:
    await feed(world, tenant, culture(1, patient="B"), susceptibility(2, 1), culture(3, accession="F9"))
    assert await joined(world, tenant) == {}
    await feed(world, tenant, culture(4))
    assert await joined(world, tenant) == {"1": "E. coli"}


def isolate(at: int, number: int, value: int, *, code: str = "TSA^Antibiograma^L", parent: str = "") -> str:
    """The susceptibilities of an isolate under the culture's number, with a code that all isolates share."""
    return message(
        "ORU^R01",
        at,
        f"OBR|1|P1^HOSP|F1^LAB|{code}|||20261121||||G|||||||||||{T.format(at)}|||F|"
        f"634-6&Bactéria&LN^{number}^isolado|||{parent}",
        f"OBX|1|SN|18906-8^Cipro^LN||<=^{value}|ug/mL||S|||F",
    )


@pytest.mark.parametrize("code", ["TSA^Antibiograma^L", "CULT^Cultura^L"], ids=["own-code", "code-of-the-culture"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=lambda o: "".join(map(str, o)))
@pytest.mark.parametrize("parent", ["", "P1&HOSP^F1&LAB", "^F1&OTHER"], ids=["bare", "own-number", "other-authority"])
async def test_isolates_of_one_number_and_code_stay_apart(
    world: World, tenant: Tenant, code: str, order: tuple[int, ...], parent: str
) -> None:
    """Whichever comes first, and again: no isolate has the other's value, nor the culture the times of theirs."""
    sent = [culture(1), isolate(3, 1, 7, code=code, parent=parent), isolate(4, 2, 9, code=code, parent=parent)]
    await feed(world, tenant, *(sent[n] for n in order))
    await feed(world, tenant, isolate(5, 1, 7, code=code, parent=parent))
    assert await joined(world, tenant) == {"7": "E. coli", "9": "K. pneumoniae"}
    reports = await records(world, tenant, "DiagnosticReport")
    assert sorted((len(body["result"]), body["effectiveDateTime"][:10]) for body in reports) == [
        (1, "2026-11-21"),
        (1, "2026-11-21"),
        (2, "2026-11-20"),
    ]


async def test_isolates_of_one_message_stay_apart(world: World, tenant: Tenant) -> None:
    both = culture(1) + "".join("\r".join(isolate(1, n, n).split("\r")[2:]) for n in (1, 2))
    await feed(world, tenant, both)
    assert await joined(world, tenant) == {"1": "E. coli", "2": "K. pneumoniae"}
    assert len(await records(world, tenant, "DiagnosticReport")) == 3
