"""Doors against servers of somebody else, and what a wrong environment is told."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import hubs
import pytest

from hub.servers import postgres, valkey
from hub.settings import Settings, prepare_folders
from hub.store import migrate


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ponte-ext-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.mark.slow
def test_external_servers(folder: Path) -> None:
    theirs = Settings(data=folder / "theirs")
    prepare_folders(theirs)
    with postgres.running(theirs, shared_buffers_mb=64) as cluster, valkey.running(theirs) as redis_url:
        asyncio.run(migrate.make_roles(cluster, theirs))
        more = {"PONTE_DATABASE_URL": cluster.application_url, "PONTE_REDIS_URL": redis_url}
        owned = {**more, "PONTE_OWNER_DATABASE_URL": cluster.owner_url}
        code, text = hubs.refusal(folder / "ours", "--http-port", "0", "--mllp-port", "0", **more)
        assert code == 4 and "ponte db migrate" in text and len(text.splitlines()) == 1
        with hubs.up(folder / "ours", **owned) as hub:
            assert b"MSA|AA|one" in hub.send("one")
            assert not (folder / "ours" / "postgres").exists()
            assert hub.stop() == 0
        with hubs.up(folder / "ours", **more) as hub:  # migrated once: the application role alone is enough
            assert b"MSA|AA|two" in hub.send("two")
            assert hub.stop() == 0
        assert hubs.gone(folder / "ours", 5) and cluster.alive()
        for url in (cluster.superuser_url.removesuffix("/postgres") + "/ponte", cluster.owner_url):
            code, text = hubs.refusal(
                folder / "ours", "--http-port", "0", "--mllp-port", "0", **{**owned, "PONTE_DATABASE_URL": url}
            )
            assert code == 4 and "row-level security would not hold" in text, text
            assert "ponte_" not in text.replace("ponte_owner", "") and len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"PONTE_DATABASE_URL": "postgresql://nobody:x@127.0.0.1:1/none"}, "cannot reach PostgreSQL"),
        ({"PONTE_DATABASE_URL": "not a url"}, "cannot reach PostgreSQL"),
        ({"PONTE_HTTP_PORT": "eighty"}, "PONTE_HTTP_PORT"),
    ],
)
def test_a_wrong_setting_is_one_sentence(folder: Path, more: dict[str, str], says: str) -> None:
    options = () if "PONTE_HTTP_PORT" in more else ("--http-port", "0", "--mllp-port", "0")
    code, text = hubs.refusal(folder / "hub", *options, **more)
    assert code == 4 and says in text and len(text.splitlines()) == 1, text


@pytest.mark.parametrize("door", ["worker", "scheduler", "mllp", "api", "simulators"])
def test_a_door_without_its_settings_says_so(folder: Path, door: str) -> None:
    command = [sys.executable, "-m", "api.cli", "serve", door]
    done = subprocess.run(
        command, env=hubs.environment(folder), cwd="/", capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 4 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert ("PONTE_SIMULATOR_CONFIG" if door == "simulators" else "PONTE_DATABASE_URL") in done.stderr


def the_launcher() -> Any:
    """The file `ponte` as a module, which runs nothing."""
    loader = SourceFileLoader("ponte_launcher", str(Path(__file__).resolve().parents[3] / "ponte"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    launcher = module_from_spec(spec)
    loader.exec_module(launcher)
    return launcher


@pytest.mark.parametrize("wanted", [True, False])
def test_the_tree_is_compiled_once_unless_that_is_not_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    for name in ("hub", "tests"):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "inside" / "one.py").write_text("x = 1\n")
    launcher = the_launcher()
    monkeypatch.setattr(launcher, "HERE", tmp_path)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "" if wanted else "1")
    launcher.compile_sources(Path(sys.executable))
    assert {path.parts[-4] for path in tmp_path.rglob("*.pyc") if "inside" in path.parts} == (
        {"hub"} if wanted else set()
    )


def test_an_account_that_may_not_use_the_environment_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PONTE_VENV", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "")
    launcher = the_launcher()
    (tmp_path / "ponte.stamp").write_text(launcher.fingerprint())
    python, exists = tmp_path / "bin" / "python", Path.exists

    def refused(path: Path, **more: Any) -> bool:
        if path == python:
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path, **more)

    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(SystemExit) as ended:
        launcher.main()
    told = capsys.readouterr().err
    assert ended.value.code == 4 and f"this account may not use {python}" in told and len(told.splitlines()) == 1
