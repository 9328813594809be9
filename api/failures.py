"""Failures and findings as HTTP answers, in one place: OperationOutcome under /fhir, RFC 9457 elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from canonical.errors import Conflict, Denied, Gone, Misconfigured, NotFound, PonteError, Refused, TryLater
from canonical.problem import Problem
from fhir import jsontext
from fhir.outcome import outcome
from hub.guard.tokens import InvalidToken
from hub.records.write import Invalid

FHIR_JSON = "application/fhir+json; charset=utf-8"
_STATUS: tuple[tuple[type[PonteError], int], ...] = (
    (NotFound, 404),
    (Gone, 410),
    (Conflict, 409),
    (Denied, 403),
    (TryLater, 503),
    (Refused, 422),
    (Misconfigured, 500),
)


class Rejected(Exception):
    """Findings that end a request, with the HTTP status they deserve."""

    def __init__(self, status: int, problems: Sequence[Problem]) -> None:
        super().__init__("rejected")
        self.status = status
        self.problems = list(problems)


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(PonteError, _failure)
    app.add_exception_handler(Invalid, _invalid)
    app.add_exception_handler(InvalidToken, _login)
    app.add_exception_handler(Rejected, _rejected)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _request)


def answer(
    request: Request, status: int, problems: Sequence[Problem], headers: dict[str, str] | None = None
) -> Response:
    """The findings in the form of the surface that was called."""
    if request.url.path.startswith("/fhir"):
        return Response(jsontext.text(outcome(problems)), status, headers, FHIR_JSON)
    first = problems[0]
    document = {
        "type": f"urn:ponte:problem:{first.code}",
        "title": first.text("pt"),
        "status": status,
        "detail": first.remedy("pt"),
        "problems": [p.as_json() for p in problems],
    }
    return Response(jsontext.text(document), status, headers, "application/problem+json")


async def _failure(request: Request, error: Exception) -> Response:
    if not isinstance(error, PonteError):
        raise error
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    if error.code == "failure.version":
        status = 412
    headers = {"Retry-After": "5"} if status == 503 else None
    return answer(request, status, [Problem(error.code, level="error")], headers)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, Invalid):
        raise error
    return answer(request, 422, [problem for found in error.findings.values() for problem in found])


async def _login(request: Request, error: Exception) -> Response:
    return answer(request, 401, [Problem("failure.login")], {"WWW-Authenticate": 'Bearer realm="ponte"'})


async def _rejected(request: Request, error: Exception) -> Response:
    if not isinstance(error, Rejected):
        raise error
    return answer(request, error.status, error.problems)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "failure.not-found", 405: "fhir.not-supported"}.get(error.status_code, "failure")
    return answer(request, error.status_code, [Problem(code, level="error")], dict(error.headers or {}))


async def _request(request: Request, error: Exception) -> Response:
    return answer(request, 400, [Problem("failure.request", level="error")])
