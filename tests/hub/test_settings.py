"""Settings that are worked out from others."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.settings import Settings


@pytest.mark.parametrize(
    ("host", "public", "told"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8080"),
        ("0.0.0.0", "", "http://127.0.0.1:8080"),
        ("::", "", "http://127.0.0.1:8080"),
        ("2001:db8::7", "", "http://[2001:db8::7]:8080"),
        ("hub.hospital.example", "", "http://hub.hospital.example:8080"),
        ("0.0.0.0", "https://hub.hospital.example", "https://hub.hospital.example"),
    ],
)
def test_links_carry_an_address_that_can_be_called(host: str, public: str, told: str) -> None:
    assert Settings(data=Path("data"), host=host, public_url=public, http_port=8080).base_url == told
