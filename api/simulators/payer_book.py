"""The simulated payer's books: what it received, which items it denies and why, and what it decides on appeals.

Deterministic: every nth item is denied, with the glosas of a fixed row, so a trial can be checked to the cent.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from api.simulators.payer_appeals import Appeal, appeal_lines, appealed, first, text
from canonical.billing import cents
from tiss.wire.versions import NAMESPACE

_NS = f"{{{NAMESPACE}}}"
_KINDS = ("guiaConsulta", "guiaSP-SADT", "guiaResumoInternacao", "guiaHonorarios", "guiaOdonto")

_PROCEDURES = (
    ("procedimentosExecutados", "procedimentoExecutado"),
    ("procedimentosRealizados", "procedimentoRealizado"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One simulated operator: who it is, what it speaks, whom it knows, and how it judges.

    `password` is compared as it stands in the message. `glosas` are used in turn: (code, share denied in percent).
    Of what is asked, codes in `never` are not authorised, and no more than `most` of any.
    """

    ans: str
    version: str
    name: str
    cnpj: str
    logins: tuple[tuple[str, str], ...] = ()
    signed: bool = False
    delay_s: float = 1.0
    deny_every: int = 7
    glosas: tuple[tuple[str, int], ...] = (("1705", 40), ("1801", 100), ("2001", 100))
    already: str = "5053"
    unknown: str = "1101"
    never: tuple[str, ...] = ()
    most: int = 20


@dataclass(slots=True, kw_only=True)
class Item:
    """One billed item with the payer's judgement; all amounts in cents."""

    sequence: int
    on: str
    table: str
    code: str
    description: str
    quantity: str
    billed: int
    glosa: str = ""
    denied: int = 0

    @property
    def paid(self) -> int:
        """What is released."""
        return self.billed - self.denied


@dataclass(slots=True, kw_only=True)
class Guide:
    """One received guide."""

    number: str
    card: str
    on: str
    items: list[Item]

    def total(self, name: str) -> int:
        """The sum of `billed`, `paid` or `denied` over its items."""
        return sum(int(getattr(item, name)) for item in self.items)


@dataclass(slots=True, kw_only=True)
class Batch:
    """One received lote."""

    number: str
    protocol: str
    digest: str
    kind: str
    guides: list[Guide]
    sequence: str
    signed: bool
    at: float
    resent: int = 0
    shown: int = 0
    cancelled: bool = False
    rejected: str = ""

    def total(self, name: str) -> int:
        """The sum over its guides."""
        return sum(guide.total(name) for guide in self.guides)


@dataclass(slots=True, kw_only=True)
class Request:
    """One received request for authorisation; `items` are (table, code, description, asked, granted) as texts."""

    number: str
    kind: str
    card: str
    digest: str
    items: list[dict[str, str]]
    operator_number: str
    password: str
    days: str
    annexes: list[str]
    at: float
    asked_on: str
    resent: int = 0
    cancelled: bool = False
    echo: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Decisions:
    """What an operator was asked and told beside the bill, by number."""

    requests: dict[str, Request] = field(default_factory=dict)
    annexes: dict[str, Request] = field(default_factory=dict)
    stays: list[dict[str, str]] = field(default_factory=list)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    checked: int = 0

    def report(self) -> dict[str, Any]:
        """Numbers, kinds and counts; no card and no name."""
        return {
            "authorisations": [
                {
                    "number": one.number,
                    "kind": one.kind,
                    "password": one.password,
                    "items": [{name: item[name] for name in ("code", "asked", "granted")} for item in one.items],
                    "annexes": one.annexes,
                    "resent": one.resent,
                    "cancelled": one.cancelled,
                }
                for one in (*self.requests.values(), *self.annexes.values())
            ],
            "stays": [{"event": one["event"], "on": one["on"]} for one in self.stays],
            "documents": [
                {"number": number, "protocol": one["protocol"], "sha256": one["sha256"]}
                for number, one in self.documents.items()
            ],
            "cancelled": list(self.cancelled),
            "checked": self.checked,
        }


@dataclass(slots=True)
class Book:
    """All a simulated operator knows. State lives in memory only."""

    side: Side
    clock: Callable[[], float] = time.monotonic
    batches: dict[str, Batch] = field(default_factory=dict)
    appeals: dict[str, Appeal] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    decided: Decisions = field(default_factory=Decisions)
    items: int = 0
    protocols: int = field(default_factory=lambda: int(time.time() * 100))
    foreign: bool = False
    strange_glosa: str = ""

    def next_protocol(self) -> str:
        """A fresh protocol number (numeroProtocolo, 12 characters); started again, the payer repeats none."""
        self.protocols += 1
        return f"{self.protocols % 10**10:010d}{self.side.ans[-2:]}"

    def take(self, root: etree._Element, raw: bytes, *, signed: bool) -> Batch:
        """Enter a lote that is not known yet."""
        lote = root.find(f"{_NS}loteGuias")
        number = text(lote, "numeroLote")
        guides = [self._guide(node) for node in _guides(lote)]
        kind = next((etree.QName(node).localname for node in _guides(lote)), "")
        batch = Batch(
            number=number,
            protocol=self.next_protocol(),
            digest=hashlib.sha256(raw).hexdigest(),
            kind=kind,
            guides=guides,
            sequence=text(root, "cabecalho/identificacaoTransacao/sequencialTransacao"),
            signed=signed,
            at=self.clock(),
        )
        self.batches[number] = batch
        return batch

    def _guide(self, node: etree._Element) -> Guide:
        items = list(_items(node))
        for item in items:
            self.items += 1
            if self.side.deny_every and self.items % self.side.deny_every == 0:
                turn = self.items // self.side.deny_every - 1
                item.glosa, share = self.side.glosas[turn % len(self.side.glosas)]
                item.denied = max(1, item.billed * share // 100)
        headers = ("cabecalhoConsulta/", "cabecalhoGuia/", "")
        return Guide(
            number=first(node, *(f"{header}numeroGuiaPrestador" for header in headers)),
            card=first(node, "dadosBeneficiario/numeroCarteira", "beneficiario/numeroCarteira"),
            on=items[0].on if items else "",
            items=items,
        )

    def by_protocol(self, protocol: str) -> Batch | None:
        """The lote a protocol was given for."""
        return next((batch for batch in self.batches.values() if batch.protocol == protocol), None)

    def status(self, batch: Batch) -> str:
        """statusProtocolo by age: 2 in analysis, 3 released, 6 paid; 9 cancelled."""
        if batch.cancelled:
            return "9"
        age = self.clock() - batch.at
        if age < self.side.delay_s:
            return "2"
        return "3" if age < 2 * self.side.delay_s else "6"

    def revise(self, protocol: str) -> bool:
        """Lift every denial of a protocol, as a corrected statement would; False for an unknown protocol."""
        batch = self.by_protocol(protocol)
        for guide in batch.guides if batch else ():
            for item in guide.items:
                item.denied, item.glosa = 0, ""
        return batch is not None

    def denied_of(self, protocol: str, guide: str) -> int:
        """What is denied of one guide of a protocol."""
        batch = self.by_protocol(protocol)
        return sum(one.total("denied") for one in (batch.guides if batch else ()) if one.number == guide)

    def reject(self, protocol: str, code: str) -> bool:
        """Deny a protocol as a whole, under a glosa of its own and none of its items; False for an unknown protocol."""
        batch = self.by_protocol(protocol)
        if batch is None:
            return False
        batch.rejected = code
        for item in (item for guide in batch.guides for item in guide.items):
            item.denied, item.glosa = item.billed, ""
        return True

    def appeal(self, root: etree._Element, raw: bytes) -> Appeal:
        """Enter a recurso, medical or dental: every second line is granted in full."""
        node = appealed(root)
        lines = list(appeal_lines(node, self.denied_of))
        for position, line in enumerate(lines):
            line["granted"] = line["claimed"] if position % 2 == 0 else 0
        number = text(node, "numeroGuiaRecGlosaPrestador")
        found = Appeal(
            number=number,
            protocol=self.next_protocol(),
            batch_protocol=text(node, "numeroProtocolo"),
            batch_number=text(node, "numeroLote"),
            digest=hashlib.sha256(raw).hexdigest(),
            lines=lines,
            at=self.clock(),
            dental=node is not None and etree.QName(node).localname == "guiaRecursoGlosaOdonto",
            whole=bool(lines) and not lines[0]["guide"],
        )
        self.appeals[number] = found
        return found

    def report(self) -> dict[str, Any]:
        """What was really received and judged; numbers and totals only."""
        batches = list(self.batches.values())
        return {
            "ans": self.side.ans,
            "version": self.side.version,
            "requests": dict(self.requests),
            "refused": dict(self.refused),
            "guides": sum(len(batch.guides) for batch in batches),
            "items": self.items,
            **{f"{name}_cents": sum(batch.total(name) for batch in batches) for name in ("billed", "paid", "denied")},
            "batches": [
                {
                    "number": batch.number,
                    "protocol": batch.protocol,
                    "kind": batch.kind,
                    "guides": len(batch.guides),
                    "billed_cents": batch.total("billed"),
                    "paid_cents": batch.total("paid"),
                    "denied_cents": batch.total("denied"),
                    "sha256": batch.digest,
                    "signed": batch.signed,
                    "resent": batch.resent,
                    "status": self.status(batch),
                }
                for batch in batches
            ],
            **self.decided.report(),
            "appeals": [
                {
                    "number": appeal.number,
                    "protocol": appeal.protocol,
                    "batch_protocol": appeal.batch_protocol,
                    "lines": len(appeal.lines),
                    "claimed_cents": sum(line["claimed"] for line in appeal.lines),
                    "granted_cents": sum(line["granted"] for line in appeal.lines),
                    "resent": appeal.resent,
                }
                for appeal in self.appeals.values()
            ],
        }


def _guides(lote: etree._Element | None) -> Iterator[etree._Element]:
    for kind in _KINDS:
        yield from [] if lote is None else lote.findall(f"{_NS}guiasTISS/{_NS}{kind}")


def _items(guide: etree._Element) -> Iterator[Item]:
    if etree.QName(guide).localname == "guiaConsulta":
        attendance = guide.find(f"{_NS}dadosAtendimento")
        yield _item(attendance, "1", "procedimento", ("dataAtendimento", "procedimento/valorProcedimento"), "Consulta")
        return
    if etree.QName(guide).localname == "guiaOdonto":
        for node in guide.findall(f"{_NS}procedimentosExecutados"):
            yield _item(node, text(node, "sequencialItem"), "procSolic", ("dataRealizacao", "valorProc"))
        return
    for parent, row in _PROCEDURES:
        for node in guide.findall(f"{_NS}{parent}/{_NS}{row}"):
            yield _item(node, text(node, "sequencialItem"), "procedimento", ("dataExecucao", "valorTotal"))
    for node in guide.findall(f"{_NS}outrasDespesas/{_NS}despesa"):
        inner = node.find(f"{_NS}servicosExecutados")
        yield _item(inner, text(node, "sequencialItem"), "", ("dataExecucao", "valorTotal"))


def _item(
    node: etree._Element | None, sequence: str, procedure: str, names: tuple[str, str], description: str = ""
) -> Item:
    base = f"{procedure}/" if procedure else ""
    return Item(
        sequence=int(sequence),
        on=text(node, names[0]),
        table=text(node, f"{base}codigoTabela"),
        code=text(node, f"{base}codigoProcedimento"),
        description=text(node, f"{base}descricaoProcedimento") or description,
        quantity=text(node, "quantidadeExecutada") or text(node, "qtdProc") or "1",
        billed=cents(text(node, names[1])),
    )
