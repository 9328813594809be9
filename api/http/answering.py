"""How routes answer with JSON of our own: decimals and dates as the records have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from fhir import jsontext


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer whose body is `document` as JSON."""
    return Response(jsontext.text(document), status, dict(headers or {}), "application/json")
