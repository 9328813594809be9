"""The document of a partner (TOML or JSON), read strictly: every fault at once, none of them quoting a value.

Top-level keys say who the partner is; the tables are laid, key by key, over those of its profile where it names one.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapters import payer_terms, registry
from adapters.quirks import QUIRKS
from adapters.transports import acknowledging
from adapters.transports.files import leads_out
from canonical import identifiers
from canonical.errors import Misconfigured
from canonical.problem import Problem, blocking
from hub.billing import profiles
from hub.exchange.partners import Partner, merged
from hub.partners.keys import KINDS, keys
from schemas_xsd.catalogue import schema_sets
from tiss.rules import agreed

_CODE = re.compile(r"[a-z0-9][a-z0-9\-]{0,62}\Z")
_WHO = ("kind", "code", "name", "profile", "active")
_AGREED = (*agreed.TABLES, *payer_terms.TABLES)
_NEEDED = {  # of each kind of transport: one of each group
    "soap": (("url", "urls", "wsdl", "wsdls"),),
    "mllp": (("host",), ("port",)),
    "folder": (("path",),),
    "sftp": (("host",), ("user",), ("path",), ("secret",), ("host_key",)),
}
WAYS: Mapping[str, tuple[str, ...]] = {
    "payer": ("soap", "folder", "sftp"),
    "lab": ("mllp", "folder", "sftp"),
    "subscriber": ("mllp", "folder", "sftp"),
}
_JUDGES: Mapping[str, Callable[[Mapping[str, Any], str], None]] = {
    "retry": registry.check_retry,
    "acknowledge": acknowledging.check,
    "transport": registry.check_transport,
}
_NOBODY = uuid.UUID(int=0)


class Faulty(Exception):
    """The document cannot be taken; every fault is told."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("the partner's document cannot be taken")
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A partner as it is put. `settings` are its own tables; `secrets` the names it, or its profile, wants in the vault
    by the key that wants them."""

    kind: str
    code: str
    name: str
    profile: str
    active: bool
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """The document again."""
        return {name: getattr(self, name) for name in _WHO} | dict(self.settings)


def of(found: Partner, own: Mapping[str, Any]) -> dict[str, Any]:
    """The document of a stored partner; `own` are its settings without the profile's."""
    who = {"kind": found.kind, "code": found.code, "name": found.name, "profile": found.adapter, "active": found.active}
    return {key: value for key, value in who.items() if value != ""} | dict(own)


def read(stated: Mapping[str, Any]) -> Document:
    """The document; raises Faulty."""
    kind = stated.get("kind")
    if kind not in KINDS:
        raise Faulty([_fault("kind", "value", wanted=" ".join(KINDS))])
    problems = [*_by_keys(stated, kind), *_by_rooms(stated, kind), *_who(stated, kind)]
    if not blocking(problems):
        problems += _whole(stated, kind)
    if blocking(problems):
        raise Faulty(problems)
    own = {key: value for key, value in stated.items() if key not in _WHO}
    return Document(
        kind=kind,
        code=stated["code"],
        name=stated["name"].strip(),
        profile=stated.get("profile", ""),
        active=stated.get("active", True),
        settings=own,
        secrets=secrets(merged(stated.get("profile", ""), own)),
    )


def check_private(wanted: Document, before: Mapping[str, Any]) -> None:
    """Raise Faulty where a document opens the private network, or leads a partner elsewhere that may reach it."""
    if not wanted.settings.get("allow_private"):
        return
    places = [(one.get("profile", ""), one.get("transport")) for one in (wanted.as_json(), before)]
    if not before.get("allow_private") or places[0] != places[1]:
        raise Faulty([_fault("allow_private", "private")])


def _fault(key: str, why: str, **said: str) -> Problem:
    return Problem(f"partner.{why}", key, args=(("key", key), *said.items()))


def _by_keys(stated: Mapping[str, Any], kind: str) -> Iterator[Problem]:
    """Keys the table does not have for this kind, values of another type, and what is missing."""
    for place, value in _flat(stated):
        key = keys().get(place)
        if key is None or kind not in key.kinds:
            yield _fault(place, "key")
        elif not key.holds(value):
            yield _fault(place, "value", wanted=key.type)
    for key in keys().values():
        if key.needed and not str(stated.get(key.key) or "").strip():
            yield _fault(key.key, "missing")


def _flat(stated: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each key with its value: `provider.cnpj`; the tables that a room reads itself are left out."""
    for name, value in stated.items():
        if name in _JUDGES or name in _AGREED:
            continue
        if isinstance(value, Mapping) and name not in keys():
            yield from ((f"{name}.{key}", one) for key, one in value.items())
        else:
            yield name, value


def _by_rooms(stated: Mapping[str, Any], kind: str) -> Iterator[Problem]:
    """What the rooms that read a table themselves say of it."""
    profile = registry.profiles().get(str(stated.get("profile", "")))
    transport = stated.get("transport", {})
    if isinstance(transport, Mapping) and profile is not None and "kind" not in transport:
        transport = {**transport, "kind": profile.transport.get("kind")}
    for name, judge in _JUDGES.items():
        table = transport if name == "transport" else stated.get(name, {})
        try:
            if not isinstance(table, Mapping):
                raise ValueError("must be a table")
            judge(table, "")
        except ValueError as error:
            yield _fault(name, "table", said=str(error).removeprefix(": "))
    yield from _transport(transport, kind)
    if kind == "payer":
        for key, wrong in (*agreed.faults(stated), *payer_terms.faults(stated)):
            yield _fault(key, "table", said=wrong)
    else:
        yield from (_fault(name, "key") for name in _AGREED if name in stated)


def _transport(table: Any, kind: str) -> Iterator[Problem]:
    """A kind of transport that this kind of partner has not, and values of another type."""
    if not isinstance(table, Mapping):
        return
    for name, value in table.items():
        key = keys().get(f"transport.{name}")
        if not (key.holds(value) if key else isinstance(value, str)):
            yield _fault(f"transport.{name}", "value", wanted=key.type if key else "text")
    for name in ("path", "returns") if table.get("kind") == "folder" else ():
        if isinstance(table.get(name), str) and leads_out(table[name]):
            yield _fault(f"transport.{name}", "folder")
    if isinstance(table.get("kind"), str) and table["kind"] in registry.TRANSPORTS and table["kind"] not in WAYS[kind]:
        yield _fault("transport.kind", "value", wanted=" ".join(WAYS[kind]))


def _who(stated: Mapping[str, Any], kind: str) -> Iterator[Problem]:
    """Code and profile, which must be of this kind, and a payer's of this registro ANS."""
    code, name = stated.get("code"), stated.get("profile", "")
    if isinstance(code, str) and code:
        if kind == "payer" and not identifiers.is_registro_ans(code):
            yield _fault("code", "registro")
        elif kind != "payer" and not _CODE.match(code):
            yield _fault("code", "code")
    quirks = stated.get("quirks", [])
    if isinstance(quirks, list) and any(isinstance(one, str) and one not in QUIRKS for one in quirks):
        yield _fault("quirks", "value", wanted=" ".join(QUIRKS))
    if not name:
        return
    profile = registry.profiles().get(str(name))
    if profile is None or profile.kind != kind:
        known = sorted(one.name for one in registry.profiles().values() if one.kind == kind)
        yield _fault("profile", "profile", known=", ".join(known) or "–")
    elif profile.ans and profile.ans != code:
        yield _fault("code", "other-payer")


def _whole(stated: Mapping[str, Any], kind: str) -> Iterator[Problem]:
    """What must be there once the profile's settings lie below."""
    own = {key: value for key, value in stated.items() if key not in _WHO}
    settings = merged(stated.get("profile", ""), own)
    transport = settings.get("transport") or {}
    for group in _NEEDED.get(transport.get("kind", ""), ()):
        if not any(transport.get(name) for name in group):
            yield _fault(f"transport.{group[0]}", "missing")
    if kind == "payer":
        known = Partner(id=_NOBODY, kind=kind, code=stated["code"], name="", adapter="", active=True, settings=settings)
        try:
            number = profiles.profile_of(known).provider_number
        except Misconfigured as error:
            number = ""
            yield _fault("provider" if "provider" in error.text else "speaks", "table", said=error.text)
        version = str(settings.get("speaks", "")).partition(" ")[2]
        if number and version not in schema_sets():
            yield _fault("speaks", "value", wanted="tiss " + " ".join(schema_sets()))
    elif not str(settings.get("speaks", "")).startswith("hl7 "):
        yield _fault("speaks", "missing")


def secrets(settings: Mapping[str, Any]) -> dict[str, str]:
    """The names in the vault that settings want, by key."""
    transport = settings.get("transport") or {}
    found = {f"transport.{key}": transport.get(key) for key in ("secret", "certificate", "trust")}
    found |= {f"secrets.{key}": value for key, value in (settings.get("secrets") or {}).items()}
    return {key: str(value) for key, value in found.items() if value}
