"""What leads a document or message, as parameters of its Bundle (R4 §2.36.3: `composition` and `message`).

The two parameters give access to the contents of the first resource, which is no record of its own. Its index entries
stand under the Bundle as `composition.type`, and those of what it refers to within the Bundle as
`composition.subject:Patient.identifier`; a chain asks for them there. References that lead out of the Bundle are
followed to records like any other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from fhir.search import nested, values
from fhir.search.conditions import BadQuery, Clause, Condition, UnknownParameter, problem
from fhir.search.nested import Found, Read, under
from fhir.search.parameters import split_reference

LEADERS = {"composition": "Composition", "message": "MessageHeader"}
_BUNDLE = "Bundle"
_PLACES = {"document": "composition", "message": "message"}
_NOT_FOLLOWED = frozenset(("entry", "related-ref"))  # what the document is made of, and other documents
_ALSO = {("subject", "Patient"): ("patient",)}  # whose expression asks for the type, which a urn:uuid does not tell
_MOST_FOLLOWED = 20


def entries(bundle: dict[str, Any], zone: ZoneInfo, read: Read) -> Iterator[Found]:
    """The index entries of what leads `bundle`; none where it is neither a document nor a message."""
    place = _PLACES.get(str(bundle.get("type")), "")
    listed = bundle.get("entry") or [{}]
    lead = listed[0].get("resource")
    if not place or not isinstance(lead, dict) or lead.get("resourceType") != LEADERS[place]:
        return
    yield from under(f"{place}.", lead, found := list(read(lead, zone)))
    beside = dict(_addressed(listed[1:]))
    wanted = [(code, columns) for code, kind, columns in found if kind == "reference" and code not in _NOT_FOLLOWED]
    near = [(code, beside[columns]) for code, columns in wanted if columns in beside]
    for code, resource in near[:_MOST_FOLLOWED]:
        kind = resource["resourceType"]
        told = list(read(resource, zone))
        for name in (code, *_ALSO.get((code, kind), ())):
            yield from under(f"{place}.{name}:{kind}.", resource, told)


def _addressed(listed: Iterable[dict[str, Any]]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """The resources of a Bundle by what references to them say."""
    for item in listed:
        resource = item.get("resource")
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            if isinstance(resource.get("id"), str):
                yield (resource["resourceType"], resource["id"]), resource
            if isinstance(item.get("fullUrl"), str):
                yield split_reference(item["fullUrl"]), resource


def chained(head: tuple[str, str], name: str, read: Callable[[str, str], Condition]) -> Condition:
    """The chain from `head` (`composition` or `message`, and a type) to the parameter `name`, which `read` reads.

    Raises BadQuery where the index does not tell: composites, times of storing, `_has`, words.
    """
    code, wanted = head
    found = None
    if wanted in ("", LEADERS[code]):
        with contextlib.suppress(UnknownParameter):
            found = _of_lead(read(LEADERS[code], name), code)
    if found is None:
        raise BadQuery(problem("chain", f"{code}.{name}"))
    return found


def _of_lead(condition: Condition, code: str) -> Condition | None:
    """`condition` on what leads a Bundle as one on the Bundle."""
    if isinstance(condition, Clause) and condition.kind == "id":
        targets = tuple(replace(v, types=(LEADERS[code],)) for v in condition.values if isinstance(v, values.Target))
        return Clause(_BUNDLE, code, "reference", targets)
    return nested.moved(condition, _BUNDLE, f"{code}.", LEADERS[code])
