"""one door as a process: doors (all), api, mllp, worker, scheduler, console; or the simulators of partners"""

from __future__ import annotations

import argparse
import os


def arguments(parser: argparse.ArgumentParser) -> None:
    """The door's name."""
    parser.add_argument("door", choices=["doors", "api", "mllp", "worker", "scheduler", "console", "simulators"])


def run(given: argparse.Namespace) -> int:
    """Serve until ended."""
    from api import serve
    from hub.settings import from_environment

    return serve.run(given.door, from_environment(os.environ))
