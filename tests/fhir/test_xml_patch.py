"""XML Patch (RFC 5261) on resources: what each operation does, what is refused, and that nothing of the rest changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.problem import Problem
from fhir import jsontext, xmlpatch
from fhir.patch import MOST_OPERATIONS, Unpatched, same

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">a <b>bold</b> word <i>x</i> end</div>'
TEXT = (
    '{"resourceType":"Patient","id":"p","text":{"status":"generated","div":' + jsontext.text(DIV) + "},"
    '"extension":[{"url":"urn:n","valueDecimal":1.50}],'
    '"identifier":[{"system":"urn:a","value":"1"},{"system":"urn:b","value":"2"}],"active":true,'
    '"name":[{"family":"Souza","given":["Ana","Rita"]},{"use":"old","family":"Gonçalves"}]}'
)
PATIENT: dict[str, Any] = jsontext.parse(TEXT.encode())  # type: ignore[assignment]
F, X = 'xmlns:f="http://hl7.org/fhir"', 'xmlns:x="http://www.w3.org/1999/xhtml"'


def patched(operations: str, declared: str = F) -> Any:
    found = xmlpatch.read(f"<diff {declared}>{operations}</diff>".encode())
    assert not isinstance(found, Problem), found
    return xmlpatch.apply(PATIENT, found)


def two(first: str, second: str) -> list[dict[str, str]]:
    return [{"system": "urn:a", "value": first}, {"system": "urn:b", "value": second}]


NAMES = PATIENT["name"]
DOES: dict[str, tuple[str, dict[str, Any]]] = {
    "replace a value": ('<replace sel="f:Patient/f:active/@value">false</replace>', {"active": False}),
    "without prefixes": ('<replace sel="/Patient/active/@value">false</replace>', {"active": False}),
    "any name": ('<replace sel="*/f:active/@value">false</replace>', {"active": False}),
    "add an element": ('<add sel="f:Patient"><f:birthDate value="1930-01-01"/></add>', {"birthDate": "1930-01-01"}),
    "without a namespace": ('<add sel="Patient"><birthDate value="1930"/></add>', {"birthDate": "1930"}),
    "by position": ('<replace sel="f:Patient/f:identifier[2]/f:value/@value">3</replace>', {"identifier": two("1", "3")}),
    "by a child's value": ("<replace sel=\"f:Patient/f:identifier[f:system/@value='urn:a']/f:value/@value\">3</replace>", {"identifier": two("3", "2")}),
    "by two conditions": ("<remove sel=\"f:Patient/f:name[f:use/@value='old'][1]\"/>", {"name": NAMES[:1]}),
    "in the last name": ('<add sel="f:Patient/f:name[2]"><f:given value="Z"/></add>', {"name": [NAMES[0], {**NAMES[1], "given": ["Z"]}]}),
    "before": ('<add sel="f:Patient/f:name[1]/f:given[2]" pos="before"><f:given value="M"/></add>', {"name": [{**NAMES[0], "given": ["Ana", "M", "Rita"]}, NAMES[1]]}),
    "after": ('<add sel="f:Patient/f:name[1]" pos="after"><f:name><f:text value="N"/></f:name></add>', {"name": [NAMES[0], {"text": "N"}, NAMES[1]]}),
    "first of all": ('<add sel="f:Patient" pos="prepend"><f:identifier><f:value value="0"/></f:identifier></add>', {"identifier": [{"value": "0"}, *two("1", "2")]}),
    "several at once": ('<add sel="f:Patient"><f:gender value="male"/><f:birthDate value="1930"/></add>', {"gender": "male", "birthDate": "1930"}),
    "remove": ('<remove sel="f:Patient/f:active"/>', {"active": None}),
    "remove with its space": ('<remove sel="f:Patient/f:active" ws="both"/>', {"active": None}),
    "replace an element": ('<replace sel="f:Patient/f:name[2]"><f:name><f:family value="Lima"/></f:name></replace>', {"name": [NAMES[0], {"family": "Lima"}]}),
    "an attribute": ('<add sel="f:Patient/f:name[2]" type="@id">n2</add>', {"name": [NAMES[0], {"id": "n2", **NAMES[1]}]}),
    "one after the other": ('<add sel="f:Patient"><f:gender value="male"/></add><replace sel="f:Patient/f:gender/@value">female</replace>', {"gender": "female"}),
}  # fmt: skip


@pytest.mark.parametrize("case", DOES)
def test_operations(case: str) -> None:
    operations, changed = DOES[case]
    found = patched(operations)
    assert same(found, {k: v for k, v in {**PATIENT, **changed}.items() if v is not None}), found
    assert '"valueDecimal":1.50' in jsontext.text(found)


def test_default_namespace_of_the_patch() -> None:
    assert (
        patched('<replace sel="Patient/active/@value">false</replace>', 'xmlns="http://hl7.org/fhir"')["active"]
        is False
    )


NARRATIVES = {
    '<replace sel="f:Patient/f:text/x:div/x:b/text()">thin</replace>': "a <b>thin</b> word <i>x</i> end",
    '<remove sel="f:Patient/f:text/x:div/x:b"/>': "a  word <i>x</i> end",
    '<remove sel="f:Patient/f:text/x:div/x:i"/>': "a <b>bold</b> word  end",
    '<add sel="f:Patient/f:text/x:div/x:b" pos="after"><x:u>y</x:u></add>': "a <b>bold</b><u>y</u> word <i>x</i> end",
    '<add sel="f:Patient/f:text/x:div" pos="prepend"><x:u>y</x:u></add>': "<u>y</u>a <b>bold</b> word <i>x</i> end",
    '<replace sel="f:Patient/f:text/x:div/x:i"><x:u>y</x:u></replace>': "a <b>bold</b> word <u>y</u> end",
    "<remove sel=\"f:Patient/f:text/x:div/x:b[.='bold']\"/>": "a  word <i>x</i> end",
}  # fmt: skip


@pytest.mark.parametrize("operation", NARRATIVES)
def test_narratives(operation: str) -> None:
    div = (
        patched(operation, f"{F} {X}")["text"]["div"]
        .replace("x:", "")
        .replace(' xmlns:x="http://www.w3.org/1999/xhtml"', "")
    )
    assert div.partition(">")[2] == NARRATIVES[operation] + "</div>"


WRONG = [
    '<replace sel="f:Patient/f:gender/@value">male</replace>', '<remove sel="f:Patient/f:name"/>', '<remove sel="f:Patient"/>',
    '<replace sel="f:Patient"><f:Patient/></replace>', '<move sel="f:Patient/f:active"/>', '<remove/>', '<remove sel=""/>', '<remove sel="//f:active"/>',
    '<remove sel="f:Patient/f:name[0]"/>', '<remove sel="f:Patient/f:name[last()]"/>', '<remove sel="f:Patient/f:name[position()=1]"/>',
    '<remove sel="f:Patient/f:name[1"/>', '<remove sel="f:Patient/g:active"/>', '<remove sel="f:Group/f:active"/>', '<remove sel="f:Patient/"/>',
    '<remove sel="f:Patient/f:active/@value/f:x"/>', '<remove sel="f:Patient/f:active">x</remove>', '<remove sel="f:Patient/f:active" ws="all"/>',
    '<add sel="f:Patient"/>', '<add sel="f:Patient">x</add>', '<add sel="f:Patient" pos="before"><f:x/></add>', '<add sel="f:Patient" pos="on"><f:x/></add>',
    '<add sel="f:Patient/f:active" type="@value">false</add>', '<add sel="f:Patient/f:active" type="namespace::g">urn:g</add>',
    '<add sel="f:Patient/f:active/@value"><f:x/></add>', '<add sel="f:Patient" other="1"><f:x/></add>', '<replace sel="f:Patient/f:active"/>',
    '<replace sel="f:Patient/f:active"><f:active value="false"/><f:active value="true"/></replace>', '<replace sel="f:Patient/f:active/@value"><f:x/></replace>',
    "<remove sel=\"id('n1')\"/>", '<remove sel="count(f:Patient)"/>',
]  # fmt: skip


@pytest.mark.parametrize("operation", WRONG)
def test_what_does_not_apply_is_named(operation: str) -> None:
    with pytest.raises(Unpatched) as error:
        patched(f'<replace sel="f:Patient/f:active/@value">false</replace>{operation}')
    assert error.value.problem.code == "fhir.patch.operation" and error.value.problem.where == "[1]"
    assert PATIENT["active"] is True


RESULTS = {
    '<add sel="f:Patient"><f:active value="false"/></add>': "fhir.xml.repeated",
    '<add sel="f:Patient"><x:active value="false"/></add>': "fhir.xml.namespace",
    '<add sel="f:Patient"><f:gender/></add>': "fhir.xml.empty",
}  # fmt: skip


@pytest.mark.parametrize("operation", RESULTS)
def test_what_comes_out_must_be_fhir(operation: str) -> None:
    found = patched(operation, f"{F} {X}")
    assert isinstance(found, Problem) and found.code == RESULTS[operation]


DOCUMENTS = {
    b"": "fhir.xml.syntax", b"<diff>": "fhir.xml.syntax", b"<Patient/>": "fhir.patch.form",
    b'<!DOCTYPE diff [<!ENTITY e SYSTEM "file:///etc/passwd">]><diff>&e;</diff>': "fhir.xml.doctype",
    b"<diff>" + b'<remove sel="a"/>' * (MOST_OPERATIONS + 1) + b"</diff>": "fhir.patch.too-long",
    b"<diff><add %s/></diff>" % b" ".join(b'a%d=""' % n for n in range(21)): "fhir.xml.attributes",
}  # fmt: skip


@pytest.mark.parametrize("raw", DOCUMENTS, ids=list(DOCUMENTS.values()))
def test_documents(raw: bytes) -> None:
    found = xmlpatch.read(raw)
    assert isinstance(found, Problem) and found.code == DOCUMENTS[raw]


@given(st.text(alphabet="Patient/name[]@value='1.:*()f", max_size=30), st.sampled_from(["add", "remove", "replace"]))
def test_any_selector_applies_or_is_refused(where: str, kind: str) -> None:
    operation = xmlpatch.Operation(kind, where, {}, {"f": "http://hl7.org/fhir"}, (), "x")
    try:
        xmlpatch.apply(PATIENT, [operation])
    except Unpatched:
        return
