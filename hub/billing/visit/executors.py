"""Who is contracted for a charge (contratado executante): an organization, a professional, or the provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical.codes import CNES, aliases
from hub.billing.profiles import PayerProfile
from hub.billing.visit.charges import Charge

_NO_CNES = "9999999"  # what those without a CNES of their own state


def organization(charge: Charge, profile: PayerProfile) -> dict[str, str]:
    """Code at the payer, CNES where told, and name of who performed; empty when the organization has no code there."""
    named = charge.body.get("performingOrganization", {})
    identifiers: list[Mapping[str, Any]] = [named.get("identifier", {}), *_more(named)]
    code = next((i.get("value") for i in identifiers if i.get("system") == profile.code_system), None)
    cnes = next((i.get("value") for i in identifiers if i.get("system") in aliases(CNES)), None)
    shown = str(named.get("display", ""))
    return {"code": str(code), "cnes": str(cnes or _NO_CNES), "name": shown} if code else {}


def _more(reference: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Further identifiers of a logical reference, which R4 keeps in extensions."""
    return [e["valueIdentifier"] for e in reference.get("extension", ()) if "valueIdentifier" in e]


def executor(charge: Charge, profile: PayerProfile, performer: Mapping[str, str]) -> dict[str, str]:
    """Code at the payer, CNES and name of who is paid for a charge.

    The organization that performed, if the payer knows it; else the professional, by code or CPF; else the provider.
    """
    found = organization(charge, profile)
    if found:
        return found
    own = performer.get("code") or performer.get("cpf", "")
    if own:
        return {"code": own, "cnes": _NO_CNES, "name": performer.get("name", "")}
    return {name: profile.provider.get(name, "") for name in ("code", "cnes", "name")}
