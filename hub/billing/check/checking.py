"""The one place where billing asks the TISS room whether a message may go out."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from canonical.identity import bytes_number
from canonical.problem import Problem
from hub.billing.profiles import PayerProfile
from schemas_xsd.catalogue import HERE
from tiss.checking import repair, repeats, report, stream
from tiss.rules.case import Findings, Given
from tiss.rules.contract import Contract
from tiss.rules.header import operator_of
from tiss.rules.payer import size
from tiss.tables import tables
from tiss.wire import message

Profiles = Mapping[str, PayerProfile]
_GUIDE = re.compile(r"/guiasTISS/[A-Za-z-]+(?:\[(\d+)\])?")


def findings(raw: bytes, profile: PayerProfile, today: datetime.date) -> list[Problem]:
    """What is wrong with a message against schema, rules and what this payer agreed with the tenant."""
    return list(report.validate(raw, tables=tables.installed(), today=today, contract=profile.contract).problems)


def too_large(content: bytes, profile: PayerProfile) -> list[Problem]:
    """What this payer says of the size of a file as it would go out, signature included."""
    found = Findings(profile.contract.levels)
    size(len(content), Given(version=profile.version, tables=None, today=None, contract=profile.contract), found)
    return list(report.told(found.close(), profile.contract))


def report_of(raw: bytes, profiles: Profiles, today: datetime.date) -> report.Report:
    """The report on a file of any system; what its operator agreed with the tenant counts where it is one of ours."""
    return report.validate(raw, tables=tables.installed(), today=today, contract=_agreed(raw, profiles))


def report_of_large(file: stream.Readable, profiles: Profiles, today: datetime.date) -> report.Report:
    """The same of a batch file too large to be held, read once from start to end."""
    return stream.validate(
        file,
        beside=repeats.Part(repeats.Seen(), ""),
        tables=tables.installed(),
        today=today,
        contract_of=lambda envelope: _contract(profiles.get(operator_of(envelope))),
    )


def repaired(raw: bytes, profiles: Profiles, today: datetime.date) -> repair.Repaired | Problem:
    """A file of any system with every safe repair; a Problem when it cannot be read, or is signed."""
    return repair.repair(raw, tables=tables.installed(), today=today, contract=_agreed(raw, profiles))


def _agreed(raw: bytes, profiles: Profiles) -> Contract:
    found = message.read(raw)
    return _contract(None if isinstance(found, Problem) else profiles.get(operator_of(found)))


def _contract(profile: PayerProfile | None) -> Contract:
    return replace(profile.contract, operator="") if profile else Contract()


def guide_of(problem: Problem) -> int | None:
    """The position (from 1) of the guide a finding lies in; None when it is about the batch itself."""
    match = _GUIDE.search(problem.where)
    return None if match is None else int(match[1] or 1)


@cache
def rule_set() -> str:
    """Names the exact rules: kept with every batch that was checked by them."""
    rules = sorted((HERE.parent / "tiss" / "rules").glob("*.csv"))
    content = b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in rules)
    return f"regras {bytes_number(content) & 0xFFFFFFFFFFFF:012x}"


def table_versions() -> str:
    """Names the exact ANS tables in use."""
    return tables.installed().version
