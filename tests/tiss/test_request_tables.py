"""The tables of requests to payers: in every version each target exists, and nothing the schema needs is left out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mappings.guides import kinds, plan, rows
from tiss import shapes
from tiss.shapes import Shape, Shapes

BATCH = "loteAnexoWS/loteAnexo/AnexosGuiasTISS"
STATEMENT = "solicitacaoDemonstrativoRetornoWS/solicitacaoDemonstrativoRetorno"
PLACES = {
    "elegibilidade": "pedidoElegibilidadeWS/pedidoElegibilidade",
    "status-autorizacao": "solicitacaoStatusAutorizacaoWS/solicitacaoStatusAutorizacao",
    "comunicacao-internacao": "comunicacaoBeneficiarioWS/comunicacaoBeneficiario",
    "comunicacao-alta": "comunicacaoBeneficiarioWS/comunicacaoBeneficiario",
    "cancelamento-guia": "cancelaGuiaWS/cancelaGuia",
    "cancelamento-lote": "cancelaGuiaWS/cancelaGuia",
    "documento": "envioDocumentoWS/envioDOcumento",
    "demonstrativo-analise": f"{STATEMENT}/demonstrativoAnalise",
    "demonstrativo-pagamento": f"{STATEMENT}/demonstrativoPagamento",
}
ABSENT = {("3.05.00", "documento")}  # came with 4.00.00
# What one table of a choice, or another step than the table, gives.
ELSEWHERE = {"tipoCancelamento"}


def place_of(name: str) -> str:
    if name.startswith("solicitacao-"):
        return f"solicitacaoProcedimentoWS/solicitacaoProcedimento/{plan(name, 'requests').guide}"
    return f"{BATCH}/{plan(name, 'requests').guide}" if name.startswith("anexo-") else PLACES[name]


def below(table: Shapes, shape: Shape, path: str) -> Shape | None:
    for name in path.split("/"):
        part = next((part for part in shape.parts if part.name == name), None)
        if part is None:
            return None
        shape = table.types[part.type]
    return shape


def needed(table: Shapes, shape: Shape, above: str = "") -> Iterator[str]:
    for part in shape.parts:
        if part.minimum:
            yield above + part.name
            yield from needed(table, table.types[part.type], f"{above}{part.name}/")


def faults(table: Shapes, shape: Shape, targets: set[str], parts: list[str]) -> list[str]:
    given = [*targets, *parts, *ELSEWHERE]
    wrong = [target for target in sorted(targets) if below(table, shape, target) is None]
    for path in needed(table, shape):
        if not any(one == path or one.startswith(f"{path}/") or path.startswith(f"{one}/") for one in given):
            wrong.append(f"needs {path}")
    return wrong


@pytest.mark.parametrize("name", kinds("requests"))
def test_every_table_fits_every_version(every_version: tuple[str, ...], name: str) -> None:
    for version in every_version:
        if (version, name) in ABSENT:
            continue
        found = plan(name, "requests", version)
        table = shapes.of(version, service=True)
        root, _, rest = place_of(name).partition("/")
        shape = below(table, table.root(root), rest)
        assert shape is not None
        targets = {row.target for row in rows(found.table, version)}
        assert faults(table, shape, targets, [part.path for part in found.parts]) == [], version
        for part in found.parts:
            inner = below(table, shape, part.path)
            assert inner is not None, (version, part.path)
            assert faults(table, inner, {row.target for row in rows(part.table, version)}, []) == [], version
