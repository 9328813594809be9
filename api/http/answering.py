"""How routes answer with JSON of our own (decimals and dates as the records have them) and with sheets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from fhir import jsontext


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer whose body is `document` as JSON."""
    return Response(jsontext.text(document), status, dict(headers or {}), "application/json")


def csv_answer(content: bytes, name: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that a browser keeps as the file `name`, a sheet."""
    kept = {**(headers or {}), "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, 200, kept, "text/csv; charset=utf-8")
