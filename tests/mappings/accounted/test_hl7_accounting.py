"""No segment is lost in silence, and nothing that comes in makes a record R4 would refuse, whatever its order."""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_files import samples

from api.hl7_reading import read_file
from canonical.problem import blocking
from hl7 import er7
from hl7.er7 import Message
from hub.records.drafts import offline
from mappings.reading import trace
from mappings.reading.account import FATES, ignored, numbers
from mappings.reading.engine import Translation, translate
from mappings.tables.serving import plans

CASES = sorted((Path(__file__).resolve().parents[2] / "cases" / "hl7").glob("*/in.hl7"))
RAW = {path.parent.name: path.read_bytes().replace(b"\n", b"\r") for path in CASES}
MAPPED = sorted(name for name in RAW if isinstance(found := er7.read(RAW[name]), Message) and found.type in plans())
ZONE = "America/Sao_Paulo"


def check(message: Message, *, alike: bool = True, mixed: bool = False) -> Translation:
    """The account adds up, every left-over segment is reported, every reference resolves, every record is valid.

    `alike`: and a translation without a trace, as a feed makes it, says the same. `mixed`: segments of several messages
    may contradict one another, as a day of one that is before a day of the other.
    """
    plain = translate(message, zone=ZONE) if alike else None
    translation, notes = trace.traced(message, zone=ZONE)
    if plain is not None:
        assert plain.account.fields == translation.account.fields and plain.account.fate == translation.account.fate
        assert repr(plain.drafts) == repr(translation.drafts) and plain.problems == translation.problems
    counts = translation.account.counts()
    assert counts["total"] == len(message.segments) == sum(counts[k] for k in ("mapped", "ignored", "unmapped"))
    reported = {p.where for p in translation.problems if p.code in ("structure.segment-unmapped", "type.unmapped")}
    for segment in message.segments:
        if translation.account.fate[segment.index] == "unmapped" and message.type in plans():
            assert f"{segment.name}#{segment.index}" in reported
    check_fields(translation.message, translation, trace.told(message, translation, notes))
    found, wrong = offline.bundle(translation.drafts, "seed")
    wrong = [p for p in wrong if p.code != "semantic.merge-self"]  # what is drawn may name one patient on both sides
    wrong = [p for p in wrong if not (mixed and p.code == "semantic.contradiction")]
    missing = {p.where for p in translation.problems if p.code == "structure.element"}
    assert not wrong or missing, [(p.code, p.where) for p in wrong]
    ids = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in found.get("entry", ())}
    assert len(ids) == len(found.get("entry", ()))
    assert set(references(found)) <= ids
    return translation


def check_fields(message: Message, translation: Translation, told: list[dict[str, Any]]) -> None:
    """The fields add up, their report says the same of each, and what is unmapped is a finding."""
    counts = translation.account.field_counts()
    marks = message.delimiters.component + message.delimiters.repetition + message.delimiters.sub + " "
    populated = [
        (segment.index, number)
        for segment in message.segments
        for number in range(1, len(segment.fields()))
        if segment.raw_field(number) != '""' and segment.raw_field(number).strip(marks)
    ]
    assert counts["total"] == len(populated) == sum(counts[k] for k in ("mapped", "ignored", "unmapped"))
    assert [(entry["index"], entry["field"]) for entry in told] == populated
    assert {fate: sum(entry["fate"] == fate for entry in told) for fate in FATES} == translation.account.fields
    places = {p.where.partition(".")[0] for p in translation.problems}
    for entry in told:
        asked = message.segments[entry["index"] - 1].asked >> entry["field"] & 1
        header = entry["segment"] in ("MSH", "EVN")
        assert entry["fate"] != "mapped" or entry["rows"] or entry["paths"] or asked or header, entry
        assert entry["fate"] != "ignored" or entry["reason"]
    for index, bits in translation.account.left.items():
        segment = message.segments[index - 1]
        for number in numbers(bits):
            assert any(re.fullmatch(rf"{segment.name}#\d+-{number}", place) for place in places)


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["reference"]] if isinstance(node.get("reference"), str) else []
        own = [reference for reference in own if not reference.startswith("#")]  # contained in the record itself
        return own + [r for child in node.values() for r in references(child)]
    return [r for child in node for r in references(child)] if isinstance(node, list) else []


def rebuilt(lines: list[str]) -> Message:
    message = er7.read("\r".join(lines).encode(), fixed_charset="UTF-8")
    assert isinstance(message, Message)
    return message


def lines_of(name: str) -> list[str]:
    message = er7.read(RAW[name])
    assert isinstance(message, Message)
    return [segment.raw for segment in message.segments]


COMMON = [name for name in MAPPED if RAW[name].startswith(b"MSH|^~\\&|")]
_NOT_OF_A_FIELD = "\r\n\x00\x1b"  # ESC announces another character set, which is refused for the whole message
POOL = [line for name in COMMON for line in lines_of(name)[1:]]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(COMMON), st.randoms(use_true_random=False), st.integers(0, 8))
def test_shuffled_injected_repeated(name: str, chance: random.Random, extra: int) -> None:
    head, *rest = lines_of(name)
    rest += [chance.choice([*POOL, "ZXX|1|x", "OBX|", "PID", 'PID|""', "ORC|NW", "NTE|1||n"]) for _ in range(extra)]
    chance.shuffle(rest)
    check(rebuilt([head, *rest]), mixed=True)


def test_a_diagnosis_before_its_patient_is_left_out_of_the_visit_as_well() -> None:
    """Its condition has nobody to be of; the visit's entry for it would be empty."""
    head, *rest = lines_of(next(name for name in COMMON if name.endswith("adt-procedures-with-minutes")))
    early = [line for line in rest if line.startswith("PV1")] + [next(line for line in rest if line.startswith("DG1"))]
    translation = check(rebuilt([head, *early, *(line for line in rest if line not in early)]))
    assert "structure.update-only" in {problem.code for problem in translation.problems}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MAPPED), st.data())
def test_any_field_may_hold_anything(name: str, data: st.DataObject) -> None:
    head, *rest = lines_of(name)
    texts = st.one_of(
        st.sampled_from(
            ['""', "^^^", "~", "&&&", "^^^&&", "a~b^c&d", "-", "99999999999999999999", "20261301", "\\", "\\X00\\"]
        ),
        st.text(st.characters(exclude_characters=_NOT_OF_A_FIELD, exclude_categories=("Cs",)), max_size=20),
    )
    for _ in range(data.draw(st.integers(1, 6))):
        if not rest:
            break
        place = data.draw(st.integers(0, len(rest) - 1))
        fields = rest[place].split(head[3])
        if len(fields) > 1:
            fields[data.draw(st.integers(1, len(fields) - 1))] = data.draw(texts)
            rest[place] = head[3].join(fields)
    check(rebuilt([head, *rest]))


@cache
def unlike() -> dict[str, list[tuple[int, int]]]:
    """The fields of each case, as line and number, that no case before has in a message of its type in that shape."""
    tried: set[tuple[str, ...]] = set()
    found: dict[str, list[tuple[int, int]]] = {name: [] for name in MAPPED}
    for name in MAPPED:
        head, *rest = lines_of(name)
        separator = head[3]
        kind = head.split(separator)[8]
        for place, line in enumerate(rest):
            segment, *fields = line.split(separator)
            values = fields[1] if segment == "OBX" and len(fields) > 1 else ""
            for number, content in enumerate(fields, start=1):
                shape = re.sub(r"[^\W\d]+", "a", re.sub(r"\d+", "9", content))
                if (key := (kind, segment, values, str(number), shape)) not in tried:
                    tried.add(key)
                    found[name].append((place, number))
    return found


@pytest.mark.parametrize("name", [name for name in MAPPED if unlike()[name]])
def test_every_null_clears_or_is_silent_and_is_never_stored(name: str) -> None:
    head, *rest = lines_of(name)
    for place, number in unlike()[name]:
        changed = rest[place].split(head[3])
        changed[number] = '""'
        lines = [head, *rest[:place], head[3].join(changed), *rest[place + 1 :]]
        translation = check(rebuilt(lines), alike=number == 1)
        assert not any("'\"\"'" in repr((draft.body, draft.initial, draft.part)) for draft in translation.drafts)


@pytest.mark.parametrize(
    "name", ["br-adt-a01-internacao", "oru-every-value-type", "br-uniao-de-cadastros", "br-agenda-consulta"]
)
def test_truncated_at_every_byte(name: str) -> None:
    raw = RAW[name]
    for length in range(len(raw)):
        message = er7.read(raw[:length])
        if isinstance(message, Message):
            check(message, alike=length % 7 == 0)


def test_random_byte_flips() -> None:
    chance = random.Random(20261122)
    for _ in range(1500):
        raw = bytearray(RAW[chance.choice(MAPPED)])
        for _ in range(chance.randint(1, 6)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        message = er7.read(bytes(raw))
        if isinstance(message, Message):
            check(message)


def test_one_segment_a_hundred_thousand_times() -> None:
    head, *rest = lines_of("oru-result-repeated-in-one-report")
    translation = translate(rebuilt([head, *rest, *["ZZZ|1|x"] * 100_000]), zone=ZONE)
    assert translation.account.counts()["unmapped"] == 100_000


def test_same_message_gives_the_same_bundle() -> None:
    for name in MAPPED:
        message = er7.read(RAW[name])
        assert isinstance(message, Message)
        one, two = (offline.bundle(translate(message, zone=ZONE).drafts, "s")[0] for _ in range(2))
        assert repr(one) == repr(two)


def test_every_sample_reads_is_accounted_for_and_validates() -> None:
    files = sorted(samples("hl7").rglob("*.hl7"))
    assert len(files) > 100
    for path in files:
        for document in read_file(path.name, [path.read_bytes()], to="fhir", zone=ZONE):
            counts = document["segments"]
            assert counts["total"] == counts["mapped"] + counts["ignored"] + counts["unmapped"]
            refused = [p for p in document["problems"] if p["code"].startswith("fhir.")]
            assert not refused, f"{path.name}: {refused}"


def test_nothing_is_blocked_but_by_a_known_finding() -> None:
    known = ("structure.element", "type.unmapped", "semantic.merge-incomplete")
    for name in MAPPED:
        message = er7.read(RAW[name])
        assert isinstance(message, Message)
        assert {p.code for p in blocking(translate(message, zone=ZONE).problems)} <= set(known), name


def test_every_declaration_says_why() -> None:
    """A declaration counts only where no row reads the field, so a table that learns to read it needs no change."""
    for (segment, number), declared in ignored().items():
        assert len(declared.reason) > 10 and declared.spec and number > 0 and len(segment) == 3


def test_one_finding_for_a_field_that_many_segments_have() -> None:
    head, *rest = lines_of("oru-result-repeated-in-one-report")
    message = rebuilt([head, *rest, *(f"OBX|{n}|NM|1^A^L||{n}||||||F" + "|" * 34 + "x" for n in range(2, 40))])
    told = [p for p in translate(message, zone=ZONE).problems if p.code == "field.unmapped" and p.where.endswith("-45")]
    assert [dict(p.args)["count"] for p in told] == ["38"]


def test_control_characters_in_what_names_the_parent_result() -> None:
    """OBR-26 makes an organism that is told elsewhere: its texts are cleaned like all others."""
    text = RAW["br-antibiograma-antes-da-cultura"].decode()
    for old, new in (("identificada", "identi\x18icada"), ("Staphylococcus", "Staphylo\x1eoccus")):
        assert old in text
        message = er7.read(text.replace(old, new).encode())
        assert isinstance(message, Message)
        check(message)


def test_every_line_of_a_joined_text_says_where_it_went() -> None:
    """Notes and texts in several segments become one element, which each of them made."""
    message = er7.read(
        b"MSH|^~\\&|LIS|LAB|PONTE|HUB|20261123083000-0300||ORU^R01|J1|P|2.5.1\rPID|1||88123^^^HSR^MR||Figueiredo^Marlene\r"
        b"OBR|1||F1^LAB|LAU^Laudo^L\rNTE|1|L|um\rNTE|2|L|dois\rOBX|1|TX|LAU^Laudo^L||linha um||||||F\rOBX|2|TX|LAU^Laudo^L||linha dois||||||F\r"
    )
    assert isinstance(message, Message)
    told = trace.fields(message, zone="America/Sao_Paulo")
    paths = {(one["segment"], one["index"], one["field"]): one.get("paths") for one in told}
    assert paths["NTE", 4, 3] == paths["NTE", 5, 3] == ["DiagnosticReport.extension"]
    assert all("Observation.valueString" in (paths["OBX", index, 5] or ()) for index in (6, 7))
