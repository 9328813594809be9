"""Signs what a payer wants signed, with the tenant's own certificate from the vault; others go out as they are."""

from __future__ import annotations

from canonical.errors import Misconfigured
from hub.billing.profiles import PayerProfile
from hub.guard import vault
from hub.store.database import Transaction
from hub.world import World
from signatures import keys, xmldsig


async def signed(world: World, tx: Transaction, profile: PayerProfile, document: bytes) -> bytes:
    """`document` with the provider's signature, or unchanged when the payer asks for none; raises Misconfigured."""
    if not profile.signature:
        return document
    name = profile.secrets.get("certificate", "")
    found = await vault.reveal(tx, world.settings, name, owner=profile.partner.owner) if name else None
    if found is None:
        raise Misconfigured(
            f"payer {profile.ans} asks for a signature and the vault has no certificate", code="batch.no-certificate"
        )
    signer = keys.from_pkcs12(bytes.fromhex(found["pkcs12"]), str(found["password"]), at=world.now())
    return xmldsig.sign(document, signer)
