"""What a payer expects of a tenant, read from the partner's settings (its profile under the tenant's own)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapters.payer_terms import Terms, terms
from canonical.codes import local_system
from canonical.errors import Misconfigured
from hub.exchange.partners import Partner, partner, partners_of
from hub.store.database import Transaction
from tiss.rules import agreed
from tiss.rules.contract import Contract
from tiss.wire import shapes

PROVIDER_KEYS = agreed.IDENTITIES
CONTRACTED_KEYS = {"code": "codigoPrestadorNaOperadora", "cpf": "cpfContratado", "cnpj": "cnpjContratado"}
_PAYER = "payer"
_TREATMENT_DAYS = 30
Fees = Literal["resumo", "honorarios"]
_FEES: dict[str, Fees] = {"resumo": "resumo", "honorarios": "honorarios"}
log = logging.getLogger("ponte.billing")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerProfile:
    """One payer of one tenant.

    `provider` is the tenant as this payer knows it (code, cpf, cnpj, cnes, name, state, cbo); `provider_key` says which
    of code, cpf and cnpj identifies it. `hashed_password`: the payer wants the MD5 of it. `resend` is `same-bytes` when
    the payer recognises a repeated batch, `hold` when a person must look after an unknown outcome.
    `part_days`: a stay or a dental treatment is billed in parts every so many days (0: once, after its end).
    `treatment_days`: a treatment without a record of its own has ended when nothing was done for so many days. `fees`:
    whether professionals of a stay are on the resumo, or on guias de honorários of their own. `contract` is what this
    payer agreed beyond the standard, `terms` what its returns follow.
    """

    partner: Partner
    version: str
    signature: str
    provider_key: str
    provider: Mapping[str, str]
    hashed_password: bool
    guides_per_batch: int
    appeal_days: int
    poll_minutes: float
    already_received: tuple[str, ...]
    resend: str
    absence: str
    part_days: int
    treatment_days: int
    fees: Fees
    secrets: Mapping[str, str]
    contract: Contract
    terms: Terms

    @property
    def ans(self) -> str:
        """The registro ANS."""
        return self.partner.code

    @property
    def by_file(self) -> bool:
        """Whether the payer has no web service and takes files from a folder or an SFTP server."""
        return (self.partner.settings.get("transport") or {}).get("kind") in ("folder", "sftp")

    @property
    def provider_number(self) -> str:
        """What identifies the provider at this payer; raises Misconfigured when it is not set."""
        value = str(self.provider.get(self.provider_key, ""))
        if not value:
            raise Misconfigured(f"the provider's {self.provider_key} at payer {self.ans} is not set")
        return value

    @property
    def identification(self) -> dict[str, str]:
        """identificacaoPrestador: exactly one of CNPJ, CPF and the code."""
        return {PROVIDER_KEYS[self.provider_key]: self.provider_number}

    @property
    def code_system(self) -> str:
        """The system of the codes this payer gives to those who provide for it."""
        return local_system(self.ans, "codigo-prestador")

    @property
    def contracted(self) -> dict[str, str]:
        """ct_contratadoDados: the same under the names of the body, with the name where the version wants it."""
        parts = shapes.of(self.version, service=True).types["ct_contratadoDados"].parts
        named = (
            {"nomeContratado": self.provider.get("name", "")} if any(p.name == "nomeContratado" for p in parts) else {}
        )
        return {CONTRACTED_KEYS[self.provider_key]: self.provider_number, **named}


def profile_of(found: Partner) -> PayerProfile:
    """The profile of a payer; raises Misconfigured for settings that cannot be used."""
    settings = found.settings
    billing = settings.get("billing", {})
    kind, _, version = str(settings.get("speaks", "")).partition(" ")
    if kind != "tiss" or not version:
        raise Misconfigured(f"payer {found.code} does not say which TISS version it speaks")
    key = str(billing.get("provider_key", "code"))
    if key not in PROVIDER_KEYS:
        raise Misconfigured(f"payer {found.code}: provider_key must be code, cpf or cnpj")
    fees = _FEES.get(str(billing.get("fees", "resumo")))
    if fees is None:
        raise Misconfigured(f"payer {found.code}: fees must be resumo or honorarios")
    try:
        contract = agreed.contract(settings, version=version, operator=found.code)
        returned = terms(settings)
    except ValueError as error:
        raise Misconfigured(f"payer {found.code}: {error}") from None
    return PayerProfile(
        partner=found,
        version=version,
        signature=str(settings.get("signature", "")),
        provider_key=key,
        provider={name: str(value) for name, value in settings.get("provider", {}).items()},
        hashed_password=billing.get("password", "md5") == "md5",
        guides_per_batch=max(1, min(100, int(billing.get("guides_per_batch", 100)))),
        appeal_days=int(billing.get("appeal_days", 30)),
        poll_minutes=float(billing.get("poll_minutes", 60)),
        already_received=tuple(str(code) for code in billing.get("already_received", ())),
        resend=str(billing.get("resend", "hold")),
        absence=str(billing.get("absence", "")),
        part_days=max(0, int(billing.get("part_days", 0))),
        treatment_days=max(0, int(billing.get("treatment_days", _TREATMENT_DAYS))),
        fees=fees,
        secrets={name: str(value) for name, value in settings.get("secrets", {}).items()},
        contract=contract,
        terms=returned,
    )


async def payer(tx: Transaction, payer_id: Any) -> PayerProfile:
    """The profile of one payer; raises NotFound."""
    return profile_of(await partner(tx, payer_id))


async def payers(tx: Transaction) -> list[PayerProfile]:
    """The active payers of the tenant, by registro ANS; one that is set up wrongly is left out and logged."""
    profiles = []
    for found in await partners_of(tx, _PAYER):
        try:
            profiles.append(profile_of(found))
        except Misconfigured as error:
            log.warning("payer %s is left out: %s", found.code, error.text)
    return profiles
