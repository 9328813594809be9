"""Each row of the transaction table exists in every installed schema, and the table is complete."""

from __future__ import annotations

import pytest

from tiss.wire import shapes, transactions, versions

ROWS = list(transactions.table().values())
LATER = {"ENVIO_DOCUMENTO": "4.00.00", "RECEBIMENTO_DOCUMENTO": "4.00.00"}


@pytest.mark.parametrize("version", versions.installed())
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_and_schema_agree(version: str, row: transactions.Transaction) -> None:
    form = shapes.of(version)
    if row.name in LATER and version < LATER[row.name]:
        assert not transactions.known_in(row, version) and not transactions.known_in(row, version, service=True)
        return
    body = shapes.at(form, ("mensagemTISS", row.wrapper, row.body))
    assert body is not None
    service = shapes.of(version, service=True)
    child = shapes.at(service, (row.root, row.child))
    assert child is not None
    for shape in (body, child):
        inner = {part.name for part in shape.parts}
        assert set(row.branch) <= inner or shape is child
    if row.requests:
        assert row.reply in service.roots
        assert row.operation.endswith("_Operation") and row.service.startswith("tiss")
    else:
        assert not row.reply and not row.service


@pytest.mark.parametrize("version", versions.installed())
def test_the_table_is_complete(version: str) -> None:
    service = shapes.of(version, service=True)
    names = set(service.types["dm_tipoTransacao"].codes)
    rows = [row for row in ROWS if LATER.get(row.name, "") <= version]
    assert {row.name for row in rows} == names
    assert {row.root for row in rows} == set(service.roots) - {"tissFaultWS", "mensagemTISS"}
    for wrapper in (transactions.REQUESTS, transactions.REPLIES):
        shape = shapes.at(shapes.of(version), ("mensagemTISS", wrapper))
        assert shape is not None
        assert {part.name for part in shape.parts} == {row.body for row in rows if row.wrapper == wrapper}


def test_replies_answer_their_requests() -> None:
    roots = {row.root for row in ROWS if not row.requests}
    assert {row.reply for row in ROWS if row.requests} == roots


def test_lookups_refuse_what_is_unknown() -> None:
    with pytest.raises(LookupError):
        transactions.of("NADA")
    assert transactions.by_root("nada") == transactions.by_body("nada") == ()
