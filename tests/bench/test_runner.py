"""Benchmarks are found by scan, and a figure never stands without its floor."""

from __future__ import annotations

import pytest
from lxml import etree

from bench import runner, tiss_build, tiss_validate, traffic
from bench.measure import Measure
from canonical.errors import Misconfigured
from hl7 import er7
from hl7.er7 import Message


def test_a_measure_has_the_six_keys_of_the_contract() -> None:
    measure = Measure(name="a", value=50.0, unit="messages/s", floor=200.0, floor_name="pgbench")
    assert list(measure.as_json()) == ["name", "value", "unit", "floor", "floor_name", "ratio"]
    assert measure.ratio == 0.25
    assert Measure(name="a", value=1, unit="x", floor=0, floor_name="none").ratio == 0.0


def test_benchmarks_are_found_by_scan() -> None:
    assert {"ingest", "process", "tiss-build"} <= set(runner.names())
    assert not {"measure", "runner", "traffic"} & set(runner.names())


def test_an_unknown_benchmark_is_named_with_the_known_ones() -> None:
    with pytest.raises(Misconfigured, match="ingest"):
        runner.run("nothing")


def test_traffic_is_sound_and_of_the_size_it_says() -> None:
    for template, low, high in ((traffic.admission, 1100, 1400), (traffic.laboratory, 5300, 6000)):
        payload = template("C1", "77")
        message = er7.read(payload)
        assert isinstance(message, Message) and not message.problems and message.control_id == "C1"
        assert low <= len(payload) <= high


def test_the_floor_of_tiss_build_writes_the_same_document() -> None:
    raw = tiss_validate.batch(3, "4.03.00")
    again = tiss_build._written(tiss_build._texts(raw))
    assert etree.tostring(etree.fromstring(raw), method="c14n") == etree.tostring(
        etree.fromstring(again), method="c14n"
    )
