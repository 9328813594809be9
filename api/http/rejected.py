"""What ends a request: findings with their HTTP status, and the status a failure of the hub deserves."""

from __future__ import annotations

from collections.abc import Sequence

from canonical.errors import Conflict, Denied, Gone, Misconfigured, NotFound, PonteError, Refused, TryLater
from canonical.problem import Problem
from hub.records.requests.refusal import Refusal

_STATUS: tuple[tuple[type[PonteError], int], ...] = (
    (NotFound, 404),
    (Gone, 410),
    (Conflict, 409),
    (Denied, 403),
    (TryLater, 503),
    (Refused, 422),
    (Misconfigured, 500),
)
_REFUSED = {
    "malformed": 400,
    "forbidden": 403,
    "not-found": 404,
    "gone": 410,
    "not-allowed": 405,
    "precondition": 412,
    "unprocessable": 422,
    "unconditional": 428,
}


class Rejected(Exception):
    """Findings that end a request, with the HTTP status they deserve."""

    def __init__(self, status: int, problems: Sequence[Problem]) -> None:
        super().__init__("rejected")
        self.status = status
        self.problems = list(problems)


def status_of(error: PonteError | Refusal) -> int:
    """The HTTP status a failure deserves."""
    if isinstance(error, Refusal):
        return _REFUSED[error.kind]
    if error.code in ("failure.version", "fhir.if-none-match"):
        return 412
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
