"""The official R4 examples and expansions (npm, CC0), which are not committed: where they stand, or a skip.

`PONTE_R4_EXAMPLES` and `PONTE_R4_EXPANSIONS` name the unpacked `package` folders. Without them `.ponte/cache` is used, and
filled by `npm pack` when `PONTE_FETCH` is set.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
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
    return _package(PACKAGE, "PONTE_R4_EXAMPLES")


def expansions() -> Path:
    """The folder of the published expansions (npm hl7.fhir.r4.expansions 4.0.1), found and skipped likewise."""
    return _package("hl7.fhir.r4.expansions@4.0.1", "PONTE_R4_EXPANSIONS")


def _package(name: str, variable: str) -> Path:
    stated = os.environ.get(variable)
    if stated:
        return Path(stated)
    cache = ROOT / ".ponte" / "cache" / name.replace("hl7.fhir.", "").replace("@", "-")
    if not (cache / "package").is_dir() and os.environ.get("PONTE_FETCH"):
        _fetch(name, cache)
    if not (cache / "package").is_dir():
        pytest.skip(f"the package {name} is not here: set {variable} to its folder, or PONTE_FETCH=1")
    return cache / "package"


def _fetch(name: str, cache: Path) -> None:
    """Fill the cache, whole or not at all: several processes of one run may ask at once."""
    npm = shutil.which("npm")
    if npm is None:
        return
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as made:
        done = subprocess.run([npm, "pack", name, "--silent"], cwd=made, capture_output=True, text=True, check=False)
        if done.returncode:
            return
        with tarfile.open(Path(made) / done.stdout.split()[-1]) as archive:
            safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # 3.11.4 and later
            archive.extractall(Path(made) / "whole", **safe)
        with contextlib.suppress(OSError):  # another was first
            (Path(made) / "whole").rename(cache)


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
