"""`ponte channel` as an operator types it: put, go back, try a file, compare a version over what was received."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channel_feed import partner, put, send
from hl7_feed import adt, oru

from api.cli.main import main
from hub.channels.writing import to_toml
from hub.exchange.channels import channels_of
from hub.seed import demo_tenant
from hub.world import opened

Run = Any


def toml(slug: str) -> str:
    """The channel of a test's tenant, at a port of its own: ports are kept among all tenants."""
    return f'name = "his"\ndoor = "mllp"\nport = {60_000 + int(slug[2:], 16) % 4_000}\n'


@pytest.fixture
def slug(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A tenant whose channel `his` has received three messages."""
    name = f"ch{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("PONTE_DATABASE_URL", cluster[0].database_url)
    asyncio.run(fill(cluster[0], name))
    yield name


async def fill(settings: Any, slug: str) -> None:
    async with opened(settings, size=2) as world:
        tenant = await demo_tenant(world, slug, "Hospital de Teste")
        own = await put(world, tenant, toml(slug))
        await partner(world, tenant, "dw", 1)
        sent = [adt("A01", "M1", "V1", "20261122080000"), adt("A08", "M2", "V2", "20261122080100")]
        await send(world, tenant, own, *sent, oru("M1", "1", "F", "90.4321", "20261122100000"))


@pytest.fixture
def run(slug: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["channel", *words, "--tenant", slug])
        found = capsys.readouterr()
        return code, found.out, found.err

    return call


async def counts(settings: Any, slug: str) -> list[int]:
    async with opened(settings, size=1) as world, world.transaction(await world.tenant(slug)) as tx:
        tables = ("message", "resource", "delivery", "lane", "audit_event", "channel_version")
        return [await tx.value(f"SELECT count(*) FROM {table} WHERE tenant_id = $1") for table in tables]


def test_put_show_versions_diff_and_back(run: Run, slug: str, tmp_path: Path) -> None:
    file = tmp_path / "his.toml"
    file.write_text(toml(slug) + 'charset = "8859/1"\n', encoding="utf-8")
    code, out, _ = run("put", str(file), "--note", "acentos", "--json")
    assert code == 0 and json.loads(out)["version"] == 2
    code, out, _ = run("show", "his")
    assert code == 0 and 'charset = "8859/1"' in out
    file.write_text(out, encoding="utf-8")
    assert json.loads(run("put", str(file), "--json")[1])["version"] == 2, "what is shown can be put again"
    assert "charset: None → '8859/1'" in run("diff", "his", "1")[1]
    assert run("rollback", "his")[0] == 0
    lines = [json.loads(line) for line in run("versions", "his", "--json")[1].splitlines()]
    assert [(line["version"], line["active"]) for line in lines] == [(2, False), (1, True)]
    assert run("rollback", "his")[0] == 1, "there is no earlier one"
    assert run("deactivate", "his")[0] == 0
    assert "his" in run("list")[1] and run("show", "nobody")[0] == 1


def test_a_wrong_file_is_told_by_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('name = "x"\ndoor = "mllp"\ncolour = "red"\n', encoding="utf-8")
    code, _, err = run("put", str(file))
    assert code == 1 and "line 3: colour:" in err
    assert run("put", str(tmp_path / "absent.toml"))[0] == 2


def test_trying_a_file_stores_nothing(run: Run, slug: str, cluster: Any, tmp_path: Path) -> None:
    document, file = tmp_path / "n.toml", tmp_path / "in.hl7"
    document.write_text(
        'name = "n"\ndoor = "mllp"\n[[filters]]\naction = "skip"\ntypes = ["ADT^A08"]\n'
        '[[destinations]]\nname = "copy"\npartner = "dw"\n',
        encoding="utf-8",
    )
    messages = adt("A01", "M9", "V9", "20261122080000") + adt("A08", "M9", "V9", "20261122080100") + "MSH|^~\\&|X\r"
    file.write_bytes(messages.encode())
    before = asyncio.run(counts(cluster[0], slug))
    code, out, _ = run("test", str(file), "--document", str(document), "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and [(x["status"], x["acknowledgement"]) for x in lines] == [
        ("RECEIVED", "AA"),
        ("FILTERED", "AA"),
        ("ERROR", "AE"),
    ]
    assert lines[0]["deliveries"] == [{"destination": "copy", "partner": "dw", "send": "raw"}]
    assert lines[0]["records"]["Patient"] == 1 and lines[0]["segments"]["unmapped"] == 0
    assert run("test", str(file), "--channel", "his")[0] == 1
    assert "→ his" in run("test", str(file))[1], "the channel is found by the sender"
    assert asyncio.run(counts(cluster[0], slug)) == before


def test_a_destination_to_nobody_is_told_before_anything_is_lost(run: Run, slug: str, tmp_path: Path) -> None:
    file, message = tmp_path / "his.toml", tmp_path / "in.hl7"
    file.write_text(toml(slug) + '[[destinations]]\nname = "copy"\npartner = "nobody"\n', encoding="utf-8")
    message.write_bytes(adt("A01", "M9", "V9", "20261122080000").encode())
    code, out, _ = run("test", str(message), "--document", str(file), "--json")
    assert code == 0 and [p["code"] for p in json.loads(out)["problems"]] == ["channel.no-partner"]
    code, _, err = run("put", str(file))
    assert code == 0 and "destinations[1].partner: The partner nobody of this destination does not exist" in err


def test_comparing_a_version_over_what_was_received(run: Run, slug: str, cluster: Any, tmp_path: Path) -> None:
    before = asyncio.run(counts(cluster[0], slug))
    assert run("compare", "his", "--against", "1", "--since", "1d")[0] == 0, "the same version, the same outputs"
    file = tmp_path / "his.toml"
    file.write_text(
        toml(slug) + 'zone = "America/Manaus"\n[[filters]]\naction = "skip"\ntypes = ["ORU^R01"]\n', encoding="utf-8"
    )
    code, out, _ = run("compare", "his", "--against", str(file), "--since", "1d", "--json")
    *lines, total = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and total["messages"] == 3
    places = {(x["what"], x["path"], x["kind"]): x for x in lines}
    assert places["message", "status", "changed"]["count"] == 1
    assert places["Observation", "", "removed"]["count"] == 1
    assert "90.4321" not in json.dumps([x["examples"] for x in lines if x["what"] == "Observation"]), (
        "values are masked"
    )
    shown = run("compare", "his", "--against", str(file), "--since", "1d", "--limit", "1", "--show-values")[1]
    assert "RECEIVED → FILTERED" in shown
    assert run("compare", "his", "--against", "1", "--since", "2099-01-01")[0] == 0
    assert run("compare", "his", "--against", "1", "--since", "soon")[0] == 1
    assert asyncio.run(counts(cluster[0], slug)) == before


def test_comparing_tables_of_a_folder(run: Run, slug: str, tmp_path: Path) -> None:
    folder = tmp_path / "candidate"
    (folder / "codes").mkdir(parents=True)
    (folder / "codes" / "hl70001-gender.csv").write_text(
        "system,from,to,note,decided\nhl70001,F,other,tentativa,ADR 0\n", encoding="utf-8"
    )
    file = tmp_path / "his.toml"
    file.write_text(toml(slug), encoding="utf-8")
    words = ("compare", "his", "--against", str(file), "--since", "1d", "--overlay", str(folder), "--show-values")
    code, out, _ = run(*words)
    assert code == 1 and "changed  Patient.gender" in out and '"female" → "other"' in out
    (folder / "codes" / "hl70001-gender.csv").write_text("system,from,to,note,decided\nhl70001,F,other,x,\n")
    code, _, err = run(*words[:2], "--against", str(file), "--since", "1d", "--overlay", str(tmp_path / "none"))
    assert code == 1 and "overlay" in err


def test_documents_survive_their_text(slug: str, cluster: Any) -> None:
    async def all_of() -> None:
        async with opened(cluster[0], size=1) as world:
            for channel in await channels_of(world, await world.tenant(slug)):
                assert to_toml(channel.document)

    asyncio.run(all_of())
