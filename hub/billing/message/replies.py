"""What a payer answered, whatever its shape: answers, a fault, or something nobody can read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

from canonical.problem import Problem, Severity, json_of
from hub.billing.profiles import PayerProfile, profile_of
from hub.exchange.handlers import Reply
from hub.store.database import Transaction
from tiss.answers import replies as tiss_replies
from tiss.answers import values as answers
from tiss.answers.values import Answer
from tiss.rules import hashes
from tiss.wire import message as messages
from tiss.wire import soap

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


async def listen(tx: Transaction, reply: Reply) -> Heard:
    """The payer's reply to a delivery; what is wrong with it is noted on the message it is kept as."""
    heard = hear(reply.content, profile_of(reply.partner))
    if heard.problems:
        await tx.run(
            "UPDATE message SET problems = $3 WHERE tenant_id = $1 AND id = $2",
            reply.message_id,
            json_of(heard.problems),
        )
    return heard


def hear(content: bytes, profile: PayerProfile) -> Heard:
    """The payer's reply in `content` (an envelope or a bare message); one whose hash its profile refuses is unread."""
    body = soap.read(content)
    if isinstance(body, Problem):
        return Heard(unreadable=body.code)
    if isinstance(body, soap.Fault):
        return Heard(refusal=Refusal(code=body.glosa or body.kind or body.code, text=body.text, action=body.action))
    message = messages.read(body.content)
    if isinstance(message, Problem):
        return Heard(unreadable=message.code)
    reply, odd = tiss_replies.of(message), stamped(profile, message, body.content)
    if odd and odd[0].blocks:
        return Heard(unreadable=odd[0].code, problems=(*odd, *reply.problems))
    problems = (*odd, *reply.problems)
    error = next((answer for answer in reply.answers if isinstance(answer, answers.Error)), None)
    if error is not None:
        refusal = Refusal(code=error.code, text=error.text, action="refused")
        return Heard(refusal=refusal, answers=reply.answers, problems=problems)
    if not reply.answers:
        return Heard(unreadable="header.no-answer", problems=problems)
    return Heard(answers=reply.answers, problems=problems)


def stamped(profile: PayerProfile, message: messages.Tiss, raw: bytes) -> list[Problem]:
    """What is wrong with the hash of a payer's own message, as severe as its profile says; nothing where it is off."""
    found, level = hashes.of_a_reply(message, raw, profile.contract.hash_encoding), profile.terms.hash
    return [replace(found, level=cast(Severity, level))] if found is not None and level != "off" else []
