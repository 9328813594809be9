"""The registry of partner profiles: every TOML under payers/, labs/, his/ and rnds/, found by scan, read strictly.

A profile says how a kind of partner is spoken to; what differs per tenant (address, login) is in the partner's row.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from adapters import payer_terms
from adapters.quirks import QUIRKS
from adapters.transports import Means, Transport, acknowledging
from adapters.transports.drop import DropTransport
from adapters.transports.mail import MailTransport
from adapters.transports.mllp import MllpTransport
from canonical.errors import Misconfigured
from canonical.toml_lines import line_of, lines_of
from tiss.rules import agreed

HERE = Path(__file__).resolve().parent
KINDS = {"payers": "payer", "labs": "lab", "his": "subscriber", "rnds": "network"}


def _over_http(name: str, transport: str) -> Callable[[Means], Transport]:
    """The transport of a module that speaks HTTP: costly to import, and needed only to send."""

    def made(means: Means) -> Transport:
        found: Callable[[Means], Transport] = getattr(import_module(f"adapters.transports.{name}"), transport)
        return found(means)

    return made


TRANSPORTS: dict[str, Callable[[Means], Transport]] = {
    "folder": DropTransport,
    "mail": MailTransport,
    "mllp": MllpTransport,
    "rnds": _over_http("national", "NationalTransport"),
    "sftp": DropTransport,
    "soap": _over_http("soap", "SoapTransport"),
    "webhook": _over_http("webhook", "WebhookTransport"),
}
_FILES = ("path", "suffix", "returns", "stable_s")
TRANSPORT_SETTINGS = {
    "folder": {"kind", *_FILES},
    "sftp": {"kind", *_FILES, "host", "port", "user", "secret", "host_key", "timeout_s"},
    "mllp": {"kind", "host", "port", "timeout_s", "connect_timeout_s", "tls", "certificate", "trust"},
    "rnds": {"kind", "auth_url", "url", "timeout_s", "connect_timeout_s", "certificate", "trust"},
    "soap": {
        "kind",
        "url",
        "urls",
        "wsdl",
        "wsdls",
        "timeout_s",
        "connect_timeout_s",
        "user_agent",
        "certificate",
        "trust",
    },
    "mail": {"kind", "host", "port", "tls", "sender", "to", "secret", "timeout_s"},
    "webhook": {"kind", "url", "media", "secret", "timeout_s", "connect_timeout_s"},
}
RETRY_SETTINGS = {"attempts": int, "first_s": (int, float), "most_s": (int, float), "then": str}
PAYER_TABLES = ("billing", "provider", *agreed.TABLES, *payer_terms.TABLES)
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One partner profile. `business` holds the room's own tables (`[billing]`, `[orders]`), judged there; a payer's
    contract (`[contract]`, `[levels]`, `[until]`) is read strictly here."""

    name: str
    kind: str
    title: str
    speaks: str
    transport: Mapping[str, Any]
    ans: str = ""
    plan: str = ""
    signature: str = ""
    quirks: tuple[str, ...] = ()
    retry: Mapping[str, Any] = field(default_factory=dict)
    acknowledge: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    business: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """What a partner's own settings are laid over."""
        return {
            "transport": dict(self.transport),
            "retry": dict(self.retry),
            "acknowledge": dict(self.acknowledge),
            "speaks": self.speaks,
            "plan": self.plan,
            "signature": self.signature,
            "quirks": list(self.quirks),
            "secrets": dict(self.secrets),
            **{name: dict(table) for name, table in self.business.items()},
        }


@cache
def profiles() -> Mapping[str, Profile]:
    """All profiles by name; raises ValueError naming the file and the key that is wrong."""
    found: dict[str, Profile] = {}
    for folder, kind in KINDS.items():
        for path in sorted((HERE / folder).glob("*.toml")):
            profile = load(path, kind)
            if profile.name in found:
                raise ValueError(f"{path.name}: the name is taken by another kind of partner")
            found[profile.name] = profile
    return found


def profile(name: str) -> Profile:
    """The profile called `name`; raises Misconfigured."""
    found = profiles().get(name)
    if found is None:
        raise Misconfigured(f"there is no partner profile {name!r}")
    return found


def load(path: Path, kind: str) -> Profile:
    """One profile; raises ValueError for what is missing, unknown or of the wrong type."""
    text = path.read_text(encoding="utf-8")
    document = tomllib.loads(text)
    if not _NAME.match(path.stem):
        raise ValueError(f"{path.name}: the name must be lower-case letters, digits and underscores")
    texts = {key: document.pop(key, "") for key in ("title", "speaks", "ans", "plan", "signature")}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str)]:
        raise ValueError(f"{path.name}: {', '.join(wrong)} must be text")
    if missing := [key for key in ("title", "speaks") if not texts[key]]:
        raise ValueError(f"{path.name}: {', '.join(missing)} is missing")
    quirks = tuple(document.pop("quirks", ()))
    if unknown := [quirk for quirk in quirks if quirk not in QUIRKS]:
        raise ValueError(f"{path.name}: unknown quirks {', '.join(unknown)}")
    tables = {key: document.pop(key, {}) for key in ("transport", "retry", "acknowledge", "secrets")}
    if loose := [key for key, value in document.items() if not isinstance(value, dict)]:
        raise ValueError(f"{path.name}: unknown key {', '.join(loose)}")
    if kind == "payer":
        check_payer(document, path.name, text)
    check_transport(tables["transport"], path.name)
    check_retry(tables["retry"], path.name)
    acknowledging.check(tables["acknowledge"], path.name)
    return Profile(name=path.stem, kind=kind, quirks=quirks, business=document, **texts, **tables)


def check_payer(tables: Mapping[str, Any], place: str, text: str) -> None:
    """Raise ValueError, with the line, for an unknown table or a key of the contract that cannot be read."""
    lines = lines_of(text)
    unknown = [(name, "is unknown") for name in tables if name not in PAYER_TABLES]
    for key, wrong in (*unknown, *agreed.faults(tables), *payer_terms.faults(tables)):
        raise ValueError(f"{place}:{line_of(key, lines)}: {key} {wrong}")


def check_transport(table: Mapping[str, Any], place: str) -> None:
    """Raise ValueError for a transport that does not exist or a setting it does not have."""
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in TRANSPORTS:
        raise ValueError(f"{place}: transport kind must be one of {', '.join(sorted(TRANSPORTS))}")
    if unknown := set(table) - TRANSPORT_SETTINGS[kind]:
        raise ValueError(f"{place}: transport {kind} knows no {', '.join(sorted(unknown))}")


def check_retry(table: Mapping[str, Any], place: str) -> None:
    """Raise ValueError for a retry policy that cannot be read."""
    for key, value in table.items():
        expected = RETRY_SETTINGS.get(key)
        if expected is None or isinstance(value, bool) or not isinstance(value, expected):  # type: ignore[arg-type]
            raise ValueError(f"{place}: retry {key}")
    if table.get("then", "pause") not in ("pause", "continue"):
        raise ValueError(f"{place}: retry then must be pause or continue")


def transport(means: Means) -> Transport:
    """The transport that settings describe; raises Misconfigured."""
    try:
        check_transport(means.settings, "partner")
        return TRANSPORTS[means.settings["kind"]](means)
    except (ValueError, TypeError):
        raise Misconfigured("the partner's transport settings cannot be read", code="transport.settings") from None
