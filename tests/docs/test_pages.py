"""The documentation says what really happens: blocks marked `sh run` are executed, page by page, on a hub of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import isolated
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from schemas_xsd.install import missing

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)(#[^)]*)?\)")


@dataclass(frozen=True)
class Block:
    info: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = []
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        indent = len(match["indent"])
        text = "".join(line[indent:] for line in match["text"].splitlines(keepends=True))
        found.append(Block(match["info"].strip(), text))
    return found


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


RUNNABLE = [page for page in PAGES if any(block.info == "sh run" for block in blocks(page))]


@pytest.fixture(scope="module")
def hub() -> Iterator[dict[str, str]]:
    """A hub on a scratch folder, and the environment in which the pages' commands find it."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    if missing():
        pytest.skip(f"official schemas or tables are not installed: {missing()}")
    with tempfile.TemporaryDirectory(prefix="ponte-docs-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        environment = {**os.environ, "PONTE_HOME": name, "PONTE_DATA": f"{name}/data", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-X", "utf8", "-m", "api.cli"]
        command += ["up", "--json", "--http-port", "0", "--mllp-port", "0"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            addresses = json.loads(process.stdout.readline() or "{}")
            assert addresses, "the hub did not start"
            yield {**environment, "HUB": addresses["fhir"].removesuffix("/fhir")}
        finally:
            process.terminate()
            process.wait(30)
            if process.stdout is not None:
                process.stdout.close()


# A reader waits two seconds; a busy machine waits until the hub has worked what it keeps.
_PATIENT = """set -euo pipefail
sleep() {
    for _ in $(seq 60); do
        command sleep "$1"
        ./ponte messages find --status RECEIVED >/dev/null || return 0
    done
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_the_page_runs(page: Path, hub: dict[str, str]) -> None:
    script = _PATIENT + "\n".join(block.text for block in blocks(page) if block.info == "sh run")
    own = {**hub, "PYTEST_ADDOPTS": "--collect-only -q"}  # tests a page names are there; this same run runs them
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=own, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{name_of(page)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    if page.name == "ten-minutes.md":
        assert "MSA|AA|TUTORIAL-1" in done.stdout and "Conceição" in done.stdout
        assert "structure.required" in done.stdout and "queued again" in done.stdout


# Other people's clients in environments of their own: the language of the block, what is installed, what runs it.
_PARTNERS = {
    "python": ("partner.py", ["{uv}", "venv", "-q", "env"], ["{uv}", "pip", "install", "-q", "--python", "env", "fhirpy==2.3.1", "pyjwt[crypto]"], ["env/bin/python", "partner.py"]),
    "js": ("partner.mjs", ["npm", "init", "-y"], ["npm", "install", "--no-audit", "--no-fund", "fhir-kit-client@2.0.3"], ["node", "partner.mjs"]),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("language", _PARTNERS)
def test_a_partners_program_runs(language: str, hub: dict[str, str], tmp_path: Path) -> None:
    """The programs of the tutorial, with fhirpy and fhir-kit-client, against a hub that knows nothing of them."""
    name, *steps = _PARTNERS[language]
    uv = isolated.uv() if language == "python" else ""
    needed = {"python": [uv], "js": ["node", "npm"]}[language]
    if absent := [each for each in needed if shutil.which(each) is None]:
        pytest.skip(f"not installed: {absent}")
    (text,) = [
        block.text for block in blocks(ROOT / "docs/tutorial/first-call.md") if block.info == f"{language} partner"
    ]
    (tmp_path / name).write_text(text, encoding="utf-8")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(pem)
    jwk = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": "partner-1"}
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    create = ["client", "create", f"program-{language}", "--scope", "system/Patient.cruds", "system/Observation.cruds"]
    command = [sys.executable, "-X", "utf8", "-m", "api.cli", *create, "--jwks", str(tmp_path / "jwks.json")]
    subprocess.run(command, env=hub, check=True, timeout=60, stdout=subprocess.DEVNULL)
    own = isolated.environment() | {
        "FHIR": f"{hub['HUB']}/fhir",
        "CLIENT_ID": f"demo.program-{language}",
        "KEY": str(tmp_path / "key.pem"),
    }
    for number, step in enumerate(steps):
        words = [word.replace("{uv}", uv) for word in step]
        done = subprocess.run(words, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode and number < len(steps) - 1:
            pytest.skip(f"{words[-1]} cannot be installed here: {isolated.reason(done.stderr)}")
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    assert re.search(r"^done [0-9a-f-]{36}$", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    dead = [
        target
        for target, _ in _LINK.findall(text)
        if "://" not in target and not (page.parent / target).resolve().exists()
    ]
    assert not dead, f"{name_of(page)}: {dead}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_named_in_blocks_exist(page: Path) -> None:
    from api.cli.main import commands

    named = {m for block in blocks(page) for m in re.findall(r"\./ponte ([a-z0-9]+)", block.text)}
    assert named <= set(commands()), f"{name_of(page)}: {sorted(named - set(commands()))}"


def test_what_ci_runs_is_what_the_readme_tells() -> None:
    told = [
        line.split("#")[0].strip()
        for b in blocks(ROOT / "README.md")
        if b.info == "sh run-by-ci"
        for line in b.text.splitlines()
    ]
    assert told == ["./ponte demo", "./ponte test"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert all(re.search(rf"^{re.escape(command)}", script, re.MULTILINE) for command in told)


def test_tests_named_by_the_reference_exist() -> None:
    page = (ROOT / "docs" / "reference" / "bad-input.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", page)
    assert len(named) >= 30
    for file, test in named:
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {test}\(", text, re.MULTILINE), f"{file}::{test} is not there"


def test_decisions_are_numbered_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(folder.glob("0*.md"))
    index = (folder / "README.md").read_text(encoding="utf-8")
    for number, page in enumerate(pages, start=1):
        text = page.read_text(encoding="utf-8")
        assert page.name.startswith(f"{number:04d}-") and text.startswith(f"# {number}. ") and page.name in index
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Alternatives.**", "**Enforced by**"):
            assert part in text, f"{page.name}: {part}"
        assert len(text.splitlines()) <= 60, f"{page.name}: one page"


@pytest.mark.parametrize("page", [p for p in PAGES if "decisions" in p.parts], ids=name_of)
def test_places_named_by_decisions_exist(page: Path) -> None:
    """A decision names where it is enforced; a place that moved makes the page wrong."""
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir()}
    named = [
        n for n in re.findall(r"`([\w./*-]+/[\w./*-]*)`", page.read_text(encoding="utf-8")) if n.split("/")[0] in rooms
    ]
    gone = [name for name in named if not any(True for _ in ROOT.glob(name.rstrip("/")))]
    assert not gone, f"{name_of(page)}: {gone}"
