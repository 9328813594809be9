"""Reads TISS messages safely: no DTD, no entities, no network, bounded size; tells version, form and transaction."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lxml import etree

from canonical.problem import Problem
from tiss.wire.broken import DEEPEST, other_kind, unreadable
from tiss.wire.versions import NAMESPACE

LARGEST = 64 * 1024 * 1024
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
HUGE = 10_000_000
_HEADER = "cabecalho"
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._\-]+)[\"']")
_SERVICE = re.compile(r"WS\Z")
_MONITORING = frozenset(("mensagemEnvioANS",))  # roots of the monitoring's own schemas, in the same namespace


@dataclass(frozen=True, slots=True)
class Tiss:
    """A parsed message: the tree, the encoding it declares, and whether it is the web-service form.

    Its header is asked for many things: its elements are looked up once. Who adds or removes some there reads again.
    """

    root: etree._Element
    encoding: str
    service: bool
    _header: dict[str, etree._Element] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        if not path.startswith(_HEADER):
            return first(self.root, _tags(path))
        if not self._header:
            node = first(self.root, _tags(_HEADER))
            if node is None:
                return None
            _index(node, _HEADER, self._header)
        return self._header.get(path)

    def text(self, path: str) -> str:
        """The text at a path of local names, stripped; empty when absent."""
        found = self.find(path)
        return (found.text or "").strip() if found is not None else ""


def _index(node: etree._Element, path: str, into: dict[str, etree._Element]) -> None:
    """Put down an element and those inside it by their paths of local names; the first of each counts."""
    into.setdefault(path, node)
    for child in node.iterchildren(f"{{{NAMESPACE}}}*"):
        inner = f"{path}/{child.tag.rpartition('}')[2]}"
        if inner not in into:
            _index(child, inner, into)


@lru_cache(maxsize=256)
def _tags(path: str) -> tuple[str, ...]:
    return tuple(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))


def first(node: etree._Element, tags: tuple[str, ...]) -> etree._Element | None:
    """What `node.find` gives for a path of plain steps, at a fraction of its cost: a header is asked for many."""
    rest = tags[1:]
    for child in node.iterchildren(tags[0]):
        found = first(child, rest) if rest else child
        if found is not None:
            return found
    return None


def declares_dtd(raw: bytes) -> bool:
    """Whether a document type stands before the root element, the only place XML allows one."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raw = raw.decode("utf-16", "replace").encode("utf-8")
    prolog = _PROLOG.match(raw)
    return prolog is not None and raw.startswith(b"<!DOCTYPE", prolog.end())


def declared_encoding(raw: bytes, otherwise: str = "utf-8") -> str:
    """The encoding the byte order mark or the XML declaration names, lower case; `otherwise` when none does."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    match = _DECLARATION.match(raw[:512])
    return match.group(1).decode("ascii").lower() if match else otherwise


def parser(*, huge: bool = False) -> etree.XMLParser:
    """A parser for XML from outside; `huge` lifts the parser's own limits (depth 256, 10 MB in one text).

    Comments and processing instructions are left out: neither schema, hash nor signature sees them, and one within an
    amount would cut what is read (`1<!-- -->234.00`).
    """
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=huge,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip


def read(raw: bytes) -> Tiss | Problem:
    """The message in `raw`, or why it cannot be read. Library texts can carry content, so only the place is told."""
    if not raw or raw.isspace():
        return Problem("encoding.empty")
    if len(raw) > LARGEST:
        return Problem("encoding.too-large", args=(("limit", str(LARGEST // 1024 // 1024)),))
    if kind := other_kind(raw):
        return Problem("encoding.other-kind", args=(("kind", kind),))
    if declares_dtd(raw):
        return Problem("encoding.dtd")
    encoding = declared_encoding(raw)
    huge = len(raw) > HUGE
    reader = parser(huge=huge)
    try:
        root = etree.fromstring(raw, reader)
    except etree.XMLSyntaxError as error:
        return unreadable(error, reader.error_log, raw, encoding)
    except (LookupError, ValueError):
        return Problem("encoding.unknown", args=(("encoding", encoding),))
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype:
        return Problem("encoding.dtd")
    if huge and _too_deep(root):  # the parser itself bounds the depth of smaller ones
        return Problem("encoding.too-deep", args=(("limit", str(DEEPEST)),))
    return _message(root, encoding)


def _message(root: etree._Element, encoding: str) -> Tiss | Problem:
    name = etree.QName(root)
    if name.namespace != NAMESPACE:
        return Problem("header.namespace.close" if nearly(name.namespace or "") else "header.namespace", "/")
    if name.localname in _MONITORING:
        return Problem("header.monitoring", "/")
    return Tiss(root, encoding, is_service(root))


def nearly(namespace: str) -> bool:
    """Whether a namespace is that of the ANS but for how it is spelled."""
    stated = re.sub(r"\A(?:https?:)?/{0,2}(?:www\.)?", "", namespace.strip().lower())
    return stated.startswith("ans.gov.br/padroes/tiss")


def is_service(root: etree._Element) -> bool:
    """Whether a root element is of the web-service form."""
    return _SERVICE.search(etree.QName(root).localname) is not None


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
