"""A readable summary of a message, for a person at a screen: header, then guides with their lines, or the body."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from canonical.problem import Problem
from tiss.rules import fragments
from tiss.rules.layout import Unit
from tiss.wire import epilogo, transactions
from tiss.wire.message import Tiss
from tiss.wire.message import read as read_message

LONGEST = 120
MOST = 5000
_LINE = ("sequence", "expense", "date", "table", "code", "tooth", "face", "quantity", "unit", "total")


def of(raw: bytes) -> list[str] | Problem:
    """The lines of a summary, or why the message cannot be read."""
    message = read_message(raw)
    return message if isinstance(message, Problem) else list(_lines(message, raw))


def _lines(message: Tiss, raw: bytes) -> Iterator[str]:
    top = "cabecalho/identificacaoTransacao"
    form = "web service" if message.service else "arquivo"
    yield f"  TISS {message.version or '?'}  {message.transaction or '?'}  ({message.encoding}, {form})"
    registered = f"{message.text(f'{top}/dataRegistroTransacao')} {message.text(f'{top}/horaRegistroTransacao')}"
    yield f"  sequencial {message.text(f'{top}/sequencialTransacao')}  em {registered}"
    for end in ("origem", "destino"):
        node = message.find(f"cabecalho/{end}")
        texts = [str(text).strip() for text in node.itertext() if str(text).strip()] if node is not None else []
        yield f"  {end}: {' '.join(texts) or '-'}"
    if failure := message.text("cabecalho/falhaNegocio"):
        yield f"  falhaNegocio {failure}"
    yield f"  hash {epilogo.stated(message.root) or '-'}"
    body = transactions.body_of(message)
    if body is None:
        yield "  (sem corpo)"
    elif body.find("{*}guiasTISS") is not None:
        yield f"  lote {body.findtext('{*}numeroLote', '-')}"
        for guide in fragments.extract(fragments.pieces(message, raw)).whole.rows:
            yield from _guide(guide)
    else:
        yield from _bounded(_tree(body, 1))


def _guide(guide: Unit) -> Iterator[str]:
    texts = guide.texts
    total = f"  total {texts['total']}" if "total" in texts else ""
    yield f"  guia {guide.position} {guide.kind} nº {texts.get('number', '-')}{total}"
    for row in guide.rows:
        told = [row.texts.get(role, "") for role in _LINE]
        if any(told):
            yield "    " + "  ".join(text for text in told if text)


def _bounded(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == MOST:
            yield "  …"
            return
        yield line


def _tree(node: etree._Element, depth: int) -> Iterator[str]:
    """An element as indented lines `name: text`; long texts, such as documents, by their length."""
    name = etree.QName(node).localname
    inner = [child for child in node if isinstance(child.tag, str)]
    text = "" if inner else epilogo.own_text(node).strip()
    if len(text) > LONGEST:
        text = f"({len(text)} caracteres)"
    yield "  " * depth + (f"{name}: {text}" if text else name)
    for child in inner:
        yield from _tree(child, depth + 1)
