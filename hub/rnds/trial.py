"""The trial hub's RNDS: the simulator's addresses, a demonstration certificate, settings with every kind off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from canonical.errors import NotFound
from canonical.identifiers import cns_from_pis
from hub.guard import vault
from hub.rnds import desk, settings
from hub.world import Tenant, World

CLIENT, ISSUERS, PASSWORD = "hospital.p12", "issuers.pem", "demo"
KEYS, TRUST = "rnds-demo", "rnds-demo-issuers"
CNES, REQUESTER = "2337991", "9999"


async def trial_network(world: World, tenant: Tenant, auth_url: str, url: str, folder: Path) -> None:
    """The simulated RNDS as a partner; settings that are there already keep all but addresses and certificates."""
    async with world.transaction(tenant) as tx:
        await vault.put_certificate(tx, world.settings, KEYS, (folder / CLIENT).read_bytes(), PASSWORD)
        await vault.put_issuers(tx, world.settings, TRUST, (folder / ISSUERS).read_bytes())
        try:
            known = (await settings.show(tx)).as_json()
        except NotFound:
            known = _first()
    if known["certificate"] != KEYS:
        return  # somebody joined a real one
    await desk.configure(world, tenant, {**known, "auth_url": auth_url, "url": url}, "seed", by_operator=True)


def _first() -> dict[str, Any]:
    return {
        "environment": "homologacao",
        "uf": "SP",
        "requester": REQUESTER,
        "cnes": CNES,
        "certificate": KEYS,
        "trust": TRUST,
        "allow_private": True,
        "professional": {"cns": cns_from_pis("20456789012"), "cbo": "225125"},
        "codes": {"BRGrupoAtendimento": {"000926": "000926"}, "BRCondicaoMaternal": {"1": "1"}},
        "documents": {
            "REL": {"settings": {"method": "não informado", "reference": "sem valor de referência"}},
            "RIA": {"settings": {"group": "000926", "maternal": "1", "strategy": "1"}},
            "RIAC": {"settings": {"group": "000926", "maternal": "1"}},
            "RAC": {"settings": {"financing": "01"}},
            "SA": {"settings": {"financing": "01"}},
            "RIRA": {},
        },
    }
