"""Which of the two forms, JSON or XML, a client asks for (R4 §3.1.0.1.11): `_format` first, then Accept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from fhir import jsontext, xmltext

Form = Literal["json", "xml"]
MEDIA: dict[Form, str] = {
    "json": "application/fhir+json; charset=utf-8",
    "xml": "application/fhir+xml; charset=utf-8",
}
# The last of each is what DSTU1 called it; clients of many servers still send it.
JSON = frozenset(("application/fhir+json", "application/json", "text/json", "json", "application/json+fhir"))
XML = frozenset(("application/fhir+xml", "application/xml", "text/xml", "xml", "application/xml+fhir"))
MERGES = frozenset(("application/merge-patch+json",))
XML_PATCH = "application/xml-patch+xml"
PATCHES = frozenset(("application/json-patch+json",)) | MERGES
_ANY = frozenset(("*/*", "application/*"))
_GENERIC = frozenset(("application/json", "text/json", "application/xml", "text/xml"))
_VERSIONS = ("", "4.0", "4.0.1")


def wanted(accept: str, stated: str) -> Form | None:
    """The form that Accept, or `_format` (`stated`), asks for; None when neither form would do."""
    if stated:
        return _named(stated.replace(" ", "+"))
    if not accept or accept in JSON or accept in _ANY:
        return "json"
    best: tuple[float, Form] | None = None
    for part in accept.split(","):
        form = _named(part)
        weight = _weight(part)
        if form is not None and weight > 0 and (best is None or weight > best[0]):
            best = weight, form
    return best[1] if best else None


def media(form: Form, accept: str, stated: str) -> str:
    """The media type of an answer in `form`: FHIR's own, or the generic one of an Accept that takes no other.

    R4 §3.1.0.1.9: a generic type in Accept SHOULD be answered by that type. Beside a wildcard it is taken for a
    preference of the form only, as browsers and generic HTTP libraries state it.
    """
    if stated or not accept:
        return MEDIA[form]
    best, kind = 0.0, ""
    for part in accept.split(","):
        name, weight = part.partition(";")[0].strip().lower(), _weight(part)
        if weight <= 0 or (_named(part) != form and name not in _ANY):
            continue
        if name not in _GENERIC:
            return MEDIA[form]
        if weight > best:
            best, kind = weight, name
    return f"{kind}; charset=utf-8" if kind else MEDIA[form]


def stated_in(query: Iterable[tuple[str, str]]) -> str:
    """The `_format` of a query; the first one counts."""
    return next((value for name, value in query if name == "_format"), "")


def _named(part: str) -> Form | None:
    kind, _, rest = part.partition(";")
    name = kind.strip().lower()
    if is_other_version(rest):
        return None
    if name in JSON or name in _ANY:
        return "json"
    return "xml" if name in XML else None


def is_other_version(rest: str) -> bool:
    """Whether the parameters of a media type name another version of FHIR than R4."""
    return _parameter(rest, "fhirversion") not in _VERSIONS


def _parameter(rest: str, name: str) -> str:
    for item in rest.split(";"):
        key, _, value = item.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return ""


def _weight(part: str) -> float:
    try:
        return float(_parameter(part.partition(";")[2], "q") or 1)
    except ValueError:
        return 0.0


def rendered(text: str, form: Form, *, pretty: bool = False) -> str:
    """A FHIR document, given as JSON text, in `form`."""
    if form == "xml":
        return xmltext.text(jsontext.parse(text.encode()), pretty=pretty)
    return jsontext.text(jsontext.parse(text.encode()), pretty=True) if pretty else text
