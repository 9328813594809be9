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


def held(node: etree._Element) -> etree._Element | None:
    """The element a signature closes: the one around it, or around the wrapper that holds a ds:Signature of its own."""
    parent = node.getparent()
    if parent is not None and node.tag == SIGNATURE and parent.tag == GUIDE:
        return parent.getparent()
    return parent


def inner(wrapper: etree._Element) -> etree._Element | None:
    """The ds:Signature alone in the wrapper of a guide's signature; None where the wrapper itself is the signature.

    The schema has it otherwise, but tools that know no signature under another name write it so.
    """
    children = [child for child in wrapper if isinstance(child.tag, str)]
    stray = [wrapper.text, *(child.tail for child in wrapper), *wrapper.attrib]
    if len(children) == 1 and children[0].tag == SIGNATURE and not any(text and str(text).strip() for text in stray):
        return children[0]
    return None


def is_guide(node: etree._Element) -> bool:
    """Whether an element is a guide: what its signature closes."""
    return place_of(node) == Place(GUIDE)


@cache
def signature_tags() -> tuple[str, ...]:
    """Every name a signature can have, wherever it stands."""
    rows = (wrapper for _, _, wrapper in _rows() if wrapper and ":" not in wrapper)
    return (SIGNATURE, f"{{{DS}}}SignedInfo", GUIDE, *sorted({f"{{{TISS}}}{name}" for name in rows}))


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    with (Path(__file__).resolve().parent / "places.csv").open(encoding="utf-8", newline="") as file:
        return tuple((row["namespace"], row["root"], row["wrapper"]) for row in csv.DictReader(file))
