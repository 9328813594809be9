"""Files and fields of a form (multipart/form-data, RFC 7578), read in memory: no part is ever put into a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.http.rejected import Rejected
from api.routes.fhir.exchange import body_of
from canonical.problem import Problem

MOST_PARTS = 300


@dataclass(slots=True)
class Part:
    """One part of a form: the field's name, the file's (empty for a plain field), and the content."""

    name: str = ""
    file: str = ""
    content: bytearray = field(default_factory=bytearray)


async def parts_of(request: Request, most: int) -> list[Part]:
    """The parts of a form of at most `most` bytes; raises Rejected (400 for what is no such form, 413 beyond)."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise _no_form()
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]  # a TypedDict of ours
        parser.write(await body_of(request, most))
        parser.finalize()
    except MultipartParseError:
        raise _no_form() from None
    return reader.parts


def _no_form() -> Rejected:
    return Rejected(400, [Problem("failure.request", level="error")])


class _Reader:
    """Collects what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._header = (bytearray(), bytearray())

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self.parts[-1].content.extend(data[start:end]),
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._told,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise Rejected(413, [Problem("failure.too-large", args=(("limit", f"{MOST_PARTS} arquivos"),))])
        self.parts.append(Part())

    def _told(self) -> None:
        name, value = self._header
        self._header = (bytearray(), bytearray())
        if bytes(name).lower() != b"content-disposition":
            return
        _, options = parse_options_header(bytes(value))
        self.parts[-1].name = options.get(b"name", b"").decode("utf-8", "replace")
        self.parts[-1].file = options.get(b"filename", b"").decode("utf-8", "replace")
