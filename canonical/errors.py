"""Failures, named by what to do next. None of them ever carries patient data.

Adapters and the hub raise them; the doors in `api` turn them into the sender's own protocol.
"""

from __future__ import annotations


class PonteError(Exception):
    """Base of the failures a caller can act on; `code` is dotted, `text` is safe to show and to log.

    `said` is what the other side answered, where it answered something: to be kept, never to be shown or logged.
    """

    code = "failure"
    said: object = None

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        if code:
            self.code = code


class TryLater(PonteError):
    """The same call may work later: a time-out, a 503, a closed connection."""

    code = "failure.try-later"


class TryAgain(TryLater):
    """Another came in between, and nothing of this was done: the same call may work at once."""

    code = "failure.try-later"


class Refused(PonteError):
    """The other side understood and said no; repeating the call unchanged is useless."""

    code = "failure.refused"


class Misconfigured(PonteError):
    """An operator must act: a missing secret, a wrong role, a port that is taken."""

    code = "failure.misconfigured"


class NotFound(PonteError):
    """What was asked for does not exist for this tenant."""

    code = "failure.not-found"


class Conflict(PonteError):
    """The record changed in between (If-Match), or a unique rule forbids it."""

    code = "failure.conflict"


class Gone(PonteError):
    """The record was deleted; its history remains."""

    code = "failure.gone"


class Denied(PonteError):
    """The caller is known and may not do this."""

    code = "failure.denied"
