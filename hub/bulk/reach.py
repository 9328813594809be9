"""What the token that asked for an export may see, kept with the job; each text is judged before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from fhir import jsontext
from hub.bulk.wanted import Wanted
from hub.find.sight import WHOLE, Alternatives, alternative
from hub.guard import scopes
from hub.records import blocked
from hub.records.requests.acting import Actor, setting_of
from hub.world import Tenant, World


@dataclass(frozen=True, slots=True)
class Reach:
    """The reach of an export: its actor as the records see it."""

    actor: Actor

    def shows(self, text: str) -> bool:
        """Whether the record of a stored text may be read and searched."""
        body = jsontext.stored(text)
        return self.actor.may(body, "r") and self.actor.may(body, "s")


def is_whole(wanted: Wanted, type_name: str) -> bool:
    """Whether the export reaches all records of a type."""
    held = frozenset(wanted.scopes)
    whole = scopes.permits(held, type_name, "r") and scopes.permits(held, type_name, "s")
    return whole and not blocked.hides(type_name, "r", wanted.blocked)


def reach_of(world: World, tenant: Tenant, wanted: Wanted, subject: str) -> Reach:
    """The reach of an export."""
    held, setting = frozenset(wanted.scopes), setting_of(world, tenant)

    @lru_cache(maxsize=1024)
    def narrow(kind: str, action: str) -> Alternatives:
        grants = scopes.narrowing(held, kind, action)
        found = (alternative(grant, kind, wanted.patient, setting) for grant in grants)
        whole = WHOLE if scopes.permits(held, kind, action) else ()
        allowed = whole or tuple(each for each in found if each is not None)
        return blocked.narrowed(allowed, kind, action, wanted.blocked)

    def permits(kind: str, action: str) -> bool:
        return scopes.permits(held, kind, action) and not blocked.hides(kind, action, wanted.blocked)

    return Reach(Actor(tenant=tenant, subject=subject, permits=permits, narrow=narrow))


def is_within(wanted: Wanted, type_name: str, held: frozenset[str], patient: str) -> bool:
    """Whether who holds these scopes now may have what the export wrote of a type: all of it, or at least as much."""
    if scopes.permits(held, type_name, "r"):
        return True
    begun = frozenset(wanted.scopes)
    if scopes.permits(begun, type_name, "r"):
        return False
    grants, own = scopes.narrowing(begun, type_name, "r"), scopes.narrowing(held, type_name, "r")
    same = wanted.patient == patient or all(grant.context != "patient" for grant in grants)
    return bool(grants) and same and set(grants) <= set(own)
