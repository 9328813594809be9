"""The official R4 examples (npm hl7.fhir.r4.examples 4.0.1, CC0), which are not committed: where they stand, or a skip.

`PONTE_R4_EXAMPLES` names the unpacked `package` folder. Without it `.ponte/cache/r4-examples` is used, and filled by
`npm pack` when `PONTE_FETCH` is set.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import isolated
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "hl7.fhir.r4.examples@4.0.1"
ALL = bool(os.environ.get("PONTE_R4_ALL"))

# The official examples that break a constraint of severity error, verified one by one.
BREAKING = {
    **{f"StructureDefinition-{name}.json": "sdf-4" for name in ("Definition", "Event", "FiveWs", "Request")},  # no base
    **dict.fromkeys(
        (
            "ActivityDefinition-blood-tubes-supply.json",
            "ActivityDefinition-heart-valve-replacement.json",
            "EventDefinition-example.json",
            "Questionnaire-zika-virus-exposure-assessment.json",
        ),
        "txt-1",
    ),  # a narrative of blanks
    "Bundle-dataelements.json": "bdl-7",  # the same fullUrl three times
}


def folder() -> Path:
    """The folder of the examples; skips the test where they are not here."""
    stated = os.environ.get("PONTE_R4_EXAMPLES")
    if stated:
        return Path(stated)
    cache = ROOT / ".ponte" / "cache" / "r4-examples"
    if not (cache / "package").is_dir() and os.environ.get("PONTE_FETCH"):
        _fetch(cache)
    if not (cache / "package").is_dir():
        pytest.skip(f"the package {PACKAGE} is not here: set PONTE_R4_EXAMPLES to its folder, or PONTE_FETCH=1")
    return cache / "package"


def _fetch(cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        return
    cache.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([npm, "pack", PACKAGE, "--silent"], cwd=cache, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        with tarfile.open(cache / done.stdout.split()[-1]) as archive:
            archive.extractall(cache, filter="data")


def evaluated(examples: Path, step: int) -> list[str]:
    """What another engine finds in every `step`-th example by search parameters, one JSON line each."""
    return told(examples, "evaluate.py", step)


def told(examples: Path, program: str, step: int) -> list[str]:
    """What a program of `tests/oracles/fhir` tells of every `step`-th example; skips where it cannot run."""
    script = ROOT / "tests" / "oracles" / "fhir" / program
    command = [isolated.uv(), "run", "--isolated", "--no-project", "--with", "fhirpathpy==2.2.4", "python", str(script)]
    done = subprocess.run(
        [*command, str(examples), str(step)], env=isolated.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the other engine did not run: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.splitlines()
