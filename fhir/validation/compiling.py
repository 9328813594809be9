"""How the definition of a type becomes a schema: the walk that the validator and the quick yes share."""

from __future__ import annotations

from collections.abc import Callable

from pydantic_core import SchemaValidator, core_schema

from fhir.definitions.table import Element, Type, choice_key, type_named

Definitions = dict[str, core_schema.CoreSchema]
Fields = dict[str, core_schema.TypedDictField]
FieldsOf = Callable[[Element, str, str, Definitions], Fields]
BodyOf = Callable[[Type, Fields], core_schema.CoreSchema]


def compiled(name: str, define: Callable[[str, Definitions], None]) -> SchemaValidator:
    """The validator of type `name`; `define` adds the schema of a type and of all it uses. Raises LookupError."""
    definitions: Definitions = {}
    define(name, definitions)
    return SchemaValidator(
        core_schema.definitions_schema(core_schema.definition_reference_schema(name), list(definitions.values()))
    )


def add(name: str, definitions: Definitions, fields_of: FieldsOf, body_of: BodyOf) -> None:
    """Add the schema of type `name`: `fields_of` gives the fields of an element under a key, `body_of` their object.

    A type that is there already stays as it is. Raises LookupError for a name that is no type.
    """
    if name in definitions:
        return
    found = type_named(name)
    if found is None:
        raise LookupError(name)
    definitions[name] = core_schema.any_schema()  # stops the recursion; replaced below
    fields: Fields = {}
    if found.kind == "resource":  # its `_resourceType` is not defined: an extra field is refused like any other
        fields["resourceType"] = core_schema.typed_dict_field(core_schema.literal_schema([name]), required=True)
    for element in found.elements.values():
        for key, type_name in keys(element):
            fields.update(fields_of(element, key, type_name, definitions))
    definitions[name] = {**body_of(found, fields), "ref": name}


def strict(fields: Fields) -> core_schema.CoreSchema:
    """An object with these fields, none other and nothing converted."""
    return core_schema.typed_dict_schema(fields, total=False, extra_behavior="forbid", strict=True)


def keys(element: Element) -> list[tuple[str, str]]:
    """The JSON keys of an element, each with its type."""
    if not element.choice:
        return [(element.name, element.types[0])]
    return [(choice_key(element, type_name), type_name) for type_name in element.types]
