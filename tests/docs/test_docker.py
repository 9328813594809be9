"""The image and the compose file use settings that exist, an unprivileged user, and a role that row-level security holds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from api.cli.main import commands
from api.routes.health import router
from hub.servers import postgres, process
from hub.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
_OWN = {"PONTE_APP_PASSWORD", "PONTE_OWNER_PASSWORD"}


def read(name: str) -> str:
    return (DOCKER / name).read_text(encoding="utf-8")


def test_settings_exist() -> None:
    told = set(
        re.findall(r"`(PONTE_[A-Z_]+)`", (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8"))
    )
    named = {name for file in ("Dockerfile", "compose.yaml") for name in re.findall(r"PONTE_[A-Z_]+", read(file))}
    assert named - _OWN <= told, named - _OWN - told


def test_the_image_runs_without_rights_and_calls_real_commands() -> None:
    lines = read("Dockerfile").splitlines()
    user = next(number for number, line in enumerate(lines) if line.startswith("USER "))
    assert lines[user] != "USER root" and user < next(
        n for n, line in enumerate(lines) if line.startswith("ENTRYPOINT")
    )
    called = re.findall(r"RUN \./ponte ([a-z]+)", read("Dockerfile")) + re.findall(
        r'^CMD \["([a-z]+)"\]', read("Dockerfile"), re.MULTILINE
    )
    assert called and set(called) <= set(commands())
    health = re.search(r"http://127\.0\.0\.1:8080(/[a-z/]+)", read("Dockerfile"))
    assert health is not None and health[1] in {route.path for route in router.routes}


def test_compose_names_its_services_and_keeps_no_password() -> None:
    text = read("compose.yaml")
    assert {"hub:", "postgres:", "valkey:"} <= {line.strip() for line in text.splitlines()}
    assert "postgres:18" in text and not re.search(r"PASSWORD: [^$\s]", text)
    for role in re.findall(r"postgresql://(\w+):", text):
        assert f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS" in read("roles.sh")


def test_roles_script_is_sound_shell() -> None:
    assert subprocess.run(["bash", "-n", str(DOCKER / "roles.sh")], check=False).returncode == 0


def test_the_database_of_the_compose_file_starts_and_gets_its_roles() -> None:
    """initdb takes the arguments where no locale is set, and the roles script makes both roles and the database."""
    given = re.search(r"POSTGRES_INITDB_ARGS: (.+)", read("compose.yaml"))
    assert given is not None
    with tempfile.TemporaryDirectory(prefix="ponte-compose-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        account = process.server_account()
        programs = postgres.binaries(Settings(data=Path(name) / "data"), account)
        folder = Path(name) / "postgres"
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid)
        bare = {"PATH": f"{programs}:{os.environ['PATH']}"}
        made = [*given[1].split(), "-D", str(folder), "-U", "postgres", "-A", "trust", "--no-sync"]
        process.run_as([str(programs / "initdb"), *made], account, bare)
        port = str(process.free_port())
        server = process.spawn(
            [str(programs / "postgres"), "-D", str(folder), "-p", port, "-k", "", "-h", "127.0.0.1"],
            account=account,
            environment=bare,
            log=Path(name) / "postgres.log",
        )
        try:
            bare |= {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "postgres"}
            _await_ready(programs, bare)
            secrets = {"PONTE_APP_PASSWORD": "of-the-application", "PONTE_OWNER_PASSWORD": "of-the-owner"}
            subprocess.run(["bash", str(DOCKER / "roles.sh")], env=bare | secrets, check=True, capture_output=True)
            asked = ["psql", "-At", "-c", "SELECT datname, pg_get_userbyid(datdba), encoding FROM pg_database", "ponte"]
            told = subprocess.run(asked, env=bare, check=True, capture_output=True, text=True).stdout
            assert "ponte|ponte_owner|6" in told.splitlines()  # 6 is UTF8
        finally:
            process.stop(server, signal.SIGINT, 20)


def _await_ready(programs: Path, environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run([str(programs / "pg_isready"), "-q"], env=environment, check=False).returncode != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_units_call_real_commands_with_settings_that_exist() -> None:
    told = set(
        re.findall(r"`(PONTE_[A-Z_]+)`", (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8"))
    )
    units = sorted((DOCKER / "systemd").glob("ponte*"))
    assert len(units) == 4
    for unit in units:
        text = unit.read_text(encoding="utf-8")
        assert set(re.findall(r"PONTE_[A-Z_]+", text)) <= told, unit.name
        called = re.findall(r"/opt/ponte/ponte ([a-z]+)", text)
        assert set(called) <= set(commands()) and (called or unit.suffix == ".timer"), unit.name
        if called:
            assert "User=ponte" in text and "NoNewPrivileges=yes" in text, unit.name
