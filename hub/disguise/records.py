"""A record in disguise: walked by the types of its elements (R4 §2.24); what no rule knows to be harmless is left out.

Codes, numbers and booleans stay; dates move; names and numbers become invented ones; references follow their records;
free text, addresses below the municipality, telecoms, attachments, narratives and addresses of any kind go.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fhir.definitions.table import Element, choice_key, type_named
from hub.disguise.people import Invented

WITHDRAWN = "texto retirado"
"""What stands where a text is required."""
_DROPPED = frozenset(
    (
        "ContactPoint",
        "Narrative",
        "Annotation",
        "Signature",
        "ContactDetail",
        "RelatedArtifact",
        "xhtml",
        "base64Binary",
    )
)
_FREE = frozenset(("string", "markdown"))
_ADDRESSES = frozenset(("uri", "url", "oid", "uuid"))
_MOMENTS = frozenset(("date", "dateTime", "instant"))
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(.*))?)?\Z", re.DOTALL)
_META = ("profile", "security", "tag")


@dataclass(slots=True)
class Disguise:
    """How one record is disguised: the patient it is of (empty: of none), and which records are in the copy."""

    invented: Invented
    patient: str
    inside: Callable[[str, str], bool]
    contained: set[str] = field(default_factory=set)

    def record(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The record of an invented person."""
        kind, identity = str(body["resourceType"]), str(body["id"])
        self.contained = {str(each.get("id")) for each in body.get("contained", ()) if isinstance(each, dict)}
        made = self._resource(body, f"{kind}/{identity}")
        return {"resourceType": kind, "id": self.invented.record_id(kind, identity), **made}

    def _resource(self, body: Mapping[str, Any], owner: str) -> dict[str, Any]:
        kind = str(body["resourceType"])
        rest = {key: value for key, value in body.items() if key not in ("resourceType", "id", "meta", "implicitRules")}
        gender = str(body.get("gender", ""))
        made = self._object(rest, kind, owner, gender)
        if isinstance(meta := body.get("meta"), dict) and (kept := {k: meta[k] for k in _META if k in meta}):
            made["meta"] = self._object(kept, "Meta", owner, gender)
        return made

    def _object(self, body: Mapping[str, Any], type_name: str, owner: str, gender: str) -> dict[str, Any]:
        keys, made = _keys(type_name), {}
        for key, value in body.items():
            if key not in keys or key == "id":
                continue  # also `_birthDate` and its like: what extends a primitive
            element, kind = keys[key]
            if isinstance(value, list):
                places = ((type_name, f"{owner}.{key}{n}", gender) for n in range(len(value)))
                some = [self._one(each, element, kind, at) for each, at in zip(value, places, strict=True)]
                found: Any = [each for each in some if each is not None] or None
            else:
                found = self._one(value, element, kind, (type_name, f"{owner}.{key}", gender))
            if found is not None:
                made[key] = found
        return made

    def _one(self, value: Any, element: Element, kind: str, at: tuple[str, str, str]) -> Any:
        """One value of an element in disguise; None where it goes."""
        parent, owner, gender = at
        act = _acts().get(f"{parent}.{element.name}", "")
        if act == "drop" or kind in _DROPPED:
            return None
        if isinstance(value, dict):
            return self._complex(value, kind, owner, gender)
        if act == "keep":
            return value
        if act == "number":
            return self.invented.number(str(value))
        return self._primitive(value, element, kind)

    def _primitive(self, value: Any, element: Element, kind: str) -> Any:
        if kind in _MOMENTS:
            return shifted(str(value), self.invented.shift(self.patient)) if self.patient else value
        if kind in _FREE:
            return WITHDRAWN if element.minimum or element.choice else None
        if kind in _ADDRESSES:
            return "urn:ponte:retirado" if element.minimum else None
        return None if kind == "id" else value

    def _complex(self, value: Mapping[str, Any], kind: str, owner: str, gender: str) -> Any:
        special = {
            "HumanName": self._name,
            "Address": self._address,
            "Coding": self._coding,
            "Reference": self._reference,
            "CodeableConcept": self._concept,
            "Attachment": self._attachment,
            "Extension": self._extension,
        }.get(kind)
        if special is not None:
            return special(value, owner, gender)
        if kind == "Resource":
            identity = self.invented.record_id("contained", str(value.get("id", "")))
            return {"resourceType": value["resourceType"], "id": identity, **self._resource(value, owner)}
        own = str(value.get("gender", gender))
        return self._object(value, kind, owner, own) or None

    def _name(self, value: Mapping[str, Any], owner: str, gender: str) -> dict[str, Any]:
        """All names of one person are of one invented person; a contact is another."""
        return {
            **({"use": value["use"]} if "use" in value else {}),
            **self.invented.name(owner.rpartition(".")[0], gender),
        }

    def _address(self, value: Mapping[str, Any], owner: str, gender: str) -> dict[str, Any] | None:
        """The municipality; no street, postal code, or extension, which may hold coordinates."""
        kept = {key: value[key] for key in ("use", "type", "city", "state", "country") if key in value}
        return self._object(kept, "Address", owner, gender) or None

    def _coding(self, value: Mapping[str, Any], owner: str, gender: str) -> dict[str, Any] | None:
        """Words without a code are free text."""
        kept = value if "code" in value else {key: each for key, each in value.items() if key != "display"}
        return self._object(kept, "Coding", owner, gender) or None

    def _reference(self, value: Mapping[str, Any], owner: str, gender: str) -> dict[str, Any] | None:
        stated = str(value.get("reference", ""))
        if stated.startswith("#"):
            inner = stated[1:]
            return {"reference": f"#{self.invented.record_id('contained', inner)}"} if inner in self.contained else None
        kind, _, rest = stated.partition("/")
        identity = rest.partition("/")[0]
        if identity and self.inside(kind, identity):
            return {"reference": f"{kind}/{self.invented.record_id(kind, identity)}"}
        named = self._object({k: v for k, v in value.items() if k == "identifier"}, "Reference", owner, gender)
        return named or {"display": WITHDRAWN}

    def _concept(self, value: Mapping[str, Any], owner: str, gender: str) -> dict[str, Any]:
        return self._object(value, "CodeableConcept", owner, gender) or {"text": WITHDRAWN}

    def _attachment(self, value: Mapping[str, Any], owner: str, gender: str) -> dict[str, Any]:
        kept = {key: value[key] for key in ("contentType", "language", "creation") if key in value}
        return {**self._object(kept, "Attachment", owner, gender), "title": WITHDRAWN}

    def _extension(self, value: Mapping[str, Any], owner: str, gender: str) -> dict[str, Any] | None:
        """With what it says; one that says nothing any more goes whole."""
        made = self._object(value, "Extension", owner, gender)
        return made if len(made) > 1 else None


def shifted(text: str, by: datetime.timedelta) -> str | None:
    """A date or moment moved by whole days, as precise as it was; None for what is no date."""
    match = _DATE.match(text)
    if match is None:
        return None
    year, month, day, rest = match.groups()
    try:
        moved = datetime.date(int(year), int(month or 1), int(day or 1)) + by
    except (ValueError, OverflowError):
        return None
    whole = moved.isoformat()
    return whole + (rest or "") if day else whole[:7] if month else whole[:4]


@cache
def _keys(type_name: str) -> Mapping[str, tuple[Element, str]]:
    """The JSON keys of a type, each with its element and the type of its value."""
    found = type_named(type_name)
    keys: dict[str, tuple[Element, str]] = {}
    for element in found.elements.values() if found is not None else ():
        for kind in element.types:
            keys[choice_key(element, kind) if element.choice else element.name] = (element, kind)
    return keys


@cache
def _acts() -> Mapping[str, str]:
    with (Path(__file__).resolve().parent / "elements.csv").open(encoding="utf-8", newline="") as file:
        return {row["element"]: row["act"] for row in csv.DictReader(file)}
