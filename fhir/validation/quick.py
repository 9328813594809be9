"""A quick yes: schemas that run without Python wherever they can and accept only what the validator accepts.

They are narrower than R4 on purpose: a tab in a text, a year alone, a code with an accent, a reference to another
server get no yes here. No yes says nothing; `fhir.validation.validator` then decides and finds what is wrong. That a
yes implies a valid resource is a test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from jiter import LosslessFloat
from pydantic_core import PydanticCustomError, SchemaValidator, ValidationError, core_schema

from fhir.definitions.table import Element, Type, codes, is_primitive, resource_types, type_named
from fhir.validation import compiling, primitives
from fhir.validation.compiling import Definitions, Fields, keys, strict

_DAY = (
    "(?:(?:1[0-9]|20)[0-9][0-9]-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:19(?:0[48]|[2468][048]|[13579][26])|20(?:[02468][048]|[13579][26]))-02-29)"
)
_CLOCK = r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
_PATTERNS = {
    "string": r"^[^\s\x00-\x1f][^\x00-\x1f]*$",
    "markdown": r"^[^\s\x00-\x1f][^\x00-\x1f]*$",
    "code": "^[!-~]+(?: [!-~]+)*$",
    "id": "^[A-Za-z0-9.-]{1,64}$",
    "uri": "^[!-~]+$",
    "url": "^[!-~]+$",
    "canonical": "^[!-~]+$",
    "date": f"^{_DAY}$",
    "dateTime": f"^{_DAY}(?:{_CLOCK})?$",
    "instant": f"^{_DAY}{_CLOCK}$",
}
_LONGEST = 1024 * 1024
_RANGES = {"integer": (-(2**31), 2**31 - 1), "positiveInt": (1, 2**31 - 1), "unsignedInt": (0, 2**31 - 1)}


def accepts(resource: dict[str, Any]) -> bool:
    """Whether the resource is valid beyond doubt; its `resourceType` is that of a concrete resource."""
    try:
        _schema_of(resource["resourceType"]).validate_python(resource)
    except ValidationError:
        return False
    return True


@cache
def _schema_of(name: str) -> SchemaValidator:
    return compiling.compiled(name, _define)


def _define(name: str, definitions: Definitions) -> None:
    compiling.add(name, definitions, _fields, _body)


def _body(found: Type, fields: Fields) -> core_schema.CoreSchema:
    if found.name == "Extension":
        return _extension(fields)
    body = strict(fields)
    rule = _rule(found)
    return core_schema.no_info_after_validator_function(rule, body) if rule else body


def _fields(element: Element, key: str, type_name: str, definitions: Definitions) -> Fields:
    """Required where R4 requires it: a required primitive with extensions only gets no quick yes."""
    schema = _schema(element, type_name, definitions)
    if element.repeats:
        schema = core_schema.list_schema(schema, min_length=1, max_length=element.maximum or None)
    fields = {key: core_schema.typed_dict_field(schema, required=bool(element.minimum and not element.choice))}
    if is_primitive(type_name) and not element.repeats:
        _define("Element", definitions)
        sibling = core_schema.definition_reference_schema("Element")
        fields["_" + key] = core_schema.typed_dict_field(sibling, required=False)
    return fields


def _schema(element: Element, type_name: str, definitions: Definitions) -> core_schema.CoreSchema:
    if type_name == "Resource":
        return core_schema.no_info_plain_validator_function(_never)
    if is_primitive(type_name):
        return _primitive(type_name, codes(element.binding) if element.binding else frozenset())
    if type_name == "Reference" and element.targets and "Resource" not in element.targets:
        return _reference(element.targets, definitions)
    _define(type_name, definitions)
    reference = core_schema.definition_reference_schema(type_name)
    if element.binding and type_name in ("CodeableConcept", "Coding") and (allowed := codes(element.binding)):
        return core_schema.no_info_after_validator_function(_coded(allowed, type_name), reference)
    return reference


def _reference(targets: tuple[str, ...], definitions: Definitions) -> core_schema.CoreSchema:
    """A reference of ours, `Type/id`, to one of `targets`."""
    name = "Reference>" + "|".join(targets)
    if name not in definitions:
        found = type_named("Reference")
        definitions[name] = core_schema.any_schema()
        pattern = f"^(?:{'|'.join(targets)})/[A-Za-z0-9.-]{{1,64}}$"
        fields: Fields = {}
        for element in found.elements.values() if found else ():
            for key, type_name in keys(element):
                fields.update(_fields(element, key, type_name, definitions))
        fields["reference"] = core_schema.typed_dict_field(core_schema.str_schema(pattern=pattern, strict=True))
        definitions[name] = core_schema.no_info_after_validator_function(_not_empty, strict(fields), ref=name)
    return core_schema.definition_reference_schema(name)


@cache
def _primitive(name: str, allowed: frozenset[str]) -> core_schema.CoreSchema:
    if name == "boolean":
        return core_schema.bool_schema(strict=True)
    if name == "decimal":
        numbers = [core_schema.is_instance_schema(LosslessFloat), core_schema.int_schema(strict=True)]
        return core_schema.union_schema(list(numbers), mode="left_to_right")
    if name in _RANGES:
        low, high = _RANGES[name]
        return core_schema.int_schema(strict=True, ge=low, le=high)
    if allowed:
        return core_schema.literal_schema(sorted(allowed))
    if pattern := _PATTERNS.get(name):
        return core_schema.str_schema(pattern=pattern, max_length=_LONGEST, strict=True)
    return primitives.schema(name)


def _never(value: Any) -> Any:
    raise PydanticCustomError("no", "no")


def _not_empty(value: dict[str, Any]) -> dict[str, Any]:
    """An id alone is no content (ele-1)."""
    if not value or (len(value) == 1 and "id" in value):
        raise PydanticCustomError("no", "no")
    return value


def _coded(allowed: frozenset[str], type_name: str) -> Callable[[Any], Any]:
    """Every coding stated is of the value set."""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        for coding in value.get("coding", ()) if type_name == "CodeableConcept" else (value,):
            if coding.get("code") not in allowed:
                raise PydanticCustomError("no", "no")
        return value

    return check


def _rule(found: Type) -> Callable[[Any], Any] | None:
    """What the fields alone cannot say: something is there, one choice only, a required choice."""
    choices = [(frozenset(k for k, _ in keys(e)), bool(e.minimum)) for e in found.elements.values() if e.choice]
    if choices:
        siblings = frozenset("_" + name for names, _ in choices for name in names)
        return lambda value: _chosen(value, choices, siblings)
    if found.kind == "resource" or any(e.minimum for e in found.elements.values()):
        return None
    return _not_empty


def _chosen(
    value: dict[str, Any], choices: list[tuple[frozenset[str], bool]], siblings: frozenset[str]
) -> dict[str, Any]:
    for names, needed in choices:
        stated = len(names.intersection(value))
        if stated > 1 or (needed and not stated):
            raise PydanticCustomError("no", "no")
    if not siblings.isdisjoint(value):
        raise PydanticCustomError("no", "no")
    return _not_empty(value)


def _extension(fields: Fields) -> core_schema.CoreSchema:
    """A URL and one value, nothing else; nested ones are left to the validator.

    Chosen by the value's name: as one schema of fifty possible values each of them would be looked for.
    """
    choices: dict[str, core_schema.CoreSchema] = {
        key: core_schema.typed_dict_schema(
            {"url": fields["url"], key: {**field, "required": True}}, extra_behavior="forbid", strict=True
        )
        for key, field in fields.items()
        if key.startswith("value")
    }
    return core_schema.tagged_union_schema(choices, _said)


def _said(value: Any) -> str | None:
    """The name of what an extension says besides its URL."""
    if type(value) is not dict:
        return None
    return next((key for key in value if key != "url"), None)


def is_resource(name: object) -> bool:
    """Whether `name` is the name of a concrete resource type."""
    return name in _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(resource_types())
