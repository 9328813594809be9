"""The tables of requests to payers: in every version each target exists, and nothing the schema needs is left out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mappings.billing.guides import Part, asks_for, kinds, plan, rows
from tiss.wire import shapes
from tiss.wire.shapes import Shape, Shapes

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


@pytest.mark.parametrize("name", kinds())
def test_every_guide_table_fits_every_version(every_version: tuple[str, ...], name: str) -> None:
    found = plan(name)
    for version in every_version:
        table = shapes.of(version, service=True)
        shape = below(table, table.root("loteGuiasWS"), f"loteGuias/guiasTISS/{found.guide}")
        assert shape is not None
        fits(table, shape, (found.table, found.parts), version)


def fits(table: Shapes, shape: Shape, plan_of: tuple[str, tuple[Part, ...]], version: str) -> None:
    name, parts = plan_of
    targets = {row.target for row in rows(name, version)}
    assert faults(table, shape, targets, [part.path for part in parts]) == [], (version, name)
    for part in parts:
        inner = below(table, shape, part.path)
        assert inner is not None, (version, part.path)
        fits(table, inner, (part.table, part.parts), version)


def test_only_the_old_version_asks_for_the_patients_name() -> None:
    assert [v for v in ("3.05.00", "4.00.01", "4.02.00", "4.03.00") if asks_for("patient.name", v)] == ["3.05.00"]
