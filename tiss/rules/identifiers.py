"""Check digits and shapes of identifiers, by element name (`identifiers.csv`); each distinct value is judged once."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from functools import cache

from lxml import etree

from canonical.identifiers import is_cbo, is_cid10, is_cnes, is_cnpj, is_cpf, is_registro_ans
from tiss.message import place
from tiss.rules.case import FOLDER, Findings
from tiss.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"
LETTERS_FROM = "4.03.00"
_STATES = frozenset(re.findall("..", "11121314151617212223242526272829313233354142435051525398"))


@cache
def elements() -> dict[str, str]:
    """The check of each element by its name."""
    with (FOLDER / "identifiers.csv").open(encoding="utf-8", newline="") as file:
        return {row["element"]: row["check"] for row in csv.DictReader(file)}


class Checker:
    """Judges identifiers of one message; `good` holds the (check, text) pairs that passed."""

    def __init__(self, version: str, found: Findings) -> None:
        self.good: set[tuple[str, str]] = set()
        self._letters = _ordered(version) >= _ordered(LETTERS_FROM)
        self._found = found

    def judge(self, check: str, text: str, node: etree._Element) -> None:
        """Record a finding for a wrong identifier; blanks are another rule's business."""
        value = text.strip()
        code = "" if not value else _CODES[check](value)
        if not code and check == "cnpj" and not self._letters and not value.isdigit():
            code = "identifier.cnpj-letters"
        if code:
            self._found.add(code, place(node))
        else:
            self.good.add((check, text))

    def everywhere(self, root: etree._Element) -> None:
        """Judge every identifier below `root`."""
        known = {_NS + name: check for name, check in elements().items()}
        for node in root.iter(*known):
            text = node.text or ""
            check = known[str(node.tag)]
            if (check, text) not in self.good:
                self.judge(check, text, node)


def _ordered(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (0,)


def _cid(value: str) -> str:
    if is_cid10(value):
        return ""
    return "identifier.cid-dot" if is_cid10(value.replace(".", "").upper()) else "identifier.cid"


_CODES: dict[str, Callable[[str], str]] = {
    "cpf": lambda value: "" if is_cpf(value) else "identifier.cpf-digits",
    "cnpj": lambda value: "" if is_cnpj(value) else "identifier.cnpj-digits",
    "cnes": lambda value: "" if is_cnes(value) else "identifier.cnes-digits",
    "cbo": lambda value: "" if is_cbo(value) else "identifier.cbo",
    "uf": lambda value: "" if value in _STATES else "identifier.uf",
    "cid": _cid,
    "registro-ans": lambda value: "" if is_registro_ans(value) else "identifier.registro-ans",
}
