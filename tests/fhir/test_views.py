"""ViewDefinition: what each part of a view makes of a resource, and which views are refused and where."""

from __future__ import annotations

from typing import Any

import pytest

from fhir import jsontext
from fhir.views import BadView, view

Body = dict[str, Any]
PATIENT: Body = {
    "resourceType": "Patient", "id": "p", "active": True, "gender": "female", "birthDate": "1980-02-03", "multipleBirthInteger": 2,
    "name": [{"use": "official", "family": "Souza", "given": ["Ana", "Lia"]}, {"use": "nickname", "given": ["Nana"]}],
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b"}],
    "contact": [{"telecom": [{"value": "3"}], "name": {"family": "Lima"}}, {"name": {"family": "Reis"}}],
    "link": [{"type": "seealso", "other": {"reference": "http://x/fhir/Patient/p/_history/2"}}],
    "extension": [{"url": "urn:e", "valueDecimal": jsontext.parse(b"1.50")}],
}  # fmt: skip


def columns(*paths: str, **more: Any) -> list[Body]:
    return [{"name": f"c{n}", "path": path, **more} for n, path in enumerate(paths)]


def rows(select: Any, body: Body = PATIENT, **more: Any) -> list[tuple[Any, ...]]:
    listed = select if isinstance(select, list) else [select]
    return view({"resourceType": "ViewDefinition", "resource": "Patient", "select": listed, **more}).rows(body)


ITEMS: Body = {
    "resourceType": "Questionnaire", "status": "active",
    "item": [{"linkId": "1", "type": "group", "item": [{"linkId": "1.1", "type": "group", "item": [{"linkId": "1.1.1", "type": "string"}]}, {"linkId": "1.2", "type": "string"}]}, {"linkId": "2", "type": "string"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ({"column": columns("getResourceKey()", "gender", "photo", "active and gender = 'female'")}, [("p", "female", None, True)]),
        ({"column": columns("name.given", collection=True)}, [(["Ana", "Lia", "Nana"],)]),
        ({"column": columns("name.given.first()", "name.given.join(' ')", "name.where(use = 'official').family")}, [("Ana", "Ana Lia Nana", "Souza")]),
        ({"forEach": "name", "column": columns("use", "family")}, [("official", "Souza"), ("nickname", None)]),
        ({"forEach": "photo", "column": columns("url")}, []),
        ({"forEachOrNull": "photo", "column": columns("url", "title")}, [(None, None)]),
        ({"forEach": "contact", "column": columns("name.family"), "select": [{"forEachOrNull": "telecom", "column": [{"name": "v", "path": "value"}]}]}, [("Lima", "3"), ("Reis", None)]),
        ([{"column": columns("id")}, {"forEach": "name", "column": [{"name": "u", "path": "use"}]}, {"forEach": "telecom", "column": [{"name": "v", "path": "value"}]}],
         [("p", "official", "1"), ("p", "official", "a@b"), ("p", "nickname", "1"), ("p", "nickname", "a@b")]),
        ({"unionAll": [{"forEach": "telecom", "column": columns("value")}, {"forEach": "contact.telecom", "column": columns("value")}]}, [("1",), ("a@b",), ("3",)]),
        ({"column": columns("link.other.getReferenceKey() = getResourceKey()", "link.other.getReferenceKey(Patient)", "link.other.getReferenceKey(Group)")}, [(True, "p", None)]),
        ({"column": columns("multipleBirth", "multipleBirth.ofType(integer) + 1", "extension('urn:e').value.ofType(decimal)")}, [(2, 3, jsontext.parse(b"1.50"))]),
        ({"forEach": "name[0].given", "column": columns("$this", "%resource.id")}, [("Ana", "p"), ("Lia", "p")]),
        ([{"column": columns("%rowIndex")}, {"forEach": "contact", "column": [{"name": "n", "path": "%rowIndex"}], "select": [{"forEachOrNull": "telecom", "column": [{"name": "t", "path": "%rowIndex"}, {"name": "v", "path": "value"}]}]}], [(0, 0, 0, "3"), (0, 1, 0, None)]),
        ({"forEach": "name", "unionAll": [{"column": columns("%rowIndex")}, {"forEach": "given", "column": columns("%rowIndex")}]}, [(0,), (0,), (1,), (1,), (0,)]),
        ({"column": columns("birthDate.lowBoundary()", "birthDate.precision()")}, [("1980-02-03", 8)]),
    ],
)  # fmt: skip
def test_rows(select: Any, expected: list[tuple[Any, ...]]) -> None:
    assert jsontext.text(rows(select)) == jsontext.text(expected)


def test_repeat_counts_what_it_leads_to() -> None:
    found = view(
        {"resource": "Questionnaire", "select": [{"repeat": ["item"], "column": columns("%rowIndex", "linkId")}]}
    )
    assert found.rows(ITEMS) == [(0, "1"), (1, "1.1"), (2, "1.1.1"), (3, "1.2"), (4, "2")]


def test_repeat_goes_down_every_level() -> None:
    found = view({"resource": "Questionnaire", "select": [{"repeat": ["item"], "column": columns("linkId")}]}).rows(
        ITEMS
    )
    assert [row[0] for row in found] == ["1", "1.1", "1.1.1", "1.2", "2"]


def test_where_and_constants() -> None:
    constant = [
        {"name": "use", "valueCode": "official"},
        {"name": "least", "valueInteger": 2},
        {"name": "day", "valueDate": "1980-01-01"},
        {"name": "yes", "valueBoolean": True},
    ]
    select = {
        "column": columns(
            "name.where(use = %use).family", "multipleBirth >= %least", "birthDate > %day", "active = %yes"
        )
    }
    assert rows(select, constant=constant) == [("Souza", True, True, True)]
    assert rows({"column": columns("id")}, where=[{"path": "active"}, {"path": "gender = 'female'"}]) == [("p",)]
    assert rows({"column": columns("id")}, where=[{"path": "deceased.ofType(boolean)"}]) == []
    with pytest.raises(BadView):
        rows({"column": columns("id")}, where=[{"path": "gender"}])


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "ViewDefinition.resource"), ({"resource": "Nobody", "select": [{"column": columns("id")}]}, "ViewDefinition.resource"),
        ({"resource": "Patient"}, "ViewDefinition.select"), ({"resource": "Patient", "select": [1]}, "ViewDefinition.select"), ({"resource": "Patient", "select": [{}]}, "ViewDefinition.select[0]"),
        ({"resource": "Patient", "select": [{"column": [{"name": "1x", "path": "id"}]}]}, "ViewDefinition.select[0].column[0].name"),
        ({"resource": "Patient", "select": [{"column": columns("name..x")}]}, "ViewDefinition.select[0].column[0].path"),
        ({"resource": "Patient", "select": [{"column": columns("nothing()")}]}, "ViewDefinition.select[0].column[0].path"),
        ({"resource": "Patient", "select": [{"column": columns("id")}, {"column": columns("id")}]}, "ViewDefinition.select"),
        ({"resource": "Patient", "select": [{"forEach": "name", "forEachOrNull": "name", "column": columns("use")}]}, "ViewDefinition.select[0].forEachOrNull"),
        ({"resource": "Patient", "select": [{"unionAll": [{"column": columns("id")}, {"column": columns("id", "id")}]}]}, "ViewDefinition.select[0].unionAll"),
        ({"resource": "Patient", "constant": [{"name": "x"}], "select": [{"column": columns("id")}]}, "ViewDefinition.constant[0]"),
        ({"resource": "Patient", "where": [{"path": "("}], "select": [{"column": columns("id")}]}, "ViewDefinition.where[0].path"),
    ],
)  # fmt: skip
def test_refused_views(document: Body, place: str) -> None:
    with pytest.raises(BadView) as error:
        view(document)
    assert error.value.problem.where == place


def test_rows_that_do_not_fit() -> None:
    for select in ({"column": columns("name.given")}, {"column": columns("%nothing")}):
        with pytest.raises(BadView):
            rows(select)
    many = {"resourceType": "Patient", "telecom": [{"value": str(n)} for n in range(200)]}
    multiplied = [{"forEach": "telecom", "column": [{"name": f"c{n}", "path": "value"}]} for n in range(3)]
    with pytest.raises(BadView) as error:
        rows(multiplied, many)
    assert error.value.problem.code == "fhir.view.too-many-rows"
    deep: Body = {"column": columns("id")}
    for _ in range(20):
        deep = {"select": [deep]}
    with pytest.raises(BadView):
        rows(deep)
