"""One requested interaction on records, alone or as an entry of a Bundle, and what became of it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from canonical.errors import Conflict, PonteError
from canonical.problem import Problem
from fhir import forms, jsontext, mergepatch, tags, xmlpatch
from fhir.definitions.table import resource_types
from fhir.search.query import Query
from fhir.tags import Tags
from hub.find.search import Page
from hub.records.requests.refusal import Refusal, refused
from hub.records.saved import Saved
from hub.store.database import Row

MOST_ENTRIES = 10_000
METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET")  # the order of processing (R4 §3.1.0.11.2)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}\Z")  # what may be the name of a type


@dataclass(slots=True, kw_only=True)
class Entry:
    """An interaction: `id` empty means a create, a search or a conditional one by `query`; `alone`: not of a Bundle.

    `inside` is the record whose compartment a search looks into; `patch` is a list (JSON Patch), a Parameters resource
    or a function of the body; `expected` are the versions of If-Match, `unless` those of a write's If-None-Match;
    `known` is the version the caller has already (If-None-Match of a read), `since` the instant of its copy
    (If-Modified-Since); `bare`: a HEAD, which is answered without a resource; `strict`: a search parameter that has no
    effect is an error.
    """

    position: int = 0
    method: str
    type_name: str
    id: str = ""
    query: str = ""
    inside: tuple[str, str] | None = None
    version: int | None = None
    resource: dict[str, Any] | None = None
    full_url: str = ""
    if_none_exist: str = ""
    patch: Any = None
    expected: Tags | None = None
    unless: Tags | None = None
    known: str = ""
    alone: bool = False
    since: str = ""
    bare: bool = False
    strict: bool = False

    @property
    def creates_only(self) -> bool:
        """Whether the record must be new (If-None-Match: *)."""
        return self.unless is not None and self.unless.every


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The result of an entry: a write, a record read or found instead of created, or a page of a search."""

    entry: Entry
    kind: Literal["saved", "row", "page"]
    saved: Saved | None = None
    row: Row | None = None
    page: Page | None = None
    query: Query | None = None


class Failed(Exception):
    """Nothing was written; why, by position of the entry."""

    def __init__(self, causes: Mapping[int, Refusal | Conflict]) -> None:
        super().__init__("refused")
        self.causes = causes


def is_id(text: str) -> bool:
    """Whether `text` may be a logical id."""
    return _ID.match(text) is not None


def tags_of(text: str, header: str) -> Tags | None:
    """The versions that If-Match or If-None-Match (`header`) names, None when it is not stated; raises Refusal."""
    if not text.strip():
        return None
    found = tags.read(text)
    if found is None:
        raise refused("malformed", "fhir.if-match", header=header)
    return found


def condition_of(text: str, type_name: str) -> str:
    """The query of an If-None-Exist, which clients also write with the type or the whole address; raises Refusal.

    R4 §3.1.0.8.1 has only what follows the question mark. A mark that nothing follows is no condition: it is refused,
    since the record would be made unconditionally.
    """
    head, mark, query = text.strip().partition("?")
    if not mark:
        return head
    if "=" in head:  # the mark is part of a value
        return text
    if head and head.rstrip("/").rpartition("/")[2] != type_name:
        raise refused("malformed", "fhir.conditional.type", "request.ifNoneExist", type=type_name)
    if not query:
        raise refused("precondition", "fhir.conditional.empty", "request.ifNoneExist")
    return query


def entries_of(bundle: dict[str, Any], base: str) -> list[Entry]:
    """The entries of a transaction or batch whose structure is valid; raises Failed with all that are wrong."""
    entries: list[Entry] = []
    wrong: dict[int, Refusal | Conflict] = {}
    listed: Sequence[dict[str, Any]] = bundle.get("entry", ())
    if len(listed) > MOST_ENTRIES:
        raise refused("malformed", "fhir.bundle.too-long", "Bundle.entry", limit=str(MOST_ENTRIES))
    for position, item in enumerate(listed):
        try:
            entries.append(_entry(position, item, base))
        except Refusal as refusal:
            wrong[position] = refusal
    if wrong:
        raise Failed(wrong)
    return entries


def _entry(position: int, item: dict[str, Any], base: str) -> Entry:
    request = item.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise refused("malformed", "fhir.bundle.request", "request")
    asked = request.get("method")
    method = "GET" if asked == "HEAD" else asked
    if method not in METHODS:
        raise refused("malformed", "fhir.bundle.method", "request.method")
    found = address(str(method), request["url"].removeprefix(base + "/"))
    found.position = position
    found.full_url = str(item.get("fullUrl", ""))
    found.if_none_exist = condition_of(str(request.get("ifNoneExist", "")), found.type_name) if method == "POST" else ""
    found.expected = tags_of(str(request.get("ifMatch", "")), "If-Match")
    known = str(request.get("ifNoneMatch", ""))
    if method == "GET":
        found.known, found.since, found.bare = known, str(request.get("ifModifiedSince", "")), asked == "HEAD"
    elif method != "POST":
        found.unless = tags_of(known, "If-None-Match")
    if method in ("POST", "PUT"):
        found.resource = _resource(item, found)
    elif method == "PATCH":
        found.patch = _patch(item)
    return found


def _patch(item: dict[str, Any]) -> Any:
    """The patch of an entry: a Parameters resource, or a Binary of a JSON, XML or merge patch (R4 §3.1.0.11.1)."""
    resource = item.get("resource")
    if not isinstance(resource, dict):
        raise refused("malformed", "fhir.bundle.resource", "resource")
    if resource.get("resourceType") != "Binary":
        return resource
    try:
        raw = base64.b64decode("".join(str(resource.get("data", "")).split()), validate=True)
    except (binascii.Error, ValueError):
        raise refused("malformed", "fhir.patch.form", "resource.data") from None
    if resource.get("contentType") == forms.XML_PATCH:
        return xml_patch(raw, "resource")
    found = jsontext.parse(raw)
    if resource.get("contentType") in forms.MERGES and not isinstance(found, Problem):
        return partial(mergepatch.apply, changes=found)
    if isinstance(found, Problem) or resource.get("contentType") != "application/json-patch+json":
        raise refused("malformed", "fhir.patch.form", "resource")
    return found


def xml_patch(raw: bytes, where: str = "") -> Any:
    """The function that an XML Patch is; raises Refusal."""
    found = xmlpatch.read(raw)
    if isinstance(found, Problem):
        raise Refusal("malformed", [replace(found, where=where or found.where)])
    return partial(xmlpatch.apply, operations=found)


def _resource(item: dict[str, Any], found: Entry) -> dict[str, Any]:
    resource = item.get("resource")
    if not isinstance(resource, dict):
        raise refused("malformed", "fhir.bundle.resource", "resource")
    if resource.get("resourceType") != found.type_name:
        raise refused("malformed", "fhir.structure.resource-type", "resource.resourceType")
    return resource


def address(method: str, url: str) -> Entry:
    """The interaction that a method and an address relative to the base mean; raises Refusal."""
    path, _, query = url.lstrip("/").partition("?")
    parts = path.split("/")
    type_name = parts[0]
    if type_name not in resource_types():
        if _TYPE.match(type_name):  # as the same address by itself
            raise refused("not-found", "fhir.not-supported.type", "request.url", type=type_name)
        raise refused("malformed", "fhir.bundle.url", "request.url")
    entry = Entry(method=method, type_name=type_name, query=query)
    rest = parts[1:]
    if rest and rest[-1] == "":
        rest.pop()
    if method == "GET" and len(rest) == 2 and is_id(rest[0]) and rest[1] in resource_types():
        return replace(entry, type_name=rest[1], inside=(type_name, rest[0]))
    if method == "GET" and rest == ["_search"]:
        rest = []
    if (
        len(rest) == 3
        and rest[1] == "_history"
        and method == "GET"
        and rest[2].isascii()
        and rest[2].isdigit()
        and len(rest[2]) < 18
    ):
        entry.version = int(rest[2])
        rest = rest[:1]
    if len(rest) == 1 and is_id(rest[0]) and method != "POST":
        entry.id = rest[0]
    elif not rest and method in ("PUT", "PATCH", "DELETE") and not query:
        raise refused("precondition", "fhir.conditional.empty")  # as the same request by itself
    elif rest:
        raise refused("malformed", "fhir.bundle.url", "request.url")
    return entry


def problems_of(cause: Refusal | PonteError) -> list[Problem]:
    """The findings of a cause."""
    return cause.problems if isinstance(cause, Refusal) else [Problem(cause.code, level="error")]


def within(position: int, problems: Sequence[Problem]) -> list[Problem]:
    """`problems` of an entry with their place in its Bundle: `Observation.status` → `….resource.status`."""
    placed = []
    for problem in problems:
        head, _, rest = problem.where.partition(".")
        place = f"Bundle.entry[{position}]"
        if head in resource_types():
            place += ".resource" + (f".{rest}" if rest else "")
        elif head in ("request", "resource"):
            place += f".{problem.where}"
        placed.append(Problem(problem.code, place, spec=problem.spec, level=problem.level, args=problem.args))
    return placed
