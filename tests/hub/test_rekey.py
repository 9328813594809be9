"""The master key is turned while the hub runs: everything opens before, meanwhile and after, and the old key ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import own_database
import pytest
import pytest_asyncio

from canonical.errors import Conflict, Misconfigured
from canonical.identity import new_id
from hub.guard import rekeying, secrets, tokens, vault
from hub.seed import demo_tenant
from hub.settings import Settings, prepare_folders
from hub.world import World, opened


@pytest_asyncio.fixture
async def keyed(cluster: Any, tmp_path: Path) -> AsyncIterator[World]:
    """A world of its own: turning a key seals all of a database anew, and the session's is shared."""
    async with own_database.fresh(cluster) as (_, application):
        settings = Settings(data=tmp_path, database_url=application)
        prepare_folders(settings)
        async with opened(settings, size=2) as world:
            yield world


async def test_a_turned_key(keyed: World) -> None:
    tenant = await demo_tenant(keyed)
    await tokens.ensure_key(keyed)
    async with keyed.transaction(tenant) as tx:
        await vault.put(tx, keyed.settings, "payer", {"login": "hospital", "password": "s"}, kind="login")
    old = (keyed.settings.secrets / secrets.KEY).read_text()
    secrets.turn(keyed.settings)
    new = (keyed.settings.secrets / secrets.KEY).read_text()
    assert new != old and (keyed.settings.secrets / secrets.KEY).stat().st_mode & 0o077 == 0

    async def opens() -> bool:
        async with keyed.transaction(tenant) as tx:
            found = await vault.reveal(tx, keyed.settings, "payer")
        return found == {"login": "hospital", "password": "s"} and bool(
            await tokens.issue(keyed, tenant, "x", roles=(), scopes=("system/*.rs",))
        )

    assert await opens(), "the previous key opens what is not sealed anew"
    with pytest.raises(Conflict):
        secrets.turn(keyed.settings)
    done = await rekeying.seal_anew(keyed, "ana")
    assert done.anew == 2 and await opens()
    assert (await rekeying.seal_anew(keyed, "ana")).anew == 0, "twice changes nothing"
    async with keyed.transaction(tenant) as tx:
        await tx.run(
            "INSERT INTO bulk_job (tenant_id, id, kind, owner, status, request, created_at, expires_at) "
            "VALUES ($1, $2, 'export', 'x', 'DONE', 'x', now(), now())", new_id(),
        )  # fmt: skip
    with pytest.raises(Conflict, match="exports"):
        await rekeying.finish(keyed, "ana")
    async with keyed.transaction(tenant) as tx:
        await tx.run("DELETE FROM bulk_job WHERE tenant_id = $1")
    await rekeying.finish(keyed, "ana")
    assert not (keyed.settings.secrets / secrets.PREVIOUS).exists() and await opens()
    (keyed.settings.secrets / secrets.KEY).write_text(old)
    with pytest.raises(Misconfigured):
        await opens()


def test_a_key_of_the_environment_is_the_operators_to_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data=tmp_path)
    old, new = "A" * 43, "B" * 42 + "A"
    monkeypatch.setenv(secrets.KEY_VARIABLE, old)
    sealed = secrets.seal(settings, b"x", "p")
    with pytest.raises(Misconfigured, match=secrets.PREVIOUS_VARIABLE):
        secrets.turn(settings)
    monkeypatch.setenv(secrets.KEY_VARIABLE, new)
    with pytest.raises(Misconfigured):
        secrets.unseal(settings, sealed, "p")
    monkeypatch.setenv(secrets.PREVIOUS_VARIABLE, old)
    assert secrets.unseal(settings, sealed, "p") == b"x"
    assert not secrets.sealed_by_current(settings, sealed, "p")
