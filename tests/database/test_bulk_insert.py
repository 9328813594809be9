"""Bulk inserts: every text comes back as it was, whatever characters it holds, and nothing stays nothing."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.records import index
from hub.records.saved import Saved
from hub.store import bulk
from hub.store.schema.projections import patient
from hub.world import Tenant, World

TEXTS = ["", "a", "é ß 日", '"', "\\", "{}", ",", "NULL", "a\tb\nc", None]
MARKS = ["\x1e", "\x1f", "x\x1ey", "x\x1fy"]
COLUMNS = ("id", "name_folded", "mother_folded", "active", "deceased")


@pytest.mark.parametrize("texts", [[""], [None], ["", ""], ["\x1f"], TEXTS, [*TEXTS, *MARKS]], ids=repr)
async def test_texts_come_back(world: World, tenant: Tenant, texts: list[str | None]) -> None:
    rows = [(f"{n:03}", text, text, True, False) for n, text in enumerate(texts)]
    async with world.transaction(tenant) as tx:
        await bulk.insert(tx, patient, COLUMNS, rows)
        found = await tx.rows("SELECT name_folded, mother_folded FROM patient WHERE tenant_id = $1 ORDER BY id")
    assert [tuple(row.values()) for row in found] == [(text, text) for text in texts]


@pytest.mark.parametrize("value", ["123", "1\x1e2", "\x1f"], ids=repr)
async def test_entries_come_back(world: World, tenant: Tenant, value: str) -> None:
    body = {
        "resourceType": "Patient",
        "birthDate": "1980-02-29",
        "identifier": [{"system": "urn:a", "value": value}, {"system": "urn:b", "value": "7"}],
    }
    at = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    saved = Saved(type="Patient", id="x", version=1, updated_at=at, text="", body=body, created=True, changed=True)
    async with world.transaction(tenant) as tx:
        together = bulk.Together()
        await index.replace(tx, [saved], {("Patient", "x"): 42}, tenant.zone, together)
        await together.run(tx)
        key = index.key_of("Patient", "identifier")
        found = await tx.rows(
            "SELECT rid, system, code FROM idx_token WHERE tenant_id = $1 AND key = $2 ORDER BY position", key
        )
        dates = await tx.value("SELECT count(*) FROM idx_date WHERE tenant_id = $1 AND rid = 42")
    assert [tuple(row.values()) for row in found] == [(42, "urn:a", value), (42, "urn:b", "7")]
    assert dates == 1


@given(st.lists(st.none() | st.text(st.sampled_from("ab\x1e\x1f"), max_size=3), max_size=5))
def test_joined_texts_are_told_apart(values: list[str | None]) -> None:
    text = bulk.joined(values)
    if text is None:
        assert any(mark in (value or "") for value in values for mark in "\x1e\x1f")
    else:
        apart = text.split("\x1e")[1:]  # as string_to_array(…)[2:] does
        assert [None if part == "\x1f" else part for part in apart] == values
