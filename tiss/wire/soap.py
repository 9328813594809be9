"""SOAP 1.1 document/literal around TISS: our exact bytes as the body; replies taken apart without changing a byte.

The web-service root is the direct child of `Body`; `SOAPAction` is `""` (ANS WSDL of every version).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from lxml import etree

from canonical.problem import Problem
from tiss.wire import packed
from tiss.wire.broken import other_kind
from tiss.wire.message import LARGEST, declared_encoding, declares_dtd, parser
from tiss.wire.versions import NAMESPACE

SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
DEEPEST = 64
Action = Literal["retry", "refused", "operator"]
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*\?>\s*")
_WRAPPER = re.compile(r"\Atiss\w{1,60}_Operation(?:Request|Response)?\Z", re.ASCII)
_TAG = re.compile(rb"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_HTML = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<!--(?>.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._\-]+)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One row of `faults.csv`: the glosa a tissFault stands for and what to do next."""

    glosa: str
    action: Action
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A SOAP fault; `kind` is the tissFault (empty: none sent), `text` the operator's words, verbatim."""

    kind: str
    code: str
    text: str

    @property
    def glosa(self) -> str:
        """The table 38 code the fault stands for; empty when there is none."""
        found = fault_kinds().get(self.kind)
        return found.glosa if found else ""

    @property
    def action(self) -> Action:
        """`retry` the same bytes later, `refused` until repaired, or an `operator` must act."""
        if found := fault_kinds().get(self.kind):
            return found.action
        return "refused" if self.code in ("Client", "Sender", "VersionMismatch", "MustUnderstand") else "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What stood in the SOAP body: bytes that parse on their own, in the encoding they declare.

    `wrapper` names the element some servers put around the message, against the WSDL; empty as a rule. `escaped`: the
    message stood in it as text.
    """

    content: bytes
    wrapper: str = ""
    escaped: bool = False


@cache
def fault_kinds() -> Mapping[str, FaultKind]:
    """The tissFault values by name."""
    with Path(__file__).with_name("faults.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["fault"]: FaultKind(glosa=row["glosa"], action=row["action"], note=row["note"])  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        }


def envelope(body: bytes) -> bytes:
    """The request: `body` without its declaration, every byte after it unchanged, in the encoding it declares."""
    encoding = declared_encoding(body).upper()
    start = (f'<?xml version="1.0" encoding="{encoding}"?>\n<soap:Envelope xmlns:soap="{SOAP_11}"><soap:Body>').encode(
        "ascii"
    )
    return start + _DECLARATION.sub(b"", body, count=1).rstrip() + b"</soap:Body></soap:Envelope>"


def headers(body: bytes) -> dict[str, str]:
    """The HTTP headers of a request whose envelope was made of `body`."""
    return {"Content-Type": f"text/xml; charset={declared_encoding(body).upper()}", "SOAPAction": '""'}


def fault(kind: str, text: str, *, code: str = "Server", version_namespace: str = "") -> bytes:
    """A fault as an operator's server sends it, with the tissFaultWS detail when `kind` is given."""
    root = etree.Element(f"{{{SOAP_11}}}Envelope", nsmap={"soap": SOAP_11})
    found = etree.SubElement(etree.SubElement(root, f"{{{SOAP_11}}}Body"), f"{{{SOAP_11}}}Fault")
    etree.SubElement(found, "faultcode").text = f"soap:{code}"
    etree.SubElement(found, "faultstring").text = text
    if kind:
        namespace = version_namespace or NAMESPACE
        detail = etree.SubElement(found, "detail")
        outer = etree.SubElement(detail, f"{{{namespace}}}tissFaultWS", nsmap={"ans": namespace})
        etree.SubElement(outer, f"{{{namespace}}}tissFault").text = kind
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="ISO-8859-1")  # type: ignore[assignment]
    return document


def read(raw: bytes, content_type: str = "") -> Body | Fault | Problem:
    """The body or fault of a reply (or request); a Problem says why it is neither. A bare TISS message is a body."""
    if not raw.strip():
        return Problem("soap.empty")
    if len(raw) > LARGEST:
        return Problem("encoding.too-large", args=(("limit", str(LARGEST // 1024 // 1024)),))
    if _HTML.match(raw[:4096]) or "text/html" in content_type.lower():
        return Problem("soap.html")
    raw = packed.without_headers(raw)
    if kind := other_kind(raw):
        return Problem("encoding.other-kind", args=(("kind", kind),))
    if declares_dtd(raw):
        return Problem("encoding.dtd")
    charset = _CHARSET.search(content_type)
    cutter = _Cutter(raw, declared_encoding(raw, charset.group(1).lower() if charset else "utf-8"))
    problem = cutter.run()
    if problem is not None:
        return problem
    if not cutter.enveloped:
        return _body(cutter.root, raw, "")
    if cutter.inside is None:
        found = _body("", raw, "")
        return found if found.escaped else Problem("soap.no-body")
    name, start, end = cutter.inside
    content = cutter.cut(start, end)
    if name in (f"{SOAP_11} Fault", f"{SOAP_12} Fault"):
        return _fault(content)
    return _body(name, content, cutter.wrapper)


def _body(name: str, content: bytes, wrapper: str) -> Body:
    """What stood in the body; where its root `name` is none of the ANS, the message inside it, if there is one."""
    inner = None if name.startswith(f"{NAMESPACE} ") else packed.within(content)
    if inner is None:
        return Body(content=content, wrapper=wrapper)
    return Body(content=inner.content, wrapper=inner.holder, escaped=inner.escaped)


class _Cutter:
    """Finds the byte range of the first child of Body, and the namespaces in force there."""

    def __init__(self, raw: bytes, encoding: str) -> None:
        self.raw = raw
        self.encoding = encoding
        self.enveloped = False
        self.root = ""
        self.inside: tuple[str, int, int] | None = None
        self.wrapper = ""
        self._begun: tuple[str, int] | None = None
        self._depth, self._wanted = 0, 3
        self._within_body = False
        self._scope: dict[str, str] = {}
        self._inner: dict[str, str] = {}
        self._too_deep = False
        self._doctype = False
        self._parser = expat.ParserCreate(encoding, namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartNamespaceDeclHandler = self._declare
        self._parser.StartDoctypeDeclHandler = self._refuse

    def run(self) -> Problem | None:
        try:
            self._parser.Parse(self.raw, True)
        except _Stop:
            if self._doctype:
                return Problem("encoding.dtd")
            return Problem("encoding.too-deep", args=(("limit", str(DEEPEST)),)) if self._too_deep else None
        except (expat.ExpatError, LookupError, ValueError):
            where = f"line {self._parser.ErrorLineNumber}, column {self._parser.ErrorColumnNumber}"
            return Problem("soap.not-xml", where)
        return None

    def cut(self, start: int, end: int) -> bytes:
        """The element on its own: the declaration, and namespaces of the envelope it cannot do without."""
        declaration = f'<?xml version="1.0" encoding="{self.encoding.upper()}"?>'.encode("ascii")
        element = self.raw[start:end]
        try:
            etree.fromstring(declaration + element, parser())
            return declaration + element
        except etree.XMLSyntaxError:
            return declaration + self._with_namespaces(element)

    def _with_namespaces(self, element: bytes) -> bytes:
        tag = _TAG.match(element)
        if tag is None:
            return element
        head = tag.group(0)
        missing = b"".join(
            f" xmlns{':' + prefix if prefix else ''}={quoteattr(uri)}".encode()
            for prefix, uri in self._scope.items()
            if f" xmlns{':' + prefix if prefix else ''}=".encode() not in head
        )
        cut = len(head) - (2 if head.endswith(b"/>") else 1)
        return head[:cut] + missing + element[cut:]

    def _declare(self, prefix: str | None, uri: str | None) -> None:
        if self._depth < self._wanted:  # of the third level only where it is a wrapper
            (self._scope if self._depth < 2 else self._inner)[prefix or ""] = uri or ""

    def _refuse(self, *_: object) -> None:
        self._doctype = True
        raise _Stop

    def _start(self, name: str, _attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            self._too_deep = True
            raise _Stop
        if self._depth == 1:
            self.enveloped = name in (f"{SOAP_11} Envelope", f"{SOAP_12} Envelope")
            if not self.enveloped:
                self.root = name
                raise _Stop
        elif self._depth == 2:
            self._within_body = name in (f"{SOAP_11} Body", f"{SOAP_12} Body")
        elif self._depth == self._wanted and self._within_body and self.inside is None and self._begun is None:
            local = name.rpartition(" ")[2]
            if self._depth == 3 and _WRAPPER.search(local):
                self.wrapper, self._wanted = local, 4
                self._scope |= self._inner
            else:
                self._begun = (name, self._parser.CurrentByteIndex)
        self._inner = {}

    def _end(self, _name: str) -> None:
        if self._depth == self._wanted and self._begun is not None and self.inside is None:
            tag = _TAG.match(self.raw, self._parser.CurrentByteIndex)
            end = tag.end() if tag else self._parser.CurrentByteIndex
            self.inside = (*self._begun, end)
        self._depth -= 1


class _Stop(Exception):
    """Ends the parse early."""


def _fault(content: bytes) -> Fault | Problem:
    try:
        root = etree.fromstring(content, parser())
    except etree.XMLSyntaxError:
        return Problem("soap.not-xml")
    texts: dict[str, str] = {}
    for node in root.iter():
        if isinstance(node.tag, str):
            name = etree.QName(node).localname
            text = (node.text or "").strip()
            if text:
                texts.setdefault(name, text)
    code = texts.get("faultcode") or texts.get("Value", "")
    return Fault(
        kind=texts.get("tissFault", ""),
        code=code.rpartition(":")[2],
        text=texts.get("faultstring") or texts.get("Text", ""),
    )
