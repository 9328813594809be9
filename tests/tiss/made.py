"""Messages of any transaction, version and form, made from the shape table: required elements, and those asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import clean

from tiss.wire import shapes, transactions
from tiss.wire.build import UnknownElement, build
from tiss.wire.shapes import Shape, Shapes

__all__ = ["UnknownElement", "exists", "message", "message_of", "spread"]
Tree = dict[str, Any]
# what stands in an element unless a test says otherwise
VALUES = {
    "registroANS": clean.OPERATOR,
    "identificacaoOperadora": clean.OPERATOR,
    "CNES": "2077485",
    "cnes": "2077485",
    "cnesExec": "2077485",
    "cnesContratado": "2077485",
    "cnesContratadoExecutante": "2077485",
    "UF": "35",
    "ufExec": "35",
    "CBOS": "225125",
    "CBO": "225125",
    "cbosExec2": "223208",
    "numeroCNPJ": clean.CNPJ,
    "cnpjOper": clean.CNPJ,
    "cnpjPrestador": clean.CNPJ,
    "codigoTabela": "22",
    "codigoProcedimento": "10101012",
    "conselhoProfissional": "06",
    "conselho": "06",
    "numeroConselhoProfissional": "123456",
    "unidadeMedida": "036",
    "atendimentoRN": "N",
    "reducaoAcrescimo": "1.00",
    "competencia": "202611",
    "diagnostico": "J189",
    "diagnosticoCID": "J189",
    "documento": "JVBERi0xLjcKJQ==",
    "formatoDocumento": "02",
    "motivoEncerramento": "12",
    "senha": "A1",
    "objetoRecurso": "2",
    "registroANVISA": "80145901234",
}
DAY = "2026-11-10"
PROVIDER = ("codigoPrestadorNaOperadora",)  # the first of a choice that other elements follow
_BY_BASE = {"date": DAY, "time": "10:30:00", "boolean": "false", "decimal": "1", "base64Binary": "QQ=="}


def value(name: str, shape: Shape) -> str:
    """A text the element takes."""
    if name in VALUES and (not shape.codes or VALUES[name] in shape.codes):
        return VALUES[name]
    if shape.codes:
        return next(code for code in shape.codes if code)
    if shape.base in _BY_BASE:
        return _BY_BASE[shape.base]
    if any("OLMVDIP" in pattern for pattern in shape.patterns):
        return "V"
    return f"{name}1"[: shape.longest or 20]


def tree(shape: Shape, table: Shapes, wanted: Mapping[str, Any]) -> Tree:
    """Required elements, those `wanted` names, and the first of a choice nobody decided."""
    made: Tree = {}
    strangers = wanted.keys() - {part.name for part in shape.parts}
    if strangers:
        raise UnknownElement(sorted(strangers)[0])
    parts = [part for part in shape.parts if not part.name.startswith("{")]
    undecided = not wanted and (not any(part.minimum for part in parts) or parts[0].name in PROVIDER)
    for part in parts:
        below = table.types[part.type]
        told = wanted.get(part.name)
        if told is None and not part.minimum and not (undecided and part is parts[0]):
            continue
        if isinstance(told, list):
            made[part.name] = [item if isinstance(item, str) else tree(below, table, item) for item in told]
        elif below.simple:
            made[part.name] = told if isinstance(told, str) else value(part.name, below)
        else:
            made[part.name] = tree(below, table, told or {})
    return made


def spread(pairs: str, into: Tree | None = None) -> Tree:
    """`a/b=1 a/c=2` as a tree; `_` stands for a blank; `a[2]/b=1` for the second of several."""
    made: Tree = into if into is not None else {}
    for pair in pairs.split():
        path, _, text = pair.partition("=")
        node: Any = made
        steps = path.split("/")
        for index, step in enumerate(steps):
            name, number = (step[:-1].split("[")[0], int(step[:-1].split("[")[1])) if step.endswith("]") else (step, 0)
            last = index == len(steps) - 1
            if number:
                rows = node.setdefault(name, [])
                while len(rows) < number:
                    rows.append("" if last else {})
                if last:
                    rows[number - 1] = text.replace("_", " ")
                else:
                    node = rows[number - 1]
            elif last:
                node[name] = text.replace("_", " ")
            else:
                node = node.setdefault(name, {})
    return made


def message(transaction: str, version: str, wanted: str = "", *, service: bool = False) -> bytes:
    """A message whose body holds what `wanted` names, as paths below the body."""
    return message_of(transaction, version, spread(wanted), service=service)


def message_of(transaction: str, version: str, body: Tree, *, service: bool = False) -> bytes:
    """The same from a tree; raises UnknownElement when the version lacks an element of it."""
    row = transactions.of(transaction)
    table = shapes.of(version, service=service)
    head = clean.header(transaction, version)
    if not row.requests:
        head["origem"], head["destino"] = head["destino"], head["origem"]
    if service:
        inner = {row.child: body}
        made = tree(table.root(row.root), table, {"cabecalho": head, **inner})
        return build(row.root, made | {"cabecalho": head, "hash": ""}, version, service=True)
    root = table.root("mensagemTISS")
    made = tree(root, table, {"cabecalho": head, row.wrapper: {row.body: body}})
    made |= {"cabecalho": head, "epilogo": {"hash": ""}}
    return build("mensagemTISS", made, version)


def exists(transaction: str, version: str) -> bool:
    """Whether the version has this transaction at all."""
    row = transactions.of(transaction)
    return shapes.at(shapes.of(version), ("mensagemTISS", row.wrapper, row.body)) is not None
