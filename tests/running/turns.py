"""Which of the processes side by side runs what: files by their measured seconds, longest first; whole hubs in one of them.

A file that takes a minute at the end would leave the other cores idle. A test that starts a whole hub takes two cores and
some are timed, so no two of them run at once. `turns.csv` has the seconds of files that take more than a few, measured on
two cores; it changes the order of the run, never its result.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@functools.cache
def turns() -> dict[str, tuple[float, bool]]:
    """Seconds of each listed file, and whether it runs whole hubs."""
    with (HERE / "turns.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: (float(row["seconds"]), row["hubs"] == "yes") for row in csv.DictReader(file)}


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0].removeprefix("tests/")


def _place(nodeid: str) -> tuple[bool, float]:
    seconds, hubs = turns().get(_file(nodeid), (0.0, False))
    return not hubs, -seconds


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Longest files first, hubs before all; only where several processes share the work."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """File by file in the order of the collection; the files with hubs are one piece of work."""
    from xdist.scheduler import LoadScopeScheduling

    class Turns(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = _file(nodeid)
            return "hubs" if turns().get(file, (0.0, False))[1] else file

        def _reschedule(self, node: Any) -> None:
            """As inherited; a process that got the last work is told so at once.

            It keeps back its last test until it hears of more or of the end, and one that replaces a process that
            died with little left would never hear of either.
            """
            super()._reschedule(node)
            if not self.workqueue and node in self.assigned_work and not node.shutting_down:
                node.shutdown()

        def remove_node(self, node: Any) -> str | None:
            """The test a process died in, which is not tried again; what it left goes to the others."""
            workload = self.assigned_work.pop(node)
            left = [(unit, nodeid) for unit in workload.values() for nodeid, done in unit.items() if not done]
            if not left:
                return None
            unit, died_in = left[0]
            unit[died_in] = True
            self.workqueue.update({scope: unit for scope, unit in workload.items() if not all(unit.values())})
            for other in self.assigned_work:
                self._reschedule(other)
            return died_in

    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Turns(config, log)
