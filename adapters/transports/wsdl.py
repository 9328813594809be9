"""What a partner's WSDL says of an operation: address, binding and SOAPAction. zeep reads it; the bytes sent are ours.

The schemas a WSDL imports are not loaded: messages are checked against the official ones, so the names of the messages'
elements are all zeep needs. Nothing is fetched but the WSDL itself.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from lxml import etree

from canonical.errors import Misconfigured
from tiss.wire.message import declares_dtd, parser

LARGEST = 4 * 1024 * 1024
_WSDL = "http://schemas.xmlsoap.org/wsdl/"
_XSD = "http://www.w3.org/2001/XMLSchema"
_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Where an operation is called (empty: the WSDL does not say, as the published ones) and its SOAPAction."""

    url: str
    action: str


def described(content: bytes, root: str, operation: str = "") -> Described:
    """The operation whose request is the element `root`, else the one called so; raises Misconfigured."""
    binding, address = _port(_document(content))
    for name, found in binding.items():
        element = getattr(found.input.body, "name", "") or ""
        if element == root or name in (operation, f"{operation}_Operation"):
            if found.style != "document":
                raise Misconfigured("the partner's WSDL wants another style than document", code="transport.binding")
            return Described(url=address, action=found.soapaction or "")
    raise Misconfigured("the partner's WSDL has no such operation", code="transport.wsdl")


def operations(content: bytes) -> tuple[list[str], str]:
    """The names of the operations of a WSDL and its address, which may be empty; raises Misconfigured."""
    binding, address = _port(_document(content))
    return sorted(binding), address


def root_of(content: bytes) -> str:
    """The local name of the element an envelope carries; empty when it is none."""
    try:
        body = etree.fromstring(content, parser()).find(f"{{{_ENVELOPE}}}Body")
    except (etree.XMLSyntaxError, ValueError):
        return ""
    return "" if body is None or len(body) == 0 else str(etree.QName(body[0]).localname)


def _document(content: bytes) -> Any:
    """The WSDL as zeep reads it."""
    if len(content) > LARGEST or declares_dtd(content):
        raise _wrong()
    try:
        root = etree.fromstring(content, parser())
    except (etree.XMLSyntaxError, ValueError):
        raise _wrong() from None
    if root.tag != f"{{{_WSDL}}}definitions" or root.find(f"{{{_WSDL}}}import") is not None:
        raise _wrong()
    _stub(root)
    import zeep.exceptions  # costly to import, and only partners with a WSDL need it
    import zeep.wsdl
    from zeep.transports import Transport

    class Nowhere(Transport):
        """Loads nothing: everything needed is in the document."""

        def load(self, url: Any) -> bytes:
            raise _wrong()

    nowhere: Any = Nowhere
    try:
        return zeep.wsdl.Document(io.BytesIO(etree.tostring(root)), nowhere())
    except (zeep.exceptions.Error, LookupError, AttributeError, TypeError, ValueError):
        raise _wrong() from None


def _stub(root: etree._Element) -> None:
    """In place of the schemas: the elements that messages name, of any type."""
    names: dict[str, set[str]] = {}
    for part in root.iterfind(f"{{{_WSDL}}}message/{{{_WSDL}}}part"):
        prefix, _, name = (part.get("element") or "").rpartition(":")
        uri = part.nsmap.get(prefix or None)
        if name and uri:
            names.setdefault(uri, set()).add(name)
    for types in root.findall(f"{{{_WSDL}}}types"):
        root.remove(types)
    types = etree.Element(f"{{{_WSDL}}}types")
    for uri, found in names.items():
        schema = etree.SubElement(types, f"{{{_XSD}}}schema", targetNamespace=uri, elementFormDefault="qualified")
        for name in sorted(found):
            etree.SubElement(schema, f"{{{_XSD}}}element", name=name)
    root.insert(0, types)


def _port(document: Any) -> tuple[dict[str, Any], str]:
    """The operations of the first port of SOAP 1.1, and its address; raises Misconfigured without one."""
    from zeep.wsdl.bindings import Soap11Binding

    for service in document.services.values():
        for port in service.ports.values():
            if type(port.binding) is Soap11Binding:
                operations: Any = port.binding
                return dict(operations.all()), str(port.binding_options.get("address") or "")
    raise Misconfigured("the partner's WSDL has no binding of SOAP 1.1", code="transport.binding")


def _wrong() -> Misconfigured:
    return Misconfigured("the partner's WSDL cannot be read", code="transport.wsdl")
