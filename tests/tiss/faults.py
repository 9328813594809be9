"""What a seeded fault is, how trees are spoilt, and the batch a fault goes into."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import clean

from tiss.rules.contract import Contract
from tiss.wire import build, message

Tree = dict[str, Any]
SADT = "/mensagemTISS/prestadorParaOperadora/loteGuias/guiasTISS/guiaSP-SADT[2]"
VISIT = "/mensagemTISS/prestadorParaOperadora/loteGuias/guiasTISS/guiaConsulta[2]"
HEAD = "/mensagemTISS/cabecalho"


@dataclass(frozen=True)
class Fault:
    """One fault: what is done to a clean batch, and the finding that must come, alone unless `more`."""

    name: str
    code: str
    where: str
    guide: Callable[[Tree], object] | None = None
    head: Callable[[Tree], object] | None = None
    raw: Callable[[bytes], bytes] | None = None
    kind: str = "guiaSP-SADT"
    version: str = "4.03.00"
    sealed: bool = True
    more: bool = False
    contract: Contract = field(default_factory=Contract)


def put(tree: Tree, path: str, value: Any) -> None:
    """Set, or with None remove, what stands at a path; numbers index lists."""
    *steps, last = path.split("/")
    node: Any = tree
    for step in steps:
        node = node[int(step)] if isinstance(node, list) else node[step]
    if value is None:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value


def at(path: str, value: Any) -> Callable[[Tree], object]:
    return lambda tree: put(tree, path, value)


def several(*pairs: tuple[str, Any]) -> Callable[[Tree], object]:
    def change(tree: Tree) -> None:
        for path, value in pairs:
            put(tree, path, value)

    return change


ITEM = "procedimentosExecutados/procedimentoExecutado"
COST = "outrasDespesas/despesa"
SERVICE = f"{COST}/0/servicosExecutados"


def cent_off(path: str) -> Callable[[Tree], object]:
    """Add one cent to the amount at a path."""

    def change(tree: Tree) -> None:
        node: Any = tree
        for step in path.split("/"):
            node = node[int(step)] if isinstance(node, list) else node[step]
        put(tree, path, str(Decimal(node) + Decimal("0.01")))

    return change


def item_off(tree: Tree) -> None:
    """One cent more in an item's total, and in the sums over it."""
    for path in (f"{ITEM}/1/valorTotal", "valorTotal/valorProcedimentos", "valorTotal/valorTotalGeral"):
        cent_off(path)(tree)


def twin(tree: Tree) -> None:
    """The second item is the first again, under its own number, with right sums."""
    items = tree["procedimentosExecutados"]["procedimentoExecutado"]
    items[1] = dict(items[0], sequencialItem="2")
    total = sum(Decimal(row["valorTotal"]) for row in items)
    tree["valorTotal"]["valorTotalGeral"] = str(
        Decimal(tree["valorTotal"]["valorTotalGeral"]) - Decimal(tree["valorTotal"]["valorProcedimentos"]) + total
    )
    tree["valorTotal"]["valorProcedimentos"] = str(total)


def zero(role: str) -> Callable[[Tree], object]:
    """An item with nothing in `role`, its total and the sums right for that."""

    def change(tree: Tree) -> None:
        row = tree["procedimentosExecutados"]["procedimentoExecutado"][0]
        was = Decimal(row["valorTotal"])
        row[role], row["valorTotal"] = "0", "0.00"
        for name in ("valorProcedimentos", "valorTotalGeral"):
            tree["valorTotal"][name] = str(Decimal(tree["valorTotal"][name]) - was)

    return change


def as_kind(tree: Tree, kind: str, table: str) -> None:
    """Make the only expense one of `kind` from `table`, sums right."""
    rows = tree["outrasDespesas"]["despesa"]
    del rows[1:]
    row = rows[0]
    row["codigoDespesa"] = kind
    row["servicosExecutados"] |= {"codigoTabela": table, "codigoProcedimento": clean.expense_codes().get(table, "9001")}
    total = row["servicosExecutados"]["valorTotal"]
    done = tree["valorTotal"]["valorProcedimentos"]
    tree["valorTotal"] = {
        "valorProcedimentos": done,
        clean.PARTS[kind]: total,
        "valorTotalGeral": str(Decimal(done) + Decimal(total)),
    }


def make(fault: Fault) -> bytes:
    """A batch of three clean guides with the fault in the second."""
    dice = random.Random(5)
    one = clean.consulta if fault.kind == "guiaConsulta" else clean.sadt
    guides = [one(number, dice) for number in (1, 2, 3)]
    if fault.guide is not None:
        fault.guide(guides[1])
    head = clean.header("ENVIO_LOTE_GUIAS", fault.version)
    if fault.head is not None:
        fault.head(head)
    raw = clean.batch(fault.kind, guides, fault.version, head=head)
    if fault.raw is not None:
        raw = fault.raw(raw)
        if fault.sealed:
            parsed = message.read(raw)
            assert isinstance(parsed, message.Tiss)
            build.seal(parsed.root)
            raw = build.serialize(parsed.root)
    return raw
