"""The verdict on a signature: passed, failed or undecided, why, what is covered and who signed (ETSI EN 319 102-1)."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

from cryptography.x509 import Certificate
from lxml import etree

from canonical.problem import Problem
from signatures import reading
from signatures.certificates import Holder


class Outcome(enum.StrEnum):
    """The three answers (EN 319 102-1, 5.1.3)."""

    PASSED = "passed"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"


class Reason(enum.StrEnum):
    """Why a signature did not pass: the subindications of EN 319 102-1, and two of our own for what is no signature."""

    NO_SIGNATURE = "NO_SIGNATURE"
    UNREADABLE = "UNREADABLE"
    FORMAT_FAILURE = "FORMAT_FAILURE"
    HASH_FAILURE = "HASH_FAILURE"
    SIG_CRYPTO_FAILURE = "SIG_CRYPTO_FAILURE"
    SIG_CONSTRAINTS_FAILURE = "SIG_CONSTRAINTS_FAILURE"
    CRYPTO_CONSTRAINTS_FAILURE = "CRYPTO_CONSTRAINTS_FAILURE"
    CHAIN_CONSTRAINTS_FAILURE = "CHAIN_CONSTRAINTS_FAILURE"
    NO_SIGNING_CERTIFICATE_FOUND = "NO_SIGNING_CERTIFICATE_FOUND"
    NO_CERTIFICATE_CHAIN_FOUND = "NO_CERTIFICATE_CHAIN_FOUND"
    POLICY_PROCESSING_ERROR = "POLICY_PROCESSING_ERROR"
    EXPIRED = "EXPIRED"
    NOT_YET_VALID = "NOT_YET_VALID"
    REVOKED = "REVOKED"
    TRY_LATER = "TRY_LATER"


class Failure(Exception):
    """Ends a verification; carries the verdict's outcome, reason and finding. Never leaves this package."""

    def __init__(self, reason: Reason, problem: Problem, outcome: Outcome = Outcome.FAILED) -> None:
        super().__init__(reason.value)
        self.outcome = outcome
        self.reason = reason
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification found.

    `covered` lists the paths of the signed elements, `octets` the canonical octets of the document as they were
    digested: only they may be read on, and they are empty unless digest and signature value fit. `signer` is who the
    certificate names. `claimed_at` is when the signature says it was made; `time` the moment it was judged for.
    """

    outcome: Outcome
    time: datetime.datetime
    reason: Reason | None = None
    problems: tuple[Problem, ...] = ()
    covered: tuple[str, ...] = ()
    octets: bytes = b""
    signer: Holder | None = None
    certificate: Certificate | None = None
    policy: str | None = None
    claimed_at: datetime.datetime | None = None

    @property
    def covered_root(self) -> etree._Element | None:
        """The signed document re-parsed from the octets that were digested; None when they do not fit the signature."""
        document = reading.read(self.octets) if self.octets else None
        return document.root if isinstance(document, reading.Document) else None

    def as_problem(self) -> Problem:
        """The finding that decided; raises LookupError for a verdict that passed."""
        if self.reason is None:
            raise LookupError("a passed verdict has no deciding problem")
        return self.problems[0]

    def as_json(self, language: str = "pt") -> dict[str, object]:
        """The keys of the command-line contract but for `file`."""
        words = f"{self.reason}: {self.problems[0].text(language)}" if self.reason else ""
        signer = self.signer.as_json() if self.signer else {"name": None, "cpf": None, "cnpj": None}
        return {
            "verdict": self.outcome.value,
            "reason": words,
            "covered": list(self.covered),
            "signer": signer,
            "policy": self.policy,
            "time": (self.claimed_at or self.time).isoformat(),
        }
