"""Valid messages at random, of every transaction, form and version: read, written again, checked, mended, never a crash."""

from __future__ import annotations

import io
import json
import random
import re

import pytest
import random_valid
from lxml import etree
from made import exists

from tests.tiss.test_clean import TODAY, report
from tests.tiss.test_round_trip import again, leaves
from tiss.answers import replies
from tiss.answers import values as answers
from tiss.checking import repair, stream, summary
from tiss.checking.report import Report
from tiss.streams import slices
from tiss.streams.levels import levels as level_table
from tiss.streams.levels import tags
from tiss.tables.tables import installed
from tiss.wire import message, transactions, versions

LONG = {level.upwards[-1].rpartition("}")[2] for levels in level_table().values() for level in levels}
LEVELS = re.compile(b"|".join(rb"<ans:%b>" % tag.rpartition("}")[2].encode() for tag in tags()))
ODD = ("xsd.", "hash.", "encoding.")
TRUE = ("encoding.control", "encoding.blank-optional")
"""What the schema lets pass and is told rightly."""


def facts(found: Report) -> tuple[object, ...]:
    """What a report tells; the first of its kind may have its number or not."""
    told = {(p.code, p.where.replace("[1]", ""), p.args) for p in found.problems if p.code != "more"}
    return found.transaction, found.guides, found.total, found.hash, told


def one(name: str, version: str, seed: int, *, service: bool) -> None:
    raw = random_valid.message(name, version, random.Random(f"{name} {seed}"), service=service)
    parsed = message.read(raw)
    assert isinstance(parsed, message.Tiss)
    schema = versions.schema(version, service=service)
    assert schema.validate(parsed.root), [(e.path, e.type_name) for e in schema.error_log][:3]  # type: ignore[call-overload]
    _, first, second = again(raw)
    assert leaves(first) == leaves(second) and etree.tostring(first.root, method="c14n") == etree.tostring(
        second.root, method="c14n"
    )
    found = report(raw)
    assert found.readable and found.transaction == name and found.version == version
    assert [p.code for p in found.problems if p.code.startswith(ODD) and p.code not in TRUE] == []
    for problem in found.problems:
        assert "{" not in problem.text("pt") + problem.remedy("pt") + problem.text("en") + problem.remedy("en"), problem
    json.dumps(found.as_json("x.xml"))
    done = repair.repair(raw, tables=installed(), today=TODAY)
    assert isinstance(done, repair.Repaired) and message.read(done.content)
    read = replies.read(raw)
    assert isinstance(read, answers.Reply)
    if not transactions.of(name).requests:
        assert read.answers, name
    assert isinstance(summary.of(raw), list)


@pytest.mark.parametrize("name", transactions.table())
def test_of_the_newest_version(name: str) -> None:
    version = versions.installed()[0]
    for service in (False, True):
        one(name, version, 1, service=service)


@pytest.mark.slow
@pytest.mark.parametrize("name", transactions.table())
def test_of_every_version(name: str, every_version: tuple[str, ...]) -> None:
    for version in every_version:
        if exists(name, version):
            for seed in range(12):
                one(name, version, seed, service=bool(seed % 2))


@pytest.mark.parametrize("name", [row.name for row in transactions.table().values() if row.body in LONG])
def test_as_a_stream(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice at a time tells the same: findings, places, sums over what was let go, hash."""
    monkeypatch.setattr(slices, "AT_ONCE", 1)
    version = versions.installed()[0]
    for service in (False, True):
        raw = random_valid.message(name, version, random.Random(f"{name} 2"), service=service)
        one, two = report(raw), stream.validate(io.BytesIO(raw), tables=installed(), today=TODAY)
        if two.readable or LEVELS.search(raw):  # an answer may hold an error alone
            assert facts(one) == facts(two)
