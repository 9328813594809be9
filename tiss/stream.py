"""Checks batch files of any size in flat memory: guides are read, checked and let go a few at a time.

Each few guides are put into the message's own envelope and go through the same schema and rules as a small file. What
cannot be told this way is what the schema says of the number of guides (`table.too-many-guides` says it). A large file
that is no batch is refused: nothing bounds what it must hold at once.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Protocol

from lxml import etree

from canonical.problem import Problem
from tiss import alike, epilogo, message, shapes
from tiss.amounts import text as money
from tiss.broken import unreadable
from tiss.check import schema_problems
from tiss.contract import Contract
from tiss.message import LARGEST, Tiss, declared_encoding, declares_dtd
from tiss.report import Report, judged_by, numbered, told
from tiss.rules import fragments, header, items, marked, payer, texts
from tiss.rules.case import MOST, Findings, Given
from tiss.rules.hashes import Hash
from tiss.rules.identifiers import Checker
from tiss.rules.message import LARGEST_BATCH, body, screener
from tiss.rules.running import Running, of_text
from tiss.tables import Tables
from tiss.versions import NAMESPACE

AT_ONCE = 50
_NS = f"{{{NAMESPACE}}}"
_KINDS = tuple(
    _NS + kind for kind in ("guiaConsulta", "guiaSP-SADT", "guiaResumoInternacao", "guiaHonorarios", "guiaOdonto")
)
_GUIDE = re.compile(r"(/guiasTISS/[A-Za-z-]+)(?:\[(\d+)\])?")
_HEAD = 1024 * 1024
_TAIL = 64 * 1024


class Readable(Protocol):
    """What is needed of a file: to read on, and to go back to the start once."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""

    def seek(self, offset: int, /) -> int:
        """Go to a place."""


class _TooLarge(Exception):
    """More was read without the end of a guide than may be held at once."""


class _Tap:
    """Reads a file for the parser; looks at every byte on the way and stops what cannot be let go.

    `bulk` is the digest of all bytes but the last, which `tail` holds: the hash stands among them.
    """

    def __init__(self, file: Readable, latin: bool) -> None:
        self._file, self._latin = file, latin
        self.held = self.size = 0
        self.lies = self._high = False
        self._honest = False
        self._left = b""
        self.bulk = hashlib.md5(usedforsecurity=False)
        self.tail = b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes; raises _TooLarge."""
        piece = self._file.read(min(size, _HEAD) if size > 0 else _HEAD)
        self.size += len(piece)
        self.held += len(piece)
        if self.held > LARGEST:
            raise _TooLarge
        if self._latin and not self._honest:
            self._look(piece)
        cut = max(len(self.tail) + len(piece) - _TAIL, 0)
        whole = self.tail + piece
        self.bulk.update(whole[:cut])
        self.tail = whole[cut:]
        return piece

    def _look(self, piece: bytes) -> None:
        """Whether bytes declared as ISO-8859-1 are all UTF-8; a character cut in two waits for the next piece."""
        whole = self._left + piece
        cut = len(whole)
        while piece and cut and whole[cut - 1] >= 0x80 and len(whole) - cut < 4:
            cut -= 1
        self._left = whole[cut:]
        if re.search(rb"[\x80-\xff]", whole[:cut]):
            self._high = True
            self._honest = not texts.lies_utf8(whole[:cut])

    @property
    def utf8(self) -> bool:
        """Whether the file is UTF-8 under another name."""
        return self._high and not self._honest


@dataclass(slots=True, kw_only=True)
class _Run:
    """What is known so far of a file that is being read."""

    given: Given
    version: str
    envelope: Tiss
    before: str
    digest: hashlib._Hash | None
    recipes: Running
    encoding: str
    last: etree._Element | None = None
    guides: int = 0
    cents: int = 0
    seen: dict[tuple[str, ...], int] = field(default_factory=dict)
    told: dict[tuple[str, str], Problem] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    numbers: dict[int, str] = field(default_factory=dict)

    def tell(self, problems: list[Problem]) -> None:
        """Keep findings, each once, at most MOST of one code."""
        for problem in problems:
            key = (problem.code, problem.where)
            if key in self.told or problem.code == "more":
                continue
            self.counts[problem.code] += 1
            if self.counts[problem.code] <= MOST:
                self.told[key] = problem

    def all(self) -> list[Problem]:
        """The findings, with a note for each code that was cut off."""
        more = [(code, count) for code, count in self.counts.items() if count > MOST]
        notes = [
            Problem("more", "", args=(("code", code), ("count", str(count)), ("most", str(MOST))))
            for code, count in more
        ]
        return [*self.told.values(), *notes]


def validate(
    file: Readable,
    *,
    tables: Tables | None,
    today: date | None = None,
    contract_of: Callable[[Tiss], Contract] = lambda envelope: Contract(),
) -> Report:
    """The report on a large batch file; raises Misconfigured as `report.validate` does.

    `file` is read once from its start to its end after a look at the first MB. `contract_of` is asked once, with what
    stands around the guides.
    """
    head = file.read(_HEAD)
    file.seek(0)
    if declares_dtd(head):
        return Report(readable=False, problems=(Problem("encoding.dtd"),))
    encoding = declared_encoding(head)
    tap = _Tap(file, encoding in texts.LATIN)
    run: _Run | None = None
    guides: list[etree._Element] = []
    parser = etree.iterparse(tap, events=("end",), tag=_KINDS, huge_tree=True, resolve_entities=False, no_network=True)
    try:
        for _, guide in parser:
            tap.held = 0
            if run is None:
                run = _begin(
                    guide, encoding, Given(version="", tables=tables, today=today, contract=Contract()), contract_of
                )
            guides.append(guide)
            if len(guides) > AT_ONCE:
                _some(run, guides[:-1])
                del guides[:-1]
    except etree.XMLSyntaxError as error:
        why = unreadable(error, parser.error_log, head, encoding, whole=len(head) < _HEAD)
        return Report(readable=False, problems=(why,))
    except _TooLarge:
        limit = str(LARGEST // 1024 // 1024)
        return Report(readable=False, problems=(Problem("encoding.too-large", args=(("limit", limit),)),))
    if run is None:
        return Report(readable=False, problems=(Problem("header.namespace", "/"),))
    _some(run, guides)
    return _end(run, parser.root, tap)


def _begin(guide: etree._Element, encoding: str, given: Given, contract_of: Callable[[Tiss], Contract]) -> _Run:
    """The envelope of a message whose first guide has just been read: all that stands around the guides."""
    root = copy.deepcopy(guide.getroottree().getroot())
    box = next(root.iter(f"{_NS}guiasTISS"))
    for child in list(box):
        box.remove(child)
    _cut_after(box)
    service = message.is_service(root)
    holder = root if service else etree.SubElement(root, f"{_NS}epilogo")
    etree.SubElement(holder, epilogo.HASH).text = "0" * 32
    envelope = Tiss(root, encoding, service)
    given = replace(given, contract=contract_of(envelope))
    version, problems = judged_by(envelope, given.contract)
    registered = items.day(envelope.text("cabecalho/identificacaoTransacao/dataRegistroTransacao"))
    before = epilogo.leaf_text(root)
    agreed = given.contract.hash_encoding
    run = _Run(
        given=replace(given, version=version, registered=registered),
        version=version,
        envelope=envelope,
        before=before,
        digest=hashlib.md5(usedforsecurity=False),
        recipes=Running(encoding if agreed == "declared" else agreed),
        encoding=encoding if agreed == "declared" else agreed,
    )
    run.tell(problems)
    _hash(run, before)
    head = root.find(f"{_NS}cabecalho")
    inside = [] if head is None else list(epilogo.leaf_texts(head))
    run.recipes.add(inside, header=True)
    run.recipes.add(list(epilogo.leaf_texts(root))[len(inside) :])
    return run


def _cut_after(node: etree._Element) -> None:
    """Take away what the parser has read beyond an element: it belongs to the end of the message."""
    here: etree._Element | None = node
    while here is not None:
        here.tail = None
        for later in list(here.itersiblings()):
            later.getparent().remove(later)  # type: ignore[union-attr]  # a sibling has a parent
        here = here.getparent()


def _hash(run: _Run, text: str) -> None:
    if run.digest is not None:
        try:
            run.digest.update(text.encode(run.encoding))
        except (UnicodeEncodeError, LookupError):
            run.digest = None


def _behind(parts: list[str], length: int) -> list[str]:
    """The leaf texts behind the first `length` characters, which end with a text."""
    for position, part in enumerate(parts):
        if length <= 0:
            return parts[position:]
        length -= len(part)
    return []


def _some(run: _Run, guides: list[etree._Element]) -> None:
    """Check some guides inside the envelope, and let them go."""
    root = run.envelope.root
    box = next(root.iter(f"{_NS}guiasTISS"))
    for guide in guides:
        guide.tail = None
        box.append(guide)
    raw = etree.tostring(root, encoding="UTF-8", xml_declaration=False)
    part = Tiss(root, "utf-8", run.envelope.service)
    found, rules = Findings(run.given.contract.levels), Findings(run.given.contract.levels)
    held = fragments.pieces(part, raw)
    problems = alike.findings(held, run.version) if run.version else []
    read = fragments.extract(held, screener(run.given) if run.version and not problems else None)
    text = "".join(read.parts)
    _hash(run, text[len(run.before) :])
    run.recipes.add(_behind(read.parts, len(run.before)))
    texts.odd(root, text, found)
    if run.version and not problems:
        texts.edges(part, read.parts, run.version, found)
    if read.blanks(texts.may_be_blank(run.version, service=part.service) if run.version and not problems else None):
        table = shapes.of(run.version, service=part.service) if run.version else None
        texts.blanks(root.iter(), {problem.where for problem in problems}, table, found)
    Checker(run.version or part.version, found).all(read, lambda: marked.leaves(root))
    moved = [_moved(problem, run.guides) for problem in (*problems, *found.close())]
    run.tell(moved)
    read.whole.skipped = run.guides
    count, cents = body(read.whole, header.operator_of(part), run.given, run.seen, rules)
    ruled = rules.close()
    run.tell(ruled)
    run.numbers |= numbered(guides, (*moved, *ruled), run.guides)
    run.guides += count
    run.cents += cents
    run.last = guides[-1] if guides else run.last
    for guide in guides:
        box.remove(guide)


def _moved(problem: Problem, by: int) -> Problem:
    """A finding in a guide, counted from the beginning of the file."""
    where = _GUIDE.sub(lambda match: f"{match[1]}[{int(match[2] or 1) + by}]", problem.where)
    return problem if where == problem.where else replace(problem, where=where)


def _end(run: _Run, root: etree._Element, tap: _Tap) -> Report:
    """What can be said at the end only: hash, header, number of guides."""
    found = Findings(run.given.contract.levels)
    whole = Tiss(root, run.envelope.encoding, run.envelope.service)
    rest = epilogo.leaf_text(root)[len(run.before) :]
    _hash(run, rest)
    run.recipes.add([rest])
    stated, computed = epilogo.stated(root), run.digest.hexdigest() if run.digest is not None else ""
    where = _hash_place(root)
    if not computed:
        found.add("hash.uncomputable", where, encoding=run.encoding)
    elif not stated:
        found.add("hash.missing", where, computed=computed)
    elif stated.lower() != computed:
        recipe = run.recipes.name(stated) or of_text(stated, tap.bulk, tap.tail)
        code = f"hash.wrong.{recipe}" if recipe else "hash.wrong"
        found.add(code, where, computed=computed, encoding=run.encoding)
    if whole.encoding not in texts.LATIN:
        found.add("encoding.declared", "", encoding=whole.encoding)
    elif tap.utf8:
        found.add("encoding.utf8-as-latin1", "")
    header.version(whole, run.given, found)
    header.check(whole, run.given, found)
    payer.size(tap.size, run.given, found)
    if run.guides > LARGEST_BATCH:
        found.add("table.too-many-guides", "", count=run.guides)
    run.tell(found.close())
    run.tell(_around(whole, run))
    return Report(
        readable=True,
        version=whole.version,
        transaction=whole.transaction,
        form="service" if whole.service else "file",
        guides=run.guides,
        total=money(run.cents),
        hash=Hash(stated=stated, computed=computed, encoding=run.encoding),
        problems=told(run.all(), run.given.contract),
        numbers=run.numbers,
    )


def _around(whole: Tiss, run: _Run) -> list[Problem]:
    """What the schema says of all that stands around the guides, with one of them inside."""
    box = next(whole.root.iter(f"{_NS}guiasTISS"))
    if run.last is None or not run.version:
        return []
    box.append(run.last)
    return [problem for problem in schema_problems(whole, run.version) if "/guiasTISS/" not in problem.where]


def _hash_place(root: etree._Element) -> str:
    node = next(root.iter(epilogo.HASH), root)
    return message.place(node)
