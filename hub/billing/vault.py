"""The tenant's secrets for its payers: logins and certificates, sealed; opened only to write or sign a message."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

from canonical.errors import Misconfigured
from hub.billing.profiles import PayerProfile
from hub.guard import secrets, vault
from hub.settings import Settings
from hub.store.database import Transaction


async def keep(
    tx: Transaction,
    settings: Settings,
    name: str,
    content: dict[str, str],
    *,
    kind: str = "login",
    expires_at: datetime.datetime | None = None,
) -> None:
    """Seal and store a secret under `name`, replacing an earlier one."""
    await vault.put(tx, settings, name, content, kind=kind, expires_at=expires_at)


async def reveal(tx: Transaction, settings: Settings, name: str) -> dict[str, Any] | None:
    """The content of a secret; None when the tenant has none of that name."""
    sealed = await tx.value("SELECT sealed FROM credential WHERE tenant_id = $1 AND name = $2", name)
    if sealed is None:
        return None
    found = json.loads(secrets.unseal(settings, bytes(sealed), f"credential/{name}"))
    return found if isinstance(found, dict) else None


async def login(tx: Transaction, settings: Settings, profile: PayerProfile) -> dict[str, str] | None:
    """loginSenhaPrestador as this payer wants it; None when its profile names no login."""
    name = profile.secrets.get("login")
    if not name:
        return None
    found = await reveal(tx, settings, name)
    if found is None:
        raise Misconfigured(f"the login for payer {profile.ans} is not in the vault")
    password = str(found["password"])
    if profile.hashed_password:
        password = hashlib.md5(password.encode("iso-8859-1", "replace"), usedforsecurity=False).hexdigest()
    return {"loginPrestador": str(found["login"]), "senhaPrestador": password}
