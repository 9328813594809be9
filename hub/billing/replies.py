"""What a payer answered, whatever its shape: answers, a fault, or something nobody can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from canonical.problem import Problem
from tiss import answers, soap
from tiss import replies as tiss_replies
from tiss.answers import Answer

LONGEST_REASON = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A no of the payer, code and words verbatim. `action`: `retry` the same bytes, `refused`, `operator` must act."""

    code: str
    text: str
    action: Literal["retry", "refused", "operator"]

    @property
    def reason(self) -> str:
        """Code and words, as kept and shown."""
        return f"{self.code} {self.text}".strip()[:LONGEST_REASON]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A reply taken apart: its answers, or the refusal; neither when it could not be read (`unreadable` says why)."""

    answers: tuple[Answer, ...] = ()
    refusal: Refusal | None = None
    unreadable: str = ""
    problems: tuple[Problem, ...] = ()

    def first(self, *kinds: type) -> Answer | None:
        """The first answer of one of the kinds."""
        return next((answer for answer in self.answers if isinstance(answer, kinds)), None)


def hear(content: bytes) -> Heard:
    """The payer's reply in `content` (an envelope or a bare message)."""
    body = soap.read(content)
    if isinstance(body, Problem):
        return Heard(unreadable=body.code)
    if isinstance(body, soap.Fault):
        return Heard(refusal=Refusal(code=body.glosa or body.kind or body.code, text=body.text, action=body.action))
    reply = tiss_replies.read(body.content)
    if isinstance(reply, Problem):
        return Heard(unreadable=reply.code)
    error = next((answer for answer in reply.answers if isinstance(answer, answers.Error)), None)
    if error is not None:
        return Heard(refusal=Refusal(code=error.code, text=error.text, action="refused"), answers=reply.answers)
    if not reply.answers:
        return Heard(unreadable="header.no-answer", problems=reply.problems)
    return Heard(answers=reply.answers, problems=reply.problems)
