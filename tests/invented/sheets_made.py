"""Sheets as payers export them: the same rows as CSV in any encoding, and as XLSX with types and merged cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from billing_day import EXAM, GLUCOSE, IPE, Visit, happen, many, partner_row, register
from openpyxl import Workbook

from hub.billing import listing
from hub.billing.batch import batches
from hub.billing.guide import guides
from hub.world import Tenant, World

HEAD = (
    "Protocolo", "Lote", "Guia", "Item", "Data", "Tabela", "Código", "Qtde", "Valor informado", "Valor liberado",
    "Valor glosado", "Código da glosa",
)  # fmt: skip


def as_csv(rows: Sequence[Sequence[Any]], encoding: str = "utf-8", separator: str = ";") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return stream.getvalue().encode(encoding)


def as_xlsx(rows: Sequence[Sequence[Any]], merged: Sequence[str] = (), title: str = "Plan1") -> bytes:
    book = Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for place in merged:
        sheet.merge_cells(place)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


__all__ = ["HEAD", "ROWS", "as_csv", "as_xlsx", "billed"]


async def billed(world: World, tenant: Tenant) -> Any:
    await register(world, tenant, [partner_row(IPE, statements={"plan": "exemplo"})])
    await happen(world, tenant, many(Visit(payer=IPE, charges=(EXAM, GLUCOSE)), 2))
    await guides.build_guides(world, tenant)
    await batches.close_batches(world, tenant)
    async with world.transaction(tenant) as tx:
        await tx.run("UPDATE submission SET protocol = '777' WHERE tenant_id = $1")
        return await listing.payer_id(tx, IPE)


ROWS = [
    HEAD,
    ["777", "1", "1", "", "20/11/2026", "22", "40304361", "2", "25,40", "20,00", "5,40", "1705"],
    ["777", "1", "1", "", "20/11/2026", "22", "40302040", "1", "9,99", "9,99", "", ""],
    ["777", "1", "2", "9", "20/11/2026", "22", "40302040", "1", "9,99", "", "9,99", "9Z99"],
    ["777", "1", "999", "1", "20/11/2026", "22", "40302040", "1", "1,00", "1,00", "", ""],
]
