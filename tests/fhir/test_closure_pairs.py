"""Closure tables (R4 §4.7.14): the pairs told step by step are those of the whole, each once."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir.terminology import closure
from fhir.terminology.closure import Member, Pair
from fhir.terminology.systems import Listed, Unanswered, above, of_body
from fhir.validation.validator import validate

URL = "urn:kinds"
NOW = datetime.datetime(2026, 11, 26, 12, tzinfo=datetime.UTC)


def system(parents: dict[str, list[str]], **more: Any) -> Listed:
    concepts = [
        {"code": code, "property": [{"code": "parent", "valueCode": each} for each in above_]}
        for code, above_ in parents.items()
    ]
    return of_body({"resourceType": "CodeSystem", "url": URL, "content": "complete", "concept": concepts, **more})


HIERARCHIES = st.integers(2, 9).flatmap(
    lambda size: st.tuples(*(st.lists(st.integers(0, max(n - 1, 0)), max_size=2, unique=True) for n in range(size)))
)


@given(HIERARCHIES, st.data())
def test_step_by_step_and_as_a_whole(edges: tuple[list[int], ...], data: st.DataObject) -> None:
    kinds = system({f"c{n}": [f"c{p}" for p in above_ if p < n] for n, above_ in enumerate(edges)})
    order = data.draw(st.permutations([f"c{n}" for n in range(len(edges))]))
    met = order[: data.draw(st.integers(0, len(order)))]
    told: list[Pair] = []
    members: list[Member] = []
    for version, code in enumerate(met, 2):
        members.append(Member(URL, code, version))
        told += closure.pairs({URL: kinds}, members, version - 1)
    wanted = {(one, other) for one in met for other in met if one != other and other in above(kinds, one)}
    assert sorted((pair.source, pair.target) for pair in told) == sorted(wanted)
    again = list(closure.pairs({URL: kinds}, members, 0))
    assert sorted(map(repr, again)) == sorted(map(repr, told))


def test_two_spellings_are_equal_and_told_once() -> None:
    kinds = system({"A": [], "B": ["A"]}, caseSensitive=False)
    members = [Member(URL, "a", 2), Member(URL, "b", 2), Member(URL, "A", 3)]
    assert list(closure.pairs({URL: kinds}, members, 1)) == [
        Pair(URL, "b", "a"), Pair(URL, "b", "A"), Pair(URL, "A", "a", True),
    ]  # fmt: skip
    assert list(closure.pairs({URL: kinds}, members, 2)) == [Pair(URL, "b", "A"), Pair(URL, "A", "a", True)]
    assert list(closure.pairs({URL: kinds}, members, 3)) == []


def test_an_unknown_code_is_named() -> None:
    with pytest.raises(Unanswered) as error:
        list(closure.pairs({URL: system({"A": []})}, [Member(URL, "Z", 2)], 1))
    assert error.value.kind == "not-found"


def test_what_is_told_is_a_concept_map() -> None:
    pairs = [Pair(URL, "b", "a"), Pair(URL, "b", "c"), Pair("urn:o", "x", "y", True)]
    body = closure.concept_map("mine", 4, pairs, NOW)
    assert not [problem for problem in validate(body) if problem.blocks]
    assert [(g["source"], [(e["code"], [t["code"] for t in e["target"]]) for e in g["element"]]) for g in body["group"]] == [
        (URL, [("b", ["a", "c"])]), ("urn:o", [("x", ["y"])]),
    ]  # fmt: skip
    assert not [problem for problem in validate(closure.concept_map("mine", 1, [], NOW)) if problem.blocks]
