"""The values operators' answers are read into: protocol, error, status, statement, payment, appeal, authorisation.

Amounts are whole cents.

Glosa codes and texts are kept as the operator sent them, known or not; `where` is the element's place in the message.
"""

from __future__ import annotations

from dataclasses import dataclass

from canonical.problem import Problem
from tiss.answers.receipts import AnnexProtocol, Authorisation, CancelReceipt, DocumentReceipt, Glosa, StayReceipt

__all__ = [
    "AnnexProtocol",
    "Answer",
    "AppealAnswer",
    "AppealLine",
    "AppealProtocol",
    "AppealStatus",
    "Authorisation",
    "CancelReceipt",
    "DocumentReceipt",
    "Eligibility",
    "Entry",
    "Error",
    "Glosa",
    "GuideState",
    "PaidDay",
    "PaidGuide",
    "PaidProtocol",
    "Protocol",
    "Remittance",
    "Reply",
    "Statement",
    "StatementGuide",
    "StatementItem",
    "StatementPending",
    "StatementProtocol",
    "Status",
    "StayReceipt",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """mensagemErro, or falhaNegocio of the header: the operator refused the message as a whole."""

    code: str
    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """protocoloRecebimento: the batch was taken in under this number."""

    number: str
    batch: str
    sent_on: str
    operator: str
    total_cents: int
    glosa_cents: int
    glosas: tuple[Glosa, ...]
    guides: tuple[GuideState, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideState:
    """One guide as a protocol or status answer lists it."""

    provider_number: str
    operator_number: str
    processed_cents: int
    glosa_cents: int
    released_cents: int
    glosas: tuple[Glosa, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """situacaoDoProtocolo (or that of an annex batch): statusProtocolo 1-10 with the batch's totals."""

    status: str
    number: str
    batch: str
    sent_on: str
    processed_cents: int
    glosa_cents: int
    released_cents: int
    guides: tuple[GuideState, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementItem:
    """detalhesGuia: one item with billed (informado), processed and paid (liberado) amounts.

    `copay_cents` (valorFranquia, dental statements) is what the patient owes the provider.
    """

    sequence: int
    on: str
    table: str
    code: str
    quantity: str
    participation: str
    billed_cents: int
    processed_cents: int
    paid_cents: int
    glosas: tuple[Glosa, ...]
    where: str
    copay_cents: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a statement sums up at each of its levels, in cents; `glosa_cents` None where it does not say."""

    billed_cents: int
    processed_cents: int
    paid_cents: int
    glosa_cents: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What a payment statement sums up at each of its levels, in cents."""

    processed_cents: int
    paid_cents: int
    denied_cents: int
    copay_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance(Paid):
    """The sums of a payment day or of the whole: gross, debits and credits beside the guides, net."""

    billed_cents: int
    debit_cents: int
    credit_cents: int
    net_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementGuide(Judged):
    """relacaoGuias: one guide with its items, glosas and totals as stated."""

    provider_number: str
    operator_number: str
    authorization: str
    status: str
    items: tuple[StatementItem, ...]
    glosas: tuple[Glosa, ...]
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementProtocol(Judged):
    """dadosProtocolo: one protocol of a statement."""

    number: str
    batch: str
    on: str
    status: str
    guides: tuple[StatementGuide, ...]
    glosas: tuple[Glosa, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Judged):
    """demonstrativoAnaliseConta: how each item of one or more protocols was judged."""

    number: str
    operator: str
    operator_cnpj: str
    issued_on: str
    protocols: tuple[StatementProtocol, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """ct_descontos: a debit (indicator 1) or credit (2) beside the guides: taxes, discounts, adjustments."""

    indicator: str
    kind: str
    text: str
    cents: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidGuide(Paid):
    """One guide of a payment; `kind` is dm_tipoPagamento (1 first, 2 after an appeal), `items` those of dentistry."""

    provider_number: str
    operator_number: str
    authorization: str
    kind: str
    items: tuple[StatementItem, ...]
    billed_cents: int | None
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidProtocol(Paid):
    """One protocol of a payment day."""

    number: str
    batch: str
    on: str
    guides: tuple[PaidGuide, ...]
    billed_cents: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidDay(Balance):
    """What was paid on one day: gross by protocol, debits and credits, net. `form` is dm_formaPagamento."""

    on: str
    form: str
    protocols: tuple[PaidProtocol, ...]
    entries: tuple[Entry, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remittance(Balance):
    """demonstrativoPagamento or demonstrativoPagamentoOdonto (`dental`): days, debits and credits of the whole, net."""

    number: str
    operator: str
    issued_on: str
    dental: bool
    days: tuple[PaidDay, ...]
    entries: tuple[Entry, ...]
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementPending:
    """situacaoDemonstrativoRetorno: the statement asked for is not ready."""

    protocol: str
    request: str
    kind: str
    status: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealProtocol:
    """The protocol of a recurso de glosa."""

    number: str
    batch: str
    appealed_protocol: str
    sent_on: str
    received_on: str
    total_cents: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealStatus:
    """reciboGlosaStatus: an appeal that is not decided yet."""

    number: str
    batch: str
    status: str
    on: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealLine:
    """The answer to one appealed protocol, guide (sequence None) or item."""

    provider_number: str
    operator_number: str
    sequence: int | None
    glosa: str
    appealed_cents: int
    granted_cents: int
    granted: bool
    reason: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealAnswer:
    """reciboGlosa: the decision on an appeal."""

    protocol: str
    batch: str
    on: str
    lines: tuple[AppealLine, ...]
    appealed_cents: int
    granted_cents: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligibility:
    """reciboElegibilidade: whether the beneficiary is covered, and why not."""

    covered: bool
    card: str
    valid_until: str
    glosas: tuple[Glosa, ...]
    where: str


Answer = (
    Error
    | Protocol
    | Status
    | Statement
    | Remittance
    | StatementPending
    | AppealProtocol
    | AppealStatus
    | AppealAnswer
    | Eligibility
    | Authorisation
    | StayReceipt
    | CancelReceipt
    | DocumentReceipt
    | AnnexProtocol
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer message: the transaction it states, those its body allows, and its contents in order."""

    version: str
    stated: str
    transactions: tuple[str, ...]
    answers: tuple[Answer, ...]
    problems: tuple[Problem, ...]
