"""The login a payer asks for, as that payer wants it, from the tenant's vault."""

from __future__ import annotations

import hashlib

from canonical.errors import Misconfigured
from hub.billing.profiles import PayerProfile
from hub.guard import vault
from hub.settings import Settings
from hub.store.database import Transaction


async def login(tx: Transaction, settings: Settings, profile: PayerProfile) -> dict[str, str] | None:
    """loginSenhaPrestador as this payer wants it; None when its profile names no login."""
    name = profile.secrets.get("login")
    if not name:
        return None
    found = await vault.reveal(tx, settings, name, owner=profile.partner.owner)
    if found is None:
        raise Misconfigured(f"the login for payer {profile.ans} is not in the vault")
    password = str(found["password"])
    if profile.hashed_password:
        password = hashlib.md5(password.encode("iso-8859-1", "replace"), usedforsecurity=False).hexdigest()
    return {"loginPrestador": str(found["login"]), "senhaPrestador": password}
