"""Another implementation reads what we make: every resource of the HL7 cases and samples parses with fhir.resources (R4B).

It runs in an environment of its own, since the distribution owns our import name `fhir`. Skipped, with the reason, where
`uv` or the package index is absent.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import isolated
import pytest
from shared_files import samples

from api.hl7_reading import read_file

CASES = Path(__file__).resolve().parent.parent / "cases" / "hl7"
_READER = """
import json, sys
from fhir.resources.R4B import get_fhir_model_class
wrong = 0
for line in sys.stdin:
    resource = json.loads(line)
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except Exception as error:
        wrong += 1
        found = error.errors() if hasattr(error, "errors") else [{"loc": [type(error).__name__], "type": ""}]
        told = {f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in found}
        print(resource["resourceType"], sorted(told)[:5])
print("read", wrong)
"""


def resources() -> list[str]:
    """One JSON text for each resource, with decimals as they were written."""
    found = []
    for path in [*sorted(CASES.glob("*/in.hl7")), *sorted(samples("hl7").rglob("*.hl7"))]:
        for document in read_file(path.name, [path.read_bytes()], to="fhir", zone="America/Sao_Paulo"):
            entries = (document["bundle"] or {}).get("entry", [])
            found += [json.dumps(e["resource"], default=lambda n: float(bytes(n))) for e in entries]
    return found


@pytest.mark.slow
def test_another_reader_takes_every_resource() -> None:
    command = [isolated.uv(), "run", "--isolated", "--no-project", "--quiet", "--with", "fhir.resources==8.*", "python"]
    environment = isolated.environment()
    probe = subprocess.run(
        [*command, "-c", "import fhir.resources.R4B"],
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        timeout=120,
        check=False,
    )
    if probe.returncode:
        pytest.skip(f"fhir.resources cannot be installed here: {isolated.reason(probe.stderr)}")
    made = resources()
    read = subprocess.run(
        [*command, "-c", _READER],
        input="\n".join(made),
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        timeout=300,
        check=False,
    )
    assert len(made) > 1000 and read.stdout.strip() == "read 0", read.stdout[-3000:] or read.stderr[-1000:]
