"""Statements too large to be held: kept in pieces, read twice, stored a few protocols at a time, like a small one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import long_statements as long
import pytest
from billing_day import IPE, partner_row, register, rows

from hub.billing.returns import intake, large
from hub.world import Tenant, World
from tiss.streams import statements

_LINES = (
    "SELECT protocol, guide_number, sequence, code, billed_cents, paid_cents, denied_cents FROM statement_line "
    "WHERE tenant_id = $1 AND NOT replaced ORDER BY protocol, guide_number, sequence"
)


async def coming(raw: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


def made(protocols: int = 3, **more: object) -> bytes:
    return b"".join(long.sealed(long.pieces(protocols, 4, statements=2, operator=IPE, **more)))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "PIECE", 7_000)
    monkeypatch.setattr(large, "GUIDES_AT_ONCE", 5)


async def test_a_large_file_says_what_a_small_one_says(world: World, tenant: Tenant, other_tenant: Tenant) -> None:
    raw, other = made(), other_tenant
    for one in (tenant, other):
        await register(world, one, [partner_row(IPE)])
    whole = await intake.take_file(world, other, raw, "test")
    found = await large.take_file(world, tenant, coming(raw), "test")
    assert (found.found.protocols, found.found.fresh) == (6, 6) == (whole.found.protocols, whole.found.fresh)
    assert found.problems == whole.problems == ()
    assert [tuple(row) for row in await rows(world, tenant, _LINES)] == [
        tuple(row) for row in await rows(world, other, _LINES)
    ]
    kept = b"".join([piece async for piece in large.content(world, tenant, found.message_id)])
    assert kept == raw
    columns = "status, type, payload_key FROM message WHERE tenant_id = $1"
    assert [tuple(row) for row in await rows(world, tenant, f"SELECT {columns}")] == [
        tuple(row) for row in await rows(world, other, f"SELECT {columns}")
    ]
    again = await large.take_file(world, tenant, coming(raw), "test")
    assert (again.found.protocols, again.found.fresh) == (6, 0)


async def test_parts_of_a_protocol_are_joined_wherever_they_stand(
    world: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = made().replace(b">00000005<", b">00000001<")
    await register(world, tenant, [partner_row(IPE)])
    found = await large.take_file(world, tenant, coming(raw.replace(b"hash>", b"hash >")), "test")
    assert found.found.fresh == 5
    lines = await rows(world, tenant, _LINES)
    assert sum(row["protocol"] == "00000001" for row in lines) == 2 * 4 * long.ITEMS
    monkeypatch.setattr(large, "MOST_PARTED", 7)
    (problem,) = (await large.take_file(world, tenant, coming(raw), "test")).problems
    assert problem.code == "statement.scattered"


@pytest.mark.parametrize(("level", "fresh"), [("warning", 6), ("error", 0), ("off", 6)])
async def test_the_hash_is_judged_before_anything_is_stored(
    world: World, tenant: Tenant, level: str, fresh: int
) -> None:
    await register(world, tenant, [partner_row(IPE, replies={"hash": level})])
    found = await large.take_file(world, tenant, coming(made().replace(b"Operadora<", b"Operador0<")), "test")
    assert found.found.fresh == fresh
    assert [(p.code, p.severity) for p in found.problems] == ([] if level == "off" else [("hash.reply.wrong", level)])


async def test_what_cannot_be_read_is_told_and_kept(world: World, tenant: Tenant) -> None:
    await register(world, tenant, [partner_row(IPE)])
    raw = made()
    cases = {
        "encoding.not-xml.cut": raw[: len(raw) // 2],
        "encoding.dtd": b"<!DOCTYPE a [<!ENTITY x 'y'>]>" + raw,
        "statement.none": b"<a xmlns='urn:x'>" + b"<b/>" * 5000 + b"</a>",
    }
    for code, content in cases.items():
        found = await large.take_file(world, tenant, coming(content), "test")
        assert [problem.code for problem in found.problems] == [code]
        assert b"".join([piece async for piece in large.content(world, tenant, found.message_id)]) == content
    states = await rows(world, tenant, "SELECT status, problems FROM message WHERE tenant_id = $1")
    assert {row["status"] for row in states} == {"ERROR"}

    async def broken() -> AsyncIterator[bytes]:
        yield raw[:20_000]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await large.take_file(world, tenant, broken(), "test")
    last = (await rows(world, tenant, "SELECT status, problems FROM message WHERE tenant_id = $1 ORDER BY id DESC"))[0]
    assert (last["status"], json.loads(last["problems"])[0]["code"]) == ("ERROR", "encoding.not-xml.cut")


async def test_another_operator_s_and_odd_amounts(world: World, tenant: Tenant) -> None:
    strange = await large.take_file(world, tenant, coming(made(1)), "test")
    assert {problem.code for problem in strange.problems} == {"statement.unknown-payer"}
    await register(world, tenant, [partner_row(IPE)])
    raw = made(2).replace(b"<ans:valorLiberado>12.34", b"<ans:valorLiberado>12,3x", 1)
    found = await large.take_file(world, tenant, coming(raw), "test")
    where = "/mensagemTISS/operadoraParaPrestador/demonstrativosRetorno/demonstrativoAnaliseConta[1]/dadosConta/dadosProtocolo[1]"
    odd = [p for p in found.problems if p.code == "sum.not-an-amount"]
    assert [p.where.startswith(where) for p in odd] == [True] and odd[0].severity == "warning"


def test_memory_does_not_grow_with_the_file() -> None:
    """What is held of a tree stays the same however many protocols came."""
    reader, most = statements.Statements(), 0
    for piece in long.sealed(long.pieces(40, 4, operator=IPE)):
        reader.feed(piece)
        root = getattr(reader, "_mark", None)
        if root is not None:
            most = max(most, sum(1 for _ in root[0].getroottree().getroot().iter("{*}dadosProtocolo")))
    reader.close()
    assert reader.computed("declared") == reader.stated
    assert most <= 3
