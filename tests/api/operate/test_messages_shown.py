"""What `messages find` prints of a finding."""

from __future__ import annotations

import pytest

from api.cli.messages import finding


@pytest.mark.parametrize("where", ["MSH", "OBX#12-5", "PID#3-11[2].9.1", "OBX#1204-5[12].3"])
def test_a_place_of_any_length_stands_apart_from_the_code(where: str) -> None:
    line = finding({"severity": "information", "where": where, "code": "code.own", "text": "x"})
    assert line.split() == ["information", where, "code.own:", "x"]
