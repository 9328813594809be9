"""Expressions that are short and would take a process: they end at once, with a value or one of FHIRPath's two errors."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhir import jsontext, mergepatch
from fhir.fhirpath import linear
from fhir.fhirpath.engine import evaluate
from fhir.fhirpath.evaluation import PathError, TooCostly
from fhir.fhirpath.items import resource
from fhir.patch import Unpatched
from fhir.patch import apply as patched
from fhir.pathpatch import apply as path_patched

BODY: Any = jsontext.parse(b'{"resourceType":"Observation","valueQuantity":{"value":1e99999999}}')
DECIMAL: Any = jsontext.parse(b'{"resourceType":"Observation","valueQuantity":{"value":1.50}}')
A45 = f"'{'a' * 45}'.toChars()"
GROWING = "'a'" + f".replace('a', '{'a' * 90}')" * 3
HEAVY: dict[str, tuple[str, Any]] = {
    "the same letters in two ways": (f"'{'a' * 60}c'.replaceMatches('(a|a)*b', '')", ["a" * 60 + "c"]),
    "four times anything": (f"'{'a' * 60}'.replaceMatches('(.*)(.*)(.*)(.*)x', '')", ["a" * 60]),
    "a number as an integer": ("value.value.floor()", PathError),
    "cut off": ("value.value.truncate()", PathError),
    "divided": ("value.value div 1", PathError),
    "about another": ("value.value ~ 1", [False]),
    "an integer that doubles": (f"{A45}.aggregate($total * $total, 9.power(999))", []),
    "a text that doubles": (f"{A45}.aggregate($total & $total, 'aa')", TooCostly),
    "a text that grows": (f"{GROWING}.replace('a', '{'a' * 90}')", TooCostly),
    "a text between": (f"{GROWING}.toChars().join('{'b' * 90}')", TooCostly),
    "a letter in two halves": (r"'\uD83D\uDE00'", ["😀"]),
    "a group there is not": ("'a'.replaceMatches('a', '$4')", PathError),
    "looking back": (r"'aa'.replaceMatches('(a)\\1', 'b')", PathError),
    "nothing again and again": ("'a'.replaceMatches('((?:){2000}){2000}', '')", PathError),
}


@pytest.mark.parametrize("name", HEAVY)
def test_no_expression_takes_the_process(name: str) -> None:
    path, wanted = HEAVY[name]
    began = time.process_time()
    if isinstance(wanted, list):
        assert [item.value for item in evaluate(path, resource(BODY))] == wanted
    else:
        with pytest.raises(wanted):
            evaluate(path, resource(BODY))
    assert time.process_time() - began < 20


_ATOM = st.sampled_from(
    ("a", "[ab]", "[^a]", ".", r"\d", r"\W", "(a)", "(?:ab|b)", "^", r"\b", "(?i:A)", "(a|ab)", "$")
)
_TIMES = st.sampled_from(("", "*", "+", "?", "{1,2}", "*?", "??"))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_ATOM, _TIMES), max_size=4), st.text("abA 1\n", max_size=9))
@example([(".", "??")], "1")
def test_replacing_is_what_everyone_means_by_it(parts: list[tuple[str, str]], value: str) -> None:
    expression = "".join(atom + ("" if atom in ("^", "$", r"\b") else times) for atom, times in parts)
    wanted = re.sub(expression, r"<\g<0>>", value, flags=re.DOTALL)
    assert linear.replaced(value, expression, "<$0>", lambda steps: None) == wanted
    assert linear.replaced("ana lia", r"(?P<one>\w+) (\w+)", "$2 ${one}", lambda steps: None) == "lia ana"


def test_a_record_with_a_decimal_is_patched() -> None:
    text = '{"resourceType":"Observation","valueQuantity":{"value":1.50},"status":"final"}'
    add = [{"op": "add", "path": "/status", "value": "final"}]
    parts = [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Observation"}]
    parts += [{"name": "name", "valueString": "status"}, {"name": "value", "valueCode": "final"}]
    by_path = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    for found in (
        patched(DECIMAL, add),
        path_patched(DECIMAL, by_path),
        mergepatch.apply(DECIMAL, {"status": "final"}),
    ):
        assert jsontext.text(found) == text
    assert "status" not in DECIMAL


def test_copying_is_bounded() -> None:
    doubling = [{"op": "copy", "from": "", "path": f"/a{n}"} for n in range(40)]
    with pytest.raises(Unpatched):
        patched(BODY, doubling)
