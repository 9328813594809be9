"""A demonstrativo de análise of 30 protocols taken in: read, matched, kept as records and rows, beside its floor.

The floor is what the same bytes and rows cost bare: lxml parses them and one COPY by asyncpg, as the tables' owner,
loads the statement lines and denials into tables of the same columns, committed. The taking in also writes a FHIR
record with its version and search index for each guide, which that floor does not: a second figure stands beside a COPY
of every row that was written, records and index entries and audit included, into tables with the same indexes.
"""

from __future__ import annotations

import datetime
import time
from typing import Any
from uuid import UUID

import asyncpg
from lxml import etree
from sqlalchemy import Table

from bench.measure import Measure
from canonical.billing import money
from canonical.identity import new_id
from hub.billing import writing
from hub.billing.profiles import payer
from hub.billing.returns import statements
from hub.billing.trial import trial_payers
from hub.store import bulk
from hub.store.schema import billing as schema
from hub.store.schema import guard, projections, records
from hub.world import Tenant, World
from tiss.answers import replies
from tiss.wire import build

PROTOCOLS, GUIDES, ITEMS = 30, 20, 5
ROUNDS = 3
_ANS, _VERSION = "999806", "4.02.00"
_DAY = datetime.date(2026, 11, 20)
_GUIDE = (
    "id", "payer_id", "kind", "number", "status", "tiss_version", "competence", "executed_on", "total_cents", "tree",
)  # fmt: skip
_ITEM = (
    "guide_id", "sequence", "section", "tiss_table", "code", "description", "executed_on", "quantity", "unit_cents",
    "total_cents",
)  # fmt: skip


async def measure(world: World, tenant: Tenant) -> list[Measure]:
    """Statement items per second, in three rounds of fresh protocols; the best of each counts."""
    await trial_payers(world, tenant, "http://127.0.0.1:9")
    async with world.transaction(tenant) as tx:
        profile = next(one for one in await _payers(tx) if one.ans == _ANS)
    await _guides(world, tenant, profile.partner.id)
    ours, floors = [], []
    for turn in range(ROUNDS):
        raw = document(turn)
        begun = time.perf_counter()
        reply = replies.read(raw)
        async with world.transaction(tenant) as tx:
            source = statements.Source(profile=profile, by=writing.origin(world, tenant, "bench"))
            taken = await statements.take_all(tx, source, reply.answers)  # type: ignore[union-attr]
        ours.append(time.perf_counter() - begun)
        if taken.fresh != PROTOCOLS:
            raise RuntimeError("the statement was not taken in")
        floors.append(await _floor(world, tenant, raw, turn))
    items = PROTOCOLS * GUIDES * ITEMS
    name = f"statement of {PROTOCOLS} protocols ({items} items, {len(raw) // 1024} KB)"
    bare = "lxml parses the bytes, COPY loads the same lines and denials"
    every = "lxml parses the bytes, COPY loads every row written, with the tables' indexes"
    whole = await _every_row(world, tenant, raw)
    return [
        Measure(name=title, value=items / min(ours), unit="items/s", floor=items / floor, floor_name=told)
        for title, floor, told in ((name, min(floors), bare), (f"{name}, all its rows", whole, every))
    ]


async def _payers(tx: Any) -> list[Any]:
    from hub.billing.profiles import payers

    found = await payers(tx)
    return [await payer(tx, one.partner.id) for one in found]


async def _guides(world: World, tenant: Tenant, payer_id: UUID) -> None:
    """Our guides and items, as they were sent."""
    guides, items = [], []
    for number in range(1, PROTOCOLS * GUIDES + 1):
        identity = new_id()
        total = ITEMS * 2540
        row = (identity, payer_id, "sp-sadt", str(number), "recebida", _VERSION, "202611", _DAY, total, "{}")
        guides.append(row)
        items += [
            (identity, n, "procedimentos", "22", f"4030{n:04d}", "Exame", _DAY, 1.0, 2540, 2540)
            for n in range(1, ITEMS + 1)
        ]
    async with world.transaction(tenant) as tx:
        await bulk.insert(tx, schema.guide, _GUIDE, guides)
        await bulk.insert(tx, schema.guide_item, _ITEM, items)


async def _floor(world: World, tenant: Tenant, raw: bytes, turn: int) -> float:
    """Seconds to parse the bytes and to copy the rows the statement became, without indexes and policies."""
    async with world.transaction(tenant) as tx:
        found = await tx.rows(
            "SELECT l.* FROM statement_line l JOIN statement s ON s.tenant_id = $1 AND s.id = l.statement_id "
            "WHERE l.tenant_id = $1 AND s.number = $2",
            str(turn + 1),
        )
        told = await tx.rows(
            "SELECT d.* FROM denial d JOIN statement_line l ON l.tenant_id = $1 AND l.id = d.statement_line_id "
            "JOIN statement s ON s.tenant_id = $1 AND s.id = l.statement_id WHERE d.tenant_id = $1 AND s.number = $2",
            str(turn + 1),
        )
    lines, denied = [tuple(row) for row in found], [tuple(row) for row in told]
    owner = await asyncpg.connect(world.settings.owner_database_url)
    try:
        for name, table in (("bare_line", "statement_line"), ("bare_denial", "denial")):
            await owner.execute(f"DROP TABLE IF EXISTS {name}; CREATE TABLE {name} (LIKE {table})")
        begun = time.perf_counter()
        etree.fromstring(raw)
        async with owner.transaction():
            await owner.copy_records_to_table("bare_line", records=lines)
            await owner.copy_records_to_table("bare_denial", records=denied)
        return time.perf_counter() - begun
    finally:
        await owner.execute("DROP TABLE IF EXISTS bare_line, bare_denial")
        await owner.close()


async def _every_row(world: World, tenant: Tenant, raw: bytes) -> float:
    """Seconds to parse a statement and to copy all rows one became, measured over those of all rounds at once."""
    own = [t for module in (records, projections) for t in vars(module).values() if isinstance(t, Table)]
    tables = [*dict.fromkeys(own), guard.audit_event, schema.statement, schema.statement_line, schema.denial]
    async with world.transaction(tenant) as tx:
        rows = {t.name: await tx.rows(f"SELECT * FROM {t.name} WHERE tenant_id = $1") for t in tables}
    owner = await asyncpg.connect(world.settings.owner_database_url)
    try:
        for name in rows:
            await owner.execute(f"CREATE TABLE bare_{name} (LIKE {name} INCLUDING INDEXES)")
        written = {name: [tuple(row) for row in found] for name, found in rows.items()}
        begun = time.perf_counter()
        etree.fromstring(raw)
        parsed = time.perf_counter() - begun
        async with owner.transaction():
            for name, found in written.items():
                await owner.copy_records_to_table(f"bare_{name}", records=found)
        return parsed + (time.perf_counter() - begun - parsed) / ROUNDS
    finally:
        await owner.execute("".join(f"DROP TABLE IF EXISTS bare_{name};" for name in rows))
        await owner.close()


def document(turn: int) -> bytes:
    """The statement of a round: every seventh item denied in part."""
    protocols = [_protocol(turn, number) for number in range(PROTOCOLS)]
    body = {
        "cabecalhoDemonstrativo": {
            "registroANS": _ANS,
            "numeroDemonstrativo": str(turn + 1),
            "nomeOperadora": "Operadora",
            "numeroCNPJ": "11444777000161",
            "dataEmissao": "2026-11-25",
        },
        "dadosPrestador": {"dadosContratado": {"codigoPrestadorNaOperadora": "1"}, "CNES": "9999999"},
        "dadosConta": {"dadosProtocolo": protocols},
        **_sums([(2540, denied) for protocol in range(PROTOCOLS) for denied in _denied(protocol)], "Geral"),
    }
    header = {
        "identificacaoTransacao": {
            "tipoTransacao": "DEMONSTRATIVO_ANALISE_CONTA",
            "sequencialTransacao": "1",
            "dataRegistroTransacao": "2026-11-25",
            "horaRegistroTransacao": "10:00:00",
        },
        "origem": {"registroANS": _ANS},
        "destino": {"identificacaoPrestador": {"codigoPrestadorNaOperadora": "1"}},
        "Padrao": _VERSION,
    }
    answer = {"demonstrativosRetorno": {"demonstrativoAnaliseConta": [body]}}
    tree = {"cabecalho": header, "operadoraParaPrestador": answer, "epilogo": {"hash": ""}}
    return build.build("mensagemTISS", tree, _VERSION)


def _denied(protocol: int) -> list[int]:
    first = protocol * GUIDES * ITEMS
    return [540 if (first + n) % 7 == 0 else 0 for n in range(GUIDES * ITEMS)]


def _protocol(turn: int, number: int) -> dict[str, Any]:
    denied = _denied(number)
    guides = []
    for guide in range(GUIDES):
        own = denied[guide * ITEMS : (guide + 1) * ITEMS]
        guides.append(
            {
                "numeroGuiaPrestador": str(number * GUIDES + guide + 1),
                "numeroCarteira": "00123456789012345",
                "dataInicioFat": "2026-11-20",
                "situacaoGuia": "3",
                "detalhesGuia": [_item(n, cents) for n, cents in enumerate(own, start=1)],
                **_sums([(2540, cents) for cents in own], "Guia"),
            }
        )
    return {
        "numeroLotePrestador": str(number + 1),
        "numeroProtocolo": str(1000 * (turn + 1) + number),
        "dataProtocolo": "2026-11-21",
        "situacaoProtocolo": "3",
        "relacaoGuias": guides,
        **_sums([(2540, cents) for cents in denied], "Protocolo"),
    }


def _item(sequence: int, denied: int) -> dict[str, Any]:
    told = {"relacaoGlosa": [{"valorGlosa": money(denied), "tipoGlosa": "1705"}]} if denied else {}
    return {
        "sequencialItem": str(sequence),
        "dataRealizacao": "2026-11-20",
        "procedimento": {
            "codigoTabela": "22",
            "codigoProcedimento": f"4030{sequence:04d}",
            "descricaoProcedimento": "Exame",
        },
        "valorInformado": "25.40",
        "qtdExecutada": "1",
        "valorProcessado": "25.40",
        "valorLiberado": money(2540 - denied),
        **told,
    }


def _sums(parts: list[tuple[int, int]], level: str) -> dict[str, str]:
    billed, denied = sum(one for one, _ in parts), sum(one for _, one in parts)
    return {
        f"valorInformado{level}": money(billed),
        f"valorProcessado{level}": money(billed),
        f"valorLiberado{level}": money(billed - denied),
        f"valorGlosa{level}": money(denied),
    }
