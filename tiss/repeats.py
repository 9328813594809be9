"""What several batches bill twice: the same message, lot or guide again, or one item in two guides (glosas 1308, 3209).

Each file is right by itself; only side by side do they repeat each other. An item is the same when patient, code, day,
hour, tooth and, where guides name one, who performed it are: an item without its hour is compared with such only.
Materials and other expenses are used again and again on one day, and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lxml import etree

from canonical.problem import Problem
from tiss import epilogo
from tiss.contract import Contract
from tiss.message import Tiss, place
from tiss.message import read as read_message
from tiss.report import Report, numbered
from tiss.report import told as told_by
from tiss.rules.case import Findings, shown
from tiss.rules.header import operator_of
from tiss.versions import NAMESPACE

Key = tuple[str, ...]
_NS = f"{{{NAMESPACE}}}"
_LINES = tuple(
    _NS + name
    for name in ("procedimentoExecutado", "procedimentoRealizado", "procedimentosExecutados", "dadosAtendimento")
)
_CODED = ("procedimento", "procSolic")
_WHEN = ("dataExecucao", "dataRealizacao", "dataAtendimento")
_WHERE = ("codDente", "codRegiao", "denteFace")
_ACTED = ("grauParticipacao", "numeroConselhoProfissional")


@dataclass(frozen=True, slots=True)
class _Guide:
    """Where a guide that was read stands: its number and the name of its file."""

    number: str
    file: str


@dataclass(slots=True)
class Seen:
    """The batches read so far of one set of files."""

    _messages: dict[str, str] = field(default_factory=dict)
    _lots: dict[Key, str] = field(default_factory=dict)
    _guides: dict[Key, str] = field(default_factory=dict)
    _items: dict[Key, _Guide] = field(default_factory=dict)

    def told(self, file: str, message: Tiss, contract: Contract) -> list[Problem]:
        """What a batch repeats of itself and of those before it; nothing for other messages."""
        box = next(message.root.iter(f"{_NS}guiasTISS"), None)
        if box is None:
            return []
        found = Findings(contract.levels)
        stamp = epilogo.digest(epilogo.leaf_text(message.root), "utf-8")
        if stamp in self._messages:
            found.add("duplicate.file", "", file=self._messages[stamp])
            return found.close()
        self._messages[stamp] = file
        sides = (operator_of(message), "".join(_texts(message.find("cabecalho/origem"))))
        if self._lot(box, sides, file, found):
            return found.close()
        for position, guide in enumerate(box.iterchildren(etree.Element), start=1):
            self._guide(guide, position, sides, file, found)
        return found.close()

    def _lot(self, box: etree._Element, sides: Key, file: str, found: Findings) -> bool:
        """Whether the lot's number was used before: then it is the lot again, and its guides are too."""
        node = next(box.itersiblings(f"{_NS}numeroLote", preceding=True), None)
        lot = (node.text or "").strip() if node is not None else ""
        before = self._lots.setdefault((*sides, lot), file)
        if node is None or not lot or before == file:
            return False
        found.add("duplicate.lot", place(node), lot=shown(lot), file=before)
        return True

    def _guide(self, guide: etree._Element, position: int, sides: Key, file: str, found: Findings) -> None:
        node = next(guide.iter(f"{_NS}numeroGuiaPrestador"), None)
        number = (node.text or "").strip() if node is not None else ""
        before = self._guides.setdefault((*sides, number), file)
        if node is not None and number and before != file:  # twice in one file: the rules say so
            found.add("duplicate.guide.elsewhere", place(node), at=f"Guia {position}", guide=position, file=before)
            return
        for line, key in _items(guide, sides):
            other = self._items.setdefault(key, _Guide(number, file))
            if (other.number, other.file) == (number, file):
                continue
            code = "duplicate.billed" if other.file == file else "duplicate.billed.elsewhere"
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
    doctor = _first(guide, "numeroConselhoProfissional") if guide.tag == f"{_NS}guiaConsulta" else ""
    for line in guide.iter(*_LINES):
        coded = next((child for child in line if etree.QName(child).localname in _CODED), None)
        if coded is None:
            continue
        day = next((text for name in _WHEN if (text := _first(line, name))), "")
        code = _first(coded, "codigoProcedimento")
        if not (patient[0] and code and day):
            continue
        acted = (
            [text for name in _ACTED for text in _texts_of(line, name)] if guide.tag == f"{_NS}guiaHonorarios" else []
        )
        what = (*(_first(line, name) for name in _WHERE), _first(coded, "codigoTabela"), code)
        yield line, (*sides, *patient, doctor, *acted, day, _first(line, "horaInicial"), *what)


def _first(node: etree._Element, name: str) -> str:
    return next(_texts_of(node, name), "")


def _texts_of(node: etree._Element, name: str) -> Iterator[str]:
    return ((found.text or "").strip() for found in node.iter(_NS + name))


def _texts(node: etree._Element | None) -> Iterator[str]:
    return iter(()) if node is None else ((leaf.text or "").strip() for leaf in node.iter(etree.Element))


def _plain(number: str) -> str:
    """A guide's number as words may show it."""
    return number if number and all(char.isalnum() or char in "./-" for char in number) else "?"
