"""The image and the compose file use settings that exist, an unprivileged user, and a role that row-level security holds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from api.cli.main import commands
from api.routes.health import router

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
