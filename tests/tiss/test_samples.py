"""The shared samples: every message is valid, its hash is right, its transaction is told by its body; broken ones name
the place.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree
from shared_files import samples

from tests.tiss.test_clean import independent_hash, report
from tiss.answers import replies
from tiss.answers import values as answers
from tiss.wire import build, message, transactions, versions
from tiss.wire.message import place

Change = Callable[[etree._Element, etree._Element], str]
VERSIONS = ("3.05.00", "4.01.00", "4.02.00", "4.03.00")


def files(version: str) -> list[Path]:
    found = sorted((samples("tiss") / version).glob("*.xml"))
    assert found
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.usefixtures("every_version")
def test_every_sample(version: str) -> None:
    for path in files(version):
        raw = path.read_bytes()
        found = report(raw)
        assert found.readable
        assert found.version == version
        assert not [problem for problem in found.problems if problem.code.startswith(("xsd.", "hash.", "encoding."))]
        assert not [problem for problem in found.problems if problem.code.startswith("header.")], path.name
        assert found.hash.stated == found.hash.computed == independent_hash(raw)
        assert found.transaction == path.name.split("__")[0].removesuffix(".xml")
        assert found.form == ("service" if path.name.endswith("ws.xml") else "file")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_body_tells_the_transaction(version: str) -> None:
    for path in files(version):
        parsed = message.read(path.read_bytes())
        assert isinstance(parsed, message.Tiss)
        assert parsed.transaction in {row.name for row in transactions.told_by(parsed)}, path.name


def test_replies_are_read_from_every_version() -> None:
    kinds = set()
    for version in VERSIONS:
        for path in files(version):
            read = replies.read(path.read_bytes())
            assert isinstance(read, answers.Reply)
            kinds |= {type(answer).__name__ for answer in read.answers}
            if "mensagemErro" in path.name:
                assert [type(answer) for answer in read.answers] == [answers.Error], path.name
    assert {"Error", "Protocol", "Status", "Statement", "AppealStatus", "AppealAnswer"} <= kinds


def remove(node: etree._Element, _: etree._Element) -> str:
    parent = node.getparent()
    assert parent is not None
    parent.remove(node)
    return place(parent)


def move(node: etree._Element, root: etree._Element) -> str:
    root.insert(0, node)
    return place(node)


def empty(node: etree._Element, _: etree._Element) -> str:
    for child in list(node):
        node.remove(child)
    node.text = None
    return place(node)


def rename(node: etree._Element, _: etree._Element) -> str:
    node.tag = f"{node.tag}X"
    return place(node)


CHANGES: tuple[Change, ...] = (remove, move, empty, rename)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.usefixtures("every_version")
def test_a_broken_sample_names_the_place(version: str, change: Change) -> None:
    dice = random.Random(11)
    assert sum(broken_ones(path, change, dice, 6) for path in files(version)) > 60


@pytest.mark.slow
@pytest.mark.usefixtures("every_version")
def test_many_more_broken_samples() -> None:
    """Elements of samples in a fixed random order, so that every machine tries the same ones."""
    dice = random.Random(17)
    work = [(path, change) for version in VERSIONS for path in files(version) for change in CHANGES]
    dice.shuffle(work)
    assert sum(broken_ones(path, change, dice, 30) for path, change in work[:200]) > 4000


def broken_ones(path: Path, change: Change, dice: random.Random, most: int) -> int:
    """How many elements of a sample, at most `most`, were changed so that a finding had to name the place."""
    clean_raw, tried = path.read_bytes(), 0
    known = {(found.code, found.where) for found in report(clean_raw).problems}
    count = sum(1 for _ in etree.fromstring(clean_raw).iter())
    for index in dice.sample(range(1, count), min(most, count - 1)):
        broken = break_at(clean_raw, index, change)
        if broken is None:
            continue
        where, raw, valid = broken
        fresh = [found for found in report(raw).problems if (found.code, found.where) not in known]
        if valid and {found.code for found in fresh} <= {code for code, _ in known}:
            continue  # an optional element is gone or blank: as good as before, what was told of it is told of another
        tried += 1
        # without what told them apart two items are equal, which is said of the later one, in another list perhaps
        assert any(near(found.where, where) or (valid and found.code == "duplicate.item") for found in fresh), (
            str(path),
            change.__name__,
            where,
            [(f.code, f.where) for f in fresh],
        )
    return tried


def break_at(raw: bytes, index: int, change: Change) -> tuple[str, bytes, bool] | None:
    """The place, the broken message with its hash right, and whether the schema still takes it; None: not for us."""
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    node = list(parsed.root.iter())[index]
    if node.tag.endswith("}hash") or (change is move and node.getparent() is parsed.root):
        return None
    where = change(node, parsed.root)
    build.seal(parsed.root)
    broken = build.serialize(parsed.root)
    read_again = message.read(broken)
    assert isinstance(read_again, message.Tiss)
    schema = versions.schema(parsed.version or "4.03.00", service=parsed.service)
    return where, broken, schema.validate(read_again.root)


def near(found: str, where: str) -> bool:
    """Whether a finding is at the place or inside it, at its parent, or at a sibling."""
    parent = where.rpartition("/")[0]
    return found.startswith(where) or found == parent or found.rpartition("/")[0] == parent
