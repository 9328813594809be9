"""What the demonstration shows: progress bars on a terminal, plain lines elsewhere, nothing with `--json`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from api.demo.step import Step

Advance = Callable[[int], None]


class Screen:
    """Shows steps as they begin, go on and end. `quiet` shows nothing: the caller prints one JSON object."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self._progress: Any = None
        self._task: Any = None

    def say(self, text: str) -> None:
        """A line for a person."""
        if not self.quiet:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def begin(self, step: Step) -> None:
        """A step begins."""
        if not self.quiet and not sys.stdout.isatty():
            self.say(f"… {step.title}")

    def bar(self, title: str, total: int) -> Advance:
        """A bar with a known end; the function returned moves it."""
        if self.quiet or not sys.stdout.isatty():
            return lambda done: None
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.end_bar()
        columns = (TextColumn("  {task.description:<44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, transient=True)
        self._progress.start()
        self._task = self._progress.add_task(title, total=total)
        return lambda done: self._progress.update(self._task, completed=done)

    def end_bar(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def end(self, step: Step) -> None:
        """A step ended: its outcome, its figures, and what did not hold."""
        self.end_bar()
        mark = "ok " if step.held else "NOT"
        self.say(f"{mark} {step.title}  ({step.seconds:.1f} s, {len(step.checks)} checks)")
        if step.failure:
            self.say(f"      failed: {step.failure}")
        for check in step.checks:
            if not check.held:
                self.say(f"      {check.name}: expected {check.expected}, found {check.found}")
