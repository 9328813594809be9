"""Messages that travel as text (escaped, CDATA) or inside foreign elements are read; a wrong hash of a reply is named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from xml.sax.saxutils import escape

import clean
import pytest

from canonical.problem import Problem
from tests.tiss.test_clean import report
from tests.tiss.test_replies import STATEMENT, in_file
from tiss.answers import replies
from tiss.answers import values as answers
from tiss.rules import hashes
from tiss.wire import epilogo, message, soap

RAW = clean.sadt_batch(1, service=True)  # with accents, in ISO-8859-1
TEXT = RAW.decode("latin-1")
ROOT = TEXT[TEXT.index("<ans:loteGuiasWS") :].strip()
REPLY = in_file("DEMONSTRATIVO_ANALISE_CONTA", "demonstrativosRetorno", {"demonstrativoAnaliseConta": [STATEMENT]})
WS = '<t:tissLoteGuias_OperationResponse xmlns:t="urn:t"><return>{}</return></t:tissLoteGuias_OperationResponse>'


def enveloped(inner: str) -> bytes:
    start = '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
    return f"{start}<s:Body>{inner}</s:Body></s:Envelope>".encode()


PACKED: dict[str, tuple[bytes, str, bool]] = {
    "escaped": (enveloped(WS.format(escape(TEXT))), "return", True),
    "CDATA": (enveloped(WS.format(f"<![CDATA[{TEXT}]]>")), "return", True),
    "CDATA without declaration": (enveloped(WS.format(f"\n <![CDATA[{ROOT}]]> ")), "return", True),
    "CDATA in pieces": (enveloped(WS.format(f"<![CDATA[{TEXT[:300]}]]><!-- x --><![CDATA[{TEXT[300:]}]]>")), "return", True),
    "right in the body": (enveloped(escape(ROOT)), "Body", True),
    "a string of .NET": (f'<string xmlns="http://tempuri.org/">{escape(ROOT)}</string>'.encode(), "string", True),
    "beyond Latin-1": (enveloped(WS.format(escape(TEXT.replace("<ans:hash>", "<!--\u20ac--><ans:hash>")))), "return", True),
    "foreign elements": (enveloped(f'<a xmlns="urn:a"><b><c/>{ROOT}</b></a>'), "b", False),
}  # fmt: skip


@pytest.mark.parametrize(("raw", "holder", "escaped"), PACKED.values(), ids=PACKED.keys())
def test_a_message_inside_something_else_is_read(raw: bytes, holder: str, escaped: bool) -> None:
    body = soap.read(raw)
    assert isinstance(body, soap.Body) and (body.wrapper, body.escaped) == (holder, escaped)
    read, wanted = message.read(body.content), message.read(RAW)
    assert isinstance(read, message.Tiss) and isinstance(wanted, message.Tiss)
    assert epilogo.leaf_text(read.root) == epilogo.leaf_text(wanted.root)
    told = {problem.code for problem in report(raw).problems} - {"encoding.declared", "hash.wrong.iso-8859-1"}
    assert told == {"header.escaped" if escaped else "header.wrapper"}


@pytest.mark.parametrize(
    "inner",
    [
        "<a/>",
        WS.format("&lt;html>"),
        WS.format(""),
        escape("<!DOCTYPE a><a/>"),
        WS.format(escape('<!DOCTYPE a><a xmlns="x"/>')),
    ],
)
def test_what_is_no_message_inside_stays_what_it_is(inner: str) -> None:
    body = soap.read(enveloped(inner))
    if isinstance(body, Problem):
        assert body.code == "soap.no-body"
    else:
        assert isinstance(body, soap.Body) and not body.escaped and isinstance(replies.read(body.content), Problem)


def test_a_document_type_inside_a_string_is_refused() -> None:
    bomb = f'<!DOCTYPE a [<!ENTITY x "y">]>{ROOT.replace("<ans:hash>", "&x;<ans:hash>")}'
    body = soap.read(enveloped(WS.format(escape(bomb))))
    assert isinstance(body, soap.Body) and body.escaped
    found = message.read(body.content)
    assert isinstance(found, Problem) and found.code == "encoding.dtd"


RECIPES: dict[str, Callable[[str], str]] = {
    "": lambda text: hashlib.md5(b"something else", usedforsecurity=False).hexdigest(),
    "utf-8": lambda text: epilogo.digest(text, "utf-8"),
    "upper-case": lambda text: epilogo.digest(text.upper()),
    "no-accents": lambda text: epilogo.digest(text.replace("\xe7\xe3", "ca")),
    "sha-1": lambda text: hashlib.sha1(text.encode("latin-1"), usedforsecurity=False).hexdigest(),
    "shape": lambda text: "abc",
    "missing": lambda text: "",
}


@pytest.mark.parametrize(("name", "recipe"), RECIPES.items(), ids=RECIPES.keys())
def test_the_wrong_hash_of_a_reply_is_named(name: str, recipe: Callable[[str], str]) -> None:
    found = message.read(REPLY)
    assert isinstance(found, message.Tiss) and hashes.of_a_reply(found, REPLY, "declared") is None
    raw = re.sub(rb"(hash>)[0-9a-f]{32}", rb"\g<1>" + recipe(epilogo.leaf_text(found.root)).encode(), REPLY)
    again = message.read(raw)
    assert isinstance(again, message.Tiss)
    told = hashes.of_a_reply(again, raw, "declared")
    assert told is not None and told.code == f"hash.reply.{name}".rstrip(".") and not told.blocks
    assert epilogo.compute(found.root) in told.text("pt") and "glosa" not in told.text("pt") + told.text("en")
    assert isinstance(replies.read(raw), answers.Reply)
    agreed = hashes.of_a_reply(again, raw, "utf-8")
    assert (agreed is None) == (name == "utf-8")


def test_a_hash_that_no_encoding_holds_is_told() -> None:
    raw = REPLY.replace("Operadora A\xe7\xe3o".encode("latin-1"), b"Operadora &#8364;")
    found = message.read(raw)
    assert isinstance(found, message.Tiss)
    told = hashes.of_a_reply(found, raw, "declared")
    assert told is not None and told.code == "hash.reply.uncomputable"
