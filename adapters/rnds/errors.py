"""What an error of RNDS asks for (`errors.csv`): the same later, a new token, a repair, a person, or nothing more.

Reactions: `wait` the same again later; `renew` a new token; `remake` the same record told anew today; `repair` the
record must be mended; `register` a register of DATASUS must be (CNES, CBO, credential); `configure` our settings must
be; `stop` nothing can be done. An error that tells of what an earlier sending did (`again` = accepted) is good news
when one may have arrived.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REACTIONS = ("wait", "renew", "remake", "repair", "register", "configure", "stop")
_CODE = re.compile(r"\(?(?:EHR-|EDS-)?((?:ERR|MSG)[0-9]{3,4})\)?")
_COLUMNS = ["code", "reaction", "again", "about", "note", "spec"]


@dataclass(frozen=True, slots=True)
class Known:
    """An error: its reaction, whether it means accepted where an earlier sending may have arrived, what it is about.

    `about` is `person` where the national register of persons has to be mended, `previous` where the document that is
    to be replaced is not found: RNDS takes seconds to know what it has just taken.
    """

    code: str
    reaction: str
    accepted_again: bool
    about: str = ""


@cache
def known() -> dict[str, Known]:
    """The table; raises ValueError naming the line that is wrong."""
    found: dict[str, Known] = {}
    with (Path(__file__).with_name("errors.csv")).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _COLUMNS:
            raise ValueError("errors.csv: columns")
        for line, row in enumerate(reader, start=2):
            if row["reaction"] not in REACTIONS or row["again"] not in ("", "accepted") or row["code"] in found:
                raise ValueError(f"errors.csv:{line}")
            found[row["code"]] = Known(row["code"], row["reaction"], row["again"] == "accepted", row["about"])
    return found


def codes_in(text: str) -> list[str]:
    """The codes a diagnostic text names (`(EHR-ERR866) …`)."""
    return _CODE.findall(text)


def about_persons() -> list[str]:
    """The codes of refusals that concern a person's registration, as documents carry them (`rnds.repair.ERR895`)."""
    return [f"rnds.{one.reaction}.{one.code}" for one in known().values() if one.about == "person"]


def worst(codes: Sequence[str], *, repeated: bool) -> tuple[str, str]:
    """The reaction to an answer with these codes, and the code that decides it; empty for none that is known.

    Where one error forbids sending the same again, the others' waiting is of no use.
    """
    found = [known()[code] for code in codes if code in known()]
    if repeated and (done := next((one for one in found if one.accepted_again), None)):
        return "accepted", done.code
    decided = max(found, key=lambda one: REACTIONS.index(one.reaction), default=None)
    return (decided.reaction, decided.code) if decided else ("", codes[0] if codes else "")
