"""FHIRPath: what expressions give, what is no expression, and that nothing else than its two errors ever comes out."""

from __future__ import annotations

import contextlib
import datetime
import time
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir import jsontext
from fhir.fhirpath import texts
from fhir.fhirpath.engine import evaluate
from fhir.fhirpath.evaluation import PathError, TooCostly
from fhir.fhirpath.items import of, resource
from fhir.fhirpath.syntax import BadExpression, parse

PATIENT: Any = jsontext.parse(
    b'{"resourceType":"Patient","id":"p","active":true,"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"urn:t","valueDateTime":"1974-12-25T14:35:45-05:00"}]},'
    b'"name":[{"use":"official","family":"Chalmers","given":["Peter","James"]},{"use":"usual","given":["Jim"]}],'
    b'"telecom":[{"system":"phone","value":"1","rank":1},{"system":"phone","value":"2","rank":2}],"deceasedBoolean":false,'
    b'"multipleBirthInteger":2,"contained":[{"resourceType":"Organization","id":"o","name":"Org"}],"managingOrganization":{"reference":"#o"}}'
)
OBSERVATION: Any = jsontext.parse(
    b'{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:l","code":"a"}]},"valueQuantity":{"value":1.50,"unit":"g","system":"http://unitsofmeasure.org","code":"g"},'
    b'"effectivePeriod":{"start":"2024-01"},"component":[{"code":{"text":"x"},"valueInteger":3},{"code":{"text":"y"},"valueString":"z"}]}'
)
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
VALUES: list[tuple[str, list[Any]]] = [
    ("name.given", ["Peter", "James", "Jim"]), ("Patient.name[0].family", ["Chalmers"]), ("Observation.status", []), ("Resource.id", ["p"]), ("name.where(use = 'usual').given", ["Jim"]),
    ("name.given.count()", [3]), ("name.first().given.last()", ["James"]), ("name.given.tail()", ["James", "Jim"]), ("name.given.skip(1).take(1)", ["James"]), ("name.exists(use = 'old')", [False]),
    ("name.select(given.first() & '-' & use)", ["Peter-official", "Jim-usual"]), ("name.all(given.exists())", [True]), ("name.family.empty()", [False]), ("name.given.isDistinct()", [True]),
    ("telecom.system.distinct()", ["phone"]), ("telecom.where($index = 1).value", ["2"]), ("telecom.aggregate($this.rank + $total, 0)", [3]), ("(1 | 2 | 2).count()", [2]), ("(1 | 2).combine(2).count()", [3]),
    ("(1|2|3).intersect(2|3|4)", [2, 3]), ("(1|2|3).exclude(2)", [1, 3]), ("(1|2).subsetOf(1|2|3)", [True]), ("(1|2).supersetOf(3)", [False]), ("2 in (1|2)", [True]), ("(1|2) contains 3", [False]),
    ("deceased", [False]), ("deceased is boolean", [True]), ("deceased.is(System.Boolean)", [False]), ("multipleBirth.ofType(integer) + 1", [3]), ("deceased.not() and active", [True]),
    ("{} and false", [False]), ("{} or true", [True]), ("{} and true", []), ("false implies {}", [True]), ("true xor true", [False]), ("{} = 1", []), ("1 != 2", [True]), ("1 = 1.0", [True]), ("'a' = 'A'", [False]), ("'a b' ~ 'A  B'", [True]),
    ("1 + 2 * 3", [7]), ("7 div 2", [3]), ("7 mod 2", [1]), ("7 / 2", [Decimal("3.5")]), ("1 / 0", []), ("-(3)", [-3]), ("'a' + 'b'", ["ab"]), ("'a' & {}", ["a"]), ("5.4.round(0)", [Decimal(5)]), ("(-2).abs()", [2]), ("2.power(10)", [1024]), ("9.sqrt() = 3", [True]),
    ("birthDate < today()", [True]), ("birthDate = @1974-12-25", [True]), ("birthDate > @1974", []), ("@2024-01-31 + 1 month = @2024-02-29", [True]), ("@2012-01-01T10:00:00Z = @2012-01-01T12:00:00+02:00", [True]), ("@T10:30 < @T11:00", [True]), ("now() > @2026-01-01T00:00:00Z", [True]),
    ("birthDate.extension('urn:t').value.exists()", [True]), ("birthDate.hasValue()", [True]), ("name.hasValue()", [False]), ("managingOrganization.resolve().name", ["Org"]), ("contained.ofType(Organization).name", ["Org"]),
    ("iif(active, 'y', 'n')", ["y"]), ("iif({}, 1)", []), ("'abcdef'.substring(2, 3)", ["cde"]), ("'abc'.substring(9)", []), ("'abc'.indexOf('c')", [2]), ("'abc'.matches('b')", [True]), ("'abc'.matchesFull('b')", [False]), ("'a-b'.replace('-', '+')", ["a+b"]), ("'a.b.c'.replaceMatches('[.]', '/')", ["a/b/c"]),
    ("'a,b'.split(',').join(';')", ["a;b"]), ("'1'.toInteger()", [1]), ("'x'.toInteger()", []), ("'1.5'.toDecimal()", [Decimal("1.5")]), ("'true'.toBoolean()", [True]), ("1.convertsToBoolean()", [True]), ("'2024-02-30'.toDate()", []), ("1.toString() + '!'", ["1!"]), ("'abc'.length()", [3]), ("'aB'.upper().lower()", ["ab"]),
    ("1.50.lowBoundary()", [Decimal("1.49500000")]), ("1.50.highBoundary(1)", [Decimal("1.6")]), ("(-2.3).lowBoundary(0)", [Decimal(-3)]), ("7.highBoundary(3)", [Decimal("7.500")]), ("2.lowBoundary(99)", []), ("2.5 'kg'.highBoundary(2)", [(Decimal("2.55"), "kg")]), ("birthDate.lowBoundary()", ["1974-12-25"]),
    ("@2023.highBoundary()", ["2023-12-31"]), ("@2024-02.highBoundary(8)", ["2024-02-29"]), ("@2024-02.lowBoundary(5)", []), ("@2023-05-06T10:20-03:00.highBoundary()", ["2023-05-06T10:20:59.999-03:00"]), ("@2023-05-06T.lowBoundary()", ["2023-05-06T00:00:00.000+14:00"]), ("@T09:15.highBoundary(9)", ["09:15:59.999"]), ("@2023-05-06T10:20Z.lowBoundary(6)", ["2023-05"]), ("@T09:15.lowBoundary(2)", ["09"]),
    ("2.50.precision()", [2]), ("@2023-05.precision()", [6]), ("@T09:15:30.250.precision()", [9]), ("birthDate.precision()", [8]), ("active.type().name", ["boolean"]), ("(1).type().namespace", ["System"]), ("name[0].type().name", ["HumanName"]), ("(3 | 1 | 2).sort()", [1, 2, 3]), ("name.given.sort(-$this)", ["Peter", "Jim", "James"]), ("name.sort(use, given.first()).use", ["official", "usual"]), ("name.sort(family).use", ["official", "usual"]), ("telecom.sort(-rank).value", ["2", "1"]),
    ("'á/é'.encode('base64').decode('base64')", ["á/é"]), ("'??>'.encode('urlbase64')", ["Pz8-"]), ("'Oi'.encode('hex')", ["4f69"]), ("'a'.encode('rot13')", []), ("'<b>'.escape('html')", ["&lt;b&gt;"]), ("'&amp;'.unescape('html')", ["&"]), ("'a\\tb'.unescape('json')", ["a\tb"]),
    ("1 'cm'.comparable(2 'm')", [True]), ("1 'cm'.comparable(1 'kg')", [False]), ("3 'g' ~ 3020 'mg'", [True]), ("3 'g' ~ 3600 'mg'", [False]), ("1 'a' = 1 year", []), ("1 week = 1 'wk'", [True]), ("6 'mg' / 2 'mg' = 3 '1'", [True]), ("(-2.5 'mg').abs()", [(Decimal("2.5"), "mg")]), ("2 weeks.toString()", ["2 week"]), ("'1 wk'.toQuantity()", []), ("'3 days'.toQuantity()", [(Decimal(3), "day")]),
    ("@2024-01-01T10:00:00Z = @2024-01-01T10:00:00", []), ("birthDate != @T12:00", [True]), ("'2024-01-01T10:20'.convertsToDateTime()", [True]), ("'2024-02-30T10'.convertsToDateTime()", [False]), ("@2024-01-01T10:00:00.900Z + 200 milliseconds", ["2024-01-01T10:00:01.100Z"]), ("telecom.select(iif(value = '2', $index, {}))", [1]), ("'abc'.replaceMatches('', 'x')", ["abc"]), ("%`ext-patient-mothersMaidenName`", ["http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"]), ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", [True]), ("$this is System.Patient", [False]),
    ("descendants().count() > 20", [True]), ("children().count()", [11]), ("repeat(contained).name", ["Org"]), ("%resource.id", ["p"]), ("%ucum", ["http://unitsofmeasure.org"]), ("%mine + 1", [6]), ("name.trace('x').use.first()", ["official"]), ("$this.id", ["p"]), ("`name`.use[1]", ["usual"]), ("name.given[1] // a remark", ["James"]),
]  # fmt: skip
ABOUT_OBSERVATION: list[tuple[str, list[Any]]] = [
    ("2.0 'cm' * 2.0 'm' = 0.040 'm2'", [True]), ("4.0 'g' / 2.0 'm' = 2 'g/m'", [True]), ("(4 'g' / 2 'L' * 3 'L') = 6 'g'", [True]), ("4 'g' div 3 'm'", []), ("1 'Cel' * 2 'm'", []),
    ("2 'm' * 3 years", []), ("1 'mL/kg/h' = 1 'mL/(kg.h)'", [True]), ("1 'mmol/L' > 1 'umol/L'", [True]), ("1 'mmol/L' = 1 '10*9/L'", []), ("1 'parsec' * 1 'm'", []), ("(2 'm' * 3 'm').toString()", ["6 'm.m'"]),
    ("value > 1000 'mg'", [True]), ("value = 1.5 'g'", [True]), ("value > 1 'mL'", []), ("value.as(Quantity).unit", ["g"]), ("value is Quantity", [True]), ("component.value.ofType(integer)", [3]),
    ("component.where(value is string).code.text", ["y"]), ("component.value.count()", [2]), ("effective.start < @2024-02", [True]), ("effective.start < @2024-01-15", []), ("code ~ code", [True]), ("value.value.toString()", ["1.50"]),
    ("component is BackboneElement", PathError), ("component[0] is BackboneElement", [True]), ("code.coding.where(code = 'a').exists()", [True]), ("code is Element", [True]), ("$this is DomainResource", [True]),
]  # fmt: skip


def values(text: str, body: Any) -> list[Any]:
    def resolve(item: Any) -> Any:
        return resource(body["contained"][0]) if item.value["reference"] == "#o" else None

    found = evaluate(text, resource(body), now=NOW, variables={"mine": [of("Integer", 5)]}, resolver=resolve)
    return [item.value for item in found]


@pytest.mark.parametrize(("text", "wanted"), VALUES, ids=[text for text, _ in VALUES])
def test_values(text: str, wanted: list[Any]) -> None:
    assert values(text, PATIENT) == wanted


@pytest.mark.parametrize(("text", "wanted"), ABOUT_OBSERVATION, ids=[text for text, _ in ABOUT_OBSERVATION])
def test_values_of_an_observation(text: str, wanted: Any) -> None:
    if wanted is PathError:
        with pytest.raises(PathError):
            values(text, OBSERVATION)
    else:
        assert values(text, OBSERVATION) == wanted


@pytest.mark.parametrize(
    "text", ["", r"'\uD83D'", "name.", "name[", "(1", "1 +", "'abc", "a b", "name.where(", "@20", "$that", "{1}", "name..given", "#", "(" * 200 + "1" + ")" * 200, "1 " * 20_000]
)  # fmt: skip
def test_no_expressions(text: str) -> None:
    with pytest.raises(BadExpression):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "name.nothing()",
        "name.where()",
        "%unknown",
        "name.given + 1",
        "'a'.matches('(')",
        "name.first(1)",
        "name.given.single()",
        "1.is(2)",
        "active.ofType(Nothing)",
        "name.iif(true, 1)",
        "1 < 'a'",
        "birthDate + 1 'mo'",
        "birthDate + 1 'cm'",
        "active.lowBoundary()",
        "name.precision()",
        "'zz'.decode('hex')",
        "(1 | 'a').sort()",
        "conformsTo('urn:my-profile')",
    ],
)
def test_what_cannot_be_evaluated(text: str) -> None:
    with pytest.raises(PathError):
        values(text, PATIENT)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "name",
                "given",
                ".",
                "(",
                ")",
                "where",
                "exists",
                "=",
                "'a'",
                "1",
                "|",
                "and",
                "is",
                "[0]",
                "$this",
                "{}",
                "-",
                "@2024",
                "in",
                ",",
                "not()",
                " ",
                "iif",
                "%resource",
                "repeat",
                "*",
            ]
        ),
        max_size=14,
    ).map("".join)
    | st.text(max_size=30)
)
def test_only_its_own_errors(text: str) -> None:
    with contextlib.suppress(BadExpression, PathError):
        values(text, PATIENT)


ARGUMENTS = (
    *(
        "{}",
        "'abc'",
        "''",
        "5",
        "1.5",
        "true",
        "@2020",
        "@2020-01-01T10:00:00Z",
        "@T10:00",
        "5 'mg'",
        "5 days",
        "(1 | 2)",
    ),
    *("name", "%resource", "birthDate", "active", "multipleBirth", "deceased", "name.given", "name.type()"),
)
UNVALUED: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [{"given": [None], "_given": [{"extension": [{"url": "urn:t", "valueCode": "x"}]}]}],
    **{
        f"_{name}": {"extension": [{"url": "urn:t", "valueCode": "x"}]}
        for name in ("birthDate", "active", "multipleBirthInteger", "deceasedDateTime")
    },
}


@pytest.mark.parametrize("name", sorted(texts.FUNCTIONS))
def test_any_argument(name: str) -> None:
    """A number where a text is meant, a primitive that has an extension and no value: its own errors, or nothing."""
    _, least, most = texts.FUNCTIONS[name]
    for count in range(least, most + 1):
        for first in ARGUMENTS:
            for others in product(ARGUMENTS, repeat=count):
                with contextlib.suppress(PathError, TooCostly):
                    values(f"{first}.{name}({','.join(others)})", UNVALUED)


def test_no_value_is_no_text() -> None:
    for text in ("'abc'.startsWith(birthDate)", "'abc'.replace('a', name.given)", "'abc'.substring(multipleBirth)"):
        assert values(text, UNVALUED) == []


def test_steps_are_bounded() -> None:
    body = {"resourceType": "Patient", "name": [{"given": [f"a{n}" for n in range(2000)]}]}
    began = time.process_time()
    with pytest.raises(TooCostly):
        values("name.given.where(%resource.name.given.where($this != 'x').count() > 0)", body)
    with pytest.raises(TooCostly):
        values(
            "name.given.intersect(%resource.name.given).intersect(%resource.name.given)",
            {**body, "name": body["name"] * 2},
        )
    assert time.process_time() - began < 30


def test_what_is_reached_takes_steps() -> None:
    """A path that leads to many values costs as much as they are, each time it is asked."""
    body = {"resourceType": "Patient", "name": [{"family": f"a{n}"} for n in range(3000)]}
    with pytest.raises(TooCostly):
        values("name.where(%resource.name.first().family.exists())", body)
    assert len(values("name.where(family.exists())", body)) == 3000
