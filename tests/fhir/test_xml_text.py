"""FHIR XML that costs more than it says is refused before it is read."""

from __future__ import annotations

import time

import pytest

from canonical.problem import Problem
from fhir import xmltext

MANY = " ".join(f'a{number:x}=""' for number in range(40_000))


@pytest.mark.parametrize("inside", ["", "<name><given value='Ana'/></name>"])
def test_many_attributes_are_refused_before_they_are_read(inside: str) -> None:
    """They took the square of their number: 3.6 s of the processor for a third of a megabyte."""
    element = f"<contact {MANY}/>" if inside else ""
    own = "" if inside else MANY
    raw = f'<Patient xmlns="{xmltext.NAMESPACE}" {own}>{inside}{element}</Patient>'.encode()
    began = time.thread_time()
    found = xmltext.parse(raw)
    assert isinstance(found, Problem) and found.code == "fhir.xml.attributes"
    assert time.thread_time() - began < 1


def test_the_attributes_of_fhir_pass() -> None:
    place = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir fhir.xsd"'
    found = xmltext.parse(f'<Patient xmlns="{xmltext.NAMESPACE}" {place}><active value="true"/></Patient>'.encode())
    assert not isinstance(found, Problem) and found["active"] is True
