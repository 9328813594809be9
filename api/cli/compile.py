"""compile the modules that work on messages, which then take about half the time; needs a C compiler"""

from __future__ import annotations

import argparse
import time

from api.cli import output
from api.native import build, finder

_TOLD = {
    "used": "compiled modules are used",
    "off": f"compiled modules are switched off ({finder.SWITCH}=0)",
    "none": "nothing is compiled; ./ponte compile does it",
    "old": "the sources changed since they were compiled, and are used; ./ponte compile does it again",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """`--state` compiles nothing."""
    parser.add_argument("--state", action="store_true", help="only tell whether compiled modules are used, or why not")


def run(given: argparse.Namespace) -> int:
    """0 compiled (with --state: used), 1 with --state: not used, 4 this machine cannot compile."""
    if given.state:
        state = finder.state(build.FOLDER)
        output.say(_TOLD[state])
        return 0 if state == "used" else 1
    start = time.monotonic()
    wanted = build.chosen()
    build.build(wanted)
    build.install()
    output.say(f"compiled {len(wanted)} modules in {time.monotonic() - start:.0f} s; a process started now uses them")
    return 0
