"""Which plan serves a message: by its type, its site, and where its type is none, by what else it says."""

from __future__ import annotations

from functools import cache

from hl7.er7 import Message
from hl7.versions.table import version_named
from mappings.tables.overlay import laid_over
from mappings.tables.plan import Plan, load_plan
from mappings.tables.site import PLAIN, Site
from mappings.tables.table import HERE, TableError, codes


@cache
def plans(overlay: str = "") -> dict[str, Plan]:
    """All HL7 plans by message type (`ADT^A01`), with what an overlay adds; raises TableError."""
    if overlay:
        return laid_over(plans(), overlay)
    found: dict[str, Plan] = {}
    for path in sorted((HERE / "plans" / "hl7").glob("*.toml")):
        plan = load_plan(path)
        for message in plan.messages:
            if message in found:
                raise TableError(f"{path.name}: {message} is already served by {found[message].name}")
            found[message] = plan
    return found


@cache
def plan_for(message_type: str, site: Site = PLAIN) -> Plan | None:
    """The plan that serves a message type at a site; None when there is none. Raises TableError."""
    known = plans(site.overlay)
    wanted = dict(site.plans).get(message_type)
    if wanted is None:
        return known.get(message_type)
    named = next((plan for plan in known.values() if plan.name == wanted), None)
    if named is None:
        raise TableError(f"there is no plan {wanted!r} for {message_type}")
    return named


def read_as(message: Message, site: Site = PLAIN) -> str:
    """The type by whose plan a message is read: its own, or for an event its code does not have (`RDE^O13`) the one
    that MSH-9.3 names, else the code's usual one, where the segments are there that this needs. Raises TableError.

    So of codes whose event says nothing beside the structure (`codes/usual-event.csv`). A01 and A03 are not the same:
    of any other code the event must be told elsewhere in the message.
    """
    own = message.type
    if plan_for(own, site) is not None:
        return own
    code = own.partition("^")[0]
    usual = codes("usual-event")
    if code not in usual:
        return _told_elsewhere(message, code, site) or own
    named = message.header.text(9, 3).strip().upper().replace("_", "^", 1)
    for other in (named, usual[code]):
        plan = plan_for(other, site) if other.startswith(f"{code}^") else None
        if plan is None or missing(message, plan, other):
            continue
        if any(message.first(each.anchor) for each in plan.records if each.name in plan.about and each.anchor != "PID"):
            return other
    return own


def _told_elsewhere(message: Message, code: str, site: Site) -> str:
    """The type by the event of EVN-1, or by one that lost its nought (`A1`); empty where neither is an event of this
    code, both are and differ, or the structure of MSH-9.3 is another event's."""
    named, event = message.header.text(9, 3).strip().upper(), message.header.text(9, 2).strip().upper()
    told = {message.text("EVN", 1).strip().upper(), f"{event[:1]}0{event[1:]}" if len(event) == 2 else event}
    found = [(f"{code}^{one}", plan) for one in told if (plan := plan_for(f"{code}^{one}", site)) is not None]
    if len(found) != 1 or missing(message, found[0][1], found[0][0]):
        return ""
    kind, version = found[0][0], version_named("2.5.1")
    structure = version.structure_of(code, kind.partition("^")[2], "") if version is not None else ""
    return kind if not named or not structure or named == structure else ""


def missing(message: Message, plan: Plan, message_type: str) -> list[str]:
    """The segments without which a message of that type is not taken and that `message` does not have."""
    names = message.names()
    return [wanted for wanted, ways in _required(plan, message_type) if not any(name in names for name in ways)]


@cache
def _required(plan: Plan, message_type: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a plan requires of a type, each with the segments of which one will do."""
    return tuple((name, tuple(name.split("|"))) for name in plan.required(message_type))
