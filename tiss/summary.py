"""A readable summary of a message, for a person at a screen: header, guides with their lines, or the answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from lxml import etree

from canonical.problem import Problem
from tiss import epilogo, replies, transactions
from tiss.amounts import text as money
from tiss.message import Tiss, place
from tiss.message import read as read_message
from tiss.rules import extract
from tiss.rules.case import Findings, Guide
from tiss.rules.identifiers import Checker
from tiss.versions import installed

_QUIET = frozenset(("where", "problems"))


def of(raw: bytes) -> list[str] | Problem:
    """The lines of a summary, or why the message cannot be read."""
    message = read_message(raw)
    return message if isinstance(message, Problem) else list(_lines(message))


def _lines(message: Tiss) -> Iterator[str]:
    top = "cabecalho/identificacaoTransacao"
    yield f"  TISS {message.version or '?'}  {message.transaction or '?'}  ({message.encoding})"
    registered = f"{message.text(f'{top}/dataRegistroTransacao')} {message.text(f'{top}/horaRegistroTransacao')}"
    yield f"  sequencial {message.text(f'{top}/sequencialTransacao')}  em {registered}"
    for end in ("origem", "destino"):
        node = message.find(f"cabecalho/{end}")
        texts = [str(text).strip() for text in node.itertext() if str(text).strip()] if node is not None else []
        yield f"  {end}: {' '.join(texts) or '-'}"
    yield f"  hash {epilogo.stated(message.root) or '-'}"
    body = transactions.body_of(message)
    container = body.find(extract.BATCH) if body is not None else None
    if body is not None and container is not None:
        yield from _batch(body, container, message)
        return
    for answer in replies.of(message).answers:
        yield from _value(answer, 1)


def _batch(body: etree._Element, container: etree._Element, message: Tiss) -> Iterator[str]:
    version = message.version if message.version in installed() else next(iter(installed()), "")
    yield f"  lote {body.findtext('{*}numeroLote', '-')}"
    for guide in extract.guides(container, place(container), version, Checker(version, Findings())):
        yield from _guide(guide)


def _guide(guide: Guide) -> Iterator[str]:
    texts = guide.texts
    yield f"  guia {guide.position} {guide.kind} nº {texts.get('number', '-')}  total {texts.get('total', '-')}"
    for row in guide.rows:
        told = [row.texts.get(role, "") for role in ("sequence", "date", "table", "code", "quantity", "unit", "total")]
        yield "    " + "  ".join(text for text in told if text)


def _value(value: Any, depth: int) -> Iterator[str]:
    """A dataclass as indented lines; cents as decimal texts."""
    pad = "  " * depth
    yield f"{pad}{type(value).__name__}"
    for field in dataclasses.fields(value):
        found = getattr(value, field.name)
        if field.name in _QUIET or found in ("", None, ()):
            continue
        if isinstance(found, tuple):
            for item in found:
                yield from _value(item, depth + 1)
        elif field.name.endswith("cents"):
            yield f"{pad}  {field.name.removesuffix('_cents')}: {money(found)}"
        else:
            yield f"{pad}  {field.name}: {found}"
