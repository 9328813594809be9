"""Conversions of who orders and from where: people and places whose address and telephones stand in other fields."""

from __future__ import annotations

from typing import Any

from canonical import codes as systems
from canonical.extensions import EXTENSIONS
from canonical.records import DRAFT, Key
from mappings.convert.people import contacts, of_a_house, reachable, xcn, xon
from mappings.convert.registry import Context, Value, conversion

_ORDERING_FACILITY = 21  # ORC
_ORGANIZATIONS = {"ORC": (21,), "OBX": (23,), "PRD": (10,)}


@conversion("placed")
def placed(value: Value, context: Context, argument: str) -> Any:
    """A person (XCN) or organization (XON) whose address and telephones stand in other fields: `24`, or `22,23`.

    A numbered one gets them in its record, which an organization has only for their sake; an unnumbered one goes
    inside the record that names it.
    """
    if value.source.field in _ORGANIZATIONS.get(value.source.segment, ()):
        return reachable(value, context, xon(value, context, ""), argument)
    found = reachable(value, context, xcn(value, context, ""), argument)
    if found and value.source.segment == "ORC" and value.segment.raw_field(_ORDERING_FACILITY):
        _ordered_from(found, value.sibling(_ORDERING_FACILITY), context)
    return found


def _ordered_from(person: dict[str, Any], facility: Value, context: Context) -> None:
    """Who orders (ORC-12) and from where (ORC-21 to 23) as a PractitionerRole (v2-to-fhir ORC[ServiceRequest]).

    The order names the person, whom guides and searches ask for, and in an extension the role. A place without number
    is one of this sender's, known by its name; the role of a person without number could not be found again, and goes
    inside the order.
    """
    where = xon(facility, context, "")
    if not where:
        return
    if "system" not in person.get("identifier", {}):
        place_told = reachable(facility, context, where, "22,23") or where
        inside = context.contain("PractitionerRole", {"practitioner": {**person}, "organization": place_told})
        _in_role(person, {"reference": inside, "type": "PractitionerRole"})
        return
    body: dict[str, Any] = {"active": True, "practitioner": {**person}, "organization": where}
    if "identifier" in where:
        place = where["identifier"]["value"]
        body["organization"] = reachable(facility, context, where, "22,23") or where
    else:
        place = where["display"]
        if more := of_a_house(contacts(facility, context, "22,23")):  # told of a place without number: inside the role
            body["contained"] = [{"resourceType": "Organization", "id": "place", "name": place, **more}]
            body["organization"] = {"reference": "#place", **where}
    key = Key(systems.local_system(context.sender, "ROLE"), f"{person['identifier']['value']} / {place}")
    body["identifier"] = [{"system": key.system, "value": key.value}]
    role = {"reference": DRAFT + context.emit("PractitionerRole", key, body), "type": "PractitionerRole"}
    _in_role(person, role)


def _in_role(person: dict[str, Any], role: dict[str, Any]) -> None:
    person["extension"] = [{"url": EXTENSIONS["ordering-role"], "valueReference": role}]
