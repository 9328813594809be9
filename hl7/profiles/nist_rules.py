"""The expressions of NIST's schema (Expressions.xsd) and its bindings of values, read as conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml import etree

from hl7.profiles.conditions import Condition, below
from hl7.profiles.parts import Rule, name_of

Values = dict[str, frozenset[str]]
"""The codes of the value sets that are listed, by identifier."""
_WRAPPERS = frozenset(("Condition", "Assertion"))


def condition_in(node: etree._Element, values: Values) -> Condition | None:
    """The condition within a predicate or constraint; None where it states none."""
    inner = (child for child in node if name_of(child) in _WRAPPERS)
    first = (next((one for one in child if isinstance(one.tag, str)), None) for child in inner)
    return next((condition(one, values) for one in first if one is not None), None)


def condition(node: etree._Element, values: Values) -> Condition:
    """An expression, with those it joins."""
    kind = name_of(node)
    return Condition(
        kind=kind,
        path=node.get("Path") or node.get("Path1") or "",
        words=_words(node, kind, values),
        any_case=node.get("IgnoreCase", "false") == "true",
        once=node.get("AtLeastOnce", "false") == "true",
        absent=node.get("NotPresentBehavior", "") if kind != "Presence" else "",
        places=tuple((place, "") for place in _locations(node)) if kind == "ValueSet" else (),
        inner=tuple(condition(child, values) for child in node if isinstance(child.tag, str)),
    )


def _words(node: etree._Element, kind: str, values: Values) -> tuple[str, ...]:
    def said(*names: str) -> tuple[str, ...]:
        return tuple(node.get(name, "") for name in names)

    if kind == "ValueSet":
        return tuple(sorted(codes(said("ValueSetID"), values)))
    if kind == "SimpleValue":
        return said("Operator", "Value", "Type")
    if kind == "PathValue":
        return said("Operator", "Path2")
    if kind == "IZSetID":
        return said("Parent", "Element")
    listed = node.get("CSV")
    words = listed.split(",") if listed is not None else [node.get("Text") or node.get("Regex") or ""]
    return tuple(word.strip() for word in words)


def _locations(node: etree._Element) -> list[str]:
    """`BindingLocation="1:4"` of a ValueSet expression: the components that may hold the code."""
    said = node.get("BindingLocation", "").replace(",", ":").split(":")
    return [f"{place}[1]" for place in said if place.isdigit()] or ["."]


def codes(names: tuple[str, ...], values: Values) -> frozenset[str]:
    """The codes of all these value sets; none where one of them is not listed: nobody could say what is missing."""
    if any(name not in values for name in names):
        return frozenset()
    return frozenset[str]().union(*(values[name] for name in names))


def bound(node: etree._Element, values: Values) -> Iterator[Rule]:
    """A ValueSetBinding or SingleCodeBinding of a segment or data type; only what is required binds (strength R)."""
    if node.get("BindingStrength", "R") != "R":
        return
    found = binding(node, node.get("Target", "."), values)
    names = [each.get("BindingIdentifier", "") for each in node.iter() if name_of(each) == "Binding"]
    yield Rule(condition=found, name=":".join(names) or node.get("Code", ""), table=node.get("Target", "."))


def binding(node: etree._Element, path: str, values: Values) -> Condition:
    """The condition a binding states of the field at `path`."""
    places = tuple(_coded(each) for each in node.iter() if name_of(each).endswith("BindingLocation"))
    if (code := node.get("Code")) is not None:
        return Condition(kind="Code", path=path, words=(code, node.get("CodeSystem", "")), places=places)
    names = tuple(each.get("BindingIdentifier", "") for each in node.iter() if name_of(each) == "Binding")
    listed = tuple(sorted(codes(names, values)))
    return Condition(kind="ValueSet", path=path, words=listed, places=places or ((".", ""),))


def _coded(node: etree._Element) -> tuple[str, str]:
    """Where the code and its system stand; both schemas of IGAMT name them differently."""
    said: Mapping[str, str] = {str(name): str(text) for name, text in node.attrib.items()}
    code = said.get("CodeLocation") or said.get("CodePath") or "1[1]"
    return code, said.get("CodeSystemLocation") or said.get("CodeSystemPath") or ""


def cell(node: etree._Element, values: Values) -> Condition:
    """A cell of a co-constraint: a text, a code or bindings to value sets of the field it names."""
    path = node.get("Path", ".")
    if name_of(node) == "PlainText":
        return Condition(kind="PlainText", path=path, words=(node.get("Value") or node.get("Text") or "",))
    if name_of(node) == "Code":
        found = binding(node, path, values)
        return found if found.places else Condition(kind="Code", path=path, words=found.words, places=(("1[1]", ""),))
    if name_of(node) == "ValueSet":
        bindings = [each for each in node if name_of(each) == "ValueSetBinding"]
        inner = tuple(binding(each, below(path, each.get("Target", ".")), values) for each in bindings)
        return Condition(kind="OR" if len(inner) > 1 else "AND", path=path, inner=inner)
    return condition(node, values)
