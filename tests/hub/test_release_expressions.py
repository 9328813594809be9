"""Expression constraints over a release: every answer against one worked out row by row, apart from the product."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import expression_oracle as oracle
import expression_release as chance
import pytest
import release_packages as made
from hypothesis import HealthCheck, given, settings

from fhir.terminology import ecl
from fhir.terminology.nodes import Node
from fhir.terminology.systems import Unanswered
from hub.find.statement import OneTrip
from hub.terms.releases.loaded import Loaded, releases
from hub.world import Tenant, World
from tests.hub.test_releases import bring, owner_of

SCT = "http://snomed.info/sct"


async def answers(world: World, tenant: Tenant, nodes: list[Node]) -> list[set[str]]:
    """What the newest release answers to each tree."""
    source = OneTrip(world, tenant)
    (known, *_) = (await releases(source, [SCT]))[SCT]
    loaded = Loaded(source, known)
    return await asyncio.to_thread(lambda: [set(loaded.codes(node, 10_000)) for node in nodes])


@settings(max_examples=400, deadline=None)
@given(oracle.TREES)
def test_brief_and_long_are_read_alike(tree: oracle.Tree) -> None:
    assert ecl.parse(oracle.text(tree)) == ecl.parse(oracle.text(tree, long=True))


def in_groups() -> list[oracle.Tree]:
    """Two attributes in a group, with bounds within and around it, that chance seldom puts together."""
    kinds: list[oracle.Tree] = [("any",), *(("code", each) for each in chance.ATTRIBUTES[:2])]
    return [
        ("refined", ("any",), ("group", around, ("and", tuple(
            ("attr", bound, False, kind, "=", ("any",)) for bound, kind in ((within, one), ((1, None), other))
        ))))
        for around, within, one, other in itertools.product(
            ((1, None), (0, 0), (1, 1), (2, None)), ((0, 0), (0, 1), (1, 1), (2, None)), kinds, kinds
        )
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [7, 8])
async def test_answers_are_those_of_every_row(
    world: World, cluster: Any, tenant: Tenant, tmp_path: Path, seed: int
) -> None:
    release = chance.made(seed)
    await bring(world, cluster, tenant, made.zipped(tmp_path / "chance.zip", chance.files(release)))
    trees: list[oracle.Tree] = []

    @settings(max_examples=400, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(oracle.TREES)
    def collect(tree: oracle.Tree) -> None:
        trees.append(tree)

    collect()
    trees += in_groups()
    found = await answers(world, tenant, [ecl.parse(oracle.text(tree)) for tree in trees])
    wanted = [oracle.Oracle(release).of(tree) & set(release.concepts) for tree in trees]
    wrong = [(oracle.text(t), f ^ w) for t, f, w in zip(trees, found, wanted, strict=True) if f != w]
    assert not wrong, min(wrong, key=lambda each: len(each[0]))
    assert sum(0 < len(each) < len(release.concepts) for each in wanted) > 100


async def test_a_release_brought_in_before_answers_what_it_can(
    world: World, cluster: Any, tenant: Tenant, tmp_path: Path
) -> None:
    release = chance.made(9)
    taken = await bring(world, cluster, tenant, made.zipped(tmp_path / "chance.zip", chance.files(release)))
    async with owner_of(world, cluster) as owner, owner.transaction(tenant.id) as tx:
        await tx.connection.execute("UPDATE term_release SET depth = 0 WHERE id = $1", taken.id)
        for table in ("term_relation", "term_name", "term_member"):
            await tx.connection.execute(f"DELETE FROM {table} WHERE release = $1", taken.id)
    finding, kind = ("code", chance.FINDINGS[0]), ("code", chance.ATTRIBUTES[0])
    plain = ("attr", (1, None), False, kind, "=", ("op", "<<", ("code", chance.VALUES[0])))
    kept: list[oracle.Tree] = [
        ("refined", ("op", "<<", finding), plain),
        ("op", "!!<", ("op", "<<", finding)),
        ("defined", ("any",), (("active", "=", False),)),
        ("member", ("code", chance.SIMPLE), (), ""),
    ]
    found = await answers(world, tenant, [ecl.parse(oracle.text(tree)) for tree in kept])
    assert found == [oracle.Oracle(release).of(tree) for tree in kept] and all(found)
    for tree in (
        ("refined", ("any",), ("group", (1, None), plain)),
        ("refined", ("any",), ("attr", (0, 0), *plain[2:])),
        ("op", "<", ("refined", ("any",), plain)),
        ("described", ("any",), (("term", "=", ("match", "lua")),)),
        ("history", finding, ""),
        ("dot", finding, kind),
    ):
        with pytest.raises(Unanswered, match=r"fhir\.terminology\.older-import"):
            await answers(world, tenant, [ecl.parse(oracle.text(tree))])


async def test_too_many_steps_are_refused(world: World, cluster: Any, tenant: Tenant, tmp_path: Path) -> None:
    await bring(world, cluster, tenant, made.zipped(tmp_path / "chance.zip", chance.files(chance.made(9))))
    parts = ", ".join(f"[{n}..*] {chance.ATTRIBUTES[0]} = *" for n in range(1, 110))
    with pytest.raises(Unanswered, match=r"fhir\.terminology\.too-long"):
        await answers(world, tenant, [ecl.parse(f"* : {parts}")])
