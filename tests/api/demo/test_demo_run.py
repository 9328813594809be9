"""The whole demonstration as a newcomer runs it: exit 0, one JSON object, under two minutes.

CI has run it in the same tree just before, and says in `PONTE_DEMO_DOCUMENT` where its object is: that one is judged then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas_xsd.install import missing

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_demo_holds_every_check(tmp_path: Path) -> None:
    code, document = _just_run() or _run(tmp_path)
    failed = [(s["step"], s.get("failed"), s.get("failure")) for s in document["steps"] if not s["ok"]]
    assert code == 0 and document["ok"], failed
    assert document["seconds"] < 120
    figures = {step["step"]: step["figures"] for step in document["steps"]}
    assert figures["receive"]["sound and faulty messages"] >= 400
    assert figures["translate"]["patients"] >= 40 and figures["translate"]["encounters"] >= 60


def _just_run() -> tuple[int, dict[str, Any]] | None:
    """What CI's own run came to: an object is written at its end only, and says itself whether all held."""
    file = os.environ.get("PONTE_DEMO_DOCUMENT")
    if not file:
        return None
    document = json.loads(Path(file).read_text(encoding="utf-8"))
    return (0 if document["ok"] else 1), document


def _run(folder: Path) -> tuple[int, dict[str, Any]]:
    if missing():
        pytest.skip(f"official schemas or tables are not installed: {missing()}")
    file = folder / "document.json"
    command = [sys.executable, "-X", "utf8", "-m", "api.cli", "demo", "--json", "--document", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 1, done.stdout[-2000:] + done.stderr[-2000:]
    document = json.loads(lines[0])
    assert document == json.loads(file.read_text(encoding="utf-8"))
    return done.returncode, document
