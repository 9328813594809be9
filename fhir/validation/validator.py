"""Validates a resource against the R4 definitions: structure, cardinality, primitives, choices, required bindings.

The validator of a type is built on first use from the generated table and cached. Findings carry FHIRPath
expressions (choice elements as `value.ofType(Quantity)`) and never a value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic_core import PydanticCustomError, SchemaValidator, ValidationError, core_schema

from canonical.problem import Problem
from fhir.definitions.table import Element, Type, codes, is_primitive, resource_types, type_named
from fhir.validation import compiling, primitives, quick
from fhir.validation.compiling import Definitions, Fields, keys, strict

MAXIMUM_FINDINGS = 100
_MISSING = "missing"


def validate(resource: Any) -> list[Problem]:
    """The findings of a parsed resource (a dict); empty when it is a valid R4 resource."""
    if not isinstance(resource, dict):
        return [Problem("fhir.structure.not-an-object", "$this")]
    name = resource.get("resourceType")
    if not isinstance(name, str) or not quick.is_resource(name):
        return [Problem("fhir.structure.resource-type", "$this.resourceType")]
    return [] if quick.accepts(resource) else findings(name, resource)


def findings(name: str, resource: dict[str, Any]) -> list[Problem]:
    """What the full validator of resource type `name` finds."""
    try:
        validator_of(name).validate_python(resource)
    except ValidationError as error:
        return _problems(name, error)
    return []


@cache
def validator_of(name: str) -> SchemaValidator:
    """The compiled validator of one resource type."""
    return compiling.compiled(name, _define)


def _define(name: str, definitions: Definitions) -> None:
    compiling.add(name, definitions, _fields, _body)


def _body(found: Type, fields: Fields) -> core_schema.CoreSchema:
    return core_schema.no_info_after_validator_function(_rules(found), strict(fields))


def _fields(element: Element, key: str, type_name: str, definitions: Definitions) -> Fields:
    """The JSON field of an element and, for primitives, its `_` sibling."""
    primitive = is_primitive(type_name)
    schema = _schema(element, type_name, definitions)
    if element.repeats:
        inner = core_schema.nullable_schema(schema) if primitive else schema
        schema = core_schema.list_schema(inner, min_length=1, max_length=element.maximum or None)
    fields = {key: core_schema.typed_dict_field(schema, required=False)}
    if primitive:
        _define("Element", definitions)
        sibling: core_schema.CoreSchema = core_schema.definition_reference_schema("Element")
        if element.repeats:
            sibling = core_schema.list_schema(core_schema.nullable_schema(sibling), min_length=1)
        fields["_" + key] = core_schema.typed_dict_field(sibling, required=False)
    return fields


def _schema(element: Element, type_name: str, definitions: Definitions) -> core_schema.CoreSchema:
    if type_name == "Resource":
        return core_schema.no_info_plain_validator_function(_nested_resource)
    if is_primitive(type_name):
        return primitives.schema(type_name, codes(element.binding) if element.binding else frozenset())
    _define(type_name, definitions)
    reference = core_schema.definition_reference_schema(type_name)
    if element.binding and type_name in ("CodeableConcept", "Coding"):
        return core_schema.no_info_after_validator_function(_coded(codes(element.binding), type_name), reference)
    if type_name == "Reference" and element.targets and "Resource" not in element.targets:
        return core_schema.no_info_after_validator_function(_targeted(frozenset(element.targets)), reference)
    return reference


def _nested_resource(value: Any) -> Any:
    if not isinstance(value, dict) or value.get("resourceType") not in resource_types():
        raise PydanticCustomError("resource-type", "resource type")
    return validator_of(value["resourceType"]).validate_python(value)


def _coded(allowed: frozenset[str], type_name: str) -> Callable[[Any], Any]:
    """A required binding on a concept: one coding at least must be of the value set, when there are codings."""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        codings = value.get("coding", []) if type_name == "CodeableConcept" else [value]
        stated = [c.get("code") for c in codings if c.get("code")]
        if stated and not any(code in allowed for code in stated):
            raise PydanticCustomError("binding", "binding")
        return value

    return check


def _targeted(allowed: frozenset[str]) -> Callable[[Any], Any]:
    """A literal reference `Type/id` must name an allowed type; other forms say nothing about the type."""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        reference = value.get("reference")
        if isinstance(reference, str) and not reference.startswith(("#", "urn:")):
            parts = reference.partition("/_history/")[0].split("?")[0].rsplit("/", 2)
            name = parts[-2] if len(parts) >= 2 and "?" not in reference else ""
            if name in resource_types() and name not in allowed:
                raise PydanticCustomError("reference-target", "reference target")
        return value

    return check


def _rules(found: Type) -> Callable[[Any], Any]:
    """What holds between the fields of one object: something is there, what is required is, one choice only."""
    required = [e for e in found.elements.values() if e.minimum and not e.choice]
    choices = [
        (e, [key for key, _ in keys(e)], [k for key, _ in keys(e) for k in (key, "_" + key)])
        for e in found.elements.values()
        if e.choice
    ]
    least = 1 if found.kind == "resource" else 0
    reference = found.name == "Extension"

    bare = found.kind != "resource" and found.name != "Element"  # ele-1: an id alone is no content

    def check(value: dict[str, Any]) -> dict[str, Any]:
        if len(value) <= least - 1 or not value or (bare and len(value) == 1 and "id" in value):
            raise PydanticCustomError("empty", "empty")
        _refuse_bare(value)
        for element in required:
            if element.name not in value and "_" + element.name not in value:
                raise PydanticCustomError(_MISSING, "missing", {"name": element.name})
        for element, names, siblings in choices:
            stated = sum(1 for key in names if key in value or "_" + key in value)
            if stated > 1:
                raise PydanticCustomError("choice", "choice", {"name": element.name})
            if element.minimum and not any(key in value for key in siblings):
                raise PydanticCustomError(_MISSING, "missing", {"name": element.name})
        if reference and ("extension" in value) == any(k.lstrip("_").startswith("value") for k in value):
            raise PydanticCustomError("extension", "extension")
        return value

    return check


def _refuse_bare(value: dict[str, Any]) -> None:
    for key in value:
        if key[0] == "_" and _is_bare(value, key):
            raise PydanticCustomError("empty", "empty", {"name": key[1:]})


def _is_bare(value: dict[str, Any], key: str) -> bool:
    """Whether beside a primitive without value (`_name`) nothing stands but an id (ele-1)."""
    beside, content = value[key], value.get(key[1:])
    if not isinstance(beside, list):
        return content is None and beside.keys() == {"id"}
    values = content if isinstance(content, list) else []
    return any(
        each is not None and each.keys() == {"id"} and (place >= len(values) or values[place] is None)
        for place, each in enumerate(beside)
    )


_KINDS = {
    "extra_forbidden": "unknown-element",
    "missing": "required",
    "choice": "choice",
    "empty": "empty",
    "extension": "extension",
    "binding": "code",
    "reference-target": "reference-target",
    "resource-type": "resource-type",
    "literal_error": "resource-type",
    "too_short": "empty",
    "too_long": "cardinality",
    "list_type": "array",
    "dict_type": "object",
    "invalid_key": "unknown-element",
}


def _problems(name: str, error: ValidationError) -> list[Problem]:
    found = []
    for line in error.errors(include_url=False, include_input=False)[:MAXIMUM_FINDINGS]:
        kind = line["type"]
        place = list(line["loc"])
        if named := line.get("ctx", {}).get("name"):
            place.append(str(named))
        code = _KINDS.get(kind, "value")
        family = "code" if code == "code" else "structure" if kind in _KINDS else "value"
        detail = kind if kind in primitives.KINDS else ""
        args = (("expected", detail or "R4"),)
        full = "fhir.code.required-binding" if family == "code" else f"fhir.{family}.{detail or code}"
        found.append(Problem(full, expression(name, place), args=args))
    return found


def expression(name: str, place: list[str | int]) -> str:
    """The FHIRPath of a JSON place: `["valueQuantity", "unit"]` in Observation gives `value.ofType(Quantity).unit`."""
    parts = [name]
    current = type_named(name)
    for step in place:
        if isinstance(step, int):
            parts[-1] += f"[{step}]"
            continue
        text, current = _step(current, step)
        parts.append(text)
    return ".".join(parts)


def _step(current: Type | None, key: str) -> tuple[str, Type | None]:
    if current is None:
        return key, None
    bare = key.removeprefix("_")
    if element := current.elements.get(bare):
        nested = type_named(element.types[0]) if not element.choice else None
        return bare, nested
    for element in current.elements.values():
        if element.choice:
            for json_key, type_name in keys(element):
                if json_key == bare:
                    return f"{element.name}.ofType({type_name})", type_named(type_name)
    return key, None
