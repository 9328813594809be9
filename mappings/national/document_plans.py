"""Plans of national documents (`plans/rnds/*.toml`): their entries, sections and triggers, by version.

A plan says what the entries are, in which section they stand and which canonical change makes the document. Versions
are dated: the newest that has begun counts.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mappings.national.document_codes import Own, national
from mappings.national.document_values import valued
from mappings.tables.table import HERE, TableError

Record = Mapping[str, Any]
_ROOM = "rnds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A repeating element: the list it comes from, the name an entry has as a source, its element and tables.

    An `optional` one that lacks something is left out with a warning, called by its `label`.
    """

    source: str
    each: str
    element: str
    tables: tuple[str, ...]
    label: str = ""
    optional: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """One kind of entry: one for each record of `source`. `needs` are elements some row must have filled.

    `least` is how many there must be; `optional` ones that lack something are left out with a warning, or told by
    the entry of the same name that is a `substitute` (which takes nothing else). A `linked` entry is there only as
    long as another one refers to it.
    """

    name: str
    type: str
    profile: str
    source: str
    tables: tuple[str, ...]
    label: str
    section: str = ""
    needs: tuple[str, ...] = ()
    least: int = 0
    optional: bool = False
    substitute: bool = False
    linked: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section: its title where the profile fixes one; `split` gives each entry a section of its own."""

    name: str
    title: str = ""
    split: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Which canonical change makes the document: a type and, for each path, the values that are meant.

    `action` is `send`, or `delete` for a record that was taken back; values of `unless` are never meant.
    """

    type: str
    where: tuple[tuple[str, tuple[str, ...]], ...]
    action: str = "send"
    unless: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def meant(self, body: Record) -> bool:
        """Whether a record's body fulfils every condition."""
        if any(_has(body, path, values) for path, values in self.unless):
            return False
        return all(_has(body, path, wanted) for path, wanted in self.where)


def _has(body: Record, path: str, wanted: tuple[str, ...]) -> bool:
    return bool(set(wanted) & {str(found) for found in valued(body, path)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What tells that a record makes this document `instead_of` another: a concept that has a code of a national list.

    The concept stands at one of `paths`, or in its `extension` of that name. Those meant are `codes`, or the ones a
    `setting` of the document lists (with commas).
    """

    paths: tuple[str, ...]
    list: str
    extension: str = ""
    codes: tuple[str, ...] = ()
    setting: str = ""

    def of(self, body: Record, own: Own) -> str:
        """The code the record has in the list; empty when it has none."""
        found = [value for path in self.paths for value in valued(body, path) if isinstance(value, Mapping)]
        if self.extension:
            found = [v for v in found if str(v.get("url", "")).rpartition("/")[2] == self.extension]
            found = [v["valueCodeableConcept"] for v in found if isinstance(v.get("valueCodeableConcept"), Mapping)]
        return next((code for value in found if (code := national(value, self.list, own))), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPlan:
    """A document at one version: type code of BRTipoDocumento, profile, Composition tables, sections and entries.

    `unidentified`: it may be about a person who could not be identified. `instead_of` is the kind it stands for where
    its `claims` hold.
    """

    kind: str
    code: str
    title: str
    label: str
    profile: str
    version: str
    begins: datetime.date
    subject: str
    tables: tuple[str, ...]
    sections: tuple[Section, ...]
    entries: tuple[EntryPlan, ...]
    triggers: tuple[Trigger, ...]
    needs: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    unidentified: bool = False
    instead_of: str = ""
    claims: tuple[Claim, ...] = ()

    def meant(self, body: Record, action: str) -> bool:
        """Whether a trigger of `action` means a record's body."""
        kind = str(body.get("resourceType", self.subject))
        return any(t.type == kind and t.action == action and t.meant(body) for t in self.triggers)

    def about(self, body: Record) -> bool:
        """Whether a record is of the state documents are made of, also one that another document tells."""
        return any(t.action == "send" and all(_has(body, *each) for each in t.where) for t in self.triggers)

    def takes(self, body: Record, settings: Mapping[str, str], own: Own) -> bool:
        """Whether a record makes this document and not the one it stands instead of: its first claim that can tell.

        `settings` are those of the document, `own` the tenant's translations.
        """
        if not self.meant(body, "send"):
            return False
        for claim in self.claims:
            if code := claim.of(body, own):
                named = {one.strip() for one in settings.get(claim.setting, "").split(",")} if claim.setting else set()
                if claim.codes or code in named:
                    return code in claim.codes or code in named
        return False


def kinds() -> tuple[str, ...]:
    """The documents that have a plan: REL, RIA and so on."""
    return tuple(sorted({plan.kind for plan in _plans()}))


@cache
def rivals(kind: str) -> tuple[str, ...]:
    """The kinds of which a record has one or the other."""
    pairs = {(plan.kind, plan.instead_of) for plan in _plans() if plan.instead_of}
    return tuple(sorted({other for pair in pairs if kind in pair for other in pair} - {kind}))


def plan_at(kind: str, day: datetime.date) -> DocumentPlan:
    """The version of a document that is valid on a day; raises LookupError."""
    begun = [plan for plan in _plans() if plan.kind == kind and plan.begins <= day]
    if not begun:
        raise LookupError(kind)
    return max(begun, key=lambda plan: plan.begins)


def plans() -> tuple[DocumentPlan, ...]:
    """Every plan of every version; raises TableError naming what is wrong."""
    return _plans()


@cache
def _plans() -> tuple[DocumentPlan, ...]:
    return tuple(_plan(path.stem) for path in sorted((HERE / "plans" / _ROOM).glob("*.toml")))


def _plan(name: str) -> DocumentPlan:
    try:
        with (HERE / "plans" / _ROOM / f"{name}.toml").open("rb") as file:
            raw = tomllib.load(file)
        triggers = [
            Trigger(
                type=one["type"],
                action=one.get("action", "send"),
                where=_conditions(one["where"]),
                unless=_conditions(one.get("unless", {})),
            )
            for one in raw.pop("triggers")
        ]
        return DocumentPlan(
            triggers=tuple(triggers),
            claims=tuple(Claim(**_lists(one)) for one in raw.pop("claims", ())),
            sections=tuple(Section(**one) for one in raw.pop("sections")),
            entries=tuple(EntryPlan(**_lists(one), parts=_parts(one)) for one in raw.pop("entries")),
            parts=_parts(raw),
            **_lists(raw),
        )
    except (OSError, KeyError, TypeError) as error:
        raise TableError(f"plans/{_ROOM}/{name}.toml: {error}") from None


def _conditions(raw: Mapping[str, list[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((path, tuple(values)) for path, values in raw.items())


def _lists(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items() if k != "parts"}


def _parts(raw: Mapping[str, Any]) -> tuple[Part, ...]:
    return tuple(Part(**_lists(one), parts=_parts(one)) for one in raw.get("parts", ()))
