"""The trial hub's payers: two invented operators on two TISS versions, answered by the simulators. No real company."""

from __future__ import annotations

import uuid

from canonical import identifiers
from hub.exchange.partners import Partner, save_partner
from hub.exchange.work import usual
from hub.guard import vault
from hub.world import Tenant, World
from signatures import demo_pki, keys

PAYERS = (
    ("999806", "demo_ipe", "Operadora Demonstração Ipê"),
    ("999814", "demo_jacaranda", "Operadora Demonstração Jacarandá"),
)
FEES_APART = ("999814",)  # this one wants the fees of a stay on guias de honorários
CNPJ = "H0SP1DEM000100"
LOGIN = {"login": "hospital", "password": "demo"}
_NO_CNES = "9999999"  # what providers without a CNES of their own state
_CPF_BASE = "123456780"


async def trial_payers(world: World, tenant: Tenant, base_url: str) -> None:
    """The two simulated payers as partners of a tenant, their logins, a demo certificate and the schedules."""
    provider = {"code": "H0001", "cnpj": CNPJ, "cnes": _NO_CNES, "name": tenant.name, "state": "SP", "cbo": "225125"}
    provider["phone"] = "1133330000"
    for code, adapter, name in PAYERS:
        found = Partner(
            id=uuid.uuid5(tenant.id, f"payer {code}"),
            kind="payer",
            code=code,
            name=name,
            adapter=adapter,
            active=True,
            settings={
                "transport": {"url": f"{base_url}/payer/{code}"},
                "allow_private": True,
                "provider": provider,
                "billing": {"poll_minutes": 0, "fees": "honorarios" if code in FEES_APART else "resumo"},
            },
        )
        async with world.transaction(tenant) as tx:
            await save_partner(tx, found)
            await vault.put(tx, world.settings, f"payer-{code}-login", LOGIN, kind="login")
    await _certificate(world, tenant, "payer-999806-certificate")
    await usual.seed(world, tenant, usual.PAYER, all_active=True)


async def _certificate(world: World, tenant: Tenant, name: str) -> None:
    """A demonstration certificate of the tenant, unless the vault holds one that is valid for another month."""
    async with world.transaction(tenant) as tx:
        known = await tx.value(
            "SELECT expires_at > now() + interval '30 days' FROM credential WHERE tenant_id = $1 AND name = $2", name
        )
    if known:
        return
    person = _CPF_BASE + identifiers.cpf_digits(_CPF_BASE)
    subject = demo_pki.Subject(name=tenant.name, cpf=person, cnpj=CNPJ, responsible="Responsável Demonstração")
    signer = demo_pki.make(world.now()).issue(subject)
    content = {"pkcs12": keys.to_pkcs12(signer, "demo").hex(), "password": "demo"}
    async with world.transaction(tenant) as tx:
        expires = signer.certificate.not_valid_after_utc
        await vault.put(tx, world.settings, name, content, kind="pkcs12", expires_at=expires)
