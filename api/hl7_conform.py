"""A message against its HL7 version, offline: the documents that `ponte hl7 conform` prints, one for each message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from api.hl7_reading import ReadError
from canonical.problem import Problem
from hl7 import batch, er7
from hl7.fragments import whole
from hl7.grammar import conform, structure_name
from hl7.profiles import profile
from hl7.profiles.profile import Profile
from hl7.second_opinion import second_opinion
from hl7.versions.table import VERSIONS
from mappings.convert.published import table_has

_NOT_JUDGED = ("hl7apy.skipped", "hl7apy.failed")


def read_profile(raw: bytes, *more: bytes) -> Profile:
    """The message profile in a file, with the conditions and value sets of `more` files; raises ReadError."""
    try:
        return profile.read(raw, *more)
    except profile.BadProfile as error:
        raise ReadError(f"no message profile: {error}") from None


def conform_file(
    name: str, chunks: Iterable[bytes], *, version: str = "", agreed: Profile | None = None
) -> Iterator[dict[str, Any]]:
    """One document per message of a file that comes in pieces, judged as `version` (default: each one's MSH-12), and by
    a message profile, if one is given.

    A message that cannot be read has `readable` false and says why; the others are judged all the same.
    Raises ReadError when the file holds no message, or `version` is none of HL7 v2.
    """
    if version and version not in VERSIONS:
        raise ReadError(f"{version}: no version of HL7 v2; known are {', '.join(VERSIONS)}")
    index = 0
    for item in whole(batch.messages(chunks)):
        if isinstance(item, Problem):
            yield _document(name, index, [item])
            continue
        index += 1
        message = er7.read(item)
        if isinstance(message, Problem):
            yield _document(name, index, [message], readable=False)
        else:
            yield _judged(name, index, message, version, agreed)
    if not index:
        raise ReadError(f"{name}: the file holds no message")


def _judged(name: str, index: int, message: er7.Message, version: str, agreed: Profile | None) -> dict[str, Any]:
    judged_as = version or message.version
    structure = structure_name(message, judged_as)
    problems = [*message.problems, *conform(message, judged_as)]
    theirs = second_opinion(message, judged_as, structure) if judged_as in VERSIONS else None
    document = _document(name, index, problems)
    document |= {"type": message.type, "structure": structure, "version": judged_as}
    document["hl7apy"] = _theirs(theirs)
    if agreed is not None:
        found = profile.judge(message, agreed, table_has)
        document["profile"] = {"ok": _fits(found), "findings": [problem.as_json() for problem in found]}
        document["ok"] = document["ok"] and _fits(found)
    return document


def _document(name: str, index: int, problems: list[Problem], *, readable: bool = True) -> dict[str, Any]:
    return {
        "file": name,
        "index": index,
        "readable": readable,
        "type": "",
        "structure": "",
        "version": "",
        "ok": _fits(problems),
        "problems": [problem.as_json() for problem in problems],
        "hl7apy": _theirs(None),
    }


def _theirs(findings: list[Problem] | None) -> dict[str, Any]:
    """What hl7apy found; `ok` is None where it did not judge: an unreadable message, no known version, too many
    segments, or a failure of its own."""
    silent = findings is None or any(problem.code in _NOT_JUDGED for problem in findings)
    return {"ok": None if silent else _fits(findings or ()), "findings": [one.as_json() for one in findings or ()]}


def _fits(problems: Iterable[Problem]) -> bool:
    """Whether nothing but information was found."""
    return all(problem.severity == "information" for problem in problems)
