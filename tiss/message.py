"""Reads TISS messages safely: no DTD, no entities, no network, bounded size; tells version, form and transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

from canonical.problem import Problem
from tiss.versions import NAMESPACE

LARGEST = 256 * 1024 * 1024
DEEPEST = 60
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._\-]+)[\"']")
_SERVICE = re.compile(r"WS\Z")


@dataclass(frozen=True, slots=True)
class Tiss:
    """A parsed message: the tree, the encoding it declares, and whether it is the web-service form."""

    root: etree._Element
    encoding: str
    service: bool

    @property
    def version(self) -> str:
        """The version the header states (`Padrao`, up to 3.02.01 `versaoPadrao`); empty when absent."""
        return self.text("cabecalho/Padrao") or self.text("cabecalho/versaoPadrao")

    @property
    def transaction(self) -> str:
        """tipoTransacao."""
        return self.text("cabecalho/identificacaoTransacao/tipoTransacao")

    def find(self, path: str) -> etree._Element | None:
        """The first element at a path of local names."""
        return self.root.find("/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/")))

    def text(self, path: str) -> str:
        """The text at a path of local names, stripped; empty when absent."""
        found = self.find(path)
        return (found.text or "").strip() if found is not None else ""


def parser() -> etree.XMLParser:
    """A parser for XML from outside."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=True, remove_pis=False
    )


def read(raw: bytes) -> Tiss | Problem:
    """The message in `raw`, or why it cannot be read. Library texts can carry content, so only the place is told."""
    if not raw.strip():
        return Problem("encoding.empty")
    if len(raw) > LARGEST:
        return Problem("encoding.too-large", args=(("limit", str(LARGEST // 1024 // 1024)),))
    if b"<!DOCTYPE" in raw[:65536] or b"<!ENTITY" in raw:
        return Problem("encoding.dtd")
    match = _DECLARATION.match(raw)
    encoding = match.group(1).decode("ascii").lower() if match else "utf-8"
    try:
        root = etree.fromstring(raw, parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        return Problem("encoding.not-xml", f"line {line}, column {column}")
    except (LookupError, ValueError):
        return Problem("encoding.not-xml")
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype:
        return Problem("encoding.dtd")
    if _too_deep(root):
        return Problem("encoding.too-deep", args=(("limit", str(DEEPEST)),))
    if etree.QName(root).namespace != NAMESPACE:
        return Problem("header.namespace", "/")
    return Tiss(root, encoding, _SERVICE.search(etree.QName(root).localname) is not None)


def _too_deep(root: etree._Element) -> bool:
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEEPEST:
            return True
    return False


def place(node: etree._Element) -> str:
    """The path of an element by local names, with its position among equals where there are several."""
    steps: list[str] = []
    current: etree._Element | None = node
    while current is not None:
        parent = current.getparent()
        name = etree.QName(current).localname
        if parent is not None:
            twins = [child for child in parent if child.tag == current.tag]
            if len(twins) > 1:
                name += f"[{twins.index(current) + 1}]"
        steps.append(name)
        current = parent
    return "/" + "/".join(reversed(steps))
