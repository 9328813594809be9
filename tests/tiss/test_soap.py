"""Envelopes carry our exact bytes and give them back; faults, HTML and rubbish are told apart."""

from __future__ import annotations

import clean
import pytest
from shared_files import samples

from canonical.problem import Problem
from tiss.wire import message, soap
from tiss.wire.soap import Body, Fault

ENVELOPE = (
    b'<?xml version="1.0" encoding="%s"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"%s>'
    b"<s:Header/>%s<s:Body>%s</s:Body></s:Envelope>"
)


def test_the_body_is_embedded_byte_for_byte() -> None:
    raw = clean.sadt_batch(2, service=True)
    inner = raw[raw.index(b"<ans:loteGuiasWS") :]
    envelope = soap.envelope(raw)
    assert envelope.count(inner) == 1
    assert envelope.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>')
    read = soap.read(envelope)
    assert isinstance(read, Body)
    assert read.content.endswith(inner)
    assert message.declared_encoding(read.content) == "iso-8859-1"
    assert soap.headers(raw) == {"Content-Type": "text/xml; charset=ISO-8859-1", "SOAPAction": '""'}


def test_every_service_sample_goes_through_an_envelope() -> None:
    for path in sorted(samples("tiss").glob("4.0[23].00/*ws.xml")):
        raw = path.read_bytes()
        read = soap.read(soap.envelope(raw))
        assert isinstance(read, Body)
        assert read.content.partition(b"?>")[2].strip() == raw.partition(b"?>")[2].strip()


def test_namespaces_of_the_envelope_are_kept() -> None:
    raw = ENVELOPE % (b"UTF-8", b' xmlns:ans="urn:a" xmlns="urn:d"', b"", b"\n <ans:a b='>'><c/></ans:a><!-- > -->\n")
    read = soap.read(raw)
    assert isinstance(read, Body)
    assert b"<c/></ans:a>" in read.content
    from lxml import etree

    root = etree.fromstring(read.content)
    assert (root.tag, root[0].tag) == ("{urn:a}a", "{urn:d}c")


def test_the_charset_of_the_transport_counts_when_the_document_has_none() -> None:
    raw = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><a>\xe7</a></e:Body></e:Envelope>'
    read = soap.read(raw, 'text/xml; charset="ISO-8859-1"')
    assert isinstance(read, Body)
    assert message.declared_encoding(read.content) == "iso-8859-1"
    assert isinstance(soap.read(raw, "text/xml"), Problem)


@pytest.mark.parametrize(
    ("kind", "glosa", "action"),
    [
        ("HashInvalido", "5014", "refused"),
        ("SchemaInvalido", "5002", "refused"),
        ("LoginInvalido", "", "operator"),
        ("VersaoInvalida", "5028", "operator"),
        ("DestinatarioInvalido", "5006", "operator"),
        ("RemetenteInvalido", "5005", "operator"),
        ("ErroInesperadoServidor", "", "retry"),
        ("", "", "retry"),
        ("NuncaVisto", "", "retry"),
    ],
)
def test_faults(kind: str, glosa: str, action: str) -> None:
    read = soap.read(soap.fault(kind, "não deu"))
    assert isinstance(read, Fault)
    assert (read.kind, read.code, read.text, read.glosa, read.action) == (kind, "Server", "não deu", glosa, action)


def test_a_client_fault_is_refused_and_soap_12_is_read() -> None:
    read = soap.read(soap.fault("", "x", code="Client"))
    assert isinstance(read, Fault) and read.action == "refused"
    twelve = (
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code><e:Value>e:Sender'
        b"</e:Value></e:Code><e:Reason><e:Text>nope</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>"
    )
    read = soap.read(twelve)
    assert isinstance(read, Fault)
    assert (read.code, read.text, read.action) == ("Sender", "nope", "refused")


def test_faults_of_the_table_are_those_of_the_schema() -> None:
    from tiss.wire import shapes

    for version in ("4.02.00", "4.03.00"):
        table = shapes.of(version, service=True)
        assert set(table.types["st_tissFault"].codes) == set(soap.fault_kinds())


@pytest.mark.parametrize(
    ("raw", "content_type", "code"),
    [
        (b"", "", "soap.empty"),
        (b"  \n", "", "soap.empty"),
        (b"<!DOCTYPE html><html/>", "", "soap.html"),
        (b"\n<!-- x --> <HTML>", "text/xml", "soap.html"),
        (b"Service unavailable", "text/html; charset=utf-8", "soap.html"),
        (b"Service unavailable", "text/plain", "soap.not-xml"),
        (ENVELOPE % (b"UTF-8", b"", b"", b"") + b"<", "", "soap.not-xml"),
        (ENVELOPE % (b"UTF-8", b"", b"", b" \n"), "", "soap.no-body"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "", "encoding.dtd"),
        (b"<!--" + b" " * 70000 + b"--><!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "", "encoding.dtd"),
        (ENVELOPE % (b"UTF-8", b"", b"", b"<a>" * 100 + b"</a>" * 100), "", "encoding.too-deep"),
    ],
)
def test_what_is_no_answer(raw: bytes, content_type: str, code: str) -> None:
    read = soap.read(raw, content_type)
    assert isinstance(read, Problem)
    assert read.code == code
    assert read.text("pt") != code


def test_a_bare_message_is_taken_as_a_body() -> None:
    raw = clean.consulta_batch(1, service=True)
    assert soap.read(raw) == Body(content=raw)
