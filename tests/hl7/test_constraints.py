"""What HL7 v2 messages become satisfies R4's constraints: as the cases have it, whatever two messages say of one record,
and when dates, codes and numbers are exchanged, null, repeated or missing."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from canonical.records import DRAFT, Draft
from fhir import jsontext
from fhir.validation import invariants
from fhir.validation.validator import validate
from hl7 import er7
from hl7.er7 import Message
from hub.records.drafts import offline
from hub.records.drafts.combine import combine
from mappings.convert.published import holds
from mappings.reading.engine import translate

CASES = sorted((Path(__file__).resolve().parent.parent / "cases" / "hl7").iterdir())
ZONE = "America/Sao_Paulo"
MUTANTS, PARTNERS = 500, 3
GROUP_NUMBERS = ("FGN", "PGN")  # of table 0203 by the v2-to-FHIR guide, younger than R4's edition of it
BEST_PRACTICE = "dom-6"  # a narrative: records made of messages have none
_DATE = re.compile(rb"(?<![0-9.])(?:19|20)[0-9]{2}[01][0-9][0-3][0-9](?:[0-9]{4,6})?(?![0-9])")
_MOMENTS = (b"20300101", b"203001011200", b"19010101", b"19010101000000", b"20261122", b"2026", b"20261122100000-0300")
_CODES = (b"D", b"X", b"E", b"N", b"I", b"A", b"CA", b"DE", b"-5", b"10^5", b"0", b"5^mg", b"<3", b"998^^CVX")


def broken(resource: dict[str, Any]) -> list[str]:
    """The keys of the constraints that do not hold, warnings too."""
    found = [(dict(problem.args)["key"], problem.where) for problem in invariants.check(resource)]
    return [f"{key} {where}" for key, where in found if key != BEST_PRACTICE]


def every(node: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each object of a document with the name of the element it is in."""
    if isinstance(node, dict):
        yield name, node
        for key, value in node.items():
            yield from every(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from every(value, name)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case_holds(case: Path) -> None:
    bundle = jsontext.parse((case / "bundle.json").read_bytes())
    assert isinstance(bundle, dict)
    assert broken(bundle) == []
    entries = [entry["resource"] for entry in bundle.get("entry", ())]
    told = {f"{resource['resourceType']}/{resource['id']}" for resource in entries}
    for resource in entries:
        inside = {f"#{contained['id']}" for contained in resource.get("contained", ())}
        for name, node in every(resource):
            if isinstance(node.get("reference"), str):
                assert node["reference"] in told | inside, f"{resource['resourceType']}: {name} leads nowhere"
            if name == "identifier" and resource.get("identifier") and node in resource["identifier"]:
                assert node.get("system", "").startswith(("urn:", "http")), f"{resource['resourceType']}: no system"
            if name in ("class", "security", "tag") and "code" in node:
                assert "system" in node, f"{resource['resourceType']}: {name} has no system"
            if "code" in node and node.get("code") not in GROUP_NUMBERS:
                own = f"{resource['resourceType']}: {name} is a code its HL7 table lacks"
                assert holds(str(node.get("system", "")), str(node["code"])) is not False, own


@cache
def drafts() -> dict[str, list[Draft]]:
    """All records of all cases by type, as their messages state them."""
    found: dict[str, list[Draft]] = defaultdict(list)
    for case in CASES:
        for draft in told((case / "in.hl7").read_bytes().replace(b"\n", b"\r")):
            found[draft.type].append(draft)
    return found


def told(raw: bytes) -> list[Draft]:
    message = er7.read(raw)
    return translate(message, zone=ZONE).drafts if isinstance(message, Message) else []


def linked(node: Any) -> Any:
    """`node` with some record in place of each draft it names."""
    if isinstance(node, dict):
        return {key: linked(value) for key, value in node.items()}
    if isinstance(node, list):
        return [linked(value) for value in node]
    return "Basic/1" if isinstance(node, str) and node.startswith(DRAFT) else node


@pytest.mark.parametrize("stale", [False, True], ids=["newer", "older"])
def test_two_messages_of_one_record(*, stale: bool) -> None:
    chance, wrong = random.Random(7), []
    for kind, found in drafts().items():
        first = [draft for draft in found if not (draft.partial or draft.must_exist or draft.merge_into)]
        for one in first:
            for other in chance.sample(found, min(PARTNERS, len(found))):
                if other.merge_into:
                    continue
                body = linked(combine(combine(None, one, stale=False), other, stale=stale))
                wrong += [f"{kind}: {each}" for each in broken(body)]
    assert sorted(set(wrong)) == []


def mutant(raw: bytes, chance: random.Random) -> bytes:
    """The message with one to three fields changed as careless senders change them."""
    lines = [line.split(b"|") for line in raw.splitlines() if line]
    for _ in range(chance.randint(1, 3)):
        fields = lines[chance.randrange(1, len(lines))] if len(lines) > 1 else lines[0]
        number = chance.randrange(1, max(2, len(fields)))
        if number >= len(fields):
            continue
        old = fields[number]
        new = _DATE.sub(chance.choice(_MOMENTS), old, count=1) if _DATE.search(old) else chance.choice(_CODES)
        fields[number] = chance.choice((new, new, b"", b'""', old + b"~" + old, chance.choice(fields[1:])))
    return b"\r".join(b"|".join(fields) for fields in lines) + b"\r"


def test_messages_with_careless_fields() -> None:
    chance, wrong = random.Random(11), []
    raws = [(case / "in.hl7").read_bytes() for case in CASES]
    for _ in range(MUTANTS):
        bundle, problems = offline.bundle(told(mutant(chance.choice(raws), chance)), "seed")
        for entry in bundle.get("entry", ()):
            wrong += [f"{problem.code} {problem.where}" for problem in validate(entry["resource"]) if problem.blocks]
        wrong += broken(bundle)
        assert all(problem.code == "semantic.contradiction" for problem in problems), problems
    assert sorted(set(wrong)) == []


HEAD = "MSH|^~\\&|A|B|C|D|20261122||{}|1|P|2.5.1\rPID|1||7^^^H^MR||Souza^Ana\r"
AT_HOME = "Rua Um 1^^Campinas^SP^13000000^BRA^H", "^PRN^PH^^55^19^33334444"
HOUSE = "ORC|RE|P1|F1" + "|" * 18 + "CLINICA UM^L|{}|{}\rOBR|1|P1|F1|X^Exame^L\rOBX|1|NM|Y^Z^L||4|mg|||||F\r"
FORECAST = (
    "ORC|RE||9^E\rRXA|0|1|20261122|20261122|998^none^CVX|999\rOBX|1|CE|30956-7^Vaccine^LN|1|08^HepB^CVX||||||F\r"
    "OBX|2|DT|30980-7^Due^LN|1|20270115||||||F\rOBX|3|NM|30973-2^Dose^LN|1|2~two||||||F\r"
)


@pytest.mark.parametrize(
    ("kind", "rest"), [("ORU^R01", HOUSE.format(*AT_HOME)), ("VXU^V04", FORECAST)], ids=["house", "forecast"]
)
def test_said_where_it_cannot_be(kind: str, rest: str) -> None:
    """An organization at home (types H and PRN), and two numbers of one dose."""
    message = er7.read((HEAD.format(kind) + rest).encode())
    assert isinstance(message, Message)
    bundle, problems = offline.bundle(translate(message, zone=ZONE).drafts, "seed")
    assert not problems
    assert broken(bundle) == []
    assert [validate(entry["resource"]) for entry in bundle["entry"]] == [[]] * len(bundle["entry"])
    assert kind != "ORU^R01" or "Rua Um 1" in repr(bundle)
