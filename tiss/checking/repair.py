"""Safe repairs (`repairs.csv`): what follows from the rest of the message, or changes no meaning.

A repair never guesses: totals are sums of items that stand, the hash is the hash, texts lose only what ISO-8859-1 or
the length allowed cannot hold. What was changed is told by place and kind, never by content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from lxml import etree

from canonical.problem import Problem
from tiss.checking.offers import offered
from tiss.checking.report import Report, validate
from tiss.rules import texts
from tiss.rules.contract import Contract
from tiss.rules.identifiers import STATES
from tiss.schema import forms, misplaced
from tiss.tables.tables import Tables
from tiss.wire import build, epilogo, housing, message, shapes, soap
from tiss.wire.latin1 import fit
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE, SIGNATURE, installed

_NS = f"{{{NAMESPACE}}}"
_STEP = re.compile(r"([^\[\]/]+)(?:\[(\d+)\])?")
_ROUNDS = 4
_BY_WRITING = frozenset(("hash", "encoding", "namespace"))  # done with any other, when the message is written again
_ITEMS = tuple(
    _NS + name for name in ("procedimentoExecutado", "procedimentoRealizado", "despesa", "procedimentosExecutados")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One repair that was made: for which finding, where, and in words."""

    code: str
    kind: str
    where: str
    title: str

    def as_json(self) -> dict[str, str]:
        """The keys of the command-line answer."""
        return {"code": self.code, "kind": self.kind, "where": self.where, "title": self.title}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """The message after all safe repairs, what was changed, and the report on it."""

    content: bytes
    changes: tuple[Change, ...]
    report: Report


def repair(
    raw: bytes, *, tables: Tables | None, today: date | None = None, contract: Contract | None = None
) -> Repaired | Problem:
    """The message with every safe repair; a Problem when it cannot be read, or is signed."""
    raw, changes = _out_of_its_envelope(raw)
    report = validate(raw, tables=tables, today=today, contract=contract)
    for _ in range(_ROUNDS):
        work = _Work.begin(raw, report)
        if isinstance(work, Problem):
            return work
        for problem in report.problems:
            work.mend(problem)
        if not work.changes:
            break
        changes += work.changes
        raw = work.done()
        report = validate(raw, tables=tables, today=today, contract=contract)
    return Repaired(content=raw, changes=tuple(changes), report=report)


def _out_of_its_envelope(raw: bytes) -> tuple[bytes, list[Change]]:
    """A message that was saved together with its SOAP envelope, without it, and what that changed."""
    if not isinstance(message.read(raw), Problem):
        return raw, []
    body = soap.read(raw)
    if not isinstance(body, soap.Body) or isinstance(message.read(body.content), Problem):
        return raw, []
    return body.content, [Change(code="header.wrapper", kind="envelope", where="", title="mensagem tirada do envelope")]


class _Work:
    """One round of repairs on a parsed message."""

    def __init__(self, parsed: Tiss, version: str) -> None:
        self.changes: list[Change] = []
        self._root = parsed.root
        self._table = shapes.of(version, service=parsed.service) if version else None
        self._numbered: set[etree._Element] = set()

    @classmethod
    def begin(cls, raw: bytes, report: Report) -> _Work | Problem:
        """The message ready for repair; why it is not, otherwise."""
        if not report.readable:
            return report.problems[0]
        if "encoding.utf8-as-latin1" in {problem.code for problem in report.problems}:
            raw = re.sub(rb"encoding\s*=\s*(['\"])[^'\"]*\1", b'encoding="UTF-8"', raw, count=1)
        if any(problem.code.startswith("header.namespace") for problem in report.problems):
            raw = housing.of_bytes(raw) or raw
        parsed = message.read(raw)
        if isinstance(parsed, Problem):
            return parsed
        if next(parsed.root.iter(f"{{{SIGNATURE}}}*"), None) is not None:  # a service wraps it in a name of its own
            return Problem("repair.signed")
        return cls(parsed, parsed.version if parsed.version in installed() else "")

    def mend(self, problem: Problem) -> None:
        """Repair what a finding tells of, where that is safe."""
        known = offered(problem)
        if known is None:
            return
        if known["kind"] in _BY_WRITING or _MENDERS[known["kind"]](self, problem):
            self.changes.append(
                Change(code=problem.code, kind=known["kind"], where=problem.where, title=known["title"])
            )

    def done(self) -> bytes:
        """The message in ISO-8859-1 with its hash right, in an epilogue where it had none."""
        if next(self._root.iter(epilogo.HASH), None) is None:
            service = message.is_service(self._root)
            etree.SubElement(self._root if service else etree.SubElement(self._root, f"{_NS}epilogo"), epilogo.HASH)
        build.seal(self._root)
        return build.serialize(self._root)

    def at(self, where: str) -> etree._Element | None:
        """The element at a place; None when there is none."""
        node: etree._Element | None = None
        for name, number in _STEP.findall(where):
            if node is None:
                node = self._root
                continue
            twins = node.findall(_NS + name)
            index = int(number or 1) - 1
            if index >= len(twins):
                return None
            node = twins[index]
        return node

    def total(self, problem: Problem) -> bool:
        """Write the right amount, into the element or a new one at its place."""
        right = dict(problem.args).get("right", "")
        node = self.at(problem.where) if right else None
        if node is None and right:
            node = self._made(problem.where)
        if node is None:
            return False
        node.text = right
        return True

    def _made(self, where: str) -> etree._Element | None:
        """A new element at a place whose parent is there, in the order of the schema."""
        above, _, name = where.rpartition("/")
        parent = self.at(above)
        shape = self._shape(above)
        if parent is None or shape is None:
            return None
        order = [part.name for part in shape.parts]
        if name not in order:
            return None
        before = set(order[: order.index(name)])
        position = sum(etree.QName(child).localname in before for child in parent)
        made = etree.Element(_NS + name)
        parent.insert(position, made)
        return made

    def sequence(self, problem: Problem) -> bool:
        """Number all items of the guide 1, 2, 3 … in document order; links follow where their item is clear."""
        node = self.at(problem.where)
        guide = node
        while guide is not None and guide.getparent() is not None and not _is_guide(guide):
            guide = guide.getparent()
        if guide is None or guide in self._numbered:
            return False
        self._numbered.add(guide)
        numbers = [found for item in guide.iter(*_ITEMS) if (found := item.find(f"{_NS}sequencialItem")) is not None]
        was = [(found.text or "").strip() for found in numbers]
        for number, found in enumerate(numbers, start=1):
            found.text = str(number)
        for link in guide.iter(f"{_NS}itemVinculado"):
            text = (link.text or "").strip()
            if was.count(text) == 1:
                link.text = str(was.index(text) + 1)
        return True

    def change(self, problem: Problem, how: Callable[[str], str | None]) -> bool:
        """Change a leaf's text; False where it is gone or `how` knows no better."""
        node = self.at(problem.where)
        if node is None or len(node):
            return False
        text = epilogo.own_text(node)
        better = how(text)
        if better is None or better == text:
            return False
        node.text = better
        return True

    def cut(self, problem: Problem) -> bool:
        """Cut a free text to the length allowed, on a word."""
        limit = int(dict(problem.args)["limit"])
        return self.change(problem, lambda text: fit(text, limit))

    def _shape(self, where: str) -> shapes.Shape | None:
        path = re.sub(r"\[\d+\]", "", where).strip("/").split("/")
        return shapes.at(self._table, path) if self._table is not None else None

    def digits(self, problem: Problem) -> bool:
        """Take the punctuation out of a number whose type has none."""
        shape = self._shape(problem.where)
        return shape is not None and self.change(problem, lambda text: forms.bare(text, shape) or None)

    def zeros(self, problem: Problem) -> bool:
        """Give a number back the zeros it begins with."""
        wanted = int(dict(problem.args)["wanted"])
        return self.change(problem, lambda text: text.strip().zfill(wanted))

    def order(self, problem: Problem) -> bool:
        """Put the element and its brothers into the standard's order."""
        node = self.at(problem.where)
        parent = node.getparent() if node is not None else None
        shape = self._shape(problem.where.rpartition("/")[0])
        return parent is not None and shape is not None and misplaced.ordered(parent, shape)

    def rename(self, problem: Problem) -> bool:
        """Write the name of an element as the standard does, where nothing beside it has that name."""
        node, right = self.at(problem.where), _NS + dict(problem.args)["right"]
        parent = node.getparent() if node is not None else None
        if node is None or (parent is not None and parent.find(right) is not None):
            return False
        node.tag = right
        return True

    def attribute(self, problem: Problem) -> bool:
        """Take away attributes, which mean nothing in the standard."""
        node = self.at(problem.where)
        if node is None or not node.attrib:
            return False
        node.attrib.clear()
        return True

    def remove(self, problem: Problem) -> bool:
        """Take an empty optional element away."""
        node = self.at(problem.where)
        parent = node.getparent() if node is not None else None
        if node is None or parent is None or len(node) or (node.text or "").strip():
            return False
        parent.remove(node)
        return True


def _is_guide(node: etree._Element) -> bool:
    parent = node.getparent()
    return parent is not None and etree.QName(parent).localname == "guiasTISS"


def _plain(text: str) -> str:
    """A text without Windows-1252 and other characters beyond ISO-8859-1."""
    read = "".join(c.encode("latin-1").decode("cp1252", "replace") if "\x80" <= c <= "\x9f" else c for c in text)
    return fit(read)


_MENDERS: dict[str, Callable[[_Work, Problem], bool]] = {
    "total": _Work.total,
    "sequence": _Work.sequence,
    "cut": _Work.cut,
    "remove-empty": _Work.remove,
    "cid": lambda work, problem: work.change(problem, lambda text: text.replace(".", "").strip().upper()),
    "uf": lambda work, problem: work.change(problem, lambda text: STATES.get(text.strip().upper())),
    "latin1": lambda work, problem: work.change(problem, _plain),
    "time": lambda work, problem: work.change(problem, forms.hour),
    "date": lambda work, problem: work.change(problem, forms.day),
    "number": lambda work, problem: work.change(problem, lambda _: dict(problem.args).get("right")),
    "code": lambda work, problem: work.change(problem, lambda _: dict(problem.args).get("right")),
    "digits": _Work.digits,
    "zeros": _Work.zeros,
    "order": _Work.order,
    "rename": _Work.rename,
    "attribute": _Work.attribute,
    "trim": lambda work, problem: work.change(problem, str.strip),
    "twice": lambda work, problem: work.change(problem, texts.once),
}
