"""The grammar of ECL: what is refused and where, what stands for what, and systems in memory."""

from __future__ import annotations

import time

import pytest

from fhir.terminology import ecl
from fhir.terminology.selection import walked
from fhir.terminology.systems import Unanswered, of_body

A, B, C = "3009999999105", "3019999999107", "3029999999100"

REFUSED = {  # what is not understood, and the character from which on
    "": 1, "<": 2, "12345": 1, f"{A} {B}": 15, f"{A} AND {B} OR {C}": 33, f"{A} MINUS {B} MINUS {C}": 35, f"({A}": 15,
    f"{A})": 14, f"{A} : {B}": 30, f"{A} : {B} = ": 33, f"{A} : [2..1] {B} = *": 23, f"{A} : {{ {B} = * ": 37,
    f"{A} : {{ {{ {B} = * }} }}": 19, f"{A} : {B} < {C}": 33, f"{A} : {B} = #1x": 35, f"{A} : {B} = #01": 33,
    f"{A} : R {B} = #1": 37, f"{A} {{{{ term }}}}": 23, f"{A} {{{{ term = \"\" }}}}": 27, f"{A} {{{{ colour = \"x\" }}}}": 24,
    f"{A} {{{{ M active = 1 }}}}": 33, f"^ [a, b] {A}": 5, f"^ [*] {A}": 4, f"{A} {{{{ + HISTORY-ALL }}}}": 28,
    f"{A} {{{{ dialect = xx-yy }}}}": 28, f"{A} {{{{ dialect = en-us (loved) }}}}": 35, f"LOINC#{A}": 1,
    f"{A} AND {B} : {C} = *": 33, f"{A} . {B} OR {C}": 31, f"{A} /* open": 15, f"{A} |open": 16,
    f"{A} {{{{ C effectiveTime = \"2026\" }}}}": 36,
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_understood_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(Unanswered) as told:
        ecl.parse(text)
    assert (told.value.kind, told.value.code) == ("unsupported", "fhir.terminology.expression")
    assert int(dict(told.value.named)["place"]) == REFUSED[text]


ALIKE = (
    (f"<<{A}", f"descendantorselfof {A}|Name ( of it|", f"/* so */ << /* and\n so */ {A}"),
    (f"{A}:{B}={C},{B}!={C}", f"{A} : [1..*] {B} = {C} AND [1 to many] {B} <> {C}", f"{A}:({B}={C} and {B} not ={C})"),
    (f"({A} OR {B}):({A} OR {B})=*", f"( {A} or {B} ) : ( ( {A} or {B} ) = ANY )"),
    (f"^{A}", f"memberOf {A}", f"^ [referencedComponentId] {A}"),
    (f"{A} {{{{+HISTORY}}}}", f"{A} {{{{ + history-max }}}}"),
    (f"{A} {{{{ type = (syn fsn) }}}}", f"{A} {{{{ d typeId = (900000000000013009 |Synonym| 900000000000003001) }}}}"),
    (f"{A} {{{{ dialect = (en-us (prefer) en-gb (prefer)) }}}}", f"{A} {{{{ dialectId = (900000000000509007 900000000000508004) (preferred) }}}}"),
    (f"{A} {{{{ C definitionStatus = defined }}}}", f"{A} {{{{ c definitionStatusId = 900000000000073002 }}}}"),
    (f"{A} {{{{ term = (\"x\" wild:\"y*\") }}}}", f"{A} {{{{ TERM = ( match:\"x\"  wild : \"y*\" ) }}}}"),
)  # fmt: skip


@pytest.mark.parametrize("texts", ALIKE)
def test_spellings_of_the_same(texts: tuple[str, ...]) -> None:
    assert len({ecl.parse(text) for text in texts}) == 1


@pytest.mark.parametrize("opened", ["(", "<(", f"{A}:(", f"{A}:{B}=(", f"{A}:{{(", "{{", "[", f"{A} {{{{ + HISTORY ("])
def test_deep_and_long_expressions_are_refused_at_once(opened: str) -> None:
    before = time.process_time()
    for text in (opened * (9_000 // len(opened)), f"{opened * 60}{A}{')' * 60}", "/*" * 5_000, f"{A} OR " * 1_000):
        with pytest.raises(Unanswered):
            ecl.parse(text)
    assert time.process_time() - before < 2


def test_a_system_in_memory_is_walked_as_far_as_it_goes() -> None:
    concepts = [
        {"code": A, "concept": [{"code": B, "property": [{"code": C, "valueCode": A}]}, {"code": C}]},
    ]
    system = of_body({"url": "urn:cs", "content": "complete", "concept": concepts})
    wanted = {
        f"!!> (<<{A})": [A], f"!!< (<<{A})": [B, C], f"*:{C}={A}": [B], f"<<{A}.{C}": [A], f"<{A} MINUS {B}": [C],
    }  # fmt: skip
    assert {text: list(walked(system, ecl.parse(text))) for text in wanted} == wanted
    for text in (f"*:[0..1]{C}={A}", f"*:{{{C}={A}}}", f'{A} {{{{ term = "x" }}}}', f"{A} {{{{ + HISTORY }}}}"):
        with pytest.raises(Unanswered, match=r"fhir\.terminology\.no-release"):
            walked(system, ecl.parse(text))
