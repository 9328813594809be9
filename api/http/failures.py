"""Failures and findings as HTTP answers, in one place: OperationOutcome under /fhir, RFC 9457 elsewhere."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.console import pages
from api.console.visit import words_of
from api.http.rejected import Rejected, status_of
from api.http.state import state_of
from canonical.errors import PonteError
from canonical.problem import Problem
from fhir import forms, jsontext
from fhir.outcome import outcome
from fhir.search.conditions import BadQuery
from hub.guard.limits import Throttled
from hub.guard.tokens import InvalidToken
from hub.records.requests.entry import Failed, problems_of
from hub.records.requests.refusal import Refusal
from hub.records.write import Invalid

log = logging.getLogger("ponte.api")

_TOO_COSTLY = ("fhir.search.too-costly", "fhir.search.too-many-included", "fhir.search.too-many-codes")


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(PonteError, _failure)
    app.add_exception_handler(Invalid, _invalid)
    app.add_exception_handler(InvalidToken, _login)
    app.add_exception_handler(Throttled, _throttled)
    app.add_exception_handler(Rejected, _rejected)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(Failed, _failed)
    app.add_exception_handler(BadQuery, _query)
    app.add_exception_handler(Exception, _crash)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _request)


def answer(
    request: Request, status: int, problems: Sequence[Problem], headers: dict[str, str] | None = None
) -> Response:
    """The findings in the form of the surface that was called."""
    if request.url.path == "/fhir" or request.url.path.startswith("/fhir/"):
        accept = ",".join(request.headers.getlist("accept"))
        stated = request.query_params.get("_format", "")
        form = forms.wanted(accept, stated) or "json"
        text = forms.rendered(jsontext.text(outcome(problems)), form)
        return Response(text, status, headers, forms.media(form, accept, stated))
    if _is_a_persons(request):
        return _page(request, status, problems, headers)
    first = problems[0]
    document = {
        "type": f"urn:ponte:problem:{first.code}",
        "title": first.text("pt"),
        "status": status,
        "detail": first.remedy("pt"),
        "problems": [p.as_json() for p in problems],
    }
    return Response(jsontext.text(document), status, headers, "application/problem+json")


def _is_a_persons(request: Request) -> bool:
    """Whether somebody looks at a page of the console, by a browser."""
    path = request.url.path
    return (path == "/" or path.startswith("/console/")) and "text/html" in request.headers.get("accept", "")


def _page(request: Request, status: int, problems: Sequence[Problem], headers: dict[str, str] | None) -> Response:
    words = words_of(request, state_of(request), None)
    page = pages.page("failed.html", words, status=status, title=problems[0].text(words.language), problems=problems)
    page.headers.update(headers or {})
    return page


async def _failure(request: Request, error: Exception) -> Response:
    if not isinstance(error, PonteError):
        raise error
    status = status_of(error)
    headers = {"Retry-After": "5"} if status == 503 else None
    return answer(request, status, [Problem(error.code, level="error")], headers)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, Invalid):
        raise error
    return answer(request, 422, [problem for found in error.findings.values() for problem in found])


async def _login(request: Request, error: Exception) -> Response:
    return answer(request, 401, [Problem("failure.login")], {"WWW-Authenticate": 'Bearer realm="ponte"'})


async def _throttled(request: Request, error: Exception) -> Response:
    if not isinstance(error, Throttled):
        raise error
    return answer(
        request, 429, [Problem("failure.throttled", args=(("seconds", error.headers["Retry-After"]),))], error.headers
    )


async def _rejected(request: Request, error: Exception) -> Response:
    if not isinstance(error, Rejected):
        raise error
    return answer(request, error.status, error.problems)


async def _refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return answer(request, status_of(error), error.problems)


async def _failed(request: Request, error: Exception) -> Response:
    """A single interaction; a Bundle's door names the entries itself."""
    if not isinstance(error, Failed):
        raise error
    cause = error.causes[min(error.causes)]
    return answer(request, status_of(cause), problems_of(cause))


async def _query(request: Request, error: Exception) -> Response:
    if not isinstance(error, BadQuery):
        raise error
    return answer(request, 422 if error.problem.code in _TOO_COSTLY else 400, [error.problem])


async def _crash(request: Request, error: Exception) -> Response:
    """A fault of ours: told without its text, which could carry what was sent; logged by kind and place."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    log.error("%s %s: %s at %s", request.method, request.scope.get("root_path", ""), type(error).__name__, places)
    return answer(request, 500, [Problem("failure", level="error")])


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405 and request.method == "OPTIONS":  # what may be done here (RFC 9110 §9.3.7)
        return Response(status_code=204, headers=dict(error.headers or {}))
    code = {404: "failure.not-found", 405: "fhir.not-supported"}.get(error.status_code, "failure")
    if error.status_code == 404 and "/$" in request.url.path:  # an operation: what it would work on may well be there
        code = "fhir.not-supported"
    return answer(request, error.status_code, [Problem(code, level="error")], dict(error.headers or {}))


# what pydantic calls it -> the last part of our code
_FAULTS = {"missing": "missing", "extra_forbidden": "unknown", "json_invalid": "json"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}\Z", re.ASCII)
_MOST_FAULTS = 20


async def _request(request: Request, error: Exception) -> Response:
    """Each parameter or member that does not fit is named; never with its value."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = [_misfit(fault["type"], fault["loc"]) for fault in error.errors()[:_MOST_FAULTS]]
    return answer(request, 400, found or [Problem("failure.request", level="error")])


def _misfit(kind: str, place: Sequence[str | int]) -> Problem:
    """A finding about the part of a request at a place (`body`, `query` or `path`, then names and positions)."""
    of_body = bool(place) and place[0] == "body" and kind != "json_invalid"
    steps = place[1:] if of_body else place[:1] if kind == "json_invalid" else place
    names = [str(step) if isinstance(step, int) or _NAME.match(step) else "?" for step in steps]
    field = "/".join(names)
    code = f"failure.request.{_FAULTS.get(kind, 'value')}" if field else "failure.request"
    return Problem(code, field, args=(("field", field),), level="error")
