"""Where RNDS is reached, by environment and UF (`addresses.csv`)."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from canonical.errors import Misconfigured

STATES = tuple(
    "ac al am ap ba ce df es go ma mg ms mt pa pb pe pi pr rj rn ro rr rs sc se sp to".split()  # noqa: SIM905
)


@cache
def _rows() -> dict[str, tuple[str, str]]:
    with (Path(__file__).with_name("addresses.csv")).open(encoding="utf-8", newline="") as file:
        return {row["environment"]: (row["auth"], row["ehr"]) for row in csv.DictReader(file)}


def environments() -> tuple[str, ...]:
    """The environments that have addresses."""
    return tuple(sorted(_rows()))


def addresses(environment: str, uf: str) -> tuple[str, str]:
    """The addresses of authentication and of EHR services, without the slash at their end; raises Misconfigured."""
    found = _rows().get(environment)
    if found is None or uf.lower() not in STATES:
        raise Misconfigured("RNDS has no address for this environment and UF", code="rnds.config.address")
    auth, ehr = found
    return auth, ehr.replace("{uf}", uf.lower())
