"""What every FHIR interaction shares: content negotiation, the caller, the body, preferences, and the answer's form."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.http.packing import plain
from api.http.rejected import Rejected
from api.http.state import Caller, State, caller_of, state_of
from api.routes.fhir import binary
from canonical.problem import Problem
from fhir import forms, jsontext, subset, xmltext
from fhir.definitions.table import resource_types
from fhir.forms import Form
from fhir.outcome import outcome
from fhir.tags import read as read_tags
from hub.records import custom
from hub.records.requests import lineage
from hub.records.requests.acting import Actor
from hub.records.requests.entry import is_id

_MOST_FIELDS = 200
MOST_BODY = 20 * 1024 * 1024
_BODIES = forms.JSON | forms.XML
_TYPES = frozenset(resource_types())


@dataclass(slots=True)
class Exchange:
    """One request under way."""

    request: Request
    state: State
    caller: Caller
    query: list[tuple[str, str]]
    form: Form = "json"
    content: bool = False  # of a Binary, in its own form
    actor: Actor = field(init=False)  # the caller as the records see it
    preferred: tuple[str, ...] | None = field(init=False, default=None)  # what Prefer states, once it was asked for

    def __post_init__(self) -> None:
        self.actor = self.caller.actor

    @property
    def media(self) -> str:
        """The media type of an answer in the form asked for."""
        accept = accept_of(self.request)
        return forms.media(self.form, accept, forms.stated_in(self.query) if self.query else "")

    def add(self, pairs: list[tuple[str, str]]) -> None:
        """Take parameters that came in the body beside those of the address; raises Rejected (406)."""
        self.query = [*self.query, *pairs]
        self.form = check_accept(self.request, self.query)

    @property
    def base(self) -> str:
        """Our FHIR base address."""
        return f"{self.state.world.settings.base_url}/fhir"

    @property
    def strict(self) -> bool:
        """`Prefer: handling=strict`: an unknown search parameter is an error (R4 §3.1.1.4.10)."""
        return "handling=strict" in self.preferences

    @property
    def wants_async(self) -> bool:
        """`Prefer: respond-async`: the answer may come later (R4 §3.1.6)."""
        return "respond-async" in self.preferences

    @property
    def wanted_return(self) -> str:
        """`minimal`, `representation` or `OperationOutcome` of Prefer; empty when not stated."""
        stated = [p.removeprefix("return=") for p in self.preferences if p.startswith("return=")]
        return stated[-1] if stated else ""

    @property
    def preferences(self) -> tuple[str, ...]:
        """What Prefer states, part by part; a preference's name in small letters (RFC 7240 §2)."""
        if self.preferred is None:
            header = ",".join(self.request.headers.getlist("prefer"))
            parts = (part.strip().replace('"', "").partition("=") for part in header.replace(";", ",").split(","))
            self.preferred = tuple(f"{name.lower()}{mark}{value}" for name, mark, value in parts)
        return self.preferred

    @property
    def stated_lineage(self) -> dict[str, Any] | None:
        """The Provenance that X-Provenance states of what is written; raises Refusal."""
        return lineage.read(self.request.headers.get(lineage.HEADER, ""))

    @property
    def type_name(self) -> str:
        """The resource type of the address; raises Rejected (404)."""
        name = str(self.request.path_params["type_name"])
        if name not in _TYPES:
            raise Rejected(404, [Problem("fhir.not-supported.type", args=(("type", name[:64]),))])
        return name

    @property
    def record_id(self) -> str:
        """The id of the address; what cannot be an id names no record (404), and none is written under it (400)."""
        text = str(self.request.path_params["record_id"])
        if not is_id(text):
            raise self.no_id(self.type_name)
        return text

    def no_id(self, type_name: str) -> Rejected:
        """The refusal of an address of a type whose last part cannot be an id."""
        if self.request.method in ("PUT", "PATCH", "DELETE"):
            return Rejected(400, [Problem("fhir.value", f"{type_name}.id", args=(("expected", "id"),))])
        return Rejected(404, [Problem("failure.not-found")])

    def parameter(self, name: str) -> str:
        """The last value of a query parameter, or the empty text."""
        return next((value for key, value in reversed(self.query) if key == name), "")

    async def resource(self) -> dict[str, Any]:
        """The object in the body, JSON or XML; raises Rejected (400, 413, 415)."""
        document = await self.document(_BODIES)
        if not isinstance(document, dict):
            raise Rejected(400, [Problem("fhir.structure.not-an-object", "$this")])
        return document

    async def document(self, allowed: frozenset[str]) -> Any:
        """The parsed body, which is declared as one of `allowed`; raises Rejected (400, 413, 415)."""
        kind = check_content_type(self.request, allowed)
        raw = await body_of(self.request)
        document = xmltext.parse(raw) if kind in forms.XML else jsontext.parse(raw)
        if isinstance(document, Problem):
            raise Rejected(400, [document])
        return document

    def answer(self, text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """A FHIR answer in the form asked for, indented when `_pretty` asks for it."""
        pretty = bool(self.query) and self.parameter("_pretty") == "true"
        if text and (pretty or self.form == "xml"):
            text = forms.rendered(text, self.form, pretty=pretty)
        return Response(text, status, headers, self.media)

    def shown(self, text: str) -> str:
        """A stored record as `_elements` and `_summary` want it."""
        return part_of(text, self.parameter("_summary"), self.parameter("_elements"))


def part_of(text: str, summary: str, elements: str) -> str:
    """A stored record as `_summary` and `_elements` with these values want it."""
    names = tuple(part for part in elements.split(",") if part)
    return subset.text(text, summary, names) if names or summary in subset.SUMMARIES else text


async def opened(request: Request, *, any_form: bool = False) -> Exchange:
    """The exchange of a request whose caller is known and who accepts JSON or XML; raises Rejected, InvalidToken.

    `any_form`: what is answered has a form of its own.
    """
    raw = request.scope["query_string"]
    query = pairs_of(raw.decode("latin-1")) if raw else []
    content = binary.wants_content(request, query)
    form = "json" if any_form or content else check_accept(request, query)
    state, caller = state_of(request), await caller_of(request)
    await custom.known(state.world, caller.tenant)
    return Exchange(request, state, caller, query, form, content)


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The decoded parameters of a query string or form; raises Rejected."""
    fields = text.split("&")
    if len(fields) > _MOST_FIELDS:
        raise Rejected(400, [Problem("failure.request", level="error")])
    pairs = [field.partition("=") for field in fields if field]
    return [(_decoded(name), _decoded(value)) for name, _, value in pairs]


def _decoded(text: str) -> str:
    """A name or value of a query string as it was meant; bytes that are no UTF-8 are replaced."""
    return unquote_plus(text, errors="replace") if "%" in text or "+" in text else text


def accept_of(request: Request) -> str:
    """What Accept states, in however many headers."""
    return ",".join(request.headers.getlist("accept"))


def check_accept(request: Request, query: list[tuple[str, str]]) -> Form:
    """The form of the answer; raises Rejected (406) when neither JSON nor XML is acceptable."""
    form = forms.wanted(accept_of(request), forms.stated_in(query) if query else "")
    if form is None:
        raise Rejected(406, [Problem("fhir.format.accept")])
    return form


def check_content_type(request: Request, allowed: frozenset[str]) -> str:
    """The media type of the body; raises Rejected (415) unless it is of `allowed`, R4 and in UTF-8.

    A body without a declared type is taken for JSON.
    """
    header = request.headers.get("content-type", "")
    kind, _, rest = header.partition(";")
    kind = kind.strip().lower()
    charset = rest.lower().partition("charset=")[2].split(";")[0].strip(' "')
    known = not header or kind in allowed
    if not known or charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Rejected(415, [Problem("fhir.format.content-type")])
    if forms.is_other_version(rest):
        raise Rejected(415, [Problem("fhir.format.version")])
    return kind


async def body_of(request: Request, most: int = MOST_BODY) -> bytes:
    """The body, unpacked; raises Rejected: 413 as soon as it is known to exceed `most`, 415 when it is packed otherwise
    than by gzip, 400 when it is damaged.
    """
    too_large = Rejected(413, [Problem("failure.too-large", args=(("limit", f"{most // 1024 // 1024} MB"),))])
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and int(stated[:18]) > most:
        raise too_large
    parts, size = [], 0
    try:
        async for chunk in plain(request):
            size += len(chunk)
            if size > most:
                raise too_large
            parts.append(chunk)
    except (ClientDisconnect, zlib.error):
        raise Rejected(400, [Problem("failure.request", level="error")]) from None
    return b"".join(parts)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(moment: datetime) -> str:
    """RFC 9110 date of a moment in UTC."""
    day = f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month]} {moment.year:04d}"
    return f"{day} {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} GMT"


def same_version(tags: str, version: int) -> bool:
    """Whether If-None-Match names the version; a header that cannot be read names none."""
    known = read_tags(tags) if tags else None
    return known is not None and known.name(version)


def outcome_text(problems: list[Problem]) -> str:
    """An OperationOutcome as JSON text."""
    return jsontext.text(outcome(problems))
