"""The 27 transactions (`transactions.csv`): file body, web-service root and child, operation, reply root; both ways."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from lxml import etree

from tiss.wire import shapes
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE

REQUESTS = "prestadorParaOperadora"
REPLIES = "operadoraParaPrestador"
_TABLE = Path(__file__).with_name("transactions.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One tipoTransacao; `branch` names the elements inside the body that tell it from others with the same body."""

    name: str
    direction: str
    body: str
    branch: tuple[str, ...]
    root: str
    child: str
    service: str
    operation: str
    reply: str

    @property
    def requests(self) -> bool:
        """Whether it goes from the provider to the operator."""
        return self.direction == "request"

    @property
    def wrapper(self) -> str:
        """The element of the file form that holds the body."""
        return REQUESTS if self.requests else REPLIES


@cache
def table() -> dict[str, Transaction]:
    """All transactions by tipoTransacao."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {row["transaction"]: _transaction(row) for row in csv.DictReader(file)}


def _transaction(row: dict[str, str]) -> Transaction:
    rest = {name: value for name, value in row.items() if name not in ("transaction", "branch")}
    return Transaction(name=row["transaction"], branch=tuple(row["branch"].split()), **rest)


def of(name: str) -> Transaction:
    """The transaction of a tipoTransacao; raises LookupError."""
    return table()[name]


def known_in(row: Transaction, version: str, *, service: bool = False) -> bool:
    """Whether a version, whose schema must be here, has a transaction in its file or web-service form."""
    table = shapes.of(version, service=service)
    return row.root in table.roots if service else shapes.at(table, ("mensagemTISS", row.wrapper, row.body)) is not None


@lru_cache(maxsize=256)
def by_root(root: str) -> tuple[Transaction, ...]:
    """The transactions whose web-service form has this root element."""
    return tuple(row for row in table().values() if row.root == root)


@lru_cache(maxsize=256)
def by_body(body: str) -> tuple[Transaction, ...]:
    """The transactions whose file form has this body element."""
    return tuple(row for row in table().values() if row.body == body)


def body_of(message: Tiss) -> etree._Element | None:
    """The body element of a message in either form; None when there is none."""
    if message.service:
        rows = by_root(etree.QName(message.root).localname)
        names = {row.child for row in rows} or {etree.QName(message.root).localname.removesuffix("WS")}
        return _first(message.root, names)
    for wrapper in (REQUESTS, REPLIES):
        found = message.root.find(f"{{{NAMESPACE}}}{wrapper}")
        if found is not None:
            return _first(found, None)
    return None


def _first(parent: etree._Element, names: set[str] | None) -> etree._Element | None:
    for child in parent:
        if isinstance(child.tag, str) and (names is None or etree.QName(child).localname in names):
            return child
    return None


def told_by(message: Tiss) -> tuple[Transaction, ...]:
    """The transactions the body itself allows; several where only mensagemErro came; none for an unknown body."""
    body = body_of(message)
    if body is None:
        return ()
    name = etree.QName(message.root if message.service else body).localname
    rows = by_root(name) if message.service else by_body(name)
    inside = {etree.QName(child).localname for child in body if isinstance(child.tag, str)}
    chosen = tuple(row for row in rows if not row.branch or inside.intersection(row.branch))
    return chosen or rows
