"""Parts of a record: `_elements` and `_summary` (R4 §3.1.1.5.8, §3.1.1.5.9), marked SUBSETTED."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir import jsontext
from fhir.definitions.table import Element, Type, choice_key, type_named

SUMMARIES = ("true", "text", "data")
_ALWAYS = ("resourceType", "id", "meta")
_TAG = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}

_SYSTEMS = (_TAG["system"], "http://hl7.org/fhir/v3/ObservationValue")  # as in R4, and as before


def text(stored: str, summary: str, elements: tuple[str, ...]) -> str:
    """The wanted part of a stored record; mandatory elements stay, so that it still validates where it can."""
    body = jsontext.parse(stored.encode())
    if not isinstance(body, dict):
        return stored
    found = type_named(str(body.get("resourceType")))
    names = elements_of(found.name, elements) if found else ()
    if found is None or (elements and not names):
        return stored
    return jsontext.text(_tagged(_part(body, found, summary, names)))


def elements_of(type_name: str, elements: Iterable[str], *, own: bool = True) -> tuple[str, ...]:
    """The elements wanted of a type: those named for it (`Patient.name`) and, where `own`, those without a type."""
    named = [text.rpartition(".") for text in elements]
    return tuple(name for kind, _, name in named if kind == type_name or (own and not kind))


def is_partial(body: Any) -> bool:
    """Whether a resource is marked as a part of one, which must not be taken for the whole (R4 §3.1.1.5.9)."""
    meta = body.get("meta") if isinstance(body, dict) else None
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return isinstance(tags, list) and any(
        isinstance(tag, dict) and tag.get("code") == _TAG["code"] and tag.get("system") in _SYSTEMS for tag in tags
    )


def _part(body: dict[str, Any], found: Type, summary: str, elements: tuple[str, ...]) -> dict[str, Any]:
    if elements:
        return {k: v for k, v in body.items() if _kept(k, found, lambda e: e.name in elements)}
    if summary == "data":
        return {k: v for k, v in body.items() if k != "text"}
    if summary == "text":
        return {k: v for k, v in body.items() if k == "text" or _kept(k, found, lambda e: False)}
    return _summarised(body, found)


def _summarised(node: dict[str, Any], found: Type) -> dict[str, Any]:
    """Summary elements; within a backbone those of its own."""
    kept = {}
    for key, value in node.items():
        if not _kept(key, found, lambda element: element.summary):
            continue
        element = found.elements.get(key)
        nested = type_named(element.types[0]) if element and not element.choice else None
        kept[key] = _nested(value, nested) if nested and nested.kind == "backbone" else value
    return kept


def _nested(value: Any, found: Type) -> Any:
    if isinstance(value, list):
        return [_nested(item, found) for item in value]
    return _summarised(value, found) if isinstance(value, dict) else value


def _kept(key: str, found: Type, wanted: Any) -> bool:
    if key in _ALWAYS:
        return True
    element = _element(key.removeprefix("_"), found)
    return element is not None and (element.minimum > 0 or bool(wanted(element)))


def _element(key: str, found: Type) -> Element | None:
    if key in found.elements:
        return found.elements[key]
    for element in found.elements.values():
        if element.choice and any(choice_key(element, name) == key for name in element.types):
            return element
    return None


def _tagged(body: dict[str, Any]) -> dict[str, Any]:
    meta = dict(body.get("meta") or {})
    meta["tag"] = [*meta.get("tag", ()), _TAG]
    return {"resourceType": body["resourceType"], **body, "meta": meta}
