"""the main job on a scratch folder: a hospital's day from HL7 v2 to an answered TISS batch, every step checked"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.cli import output

if TYPE_CHECKING:
    from api.demo.step import Step


def arguments(parser: argparse.ArgumentParser) -> None:
    """How the figures are printed, and another seed for other data."""
    parser.add_argument("--json", action="store_true", help="one JSON object with all figures, nothing else")
    parser.add_argument(
        "--document", metavar="FILE", type=Path, help="write that object to FILE, beside what is printed"
    )
    parser.add_argument("--seed", type=int, help="other patients, same day")


def run(given: argparse.Namespace) -> int:
    """0 when every check of every step held, else 1."""
    from api.demo import run as demonstration
    from api.demo.screen import Screen
    from api.demo.steps import STEPS

    start = time.monotonic()
    screen = Screen(quiet=given.json)
    steps = demonstration.run(screen, seed=demonstration.SEED if given.seed is None else given.seed)
    complete = [step.name for step in steps[1:]] == [name for name, _, _ in STEPS]
    held = complete and all(step.held for step in steps)
    document = _document(steps, held=held, seconds=time.monotonic() - start)
    if given.document is not None:
        given.document.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    if given.json:
        output.line(document)
    else:
        _summary(steps, held=held, seconds=time.monotonic() - start)
    return 0 if held else 1


def _document(steps: list[Step], *, held: bool, seconds: float) -> dict[str, Any]:
    return {
        "ok": held,
        "seconds": round(seconds, 1),
        "checks": sum(len(step.checks) for step in steps),
        "failed": sum(not check.held for step in steps for check in step.checks),
        "steps": [step.as_json() for step in steps],
    }


def _summary(steps: list[Step], *, held: bool, seconds: float) -> None:
    output.say("")
    output.say("Summary / Resumo")
    for step in steps:
        label = step.name
        for name, value in step.figures.items():
            output.say(f"  {label:<11} {name.removesuffix(', cents'):<56} {_shown(name, value)}")
            label = ""
    checks = sum(len(step.checks) for step in steps)
    failed = sum(not check.held for step in steps for check in step.checks)
    ended = [step.name for step in steps if step.failure]
    output.say("")
    if held:
        output.say(f"{checks} checks in {seconds:.0f} s, every one held / tudo conferiu")
    else:
        reason = f"; ended in: {', '.join(ended)}" if ended else ""
        output.say(f"{failed} of {checks} checks did NOT hold / NÃO conferiu{reason} ({seconds:.0f} s)")


def _shown(name: str, value: Any) -> str:
    if name.endswith(", cents") and isinstance(value, int):
        whole, cents = divmod(value, 100)
        return f"R$ {whole:,}".replace(",", ".") + f",{cents:02d}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
    return str(value)
