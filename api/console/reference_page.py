"""The page `/docs`: the API's description as a page of ours, from the same document as `/openapi.json`.

No script and nothing of another site: it is read on machines without the Internet, and on the console's own origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console import pages
from api.console.visit import words_of
from api.http.state import state_of

router = APIRouter(include_in_schema=False)
_METHODS = ("get", "post", "put", "patch", "delete")
_OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call: method and path, what it does, its parameters, the kinds of its body, and its answers by status."""

    method: str
    path: str
    text: str
    open: bool
    parameters: Sequence[Mapping[str, Any]]
    body: Sequence[str]
    answers: Mapping[str, str]


@router.get("/docs")
async def look(request: Request) -> Response:
    """The page."""
    words = words_of(request, state_of(request), None)
    return pages.page("reference.html", words, groups=operations(request.app.openapi()))


def operations(document: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """The calls of a description by their tag, in its order."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document.get("paths", {}).items():
        for method in _METHODS:
            if method in methods:
                said = methods[method]
                group = next(iter(said.get("tags", ())), "") or path.split("/")[1] or _OTHER
                found.setdefault(group, []).append(_operation(method, path, said))
    return found


def _operation(method: str, path: str, said: Mapping[str, Any]) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        text=str(said.get("description") or said.get("summary") or ""),
        open=not said.get("security"),
        parameters=[one for one in said.get("parameters", ()) if "name" in one],
        body=sorted(said.get("requestBody", {}).get("content", {})),
        answers={status: str(one.get("description", "")) for status, one in said.get("responses", {}).items()},
    )
