"""Checks a message slice by slice while it is read, and lets go of what was checked.

A slice is a few portions (guides of a batch, guides of a statement's protocol) inside a copy of all that stands before
them; a ring (the protocol, the statement) is checked when it ends, with its last portion inside and the sums of those
that are gone.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from lxml import etree

from canonical.problem import Problem
from tiss.checking.repeats import Part
from tiss.checking.report import judged_by, numbered
from tiss.rules import fragments, header, items, marked, texts
from tiss.rules import message as rules
from tiss.rules.case import MOST, Findings, Given
from tiss.rules.contract import Contract
from tiss.rules.identifiers import Checker
from tiss.rules.layout import Unit
from tiss.rules.running import Running
from tiss.rules.runs import Extract
from tiss.schema import alike
from tiss.schema.check import schema_problems
from tiss.streams import walk
from tiss.streams.levels import Level, level_of
from tiss.streams.moves import Moves, Place, below
from tiss.streams.sums import Sums
from tiss.wire import epilogo, message, shapes, transactions
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE

AT_ONCE = 50
_NS = f"{{{NAMESPACE}}}"


@dataclass(slots=True, kw_only=True)
class _Ring:
    """What is known of the open ring of a level: its sums, the keys of its units, how many ended inside it."""

    sums: Sums
    seen: dict[tuple[str, ...], int]
    ended: int = 0


class Slices:
    """The state of a check: `begin` it with the first element that ends, give it each further one, `finish` it."""

    def __init__(self, given: Given, encoding: str, contract_of: Callable[[Tiss], Contract]) -> None:
        self.beside: Part | None = None
        self.given, self.declared = given, encoding
        self._contract_of = contract_of
        self.version = ""
        self.encoding = encoding
        self.guides = self.cents = 0
        self.total = ""
        self.numbers: dict[int, str] = {}
        self.last: etree._Element | None = None
        self.level: Level | None = None
        self.recipes = Running(encoding)
        self._digest: hashlib._Hash | None = hashlib.md5(usedforsecurity=False)
        self._told: dict[tuple[str, str], Problem] = {}
        self._counts: Counter[str] = Counter()
        self._pending: list[etree._Element] = []
        self._here: Place | None = None
        self._parent: etree._Element | None = None
        self._spent: list[etree._Element] = []
        self._mark: tuple[etree._Element, bool] | None = None  # the hash covers all before, or with True, up to its end
        self._rings: dict[int, _Ring] = {}

    # -- what ends -----------------------------------------------------------------------------------------------------

    def ended(self, node: etree._Element, level: Level) -> None:
        """An element of a level has been read whole."""
        if self._mark is None:
            self._begin(node)
        if not level.portion:
            self._close(node, level)
            return
        if self._pending and self._pending[0].getparent() is not node.getparent():
            self._slice(self._pending, level, ended=True)
        self._pending.append(node)
        self.level = level
        if len(self._pending) > AT_ONCE:
            self._slice(self._pending[:-1], level, ended=False)
            del self._pending[:-1]
            self._mark = (node, False)

    def finish(self, root: etree._Element) -> None:
        """The whole message has been read; the hash covers all of it."""
        if self._pending and self.level is not None:
            self._slice(self._pending, self.level, ended=True)
        self._hash(list(self._since(root)))

    def _begin(self, node: etree._Element) -> None:
        """Learn from what stands before the first portion how the message is judged."""
        root, _ = self._copy(node)
        envelope = Tiss(root, self.declared, message.is_service(root))
        given = replace(self.given, contract=self._contract_of(envelope))
        self.version, problems = judged_by(envelope, given.contract)
        registered = items.day(envelope.text("cabecalho/identificacaoTransacao/dataRegistroTransacao"))
        self.given = replace(given, version=self.version, registered=registered)
        agreed = given.contract.hash_encoding
        self.encoding = self.declared if agreed == "declared" else agreed
        self.recipes = Running(self.encoding)
        self.tell(problems)
        top = node.getroottree().getroot()
        head = top.find(f"{_NS}cabecalho")
        told = list(epilogo.leaf_texts(head)) if head is not None else []
        self._hash(told, header=True)
        self._hash(list(walk.until(node))[len(told) :])
        self._mark = (node, False)

    def outermost(self) -> str:
        """The path of what all that was checked and let go stood in: all further inside was told of already."""
        node, level = self.last, self.level
        if node is None:
            return ""
        if level is not None and not level.number:
            above = node.getparent()
            return "" if above is None else message.place(above) + "/"
        top = next((one for one in walk.ancestors(node) if (found := level_of(one)) and not found.number), node)
        return message.place(top)

    # -- findings ------------------------------------------------------------------------------------------------------

    def tell(self, problems: Iterable[Problem]) -> None:
        """Keep findings, each once, at most MOST of one code."""
        for problem in problems:
            key = (problem.code, problem.where)
            if key in self._told or problem.code == "more":
                continue
            self._counts[problem.code] += 1
            if self._counts[problem.code] <= MOST:
                self._told[key] = problem

    def forget(self, code: str) -> None:
        """Take back the findings of a code."""
        self._told = {key: problem for key, problem in self._told.items() if problem.code != code}
        self._counts.pop(code, None)

    def all(self) -> list[Problem]:
        """The findings, with a note for each code that was cut off."""
        more = [(code, count) for code, count in self._counts.items() if count > MOST]
        notes = [
            Problem("more", "", args=(("code", code), ("count", str(count)), ("most", str(MOST))))
            for code, count in more
        ]
        return [*self._told.values(), *notes]

    # -- the hash ------------------------------------------------------------------------------------------------------

    @property
    def hash(self) -> str:
        """The right hash of all that was read; empty where a text does not fit the encoding."""
        return self._digest.hexdigest() if self._digest is not None else ""

    def _hash(self, parts: list[str], *, header: bool = False) -> None:
        self.recipes.add(parts, header=header)
        if self._digest is not None:
            try:
                self._digest.update("".join(parts).encode(self.encoding))
            except (UnicodeEncodeError, LookupError):
                self._digest = None

    def _since(self, top: etree._Element) -> Iterable[str]:
        """The leaf texts from the mark to the end of an element."""
        return epilogo.leaf_texts(top) if self._mark is None else walk.since(self._mark, top)

    def _reach(self, node: etree._Element) -> None:
        """Hash what stands between the mark and an element, and let go of rings before it."""
        if self._mark is not None and self._mark[0] is not node:
            self._hash(list(walk.between(self._mark[0], node)))
        self._mark = (node, False)
        around = set(node.iterancestors())
        for ring in self._spent:
            above = ring.getparent()
            if above is not None and ring not in around:
                above.remove(ring)
        self._spent = []

    # -- slices --------------------------------------------------------------------------------------------------------

    def _copy(self, node: etree._Element) -> tuple[etree._Element, etree._Element]:
        """A message of what stands before an element, with room for a hash, and the element it would go into."""
        root, box = walk.around(node, self._spent)
        holder = root if message.is_service(root) else etree.SubElement(root, f"{_NS}epilogo")
        etree.SubElement(holder, epilogo.HASH).text = "0" * 32
        return root, box

    def _place(self, node: etree._Element, level: Level) -> Place:
        """Where an element of a level stands."""
        root, box = self._copy(node)
        path = message.place(box)
        inner = "/".join(level.path).rpartition("/")[0]
        body = path.removesuffix(f"/{inner}") if inner else path
        real = body
        for number, step in enumerate(level.path[: level.number]):
            real += f"/{step}[{self._ended(number) + 1}]"
        tail = level.step.rpartition("/")[0]
        return Place(
            message=Tiss(root, "utf-8", message.is_service(root)),
            box=box,
            before=epilogo.leaf_text(root),
            path=path,
            real=f"{real}/{tail}" if tail else real,
            outermost=f"{body}/{level.path[0]}" if level.number or not level.portion else "",
        )

    def _ended(self, number: int) -> int:
        """How many elements of a level have ended within the ring around it."""
        return self._ring(number - 1).ended

    def _ring(self, number: int) -> _Ring:
        return self._rings.setdefault(number, _Ring(sums=Sums(), seen={}))

    def _slice(self, portions: list[etree._Element], level: Level, *, ended: bool) -> None:
        """Check some portions and let them go; with `ended` no other follows, and the last one stays where it is."""
        first, last, parent = portions[0], portions[-1], portions[0].getparent()
        if self._mark is None or self._mark[0] is not first:
            self._reach(first)
        if self._parent is not parent or self._here is None:
            self._here, self._parent = self._place(first, level), parent
        here = self._here
        moved = [first, *first.itersiblings()]
        del moved[moved.index(last) + 1 :]
        for node in moved:
            here.box.append(copy.deepcopy(node) if ended and node is last else node)
            here.box[-1].tail = None
        self._check(here, level, len(portions))
        if ended:
            self._pending = []
            self._here = self._parent = None
            self._mark = (last, True)
        for node in list(here.box)[-len(moved) :]:
            here.box.remove(node)
        self.last = last

    def _check(self, here: Place, level: Level, count: int) -> None:
        part, given = here.message, self.given
        found, judged = Findings(given.contract.levels), Findings(given.contract.levels)
        raw = etree.tostring(part.root, encoding="UTF-8", xml_declaration=False)
        held = fragments.pieces(part, raw)
        wrong = alike.findings(held, self.version) if self.version else []
        rule = Moves(here, self._ended(level.number))
        if level.number:
            wrong = [problem for problem in wrong if rule.inside(problem)]
        read = fragments.extract(held, rules.screener(given) if self.version and not wrong else None)
        self._hash(_behind(read.parts, len(here.before)))
        self._texts(part, read, wrong, found)
        moved = [rule.moved(p) for p in (*wrong, *found.close()) if rule.ours(p)]
        self.tell(moved)
        self._judge(read.whole, level, judged)
        ruled = judged.close()
        self.tell(ruled)
        if not level.number:
            portions = list(here.box)[-count:]
            told = (*moved, *ruled, *self._beside(part, portions, rule))
            self.numbers |= numbered(portions, told, self._ended(0))
        self._ring(level.number - 1).ended += count

    def _beside(self, part: Tiss, guides: list[etree._Element], rule: Moves) -> list[Problem]:
        """What guides repeat of those before them, here and in other files."""
        if self.beside is None:
            return []
        found = Findings(self.given.contract.levels)
        self.beside.read(part, guides, self._ended(0), found)
        moved = [rule.moved(problem) for problem in found.close()]
        self.tell(moved)
        return moved

    def _texts(self, part: Tiss, read: Extract, wrong: list[Problem], found: Findings) -> None:
        """What texts and identifiers of a slice have wrong."""
        sound = bool(self.version) and not wrong
        texts.odd(part.root, "".join(read.parts), found)
        if sound:
            texts.edges(part, read.parts, self.version, found)
        if read.blanks(texts.may_be_blank(self.version, service=part.service) if sound else None):
            table = shapes.of(self.version, service=part.service) if self.version else None
            texts.blanks(part.root.iter(), {problem.where for problem in wrong}, table, found)
        Checker(self.version or part.version, found).all(read, lambda: marked.leaves(part.root))

    def _judge(self, whole: Unit, level: Level, found: Findings) -> None:
        """Run the rules over the portions of a slice."""
        if not level.number:
            whole.skipped = self._ended(0)
            count, cents = rules.body(whole, self._operator(), self.given, self._ring(-1).seen, found)
            self.guides += count
            self.cents += cents
            return
        ring = self._down(whole, level.number)
        if ring is None:
            return
        ring.skipped = self._ended(level.number)
        rules.inside(ring.rows, self.given, found)
        rules.twins(ring, self._ring(level.number - 1).seen, found)
        for unit in ring.rows:
            self._ring(level.number - 1).sums.add([unit, *unit.below()])

    def _operator(self) -> str:
        return header.operator_of(self._here.message) if self._here is not None else ""

    def _down(self, whole: Unit, depth: int) -> Unit | None:
        """The open ring's unit so many levels down, each told how many of its kind came before; None without one."""
        unit = whole
        for number in range(depth):
            unit.skipped = self._ended(number)
            if not unit.rows:
                return None
            unit = unit.rows[-1]
        return unit

    # -- rings ---------------------------------------------------------------------------------------------------------

    def _close(self, node: etree._Element, level: Level) -> None:
        """A ring has ended: check it with one portion inside, and what it sums up."""
        if self._pending and self.level is not None:
            self._slice(self._pending, self.level, ended=True)
        if self._mark is not None and self._mark[0] is not node and node not in self._mark[0].iterancestors():
            self._reach(node)
        self._hash(list(self._since(node)))
        self._mark = (node, True)
        self._spent = [ring for ring in self._spent if node not in ring.iterancestors()]
        self._check_ring(node, level)
        self._rings[level.number] = _Ring(sums=Sums(), seen={})
        self._ring(level.number - 1).ended += 1
        self._spent.append(node)
        self.last = node

    def _check_ring(self, node: etree._Element, level: Level) -> None:
        here = self._place(node, level)
        here.box.append(copy.deepcopy(node))
        here.box[-1].tail = None
        part, found, judged = here.message, Findings(self.given.contract.levels), Findings(self.given.contract.levels)
        rule = Moves(here, self._ended(level.number))
        wrong = schema_problems(part, self.version) if self.version else []
        wrong = [problem for problem in wrong if rule.own(problem, level)]
        held = fragments.pieces(part, etree.tostring(part.root, encoding="UTF-8", xml_declaration=False))
        read = fragments.extract(held)
        self._texts(part, read, wrong, found)
        self.tell(rule.moved(p) for p in (*wrong, *found.close()) if rule.own(p, level))
        whole = read.whole
        unit = self._down(whole, level.number + 1)
        if unit is not None:
            self._sum(unit, level, judged)
        if not level.number:
            header.named(whole, header.operator_of(part), judged)
            self.total = self.total or rules.total_of(transactions.body_of(part))
        self.tell(judged.close())

    def _sum(self, unit: Unit, level: Level, found: Findings) -> None:
        """Run the rules over a ring's own unit, with stand-ins for the units that are gone."""
        ring = self._ring(level.number)
        inner = {other.step for other in below(level)}
        others = [row for row in unit.rows if row.path not in inner]
        unit.rows = [*others, *ring.sums.units()]
        rules.alone(unit, self.given, found)
        unit.rows = others
        rules.inside(others, self.given, found)
        if level.number:
            self._ring(level.number - 1).sums.add([unit, *ring.sums.units(), *others])


def _behind(parts: list[str], length: int) -> list[str]:
    """The leaf texts behind the first `length` characters, which end with a text."""
    for position, part in enumerate(parts):
        if length <= 0:
            return parts[position:]
        length -= len(part)
    return []
