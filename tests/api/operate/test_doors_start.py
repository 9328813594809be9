"""Doors that end while a hub starts: what is killed is started again, what refuses is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from api import supervisor
from api.supervisor import Hub
from canonical.errors import Misconfigured
from hub.settings import Settings

ENDS = [sys.executable, "-I", "-c"]


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 9)", "sys.exit(4)"])
def test_who_is_killed_at_the_start_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """A worker may die of the first message it meets; the doors are there all the same."""
    once = tmp_path / "once"
    script = f"import os, sys, time\nif os.path.exists({str(once)!r}): time.sleep(60)\nopen({str(once)!r}, 'w')\n{how}"
    hub = Hub(Settings(data=tmp_path), {})
    hub.settings.logs.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(supervisor, "_doors", lambda _: {"worker-1": [*ENDS, script]})
    started: list[int] = []
    monkeypatch.setattr(supervisor, "_answers", lambda _: len(started) > 1 and hub.children["worker-1"].poll() is None)
    real = supervisor._start
    monkeypatch.setattr(supervisor, "_start", lambda *given: (started.append(1), real(*given)))
    supervisor._start(hub, "worker-1", [*ENDS, script])
    try:
        if "exit" in how:
            with pytest.raises(Misconfigured, match="worker-1 did not start"):
                supervisor._await_ready(hub)
        else:
            supervisor._await_ready(hub)
            assert len(started) == 2
    finally:
        supervisor._stop_children(hub)
