"""The values that decisions and receipts of operators are read into: authorisations, and what they were told.

Glosa codes and texts are kept as the operator sent them; `where` is the element's place in the message.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Glosa:
    """A glosa code with the operator's words, verbatim, and what it takes off (None: not said)."""

    code: str
    text: str = ""
    cents: int | None = None
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One requested item as the operator decided it; quantities as they were written."""

    sequence: int
    table: str
    code: str
    description: str
    asked: str
    granted: str
    granted_cents: int | None
    glosas: tuple[Glosa, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """autorizacaoServico and its kin (`kind` is the element): statusSolicitacao 1-7, senha, what was granted."""

    kind: str
    provider_number: str
    operator_number: str
    password: str
    given_on: str
    valid_until: str
    status: str
    days: str
    accommodation: str
    items: tuple[Decided, ...]
    glosas: tuple[Glosa, ...]
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StayReceipt:
    """reciboComunicacao: whether the operator took the news of an admission (`I`) or discharge (`A`)."""

    accepted: bool
    card: str
    event: str
    glosas: tuple[Glosa, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """One guide (or the batch) of a reciboCancelaGuia with its statusCancelamento 1-6; `batch` is empty for guides."""

    batch: str
    provider_number: str
    operator_number: str
    protocol: str
    status: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReceipt:
    """reciboCancelaGuia: what became of each guide, or of the batch."""

    entries: tuple[Cancelled, ...]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReceipt:
    """reciboDocumentos: the protocol the operator gave for a document."""

    number: str
    protocol: str
    provider_number: str
    note: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnexProtocol:
    """protocoloRecebimentoAnexo: the batch of annexes was taken in; what is decided already stands in `decided`."""

    number: str
    batch: str
    sent_on: str
    decided: tuple[Authorisation, ...]
    where: str
