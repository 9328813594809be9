"""Checks files of any size in flat memory: guides, or what a statement tells of them, are read, checked and let go.

What can be so long is in `streams/levels.csv`. Each few portions are put into the message's own envelope and go through
the same schema and rules as a small file. What cannot be told this way is what the schema says of their number
(`table.too-many-guides` says it of guides). A large file of another kind is refused: nothing bounds what it must hold
at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from lxml import etree

from canonical.problem import Problem
from tiss.checking.repeats import Part
from tiss.checking.report import Report, told
from tiss.rules import header, payer, texts
from tiss.rules.case import Findings, Given
from tiss.rules.contract import Contract
from tiss.rules.hashes import Hash
from tiss.rules.message import LARGEST_BATCH
from tiss.rules.running import of_text
from tiss.schema.check import schema_problems
from tiss.streams.levels import level_of, tags
from tiss.streams.slices import Slices
from tiss.streams.tap import HEAD, Readable, Tap, TooLarge
from tiss.tables.tables import Tables
from tiss.wire import epilogo, message
from tiss.wire.amounts import text as money
from tiss.wire.broken import unreadable
from tiss.wire.message import LARGEST, Tiss, declared_encoding, declares_dtd

__all__ = ["Readable", "validate"]


def validate(
    file: Readable,
    *,
    tables: Tables | None,
    today: date | None = None,
    contract_of: Callable[[Tiss], Contract] = lambda envelope: Contract(),
    beside: Part | None = None,
) -> Report:
    """The report on a large file; raises Misconfigured as `report.validate` does.

    `file` is read once from its start to its end after a look at the first MB. `contract_of` is asked once, with what
    stands before the first guide. `beside` compares its guides with each other and with those of other files.
    """
    head = file.read(HEAD)
    file.seek(0)
    if declares_dtd(head):
        return Report(readable=False, problems=(Problem("encoding.dtd"),))
    encoding = declared_encoding(head)
    tap = Tap(file, encoding in texts.LATIN)
    slices = Slices(Given(version="", tables=tables, today=today, contract=Contract()), encoding, contract_of)
    slices.beside = beside
    parser = etree.iterparse(
        tap, events=("end",), tag=tags(), huge_tree=True, resolve_entities=False, no_network=True,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        for _, node in parser:
            level = level_of(node)
            if level is not None:
                tap.held = 0
                slices.ended(node, level)
    except etree.XMLSyntaxError as error:
        why = unreadable(error, parser.error_log, head, encoding, whole=len(head) < HEAD)
        return Report(readable=False, problems=(why,))
    except TooLarge:
        limit = str(LARGEST // 1024 // 1024)
        return Report(readable=False, problems=(Problem("encoding.too-large", args=(("limit", limit),)),))
    if slices.level is None and slices.last is None:
        return Report(readable=False, problems=(Problem("header.namespace", "/"),))
    slices.finish(parser.root)
    return _end(slices, Tiss(parser.root, encoding, message.is_service(parser.root)), tap)


def _end(slices: Slices, whole: Tiss, tap: Tap) -> Report:
    """What can be said at the end only: hash, header, number of guides."""
    given = slices.given
    found = Findings(given.contract.levels)
    stamp = Hash(stated=epilogo.stated(whole.root), computed=slices.hash, encoding=slices.encoding)
    _stamp(stamp, slices, whole, tap, found)
    if whole.encoding not in texts.LATIN:
        found.add("encoding.declared", "", encoding=whole.encoding)
    elif tap.utf8:
        found.add("encoding.utf8-as-latin1", "")
    header.version(whole, given, found)
    header.check(whole, given, found)
    payer.size(tap.size, given, found)
    if slices.guides > LARGEST_BATCH:
        found.add("table.too-many-guides", "", count=slices.guides)
    if slices.beside is not None and slices.guides and slices.beside.end(slices.recipes.digest("utf-8"), found):
        slices.forget("duplicate.lot")  # the whole file again
    slices.tell(found.close())
    slices.tell(_around(whole, slices))
    return Report(
        readable=True,
        version=whole.version,
        transaction=whole.transaction,
        form="service" if whole.service else "file",
        guides=slices.guides,
        total=slices.total or money(slices.cents),
        hash=stamp,
        problems=told(slices.all(), given.contract),
        numbers=slices.numbers,
    )


def _stamp(stamp: Hash, slices: Slices, whole: Tiss, tap: Tap, found: Findings) -> None:
    """hash.*"""
    where = message.place(next(whole.root.iter(epilogo.HASH), whole.root))
    if not stamp.computed:
        found.add("hash.uncomputable", where, computed="", encoding=stamp.encoding)
    elif not stamp.stated:
        found.add("hash.missing", where, computed=stamp.computed)
    elif stamp.stated.lower() != stamp.computed:
        recipe = slices.recipes.name(stamp.stated) or of_text(stamp.stated, tap.bulk, tap.tail)
        code = f"hash.wrong.{recipe}" if recipe else "hash.wrong"
        found.add(code, where, computed=stamp.computed, encoding=stamp.encoding)


def _around(whole: Tiss, slices: Slices) -> list[Problem]:
    """What the schema says of all that stands around the outermost of what was let go, with one of them inside."""
    told = slices.outermost()
    if not told or not slices.version:
        return []
    return [problem for problem in schema_problems(whole, slices.version) if not problem.where.startswith(told)]
