"""Ports for servers: free, and of those that nobody is given who names none."""

from __future__ import annotations

import contextlib
import socket

import pytest

from canonical.errors import Misconfigured
from hub.servers import process


def test_a_port_is_free_and_outside_what_systems_give_away() -> None:
    found = {process.free_port() for _ in range(200)}
    assert len(found) > 150 and min(found) >= 10_240 and max(found) < 32_768
    with contextlib.closing(socket.create_server(("127.0.0.1", next(iter(found))))):
        pass


def test_taken_ports_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", process.free_port()))) as taken:
        port = taken.getsockname()[1]
        other = process.free_port()
        drawn = iter([port, port, other])
        monkeypatch.setattr(process.secrets, "randbelow", lambda below: next(drawn) - process.FIRST_PORT)
        assert process.free_port() == other
        monkeypatch.setattr(process.secrets, "randbelow", lambda below: port - process.FIRST_PORT)
        with pytest.raises(Misconfigured, match="no free port"):
            process.free_port()
        with pytest.raises(OSError):
            process.free_port("192.0.2.1")
