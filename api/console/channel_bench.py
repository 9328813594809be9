"""What is done to a channel on its page: its document checked, kept, tried and compared; a version activated, a pause.

A message that is tried stays in the form and nowhere else; a comparison tells places and counts, never values.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from api.console import forms
from api.console.visit import Visit
from api.http.rejected import Rejected
from canonical.errors import Conflict, NotFound, Refused
from canonical.problem import Problem
from canonical.toml_lines import line_of, lines_of
from hub.channels import candidate, compare, trial, versions
from hub.channels.compare import Comparison
from hub.channels.document import Document
from hub.channels.reading import Fault, Faulty
from hub.channels.trial import Trial
from hub.exchange import ports
from hub.exchange.channels import serving
from hub.exchange.out import forward

READ, WRITE = ("channels/read", "channels/write"), "channels/write"
COMPARED = 300
TRIED = 20
_MOST_FORM = 8 * 1024 * 1024
_LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an act has to say: a text of the page about `what`, findings with and without a line, the fates of tried
    messages, a comparison; and what stands in the form again."""

    key: str = ""
    what: str = ""
    faults: Sequence[Fault] = ()
    problems: Sequence[Problem] = ()
    trials: Sequence[Trial] = ()
    more: bool = False
    comparison: Comparison | None = None
    text: str | None = None
    message: str = ""
    note: str = ""
    since: str = ""
    loaded: int = 0
    status: int = 200


@dataclass(frozen=True, slots=True)
class _Form:
    """The fields of the form, and the bytes of a file that came with it."""

    said: Mapping[str, str]
    file: bytes = field(default=b"")

    @property
    def text(self) -> str:
        """The document."""
        return self.said.get("document", "").replace("\r\n", "\n")

    def back(self, **told: object) -> Told:
        """What is told, with the form as it was sent."""
        stays = {name: self.said.get(name, "") for name in ("message", "note", "since")}
        return Told(**{"text": self.text, **stays, **told})  # type: ignore[arg-type]


async def checked(visit: Visit, name: str, text: str, *, key: str = "channels.checked") -> Told:
    """Whether the document could serve; nothing is stored."""
    form = _Form({"document": text})
    try:
        await _usable(visit, name, text)
    except Faulty as error:
        return form.back(key=key, faults=error.faults)
    return form.back(key=key)


async def done(visit: Visit, name: str, what: str) -> Told:
    """One act by its name; raises NotFound, Conflict, Refused."""
    act = _ACTS.get(what)
    if act is None:
        raise NotFound("there is no such act")
    try:
        form = await _form(visit)
    except Rejected as error:
        return Told(problems=error.problems, status=error.status)
    try:
        return await act(visit, name, form)
    except Faulty as error:
        return form.back(key="channels.faulty", faults=error.faults, status=422)
    except (Refused, NotFound) as error:
        if not form.text.strip():
            raise
        return form.back(problems=[Problem(error.code, level="error")], status=422)


async def _form(visit: Visit) -> _Form:
    parts = await forms.parts_of(visit.request, _MOST_FORM)
    said = {part.name: part.content.decode("utf-8", "replace") for part in parts if part.name != "file"}
    return _Form(said, next((bytes(part.content) for part in parts if part.name == "file"), b""))


async def _usable(visit: Visit, name: str, text: str) -> Document:
    """The document; raises Faulty with the lines, also for a port that is another channel's."""
    document = candidate.read(text, name)
    try:
        await ports.refuse_taken(visit.state.world, visit.tenant, document)
    except Conflict as error:
        place = "port" if document.port else "door"
        found = Fault(problem=Problem(error.code, place, level="error"), line=line_of(place, lines_of(text)))
        raise Faulty([found]) from None
    return document


async def _check(visit: Visit, name: str, form: _Form) -> Told:
    document = await _usable(visit, name, form.text)
    async with visit.state.world.transaction(visit.tenant) as tx:
        lacking = await forward.lacking(tx, document)
    return form.back(key="channels.checked", problems=lacking)


async def _keep(visit: Visit, name: str, form: _Form) -> Told:
    document = await _usable(visit, name, form.text)
    note = form.said.get("note", "").strip()[:_LONGEST_NOTE]
    async with visit.state.world.transaction(visit.tenant) as tx:
        stored = await versions.put(tx, visit.tenant, document, actor=visit.actor, note=note)
        lacking = await forward.lacking(tx, document)
    return Told(key="channels.kept", what=f"{stored.channel} v{stored.version}", problems=lacking)


async def _test(visit: Visit, name: str, form: _Form) -> Told:
    document = candidate.read(form.text, name)
    content = form.file or candidate.typed(form.said.get("message", ""), document)
    async with visit.state.world.transaction(visit.tenant) as tx:
        labs = await trial.labs_of(tx)
    found = candidate.run([content], candidate.unstored(document, visit.tenant), labs)
    first = list(itertools.islice(found, TRIED + 1))
    if not first:
        raise NotFound("the file holds no message", code="channel.no-message")
    problems = [one for one in first if isinstance(one, Problem)]
    trials = [one for one in first[:TRIED] if isinstance(one, Trial)]
    return form.back(key="channels.tested", trials=trials, problems=problems, more=len(first) > TRIED)


async def _compare(visit: Visit, name: str, form: _Form) -> Told:
    world, tenant = visit.state.world, visit.tenant
    document = candidate.read(form.text, name)
    old = await serving(world, tenant, name)
    if old is None:
        raise NotFound("a new channel has received nothing", code="channel.nothing-yet")
    new = candidate.unstored(document, tenant)
    since = compare.moment(form.said.get("since", "").strip() or "24h", world.now(), ZoneInfo(tenant.zone))
    found = await compare.compared(world, tenant, (old, new), since, COMPARED, values=False)
    return form.back(key="channels.compared", comparison=found)


async def _activate(visit: Visit, name: str, form: _Form) -> Told:
    said = form.said.get("version", "")
    number = int(said) if said.isascii() and said.isdecimal() and len(said) < 9 else 0
    async with visit.state.world.transaction(visit.tenant) as tx:
        wanted = await versions.version(tx, name, number)
    await ports.refuse_taken(visit.state.world, visit.tenant, wanted.document)
    async with visit.state.world.transaction(visit.tenant) as tx:
        await versions.activate(tx, name, number, actor=visit.actor)
    return Told(key="channels.activated", what=f"{name} v{number}")


async def _pause(visit: Visit, name: str, form: _Form) -> Told:
    async with visit.state.world.transaction(visit.tenant) as tx:
        await versions.deactivate(tx, name, actor=visit.actor)
    return Told(key="channels.paused", what=name)


_ACTS: Mapping[str, Callable[[Visit, str, _Form], Awaitable[Told]]] = {
    "check": _check,
    "keep": _keep,
    "test": _test,
    "compare": _compare,
    "activate": _activate,
    "pause": _pause,
}
