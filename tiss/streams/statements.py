"""Statements of any size, read while they come: a protocol at a time, or a payment statement as a whole.

What has been read is let go; of a protocol its guides are, one by one, and what they tell is kept until it ends. The
hash is that of all that came, by each encoding an operator can have used.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from canonical.problem import Problem
from tiss.answers import payments, replies
from tiss.answers import values as answers
from tiss.streams import walk
from tiss.streams.levels import level_of
from tiss.wire import epilogo
from tiss.wire.broken import other_kind, unreadable
from tiss.wire.message import LARGEST, declared_encoding, declares_dtd, place
from tiss.wire.reading import Reader, value
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"
_STATEMENT, _PROTOCOL = f"{_NS}demonstrativoAnaliseConta", f"{_NS}dadosProtocolo"
_GUIDE = f"{_NS}relacaoGuias"
MOST_LINES = 200_000
"""Lines of one protocol that may wait for its end."""
_PAYMENTS = {
    f"{_NS}demonstrativoPagamento": payments.medical,
    f"{_NS}demonstrativoPagamentoOdonto": payments.dental,
}
_HEAD = 4096


class Unreadable(Exception):
    """What came is no readable message; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A protocol of a statement, in a statement of its own, or a payment statement; and what its texts have wrong."""

    answer: answers.Statement | answers.Remittance
    problems: tuple[Problem, ...]


class Statements:
    """Reads the bytes it is given; `feed` and `close` give what was read whole meanwhile, and raise Unreadable."""

    def __init__(self) -> None:
        self.encoding = ""
        self.stated = ""
        self._parser = etree.XMLPullParser(
            events=("end",),
            tag=(_STATEMENT, _PROTOCOL, _GUIDE, *_PAYMENTS),
            huge_tree=True,
            resolve_entities=False,
            no_network=True,
        )
        self._begun = b""
        self._held = 0
        self._mark: tuple[etree._Element, bool] | None = None
        self._statements = self._protocols = self._lines = 0
        self._guides: list[answers.StatementGuide] = []
        self._odd: list[Problem] = []  # of the guides of the protocol that is open
        self._digests: dict[str, hashlib._Hash | None] = {}

    def feed(self, piece: bytes) -> list[Told]:
        """Read on."""
        if not self.encoding:
            self._begun += piece
            if len(self._begun) < _HEAD and piece:
                return []
            piece = self._begin()
        self._held += len(piece)
        try:
            self._parser.feed(piece)
            found = self._new()
        except etree.XMLSyntaxError as error:
            raise Unreadable(
                unreadable(error, self._parser.error_log, self._begun, self.encoding, whole=False)
            ) from None
        if self._held > LARGEST:
            raise Unreadable(Problem("encoding.too-large", args=(("limit", str(LARGEST // 1024 // 1024)),)))
        return found

    def close(self) -> list[Told]:
        """All has come."""
        found = self.feed(b"") if not self.encoding else []
        try:
            root = self._parser.close()
            found += self._new()
        except etree.XMLSyntaxError:  # what is wrong before the end is told when it is fed
            raise Unreadable(Problem("encoding.not-xml.cut")) from None
        if self._mark is None:
            raise Unreadable(Problem("header.no-answer", place(root)))
        self._hash(walk.since(self._mark, root))
        self.stated = epilogo.stated(root)
        return found

    def abandon(self) -> None:
        """Read no more. A parser that is left open keeps its error log registered with the thread that fed it."""
        with contextlib.suppress(etree.XMLSyntaxError):
            self._parser.close()

    def _new(self) -> list[Told]:
        events: Any = self._parser.read_events()
        return [told for _, node in events for told in self._ended(node)]

    def computed(self, encoding: str) -> str:
        """The right hash in an encoding (`declared`: the message's own); empty where a text does not fit it."""
        digest = self._digests.get(self.encoding if encoding == "declared" else encoding)
        return digest.hexdigest() if digest is not None else ""

    def _begin(self) -> bytes:
        if kind := other_kind(self._begun):
            raise Unreadable(Problem("encoding.other-kind", args=(("kind", kind),)))
        if declares_dtd(self._begun):
            raise Unreadable(Problem("encoding.dtd"))
        self.encoding = declared_encoding(self._begun)
        names = dict.fromkeys((self.encoding, "iso-8859-1", "utf-8"))
        self._digests = {name: hashlib.md5(usedforsecurity=False) for name in names}
        return self._begun

    def _hash(self, texts: list[str]) -> None:
        text = "".join(texts)
        for name, digest in self._digests.items():
            if digest is not None:
                try:
                    digest.update(text.encode(name))
                except (UnicodeEncodeError, LookupError):
                    self._digests[name] = None

    def _ended(self, node: etree._Element) -> list[Told]:
        """What an element that has been read whole tells; those of its kind before it are let go.

        Raises Unreadable for a protocol of too many lines.
        """
        level = level_of(node)
        if level is None:
            return []
        if self._mark is None:
            self._hash(list(walk.until(node)))
        self._hash(walk.since(self._mark or (node, False), node))
        self._mark, self._held = (node, True), 0
        found = self._told(node)
        for sibling in list(node.itersiblings(str(node.tag), preceding=True)):
            parent = sibling.getparent()
            if parent is not None:
                parent.remove(sibling)
        return [found] if found is not None else []

    def _told(self, node: etree._Element) -> Told | None:
        reader = Reader()
        if node.tag == _GUIDE:
            self._keep(node, reader)
            return None
        if node.tag == _STATEMENT:
            self._statements, self._protocols = self._statements + 1, 0
            return None
        where = place(node)
        problems, self._odd = self._odd, []
        if node.tag == _PROTOCOL:
            self._protocols += 1
            answer: answers.Statement | answers.Remittance | None = self._of_protocol(node, reader)
        else:
            self._statements += 1
            answer = _PAYMENTS[str(node.tag)](node, reader)
        if answer is None:
            return None
        real = self._real(where, node)
        moved = (replace(p, where=real + p.where.removeprefix(where)) for p in (*problems, *reader.problems))
        return Told(answer=_at(answer, real), problems=tuple(moved))

    def _keep(self, node: etree._Element, reader: Reader) -> None:
        """What a guide tells, until its protocol ends."""
        told = replies.statement_guide(node, reader)
        self._guides.append(told)
        self._lines += 1 + len(told.items)
        if self._lines > MOST_LINES:
            raise Unreadable(Problem("statement.lines", args=(("limit", str(MOST_LINES)),)))
        here, above = place(node), place(node).rpartition("/")[0]
        real = f"{above}/relacaoGuias[{len(self._guides)}]"
        self._odd += [replace(p, where=real + p.where.removeprefix(here)) for p in reader.problems]

    def _of_protocol(self, node: etree._Element, reader: Reader) -> answers.Statement:
        """A statement of this protocol alone, with the head of the one it stands in."""
        statement = next(node.iterancestors(_STATEMENT))
        head = "cabecalhoDemonstrativo"
        guides, self._guides, self._lines = self._guides, [], 0
        return answers.Statement(
            number=value(statement, f"{head}/numeroDemonstrativo"),
            operator=value(statement, f"{head}/registroANS"),
            operator_cnpj=value(statement, f"{head}/numeroCNPJ"),
            issued_on=value(statement, f"{head}/dataEmissao"),
            protocols=(replies.protocol(node, reader, guides),),
            billed_cents=0,
            processed_cents=0,
            paid_cents=0,
            glosa_cents=None,
            where=place(statement),
        )

    def _real(self, where: str, node: etree._Element) -> str:
        """The place of an element in the whole file."""
        if node.tag != _PROTOCOL:
            return f"{where.partition('[')[0]}[{self._statements}]"
        above, _, _ = where.partition("/demonstrativoAnaliseConta")
        number = self._statements + 1
        return f"{above}/demonstrativoAnaliseConta[{number}]/dadosConta/dadosProtocolo[{self._protocols}]"


def _at(answer: answers.Statement | answers.Remittance, where: str) -> answers.Statement | answers.Remittance:
    if isinstance(answer, answers.Remittance):
        return replace(answer, where=where)
    return replace(answer, protocols=tuple(replace(one, where=where) for one in answer.protocols))
