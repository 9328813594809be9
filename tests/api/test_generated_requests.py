"""Requests generated from the API description, by a tool that knows nothing of the hub: no route ends in a 5xx, every
answer's status and media type is one that is described, and none answers without a token.

The tool runs in an environment of its own, bounded in seconds. Skipped, with the reason, where it cannot be had.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import hubs
import isolated
import pytest

VERSION = "4.32.5"
SECONDS = 30
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,ignored_auth"
SCOPES = ["system/*.*", "hl7/write", "tiss/read", "tiss/write", "admin/*"]


def tool(folder: Path) -> list[str]:
    """The command of Schemathesis."""
    uv, own = isolated.uv(), isolated.environment()
    wanted = f"schemathesis=={VERSION}"
    for words in ([uv, "venv", "-q", "env"], [uv, "pip", "install", "-q", "--python", "env", wanted]):
        done = subprocess.run(words, cwd=folder, env=own, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode:
            pytest.skip(f"schemathesis cannot be installed here: {isolated.reason(done.stderr)}")
    return [str(folder / "env" / "bin" / "st")]


@pytest.mark.slow
def test_no_generated_request_ends_in_a_fault(tmp_path: Path, data_root: Path) -> None:
    st = tool(tmp_path)
    with hubs.up(data_root / "generated", PONTE_SIMULATORS="1") as hub:
        base = hub.addresses["fhir"].removesuffix("/fhir")
        command = [sys.executable, "-X", "utf8", "-m", "api.cli", "token", "--tenant", "demo", "--scope", *SCOPES]
        environment = hubs.environment(hub.data.parent, PONTE_DATA=str(hub.data))
        token = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout.strip()
        authorization = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
        for kind, more in (
            ("Patient", {}),
            ("Observation", {"status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/example"}}),
        ):
            body = json.dumps({"resourceType": kind, "id": "example", **more}).encode()
            made = urllib.request.Request(f"{base}/fhir/{kind}/example", body, authorization, method="PUT")
            urllib.request.urlopen(made, timeout=20).close()
        bounds = ["--max-time", str(SECONDS), "-n", "3", "--request-timeout", "20", "--generation-deterministic"]
        phases = ["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"]
        done = subprocess.run(
            [*st, "run", f"{base}/openapi.json", "-H", f"Authorization: Bearer {token}", "-c", CHECKS, *phases, *bounds],
            cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        tested = re.search(r"Test cases:\s+(\d+) generated", done.stdout)
        assert tested and int(tested[1]) > 500, done.stdout[-2000:]
        print(tested[0])
