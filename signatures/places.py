"""Where a signature stands in a document: a table of roots and wrappers (`places.csv`).

In the TISS web-service form the wrapper itself, in the ANS namespace, is the SignatureType: its children are ds:*.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lxml import etree

from signatures.reading import DS

TISS = "http://www.ans.gov.br/padroes/tiss/schemas"
GUIDE = f"{{{TISS}}}assinaturaDigitalGuia"
GUIDES = f"{{{TISS}}}guiasTISS"
SIGNATURE = f"{{{DS}}}Signature"


@dataclass(frozen=True, slots=True)
class Place:
    """The wrapper's expanded name: `{namespace}local`."""

    tag: str

    @property
    def ordinary(self) -> bool:
        """Whether the wrapper is an ordinary ds:Signature."""
        return self.tag == SIGNATURE


def place_of(root: etree._Element) -> Place | None:
    """Where a signature of the document with this root stands, a child of the root; None when it may have none."""
    name = etree.QName(root)
    for namespace, local, wrapper in _rows():
        if namespace in (name.namespace or "", "*") and local in (name.localname, "*"):
            prefix, _, word = wrapper.rpartition(":")
            if not word:
                return None
            return Place(SIGNATURE if prefix else f"{{{namespace}}}{word}")
    raise LookupError("places.csv ends with a row for everything")


@cache
def signature_tags() -> tuple[str, ...]:
    """Every name a signature can have, wherever it stands."""
    rows = (wrapper for _, _, wrapper in _rows() if wrapper and ":" not in wrapper)
    return (SIGNATURE, f"{{{DS}}}SignedInfo", GUIDE, *sorted({f"{{{TISS}}}{name}" for name in rows}))


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    with (Path(__file__).resolve().parent / "places.csv").open(encoding="utf-8", newline="") as file:
        return tuple((row["namespace"], row["root"], row["wrapper"]) for row in csv.DictReader(file))
