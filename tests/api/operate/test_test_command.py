"""`./ponte test`: what it gives its processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from api.cli.test import compiled_once, side_by_side

OURS = str(Path(sys.prefix) / "compiled")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"A": "1"}, {"A": "1"}),
        ({"A": "1", "PYTHONDONTWRITEBYTECODE": "1"}, {"A": "1", "PYTHONPYCACHEPREFIX": OURS}),
        ({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": "/x"}, {"PYTHONPYCACHEPREFIX": "/x"}),
    ],
)
def test_compiled_code_is_kept_away_from_the_sources_where_it_may_not_be_beside_them(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    assert compiled_once(given) == expected


@pytest.mark.parametrize("words", [["tests/hl7"], ["-k", "x"], ["-n", "4"], ["--accept"]])
def test_a_choice_of_tests_runs_in_one_process(words: list[str]) -> None:
    assert side_by_side(words) == []


@pytest.mark.parametrize(("cores", "processes"), [(None, []), (1, []), (2, ["-n", "3"]), (8, ["-n", "3"])])
def test_the_whole_suite_runs_in_three_processes_where_there_are_two_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, processes: list[str]
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert side_by_side(["-q"])[:2] == processes
