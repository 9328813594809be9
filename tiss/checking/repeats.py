"""What several batches bill twice: the same message, lot or guide again, or one item in two guides (glosas 1308, 3209).

Each file is right by itself; only side by side do they repeat each other. An item is the same when patient, code, day,
hour, tooth and, where guides name one, who performed it are: an item without its hour is compared with such only.
Materials and medicines are used again and again on one day: which expenses are the same says `expenses.csv` by their
kind. A diária is one a day, OPME has its reference, the others are the same with their hour, quantity and amount only.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from lxml import etree

from canonical.problem import Problem
from tiss.checking.report import Report, numbered
from tiss.checking.report import told as told_by
from tiss.rules.case import Findings, shown
from tiss.rules.contract import Contract
from tiss.rules.header import operator_of
from tiss.wire import epilogo
from tiss.wire.message import Tiss, place
from tiss.wire.message import read as read_message
from tiss.wire.versions import NAMESPACE

Key = tuple[str, ...]
_NS = f"{{{NAMESPACE}}}"
_LINES = tuple(
    _NS + name
    for name in ("procedimentoExecutado", "procedimentoRealizado", "procedimentosExecutados", "dadosAtendimento")
)
_EXPENSE = f"{_NS}despesa"
_CODED = ("procedimento", "procSolic")
_WHEN = ("dataExecucao", "dataRealizacao", "dataAtendimento")
_WHERE = ("codDente", "codRegiao", "denteFace")
_ACTED = ("grauParticipacao", "numeroConselhoProfissional")
_MOST_ITEMS = 2_000_000  # of which keys are remembered, some 100 bytes each


@dataclass(frozen=True, slots=True)
class _Guide:
    """Where a guide that was read stands: its number and the name of its file."""

    number: str
    file: str


@dataclass(slots=True)
class Seen:
    """The batches read so far of one set of files. Of guides and items only short digests are kept."""

    _messages: dict[str, str] = field(default_factory=dict)
    _lots: dict[Key, str] = field(default_factory=dict)
    _sequences: dict[Key, str] = field(default_factory=dict)
    _guides: dict[int, str] = field(default_factory=dict)
    _items: dict[int, _Guide] = field(default_factory=dict)

    def told(self, file: str, message: Tiss, contract: Contract) -> list[Problem]:
        """What a batch repeats of itself and of those before it; nothing for other messages."""
        box = next(message.root.iter(f"{_NS}guiasTISS"), None)
        if box is None:
            return []
        found = Findings(contract.levels)
        if self.again(file, epilogo.digest(epilogo.leaf_text(message.root), "utf-8"), found):
            return found.close()
        part = Part(self, file)
        part.read(message, list(box.iterchildren(etree.Element)), 0, found)
        return found.close()

    def again(self, file: str, stamp: str, found: Findings) -> bool:
        """duplicate.file: whether a message with this digest of its texts was read before."""
        before = self._messages.get(stamp)
        if before is None:
            self._messages[stamp] = file
            return False
        found.add("duplicate.file", "", file=before)
        return True

    def lot(self, number: str, sides: Key, file: str) -> str:
        """The file that used a lot's number before; empty when none did."""
        before = self._lots.setdefault((*sides, number), file)
        return before if number and before != file else ""

    def sequence(self, number: str, sides: Key, file: str) -> str:
        """The file that used a sequencialTransacao before; empty when none did."""
        before = self._sequences.setdefault((*sides, number), file)
        return before if number and before != file else ""

    def guide(self, number: str, sides: Key, file: str) -> str:
        """The file that has a guide of this number already; empty when none has."""
        before = self._guides.setdefault(_short((*sides, number)), file)
        return before if number and before != file else ""

    def item(self, key: Key, here: _Guide) -> _Guide | None:
        """The other guide that holds an item; None when none does."""
        short = _short(key)
        if short not in self._items and len(self._items) >= _MOST_ITEMS:
            return None
        other = self._items.setdefault(short, here)
        return other if (other.number, other.file) != (here.number, here.file) else None


def _short(key: Key) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(key).encode(), digest_size=8).digest(), "big")


class Part:
    """One file that is read beside those before it, in one piece or some guides at a time."""

    def __init__(self, seen: Seen, file: str) -> None:
        self._seen, self._file = seen, file
        self._sides: Key | None = None
        self._again = False

    def read(self, message: Tiss, guides: Sequence[etree._Element], before: int, found: Findings) -> None:
        """Compare guides of a batch, of which so many came before; `message` is all that stands around them."""
        if self._sides is None:
            self._sides = (operator_of(message), "".join(_texts(message.find("cabecalho/origem"))))
            self._again = self._lot(guides, self._sides, found)
            if not self._again:
                self._sequence(message, self._sides, found)
        if self._again:  # the lot again, and its guides are too
            return
        for position, guide in enumerate(guides, start=before + 1):
            self._guide(guide, position, self._sides, found)

    def end(self, stamp: str, found: Findings) -> bool:
        """Whether the file, read to its end, is one that was read before."""
        return self._seen.again(self._file, stamp, found)

    def _lot(self, guides: Sequence[etree._Element], sides: Key, found: Findings) -> bool:
        box = guides[0].getparent() if guides else None
        node = next(box.itersiblings(f"{_NS}numeroLote", preceding=True), None) if box is not None else None
        lot = (node.text or "").strip() if node is not None else ""
        before = self._seen.lot(lot, sides, self._file)
        if node is not None and before:
            found.add("duplicate.lot", place(node), lot=shown(lot), file=before)
        return bool(before)

    def _sequence(self, message: Tiss, sides: Key, found: Findings) -> None:
        """duplicate.transaction: the number of a transaction that another one has, of another lot."""
        node = message.find("cabecalho/identificacaoTransacao/sequencialTransacao")
        number = (node.text or "").strip() if node is not None else ""
        before = self._seen.sequence(number, sides, self._file)
        if node is not None and before:
            found.add("duplicate.transaction", place(node), number=shown(number), file=before)

    def _guide(self, guide: etree._Element, position: int, sides: Key, found: Findings) -> None:
        node = next(guide.iter(f"{_NS}numeroGuiaPrestador"), None)
        number = (node.text or "").strip() if node is not None else ""
        before = self._seen.guide(number, sides, self._file)
        if node is not None and before:  # twice in one file: the rules say so
            found.add("duplicate.guide.elsewhere", place(node), at=f"Guia {position}", guide=position, file=before)
            return
        here = _Guide(number, self._file)
        for line, key in _items(guide, sides):
            other = self._seen.item(key, here)
            if other is None:
                continue
            code = "duplicate.billed" if other.file == self._file else "duplicate.billed.elsewhere"
            args = {"code": shown(key[-1]), "number": _plain(other.number), "file": other.file}
            found.add(code, place(line), at=f"Guia {position}", guide=position, **args)


def beside(seen: Seen, file: str, content: bytes, report: Report, contract: Contract) -> Report:
    """The report on a file with what its batch repeats of itself and of the files before it."""
    read = read_message(content) if report.guides else None
    if not isinstance(read, Tiss):
        return report
    told = told_by(seen.told(file, read, contract), contract)
    box = next(read.root.iter(f"{_NS}guiasTISS"), None)
    guides = list(box.iterchildren(etree.Element)) if box is not None and told else []
    return replace(report, problems=(*report.problems, *told), numbers={**report.numbers, **numbered(guides, told)})


def _items(guide: etree._Element, sides: Key) -> Iterator[tuple[etree._Element, Key]]:
    """The lines of a guide with what makes each the same as another; none without patient, code and day."""
    patient = (_first(guide, "numeroCarteira"), _first(guide, "atendimentoRN"))
    if not patient[0]:
        return
    doctor = _first(guide, "numeroConselhoProfissional") if guide.tag == f"{_NS}guiaConsulta" else ""
    for line in guide.iter(*_LINES):
        coded = next((child for child in line if etree.QName(child).localname in _CODED), None)
        if coded is None:
            continue
        day = next((text for name in _WHEN if (text := _first(line, name))), "")
        code = _first(coded, "codigoProcedimento")
        if not (code and day):
            continue
        acted = (
            [text for name in _ACTED for text in _texts_of(line, name)] if guide.tag == f"{_NS}guiaHonorarios" else []
        )
        what = (*(_first(line, name) for name in _WHERE), _first(coded, "codigoTabela"), code)
        yield line, (*sides, *patient, doctor, *acted, day, _first(line, "horaInicial"), *what)
    for line in guide.iter(_EXPENSE):
        key = _expense(line)
        if key:
            yield line, (*sides, *patient, *key)


@cache
def _marks() -> dict[str, tuple[tuple[str, ...], frozenset[str]]]:
    """By codigoDespesa: the elements that make an expense the same as another, and those it must have."""
    with Path(__file__).with_name("expenses.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["expense"]: (tuple(row["same"].split()), frozenset(row["asked"].split()))
            for row in csv.DictReader(file)
        }


def _expense(line: etree._Element) -> Key:
    """What makes an expense the same as another; empty for one that cannot be told from a second use on its day."""
    kind = _first(line, "codigoDespesa")
    same, asked = _marks().get(kind, ((), frozenset()))
    texts = {name: _first(line, name) for name in (*same, "codigoProcedimento")}
    if not same or not all(texts[name] for name in (*asked, "codigoProcedimento")):
        return ()
    return (kind, *(texts[name] for name in same), texts["codigoProcedimento"])


def _first(node: etree._Element, name: str) -> str:
    return next(_texts_of(node, name), "")


def _texts_of(node: etree._Element, name: str) -> Iterator[str]:
    return ((found.text or "").strip() for found in node.iter(_NS + name))


def _texts(node: etree._Element | None) -> Iterator[str]:
    return iter(()) if node is None else ((leaf.text or "").strip() for leaf in node.iter(etree.Element))


def _plain(number: str) -> str:
    """A guide's number as words may show it."""
    return number if number and all(char.isalnum() or char in "./-" for char in number) else "?"
