"""The whole demonstration as a newcomer runs it: exit 0, one JSON object, under two minutes, nothing left running."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas_xsd.install import missing

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_demo_holds_every_check() -> None:
    if missing():
        pytest.skip(f"official schemas or tables are not installed: {missing()}")
    command = [sys.executable, "-X", "utf8", "-m", "api.cli", "demo", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 1, done.stdout[-2000:] + done.stderr[-2000:]
    document = json.loads(lines[0])
    failed = [(s["step"], s.get("failed"), s.get("failure")) for s in document["steps"] if not s["ok"]]
    assert done.returncode == 0 and document["ok"], failed
    assert document["seconds"] < 120
    figures = {step["step"]: step["figures"] for step in document["steps"]}
    assert figures["receive"]["sound and faulty messages"] >= 400
    assert figures["translate"]["patients"] >= 40 and figures["translate"]["encounters"] >= 60
