"""benchmarks, each beside its floor measured in the same run"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from api.cli import output

if TYPE_CHECKING:
    from bench.measure import Measure


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which one (default: all) and how the figures are printed."""
    parser.add_argument("name", nargs="*", help="ingest, process, fhir-read, fhir-search, tiss-validate, sign …")
    parser.add_argument("--messages", type=int, default=0, help="how many messages pass (`memory`)")
    parser.add_argument("--json", action="store_true", help="one JSON object per figure")


def run(given: argparse.Namespace) -> int:
    """Run and print; the ratio is what counts."""
    from api.native import finder
    from bench import runner

    if not given.json:
        output.say(f"compiled modules: {'yes' if finder.started() else 'no'}")
    for name in given.name or runner.names():
        if not given.json:
            output.say(name)
        for measure in runner.run(name, given.messages):
            _print(measure, as_json=given.json)
    return 0


def _print(measure: Measure, *, as_json: bool) -> None:
    if as_json:
        output.line(measure.as_json())
        return
    figures = f"{measure.value:>12,.1f} {measure.unit:<14} floor {measure.floor:>12,.1f}"
    output.say(f"  {measure.name:<34}{figures}  ratio {measure.ratio:5.2f}  ({measure.floor_name})")
