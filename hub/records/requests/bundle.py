"""Interactions on records, one or many in one transaction (R4 §3.1.0.11): decide, link, save once, then read.

A single create, update or delete is a transaction of one entry, so every rule (permission, conditions, If-Match)
stands in one place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from canonical.errors import Conflict, TryAgain
from canonical.identity import new_id
from canonical.problem import Problem
from fhir import links
from fhir.search.conditions import BadQuery
from fhir.search.query import Query
from fhir.subset import is_partial
from hub.find.search import matching
from hub.find.sight import Alternatives, guarded
from hub.find.statement import Within
from hub.records import owned, profiled, published
from hub.records.drafts.who import meanwhile
from hub.records.requests import allowed, conditional, lineage, visible
from hub.records.requests.acting import Action, Actor, policy_of
from hub.records.requests.entry import METHODS, Done, Entry, Failed, is_id
from hub.records.requests.patching import patched
from hub.records.requests.referring import Referring
from hub.records.requests.refusal import Refusal, refused
from hub.records.saved import Saved
from hub.records.trail import trail
from hub.records.write import Clash, Invalid, Write, save
from hub.store.database import Row, Transaction
from hub.subscriptions import admission
from hub.world import World

T = TypeVar("T")
_ATTEMPTS = 4
_ACTIONS: dict[str, Action] = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}


async def transact(
    world: World, actor: Actor, entries: Sequence[Entry], stated: dict[str, Any] | None = None
) -> list[Done]:
    """Do all `entries` or none; results in the order given. Raises Failed.

    `stated` is a Provenance of what they write (X-Provenance), stored with it; what is wrong with it is a Refusal.
    """
    if stated is not None:
        actor.reach("Provenance", "c")
    causes: dict[int, Refusal | Conflict] = {}
    for entry in entries:
        try:
            actor.reach(entry.type_name, _action(entry))
        except Refusal as refusal:
            causes[entry.position] = refusal
    if causes:
        raise Failed(causes)
    try:
        return await _again(lambda: _attempt(world, actor, entries, stated))
    except Failed as failed:
        if lineage.POSITION in failed.causes:
            raise lineage.placed(failed.causes[lineage.POSITION]) from None
        raise


def _action(entry: Entry) -> Action:
    if entry.method == "GET":
        return "r" if entry.id else "s"
    return _ACTIONS[entry.method]


async def _again(work: Callable[[], Awaitable[T]]) -> T:
    """`work`, repeated when another transaction came in between; what is wrong by itself is not repeated."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await work()
        except Clash:
            raise
        except (Conflict, TryAgain):
            continue
    try:
        return await work()
    except Clash:
        raise
    except Conflict:
        raise Conflict("other writers hold these records") from None


async def _attempt(world: World, actor: Actor, entries: Sequence[Entry], stated: dict[str, Any] | None) -> list[Done]:
    async with world.transaction(actor.tenant) as tx:
        job = _Job(world, actor, tx, sorted(entries, key=lambda e: METHODS.index(e.method)))
        if stated is not None:
            job.stated = [lineage.entry_of(stated, alone=all(entry.alone for entry in entries))]
        done = await job.run()
    return [done[entry.position] for entry in entries]


class _Job:
    """One transaction at work."""

    def __init__(self, world: World, actor: Actor, tx: Transaction, entries: Sequence[Entry]) -> None:
        self.world = world
        self.actor = actor
        self.tx = tx
        self.entries = entries
        self.setting = actor.setting(world)
        self.searching = dataclasses.replace(self.setting, inner=True)
        self.done: dict[int, Done] = {}
        self.same: dict[int, Entry] = {}  # entries that create what an earlier one creates (same ifNoneExist)
        self.ids: dict[int, str] = {}
        self.others: dict[int, list[str]] = {}  # further records of a conditional delete of several
        self.policy = policy_of(actor.tenant)
        self.stated: Sequence[Entry] = ()  # the Provenance of what is written

    async def run(self) -> dict[int, Done]:
        """Decide which record each entry means, link them, save once, then read."""
        await self._decide()
        targets = self._targets()
        targets |= self._addresses(targets)
        settled = {*self.done, *self.same}
        writers = [e for e in self.entries if e.position in self.ids and e.position not in settled]
        writers += [dataclasses.replace(e, id=i) for e in self.entries for i in self.others.get(e.position, ())]
        self._refuse_doubles(writers)
        places = [(e.position, e.type_name, self._id(e), _action(e)) for e in writers if e.method != "POST"]
        await visible.refuse_foreign(self.tx, self.actor, places)
        await self._patch(writers)
        for entry in (each for each in writers if each.method == "PATCH"):
            targets |= links.owned(links.references(entry.resource, entry.type_name), self.setting.base)
        await allowed.check(self.tx, self.policy, [(each, self._id(each)) for each in writers])
        referring = Referring(self.tx, self.actor, self.setting, targets)
        stored = await referring.store(writers, self._store)
        visible.refuse_outside(self.actor, [(e.position, saved, _action(e)) for e, saved in stored])
        await self._trace([saved for _, saved in stored if saved.changed], referring)
        for entry, saved in reversed(stored):
            self.done[entry.position] = Done(entry=entry, kind="saved", saved=saved)
        for position, other in self.same.items():
            self.done[position] = self.done[other.position]
        for entry in self.entries:
            if entry.method == "GET":
                self.done[entry.position] = await self._read(entry)
        return self.done

    async def _decide(self) -> None:
        queries = {e.position: self._conditions(e) for e in self.entries}
        await conditional.lock(self.tx, [query for query in queries.values() if query])
        makers = [e for e in self.entries if e.method in ("POST", "PUT") and queries[e.position] is not None]
        await meanwhile.hold_stated(self.tx, [e.resource for e in makers if e.resource is not None])
        creators: dict[Any, Entry] = {}
        for entry in self.entries:
            query = queries[entry.position]
            several = entry.method == "DELETE" and self.policy.delete_most > 1
            found = await self._found(entry, query) if query and not several else None
            if found is not None and entry.method == "POST" and (entry.type_name, found["id"]) in self._deleted():
                found = None
            if entry.method == "POST":
                self._decide_create(entry, query, found, creators)
            elif entry.method == "PUT":
                self.ids[entry.position] = self._decide_update(entry, found)
            elif entry.method == "PATCH":
                self.ids[entry.position] = self._decide_patch(entry, found)
            elif entry.method == "DELETE" and (entry.id or self.policy.delete_most == 1):
                self._decide_delete(entry, found)
            elif entry.method == "DELETE" and query:
                await self._decide_deletes(entry, query)

    def _deleted(self) -> set[tuple[str, str]]:
        """What entries decided before delete: they come first (R4 §3.1.0.11.2), so a create does not find it."""
        gone = [e for e in self.entries if e.method == "DELETE" and e.position in self.ids]
        return {(e.type_name, i) for e in gone for i in (self._id(e), *self.others.get(e.position, ()))}

    def _conditions(self, entry: Entry) -> Query | None:
        text = entry.if_none_exist if entry.method == "POST" else entry.query
        if entry.method == "GET" or entry.id or (entry.method == "POST" and not text):
            return None
        try:
            return conditional.conditions_of(entry.type_name, text, self.setting)
        except Refusal as refusal:
            raise Failed({entry.position: refusal}) from None

    async def _found(self, entry: Entry, query: Query) -> Row | None:
        try:
            return await conditional.resolve(self.tx, self._within_reach(entry, query))
        except Refusal as refusal:
            raise Failed({entry.position: refusal}) from None

    def _within_reach(self, entry: Entry, query: Query) -> Query:
        """A condition finds what the caller may act on so; what it says of other records, only what it may search."""

        def sight(kind: str, action: str) -> Alternatives:
            own = kind == entry.type_name and action == _action(entry)
            return self.actor.sight(kind, _action(entry) if own else "s")

        return guarded(query, sight, _action(entry))

    def _decide_create(self, entry: Entry, query: Query | None, found: Row | None, creators: dict[Any, Entry]) -> None:
        if found is not None:
            self.ids[entry.position] = found["id"]
            self.done[entry.position] = Done(entry=entry, kind="row", row=found)
            return
        key = (query.type_name, query.conditions) if query else None
        if key is not None and key in creators:
            self.same[entry.position] = creators[key]
            self.ids[entry.position] = self.ids[creators[key].position]
            return
        if key is not None:
            creators[key] = entry
        self.ids[entry.position] = str(new_id())

    def _decide_update(self, entry: Entry, found: Row | None) -> str:
        """The id of the address, which the body must repeat; of a conditional update: the one found, else a new one."""
        if is_partial(entry.resource):
            raise Failed({entry.position: refused("unprocessable", "fhir.subsetted", f"{entry.type_name}.meta.tag")})
        stated = (entry.resource or {}).get("id")
        wanted = entry.id or (str(found["id"]) if found is not None else "")
        if stated != wanted and (entry.id or (found is not None and stated is not None)):
            raise Failed({entry.position: refused("malformed", "fhir.id-mismatch", f"{entry.type_name}.id")})
        if wanted:
            return wanted
        return stated if isinstance(stated, str) and is_id(stated) else str(new_id())

    def _decide_delete(self, entry: Entry, found: Row | None) -> None:
        if entry.id or found is not None:
            self.ids[entry.position] = entry.id or str(found["id"] if found is not None else "")
        else:
            self.done[entry.position] = Done(entry=entry, kind="row")

    async def _decide_deletes(self, entry: Entry, query: Query) -> None:
        """All that meet the condition, up to what the tenant allows."""
        rows = await matching(self.tx, self._within_reach(entry, query), self.policy.delete_most + 1)
        if len(rows) > self.policy.delete_most:
            cause = refused("precondition", "fhir.conditional.too-many", limit=str(self.policy.delete_most))
            raise Failed({entry.position: cause})
        self._decide_delete(entry, rows[0] if rows else None)
        self.others[entry.position] = [row["id"] for row in rows[1:]]

    def _decide_patch(self, entry: Entry, found: Row | None) -> str:
        if not entry.id and found is None:
            raise Failed({entry.position: refused("not-found", "failure.not-found")})
        return entry.id or str(found["id"] if found is not None else "")

    async def _patch(self, writers: Sequence[Entry]) -> None:
        """The records that patches change, locked in one order, become what they will be."""
        patches = sorted((e for e in writers if e.method == "PATCH"), key=lambda e: (e.type_name, self._id(e)))
        for entry in patches:
            row = await self._row(dataclasses.replace(entry, id=self._id(entry)), " FOR UPDATE")
            try:
                entry.resource = patched(row["body"], entry.patch)
            except Refusal as refusal:
                raise Failed({entry.position: refusal}) from None

    def _id(self, entry: Entry) -> str:
        return entry.id or self.ids[entry.position]

    def _targets(self) -> dict[str, str]:
        """What the entries call each other, and what they are called from now on."""
        targets: dict[str, str] = {}
        for entry in self.entries:
            if entry.method in ("POST", "PUT") and entry.full_url:
                name = f"{entry.type_name}/{self.ids[entry.position]}"
                if targets.setdefault(entry.full_url, name) != name:  # bdl-7: a reference to it would mean two records
                    raise Failed({entry.position: refused("malformed", "fhir.bundle.full-url")})
                tail = "/".join(entry.full_url.rsplit("/", 2)[-2:])
                if entry.method == "POST" and "://" in entry.full_url and tail.startswith(entry.type_name + "/"):
                    targets[tail] = name
            elif entry.method == "POST" and isinstance(stated := (entry.resource or {}).get("id"), str) and stated:
                targets[f"{entry.type_name}/{stated}"] = f"{entry.type_name}/{self.ids[entry.position]}"
        return targets

    def _addresses(self, targets: dict[str, str]) -> dict[str, str]:
        """References by our own address, as relative ones; raises Failed for a `urn:` that no entry is called."""
        found: dict[str, str] = {}
        for entry in [*self.entries, *self.stated]:
            if entry.resource is None or entry.position in self.done:
                continue
            literals = links.references(entry.resource, entry.type_name)
            found |= links.owned(literals, self.setting.base, but=targets)
            for literal in literals:
                if literal.startswith(("urn:uuid:", "urn:oid:")) and literal not in targets and not entry.alone:
                    raise Failed({entry.position: refused("malformed", "fhir.bundle.unresolved", "resource")})
        return found

    def _refuse_doubles(self, writers: Sequence[Entry]) -> None:
        seen: set[tuple[str, str]] = set()
        for entry in writers:
            place = (entry.type_name, self._id(entry))
            if place in seen:
                raise Failed({entry.position: refused("malformed", "fhir.bundle.twice", "request.url")})
            seen.add(place)

    async def _store(self, writers: Sequence[Entry], targets: Mapping[str, str]) -> list[tuple[Entry, Saved]]:
        writes = [self._write(entry, targets) for entry in writers]
        if self.policy.enforce_profiles:
            await self._check_profiles(writers, writes)
        return list(zip(writers, await self._save(writers, writes), strict=True))

    def _write(self, entry: Entry, targets: Mapping[str, str]) -> Write:
        body = entry.resource
        if body is not None:
            body = {key: value for key, value in body.items() if key != "id"}
            if targets:
                body = links.replaced(body, entry.type_name, targets)
        return Write(
            type=entry.type_name,
            id=self._id(entry),
            body=body,
            expected=entry.expected,
            unless=entry.unless,
            fresh=entry.method == "POST",
            skip_unchanged=entry.method in ("PUT", "PATCH"),  # what changes nothing makes no version
            rules=self.policy.enforce_constraints,
        )

    async def _trace(self, changed: Sequence[Saved], referring: Referring) -> None:
        """Store what was stated of the records written, pointing to their new versions."""
        for entry in self.stated if changed else ():
            meant = lineage.pointing(entry, changed)
            await referring.settle(meant)
            ((_, saved),) = await self._store([meant], referring.targets)
            visible.refuse_outside(self.actor, [(meant.position, saved, "c")])

    async def _check_profiles(self, writers: Sequence[Entry], writes: Sequence[Write]) -> None:
        """Refuse records that break a profile they name themselves."""
        causes: dict[int, Refusal | Conflict] = {}
        for entry, write in zip(writers, writes, strict=True):
            found = await profiled.check(Within(self.tx), write.body) if write.body is not None else []
            if blocking := [problem for problem in found if problem.blocks]:
                causes[entry.position] = Refusal("unprocessable", blocking)
        if causes:
            raise Failed(causes)

    async def _save(self, writers: Sequence[Entry], writes: Sequence[Write]) -> list[Saved]:
        if not writes:
            return []
        try:
            await owned.refuse(self.tx, writes)
            ready, admitted = await admission.prepared(self.tx, self.world, self.actor, writes)
            saved = await save(self.tx, ready, self.actor.origin(self.world))
            await admission.carried_out(self.tx, self.world, admitted, saved)
            return saved
        except admission.Unfit as unfit:
            raise Failed({writers[unfit.position].position: unfit.refusal}) from None
        except Invalid as error:
            causes = {writers[n].position: Refusal("unprocessable", found) for n, found in error.findings.items()}
            raise Failed(causes) from None
        except Clash as clash:
            raise Failed({writers[clash.position].position: clash}) from None

    async def _read(self, entry: Entry) -> Done:
        if entry.id:
            if trail.is_ours(entry.type_name, entry.id):
                return await self._event(entry)
            unstored = await published.unstored(Within(self.tx), self.actor, (entry.type_name, entry.id))
            row = unstored if unstored is not None and entry.version in (None, 1) else await self._row(entry)
            if not visible.may(self.actor, entry.type_name, row["body"], "r"):
                raise Failed({entry.position: refused("not-found", "failure.not-found")})
            return Done(entry=entry, kind="row", row=row)
        try:
            query = conditional.parsed(entry.type_name, entry.query, self.searching, entry.inside)
            if query.unknown and entry.strict:
                raise conditional.unheeded(query)
            page = await published.search(Within(self.tx), query, self.actor)
        except BadQuery as error:
            raise Failed({entry.position: Refusal("malformed", [error.problem])}) from None
        except Refusal as refusal:
            raise Failed({entry.position: refusal}) from None
        return Done(entry=entry, kind="page", page=page, query=query)

    async def _event(self, entry: Entry) -> Done:
        event = await trail.one(Within(self.tx), self.actor, entry.type_name, entry.id)
        if event is None or entry.version not in (None, 1):
            raise Failed({entry.position: refused("not-found", "failure.not-found")})
        return Done(entry=entry, kind="row", row=event)

    async def _row(self, entry: Entry, lock: str = "") -> Row:
        table, extra = ("resource", "") if entry.version is None else ("resource_version", " AND version = $4")
        arguments = [entry.type_name, entry.id, *([entry.version] if entry.version is not None else [])]
        row = await self.tx.row(
            f"SELECT type, id, version, updated_at, deleted, body FROM {table} "
            f"WHERE tenant_id = $1 AND type = $2 AND id = $3{extra}{lock}",
            *arguments,
        )
        if row is None or row["deleted"]:
            kind, code = ("not-found", "failure.not-found") if row is None else ("gone", "failure.gone")
            raise Failed({entry.position: Refusal(kind, [Problem(code)])})  # type: ignore[arg-type]
        return row
