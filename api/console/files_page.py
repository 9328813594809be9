"""The page `/console/files`: XML or ZIP files of any system are dropped, judged, and given back repaired.

Nothing is stored: to be repaired, a file travels with the page and comes back with the form.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from fastapi import APIRouter
from starlette.responses import Response

from api.console import forms, pages
from api.console.visit import Visit, VisitDep
from api.http.rejected import Rejected
from canonical.problem import Problem
from hub.billing.check import uploads
from tiss.checking.offers import offered
from tiss.checking.report import Report
from tiss.wire import files

router = APIRouter(include_in_schema=False, prefix="/console/files")
LARGEST = 64 * 1024 * 1024
LARGEST_RETURNED = 8 * 1024 * 1024
"""How large a file may be to travel with the page; beyond it the API and the command repair."""
MOST_SHOWN = 200
_LINE = re.compile(r"line (\d+)(?:, column (\d+))?\Z", re.ASCII)
_ORDER = ("error", "warning", "information")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One finding as the page shows it; `offer` is what would be repaired, `glosa` the code of table 38."""

    severity: str
    code: str
    guide: str
    where: str
    text: str
    remedy: str
    offer: str
    glosa: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One judged file: its report, its findings by severity (at most MOST_SHOWN), and how many were left out."""

    name: str
    report: Report
    lines: Sequence[Line]
    more: int

    @property
    def state(self) -> str:
        """`good`, `bad` or `unread`; empty for a ZIP, of which only something is said beside its members."""
        if not self.report.readable:
            return "unread"
        return ("good" if self.report.ok else "bad") if self.report.form else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A file that was dropped, with those judged in it; `returned`: its content in Base64 where it can be repaired."""

    name: str
    rows: Sequence[Row]
    returned: str


@router.get("")
async def look(visit: VisitDep) -> Response:
    """The page, with room to drop files."""
    return _page(visit)


@router.post("")
async def check(visit: VisitDep) -> Response:
    """The page with what is to be said of the files that came."""
    try:
        parts = await forms.parts_of(visit.request, LARGEST)
    except Rejected as error:
        return _page(visit, problem=error.problems[0].code, status=error.status)
    found = [await _checked(visit, part) for part in parts if part.name == "file" and part.file]
    return _page(visit, found=found, empty=not found)


async def _checked(visit: Visit, part: forms.Part) -> Shown:
    name, raw = _shown(part.file), bytes(part.content)
    rows = [_row(one, visit.words.language) for one in await uploads.check(visit.state.world, visit.tenant, name, raw)]
    return Shown(name=name, rows=rows, returned=_returned(raw, rows))


@router.post("/repaired")
async def repaired(visit: VisitDep) -> Response:
    """The file that travelled with the page, with every safe repair, as a download."""
    world, tenant = visit.state.world, visit.tenant
    try:
        fields = {part.name: bytes(part.content) for part in await forms.parts_of(visit.request, 2 * LARGEST_RETURNED)}
        raw = base64.b64decode(fields.get("content", b""), validate=True)
    except (Rejected, binascii.Error):
        return _page(visit, problem="failure.request", status=400)
    name = _shown(fields.get("name", b"").decode("utf-8", "replace")) or "lote.xml"
    if raw.startswith(files.ZIPPED):
        return _download(name, await uploads.repaired_zip(world, tenant, raw), "application/zip")
    done = await uploads.repaired(world, tenant, raw)
    if isinstance(done, Problem):
        return _page(visit, problem=done.code, status=422)
    return _download(name, done.content, "application/xml")


def _download(name: str, content: bytes, kind: str) -> Response:
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in name)
    headers = {**pages.HEADERS, "Content-Disposition": f'attachment; filename="corrigido-{plain}"'}
    return Response(content, 200, headers, kind)


def _row(one: uploads.Checked, language: str) -> Row:
    report = one.report
    ordered = sorted(report.problems, key=lambda problem: _ORDER.index(problem.severity))
    lines = [_line(problem, report, language) for problem in ordered[:MOST_SHOWN]]
    return Row(name=one.name, report=report, lines=lines, more=max(0, len(ordered) - MOST_SHOWN))


def _line(problem: Problem, report: Report, language: str) -> Line:
    offer = offered(problem)
    return Line(
        severity=problem.severity,
        code=problem.code,
        guide=report.guide(problem),
        where=_place(problem.where, language),
        text=problem.text(language),
        remedy=problem.remedy(language),
        offer=offer["title"] if offer is not None else "",
        glosa=dict(problem.args).get("glosa", ""),
    )


def _place(where: str, language: str) -> str:
    """A place as it is told in the language."""
    found = _LINE.match(where) if language == "pt" else None
    if found is None:
        return where
    return f"linha {found[1]}" + (f", coluna {found[2]}" if found[2] else "")


def _returned(raw: bytes, rows: Sequence[Row]) -> str:
    """The content to come back with the form; empty where no repair is safe, or the file is too large to travel."""
    signed = any(row.report.signatures for row in rows)
    if len(raw) > LARGEST_RETURNED or (signed and len(rows) == 1):
        return ""
    return base64.b64encode(raw).decode("ascii") if any(line.offer for row in rows for line in row.lines) else ""


def _shown(name: str) -> str:
    """The last part of a file's name as it may stand on a page."""
    last = PurePath(name.replace("\\", "/")).name
    return "".join(char if char.isprintable() else "?" for char in last)[:120]


def _page(
    visit: Visit, *, found: Sequence[Shown] = (), problem: str = "", empty: bool = False, status: int = 200
) -> Response:
    """The page with what was found, or what was wrong with the form."""
    return visit.page("files.html", status=status, found=found, problem=visit.told(problem), empty=empty)
