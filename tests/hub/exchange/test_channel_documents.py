"""Channel documents: strict with lines, the same over TOML and JSON, versioned with difference and rollback."""

from __future__ import annotations

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical.errors import Conflict, NotFound
from hub.channels import reading, versions
from hub.channels.document import Document, as_json
from hub.channels.reading import Faulty
from hub.exchange.channels import channels_at, channels_of
from hub.world import Tenant, World

FULL = """\
name = "his-adt"
door = "mllp"
title = "Cadastro e internação"
port = 2580
charset = "8859/1"
zone = "America/Manaus"
partner = "his"
lane = "field:PV1-19"

[sender]
applications = ["HIS*"]
facilities = ["HOSP", "1.2.3"]

[acknowledge]
mode = "enhanced"
filtered = "AR"

[segments]
AL1 = "snapshot"
NK1 = "action"

[plans]
"ADT^Z99" = "adt"

[[filters]]
action = "skip"
types = ["ADT^A31"]

[[filters]]
action = "take"
field = "PV1-3.4"
among = ["HOSP", "CLIN"]

[[destinations]]
name = "copy"
partner = "warehouse"
send = "envelope"
types = ["ADT^*"]
"""

WRONG = [
    ('name = "a"\ndoor = "mllp"\ncolour = "red"\n', 3, "colour"),
    ('name = "a"\ndoor = "telnet"\n', 2, "door"),
    ('name = "a"\n', 1, "door"),
    ('name = "A B"\ndoor = "http"\n', 1, "name"),
    ('name = "a"\ndoor = "mllp"\nport = "x"\n', 3, "port"),
    ('name = "a"\ndoor = "mllp"\nport = true\n', 3, "port"),
    ('name = "a"\ndoor = "mllp"\nport = 70000\n', 3, "port"),
    ('name = "a"\ndoor = "mllp"\n\n[acknowledge]\nmode = "loud"\n', 5, "acknowledge.mode"),
    ('name = "a"\ndoor = "mllp"\n\n[sender]\napplications = "HIS"\n', 5, "sender.applications"),
    ('name = "a"\ndoor = "mllp"\n\n[[filters]]\naction = "take"\n\n[[filters]]\naction = "skip"\nregex = "x"\n', 9, "filters[2].regex"),
    ('name = "a"\ndoor = "mllp"\n\n[[filters]]\naction = "take"\nfield = "PID-3"\n', 6, "filters[1].field"),
    ('name = "a"\ndoor = "mllp"\n\n[[filters]]\naction = "take"\nequals = "x"\n', 6, "filters[1].equals"),
    ('name = "a"\ndoor = "mllp"\n\n[[filters]]\naction = "take"\nfield = "PID3"\nequals = "x"\n', 6, "filters[1].field"),
    ('name = "a"\ndoor = "mllp"\n[segments]\nOBX = "snapshot"\n', 4, "segments.OBX"),
    ('name = "a"\ndoor = "mllp"\n[segments]\nAL1 = "both"\n', 4, "segments.AL1"),
    ('name = "a"\ndoor = "mllp"\nzone = "Mars/Base"\n', 3, "zone"),
    ('name = "a"\ndoor = "mllp"\ncharset = "utf-16"\n', 3, "charset"),
    ('name = "a"\ndoor = "mllp"\nlane = "name"\n', 3, "lane"),
    ('name = "a"\ndoor = "folder"\n', 1, "pickup.path"),
    ('name = "a"\ndoor = "mllp"\n[tls]\nclients = "required"\n', 4, "tls.clients"),
    ('name = "a"\ndoor = "mllp"\n[[destinations]]\nname = "x"\npartner = "p"\n[[destinations]]\nname = "x"\npartner = "q"\n', 4, "destinations[1].name"),
    ('name = "a"\ndoor = "mllp\n', 2, "(file)"),
    ('name = "a"\ndoor = "mllp"\nport = 1\nport = 2\n', 4, "(file)"),
]  # fmt: skip


def test_a_full_document_reads_and_says_the_same_again() -> None:
    found = reading.from_toml(FULL)
    assert found.filters[1].among == ("HOSP", "CLIN") and found.segments["NK1"] == "action"
    assert reading.from_json(as_json(found)) == found
    assert reading.stored(found.name, found.door, versions.settings_of(found)) == found


@pytest.mark.parametrize(("text", "line", "key"), WRONG, ids=[f"{n}-{row[2]}" for n, row in enumerate(WRONG)])
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, key: str) -> None:
    with pytest.raises(Faulty) as caught:
        reading.from_toml(text)
    assert (key, line) in [(fault.key, fault.line) for fault in caught.value.faults], str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Faulty) as caught:
        reading.from_toml('name = "a"\ndoor = "mllp"\nx = 1\ny = 2\nport = "p"\n')
    assert [fault.line for fault in caught.value.faults] == [3, 4, 5]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Document.__dataclass_fields__, "x"]), JSON, max_size=6))
def test_any_json_is_a_document_or_a_list_of_faults(table: dict[str, object]) -> None:
    try:
        found = reading.from_json({"name": "a", "door": "http", **table})
    except Faulty as error:
        assert error.faults
    else:
        assert reading.from_json(as_json(found)) == found


async def test_versions_are_kept_compared_and_rolled_back(world: World, tenant: Tenant) -> None:
    first = reading.from_toml('name = "x"\ndoor = "http"\n')
    second = reading.from_toml('name = "x"\ndoor = "http"\ncharset = "8859/1"\n\n[[filters]]\naction = "skip"\n')
    async with world.transaction(tenant) as tx:
        assert (await versions.put(tx, tenant, first, actor="ana", note="primeira")).version == 1
        assert (await versions.put(tx, tenant, first, actor="ana")).version == 1, "nothing new, no new version"
        assert (await versions.put(tx, tenant, second, actor="bia", note="acentos")).version == 2
    async with world.transaction(tenant) as tx:
        found = await versions.versions(tx, "x")
        assert [(v.version, v.actor, v.note, v.active) for v in found] == [
            (2, "bia", "acentos", True),
            (1, "ana", "primeira", False),
        ]
        changes = versions.difference(found[1].document, found[0].document)
        assert [(c.key, c.old, c.new) for c in changes] == [
            ("charset", None, "8859/1"),
            ("filters[1].action", None, "skip"),
        ]
        await versions.activate(tx, "x", 1, actor="ana")
    channel = next(c for c in await channels_of(world, tenant) if c.name == "x")
    assert (channel.version, channel.charset, channel.zone) == (1, "", tenant.zone)
    async with world.transaction(tenant) as tx:
        assert (await versions.put(tx, tenant, second, actor="bia")).version == 3, "numbers are never used again"
        await versions.deactivate(tx, "x", actor="ana")
        with pytest.raises(NotFound):
            await versions.activate(tx, "x", 9, actor="ana")
        with pytest.raises(NotFound):
            await versions.version(tx, "nobody")
    assert "x" not in [c.name for c in await channels_of(world, tenant)]
    at = await channels_at(world, tenant, [(channel.id, 1), (channel.id, 2), (channel.id, None)])
    assert [at[channel.id, v].charset for v in (1, 2, None)] == ["", "8859/1", "8859/1"]
    async with world.transaction(tenant) as tx:
        events = await tx.rows("SELECT action FROM audit_event WHERE tenant_id = $1 AND entity LIKE 'channel/x%'")
    assert sorted(row["action"] for row in events) == ["channel-activate", "channel-deactivate", *["channel-put"] * 3]


async def test_what_cannot_work_is_refused_before_it_is_stored(world: World, tenant: Tenant) -> None:
    for text, key in (
        ('name = "x"\ndoor = "http"\noverlay = "nobody"\n', "overlay"),
        ('name = "x"\ndoor = "http"\n[plans]\n"ADT^A01" = "nothing"\n', "plans.ADT^A01"),
    ):
        async with world.transaction(tenant) as tx:
            with pytest.raises(Faulty) as caught:
                await versions.put(tx, tenant, reading.from_toml(text), actor="ana")
            assert [fault.key for fault in caught.value.faults] == [key]
    async with world.transaction(tenant) as tx:
        await versions.put(tx, tenant, reading.from_toml('name = "x"\ndoor = "mllp"\nport = 4001\n'), actor="ana")
        with pytest.raises(Conflict):
            await versions.put(tx, tenant, reading.from_toml('name = "y"\ndoor = "mllp"\nport = 4001\n'), actor="ana")


async def test_a_version_is_never_rewritten(world: World, tenant: Tenant) -> None:
    for statement in ("UPDATE channel_version SET note = 'x' WHERE tenant_id = $1", "DELETE FROM channel_version WHERE tenant_id = $1"):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.transaction(tenant) as tx:
                await tx.run(statement)


async def test_one_document_that_no_longer_reads_leaves_the_others(world: World, tenant: Tenant) -> None:
    async with world.transaction(tenant) as tx:
        await tx.run("""UPDATE channel SET settings = '{"gone": 1}' WHERE tenant_id = $1 AND name = 'his-http'""")
    assert [channel.name for channel in await channels_of(world, tenant)] == ["his-mllp"]


async def test_a_fingerprint_that_can_be_nobodys_is_not_put(world: World, tenant: Tenant) -> None:
    tls = '[tls]\ncertificate = "door"\nclients = "required"\ntrust = "issuers"\n'
    text = f'name = "a"\ndoor = "mllp"\nport = 6661\n{tls}[sender]\ncertificates = ["his", "sha256:{{}}"]\n'
    async with world.transaction(tenant) as tx:
        for wrong in ("9f86d081…", "9f86d081", "g" * 64):
            document = reading.from_toml(text.format(wrong))  # what an earlier release kept can be read
            with pytest.raises(Faulty) as caught:
                await versions.put(tx, tenant, document, actor="ana")
            assert [one.key for one in caught.value.faults] == ["sender.certificates[2]"], wrong
        right = ":".join(["9F"] * 32)
        assert (await versions.put(tx, tenant, reading.from_toml(text.format(right)), actor="ana")).version == 1
