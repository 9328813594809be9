"""What the hospital charges: TUSS codes whose terms and validity come from the installed ANS table at run time."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from functools import cache

from api.demo.people import rows
from canonical.errors import Misconfigured
from schemas_xsd.catalogue import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """One priced item; `kind` says when it is charged."""

    table: str
    code: str
    term: str
    cents: int
    kind: str


@cache
def _terms() -> dict[tuple[str, str], tuple[str, str, str]]:
    """Term, first and last day of the priced codes, from the installed TUSS table."""
    wanted = {(row["table"], row["code"]) for row in rows("prices")}
    path = tables()["tuss"].path
    if not path.is_file():
        raise Misconfigured("the TUSS table is not installed; run `./ponte schemas install`")
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    for record in json.loads(path.read_bytes())["records"]:
        key = (record["tabela"], record["codigo"])
        if key in wanted:
            found[key] = (record["termo"], record["vigencia_inicio"], record["vigencia_fim"])
    return found


def price_list(on: datetime.date) -> list[Price]:
    """All prices; raises Misconfigured when a code is not in force on that day."""
    day, priced = on.isoformat(), []
    for row in rows("prices"):
        term, first, last = _terms().get((row["table"], row["code"]), ("", "9999", ""))
        if not first <= day or (last and last < day):
            raise Misconfigured(f"TUSS {row['table']} {row['code']} is not in force on {day}")
        priced.append(Price(table=row["table"], code=row["code"], term=term, cents=int(row["cents"]), kind=row["kind"]))
    return priced
