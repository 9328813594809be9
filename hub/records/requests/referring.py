"""Conditional references: `Patient?identifier=…` inside a resource means the one record that meets it (R4 §3.1.0.11.3).

R4 resolves them when a transaction has written (§3.1.0.11.2, the fifth step): such a reference may mean a record that
an entry beside it makes, and not one that an entry deletes. What refers so to a kind of record that the transaction
writes is therefore stored after it, in rounds; all else is resolved at once and stored together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from fhir import links
from fhir.definitions.table import resource_types
from fhir.search.conditions import Setting
from hub.find.sight import guarded
from hub.records.requests import conditional
from hub.records.requests.acting import Actor
from hub.records.requests.entry import Entry, Failed
from hub.records.requests.refusal import Refusal, refused
from hub.records.saved import Saved
from hub.store.database import Transaction

Stored = list[tuple[Entry, Saved]]
Save = Callable[[Sequence[Entry], Mapping[str, str]], Awaitable[Stored]]


@dataclass(frozen=True, slots=True)
class _Literal:
    """A conditional reference as it is written, the type it looks for and the query."""

    text: str
    kind: str
    query: str

    def may_change(self, kinds: Collection[str]) -> bool:
        """Whether records of `kinds` that are written may change what it means: its own kind, or any behind a chain."""
        names = [unquote_plus(pair.partition("=")[0]) for pair in self.query.split("&")]
        return bool(kinds) and (self.kind in kinds or any("." in name or name.startswith("_") for name in names))


def literals_of(entry: Entry, base: str) -> list[_Literal]:
    """The conditional references within what the entry stores, also those by our own address."""
    found = []
    for text in dict.fromkeys(links.references(entry.resource, entry.type_name)):
        kind, mark, query = text.removeprefix(base + "/").partition("?")
        if mark and kind in resource_types():
            found.append(_Literal(text, kind, query))
    return found


class Referring:
    """What the conditional references of one transaction mean. `targets` are told what was found."""

    def __init__(self, tx: Transaction, actor: Actor, setting: Setting, targets: dict[str, str]) -> None:
        self._tx = tx
        self._actor = actor
        self._setting = setting
        self.targets = targets

    async def settle(self, entry: Entry) -> None:
        """Find what all of the entry's references mean; raises Failed."""
        for literal in literals_of(entry, self._setting.base):
            if literal.text not in self.targets:
                self.targets[literal.text] = await self._meant(entry, literal)

    async def store(self, writers: Sequence[Entry], save: Save) -> Stored:
        """`save` all `writers`, each when what it refers to is there; raises Failed when one's never is."""
        kinds = {entry.type_name for entry in writers}
        late = [entry for entry in writers if self._waits(entry, kinds)]
        waiting = {entry.position for entry in late}
        first = [entry for entry in writers if entry.position not in waiting]
        for entry in first:
            await self.settle(entry)
        stored = await save(first, self.targets)
        left = late
        while left:
            ready = await self._ready(left)
            stored += await save(ready, self.targets)
            done = {entry.position for entry in ready}
            left = [entry for entry in left if entry.position not in done]
        await self._still(late)
        return stored

    async def _still(self, late: Sequence[Entry]) -> None:
        """Refuse what meant another record, or one alone, only until the last of `late` was stored."""
        kinds = {entry.type_name for entry in late}
        seen = {each.text: (entry, each) for entry in late for each in literals_of(entry, self._setting.base)}
        for entry, literal in seen.values():
            if literal.may_change(kinds) and await self._meant(entry, literal) != self.targets[literal.text]:
                raise Failed({entry.position: _none(literal)})

    def _waits(self, entry: Entry, kinds: Collection[str]) -> bool:
        return entry.resource is not None and any(
            each.may_change(kinds) for each in literals_of(entry, self._setting.base)
        )

    async def _ready(self, late: Sequence[Entry]) -> list[Entry]:
        """Those of which every reference is there; raises Failed when it is none."""
        ready: list[Entry] = []
        unmet: Failed | None = None
        for entry in late:
            try:
                await self.settle(entry)
            except Failed as failed:
                unmet = unmet or failed
            else:
                ready.append(entry)
        if unmet is not None and not ready:
            raise unmet
        return ready

    async def _meant(self, entry: Entry, literal: _Literal) -> str:
        try:
            query = guarded(conditional.conditions_of(literal.kind, literal.query, self._setting), self._actor.sight)
            row = await conditional.resolve(self._tx, query)
        except Refusal as refusal:
            raise Failed({entry.position: refusal}) from None
        if row is None:
            raise Failed({entry.position: _none(literal)})
        return f"{literal.kind}/{row['id']}"


def _none(literal: _Literal) -> Refusal:
    return refused("precondition", "fhir.conditional.none", "resource", type=literal.kind)
