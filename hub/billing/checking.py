"""The one place where billing asks the TISS room whether a message may go out."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from functools import cache

from canonical.identity import bytes_number
from canonical.problem import Problem
from hub.billing.profiles import PayerProfile
from schemas_xsd.catalogue import HERE
from tiss import message, report, tables
from tiss.contract import Contract
from tiss.rules.header import operator_of

_GUIDE = re.compile(r"/guiasTISS/[A-Za-z-]+(?:\[(\d+)\])?")


def findings(raw: bytes, profile: PayerProfile, today: datetime.date) -> list[Problem]:
    """What is wrong with a message against schema, rules and what this payer agreed with the tenant."""
    contract = Contract(version=profile.version, operator=profile.ans, known_operator=True)
    return list(report.validate(raw, tables=tables.installed(), today=today, contract=contract).problems)


def report_of(raw: bytes, profiles: Mapping[str, PayerProfile], today: datetime.date) -> report.Report:
    """The report on a file of any system; what its operator agreed with the tenant counts where it is one of ours."""
    found = message.read(raw)
    profile = None if isinstance(found, Problem) else profiles.get(operator_of(found))
    contract = Contract(version=profile.version, known_operator=True) if profile else Contract()
    return report.validate(raw, tables=tables.installed(), today=today, contract=contract)


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
