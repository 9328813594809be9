"""What a transport says went wrong has words of its own: the general ones send a person to look at the connection."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import adapters
from adapters.transports import drop

ROOT = Path(drop.__file__).parent
CODE = re.compile(r'code\s*=\s*"(transport\.[a-z0-9-]+)"')


def test_every_code_of_a_transport_has_its_words() -> None:
    with (Path(adapters.__file__).parent / "problems.csv").open(encoding="utf-8", newline="") as file:
        told = {row["code"] for row in csv.DictReader(file)}
    used = {code for path in ROOT.rglob("*.py") for code in CODE.findall(path.read_text(encoding="utf-8"))}
    assert "transport.path" in used and used - told == set()
