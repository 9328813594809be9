"""/api/v1/tiss/files: files of any system checked and repaired; nothing is stored or sent."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.inflow import Inflow, TooMuch
from api.http.rejected import Rejected
from api.http.state import CallerDep, StateDep
from canonical.problem import Problem
from hub.billing.check import checking, uploads
from tiss.wire import files

router = APIRouter(prefix="/api/v1/tiss/files", tags=["TISS"])
LARGEST_UPLOAD = 64 * 1024 * 1024
LARGEST_STREAM = 1024 * 1024 * 1024
_STREAMS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="tiss-stream")
"""A thread each for large files: they wait for their senders, and may not keep other work waiting."""

_FINDING = {"code": "sum.total", "severity": "error", "where": "/…", "text": "…", "remedy": "…", "guide": "4711"}
_FILE = {
    "file": "lote.xml",
    "version": "4.03.00",
    "transaction": "ENVIO_LOTE_GUIAS",
    "ok": False,
    "guides": 1,
    "total": "25.41",
    "hash": {"stated": "…", "computed": "…", "encoding": "iso-8859-1"},
    "problems": [_FINDING],
}
_CHANGE = {"code": "sum.total", "kind": "total", "where": "/…", "title": "escreve o valor certo"}
_XML: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/xml": _XML}}}
_ZIPPED: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/xml": _XML, "application/zip": _XML}}
}
_CHECKED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": {"files": [_FILE]}}}},
    413: {"description": "larger than may be received"},
}
_REPAIRED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {
                "example": {**_FILE, "ok": True, "problems": [], "changes": [_CHANGE], "content": "PD94bWwgdmVyc2…"}
            },
            "application/xml": _XML,
        }
    },
    413: {"description": "larger than may be repaired at once"},
    422: {"description": "signed, or no readable message"},
}


async def begun(coming: AsyncIterator[bytes]) -> bytes:
    """What comes, until it ends or is more than LARGEST_UPLOAD."""
    return await _first(coming)


async def rest(received: bytes, coming: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What was received and what comes after it; raises Rejected (413) beyond LARGEST_STREAM."""
    size = len(received)
    yield received
    async for piece in coming:
        size += len(piece)
        if size > LARGEST_STREAM:
            raise _too_large(LARGEST_STREAM)
        yield piece


async def bounded(request: Request) -> bytes:
    """The body; raises Rejected (413) beyond LARGEST_UPLOAD."""
    received = await _first(request.stream())
    if len(received) > LARGEST_UPLOAD:
        raise _too_large(LARGEST_UPLOAD)
    return received


async def _first(coming: AsyncIterator[bytes]) -> bytes:
    """What comes, until it ends or is more than LARGEST_UPLOAD."""
    received = bytearray()
    async for piece in coming:
        received += piece
        if len(received) > LARGEST_UPLOAD:
            break
    return bytes(received)


def _too_large(limit: int) -> Rejected:
    return Rejected(413, [Problem("failure.too-large", args=(("limit", f"{limit // 1024 // 1024} MB"),))])


@router.post("", responses=_CHECKED, openapi_extra=_ZIPPED)
async def check_file(request: Request, state: StateDep, caller: CallerDep, name: str = "lote.xml") -> Response:
    """Findings of a TISS file (or each XML of a ZIP) made by any system. Nothing is stored or sent.

    A batch, statement or appeal beyond 64 MB is checked while it is received, up to 1 GB; a ZIP may have 64 MB.
    """
    caller.require("tiss/read", "tiss/write")
    shown = name[:120]
    coming = request.stream()
    received = await _first(coming)
    if len(received) <= LARGEST_UPLOAD:
        checked = await uploads.check(state.world, caller.tenant, shown, received)
        return json_answer({"files": [one.report.as_json(one.name) for one in checked]})
    if received.startswith(files.ZIPPED):
        raise _too_large(LARGEST_UPLOAD)
    body = Inflow(received, coming, LARGEST_STREAM)
    del received
    around = await uploads.circumstances(state.world, caller.tenant)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(_STREAMS, checking.report_of_large, body, around.profiles, around.today)
    except TooMuch:
        raise _too_large(LARGEST_STREAM) from None
    return json_answer({"files": [found.as_json(shown)]})


@router.post("/repair", responses=_REPAIRED, openapi_extra=_BODY)
async def repair_file(request: Request, state: StateDep, caller: CallerDep, name: str = "lote.xml") -> Response:
    """The file with every safe repair (`content`, in Base64), the changes made, and the findings that remain.

    With `Accept: application/xml` the repaired file alone. One XML of at most 64 MB; a signed one is refused, since any
    change breaks its signature. Nothing is stored or sent.
    """
    caller.require("tiss/read", "tiss/write")
    raw = await bounded(request)
    if raw.startswith(files.ZIPPED):
        raise Rejected(422, [Problem("repair.zip")])
    done = await uploads.repaired(state.world, caller.tenant, raw)
    if isinstance(done, Problem):
        raise Rejected(422, [done])
    if request.headers.get("accept", "").startswith("application/xml"):
        return Response(done.content, media_type="application/xml")
    changes = [change.as_json() for change in done.changes]
    content = base64.b64encode(done.content).decode("ascii")
    return json_answer({**done.report.as_json(name[:120]), "changes": changes, "content": content})
