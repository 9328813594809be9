"""A tenant's settings for RNDS as one document, read strictly: credential, addresses, people, documents, filters.

They stand in the settings of the tenant's partner of kind `network`, over the profile `adapters/rnds/rnds.toml`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.rnds.addresses import STATES, addresses, environments
from canonical import identifiers
from canonical.errors import Misconfigured, NotFound
from canonical.problem import Problem
from hub.exchange.partners import Partner, partner, partners_of, save_partner
from hub.store.database import Transaction
from hub.world import Tenant
from mappings.national import document_plans
from mappings.national.document_codes import reasons

KIND, CODE = "network", "rnds"
CONSENT = ("ignore", "opt-out", "opt-in")
MOST_WAIT = 7 * 24 * 60
_TEXTS = ("environment", "uf", "requester", "cnes", "certificate", "trust", "auth_url", "url", "consent")
_LISTS = ("prefer", "withhold")
_FLAGS = ("active", "allow_private")
_TABLES = ("professional", "professionals", "codes", "unidentified")
_DOCUMENT_KEYS = {"active", "wait_minutes", "settings"}
_TEST_KEYS = {"names", "identifiers"}


class Faulty(Exception):
    """The settings cannot be taken; every fault is told at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("the RNDS settings cannot be taken")
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSettings:
    """Whether a document is sent, how long after the last change, and its own defaults (`method`, `financing` …)."""

    active: bool = False
    wait_minutes: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a tenant says about RNDS. `requester` is the number DATASUS gave (identificador do solicitante)."""

    environment: str
    uf: str
    requester: str
    cnes: str
    certificate: str
    trust: str = ""
    auth_url: str = ""
    url: str = ""
    active: bool = True
    allow_private: bool = False
    prefer: tuple[str, ...] = ("cns", "cpf")
    consent: str = "opt-out"
    withhold: tuple[str, ...] = ()
    professional: Mapping[str, str] = field(default_factory=dict)
    professionals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    documents: Mapping[str, DocumentSettings] = field(default_factory=dict)
    test_patients: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unidentified: Mapping[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> DocumentSettings:
        """The settings of a document."""
        return self.documents.get(kind, DocumentSettings())

    def as_json(self) -> dict[str, Any]:
        """The document as it was put, with every default."""
        made: dict[str, Any] = {name: getattr(self, name) for name in (*_TEXTS, *_FLAGS)}
        made |= {name: list(getattr(self, name)) for name in _LISTS}
        made |= {
            "professional": dict(self.professional),
            "test_patients": {k: list(v) for k, v in self.test_patients.items()},
        }
        made |= {"professionals": {key: dict(value) for key, value in self.professionals.items()}}
        made |= {"unidentified": {k: v if isinstance(v, str) else list(v) for k, v in self.unidentified.items()}}
        made |= {"codes": {name: dict(table) for name, table in self.codes.items()}}
        made["documents"] = {
            kind: {"active": one.active, "wait_minutes": one.wait_minutes, "settings": dict(one.settings)}
            for kind, one in self.documents.items()
        }
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The tenant's partner RNDS with its settings."""

    partner: Partner
    settings: Settings


async def network(tx: Transaction) -> Network | None:
    """The tenant's RNDS, None when it has none or it is switched off; raises Misconfigured."""
    found = await partners_of(tx, KIND)
    return network_of(found[0]) if found else None


async def needed(tx: Transaction) -> Network:
    """The tenant's RNDS; raises NotFound, Misconfigured."""
    found = await network(tx)
    if found is None:
        raise NotFound("the tenant has no RNDS settings, or they are switched off")
    return found


def network_of(found: Partner) -> Network:
    """The network of its partner row; raises Misconfigured."""
    try:
        return Network(partner=found, settings=read(found.settings.get("rnds") or {}))
    except Faulty:
        raise Misconfigured("the RNDS settings cannot be read", code="rnds.config") from None


async def show(tx: Transaction) -> Settings:
    """The stored settings, also when they are switched off; raises NotFound, Misconfigured."""
    found = await stored(tx)
    if found is None:
        raise NotFound("the tenant has no RNDS settings")
    return found


async def stored(tx: Transaction) -> Settings | None:
    """The same; None when there are none. Raises Misconfigured."""
    row = await tx.value("SELECT id FROM partner WHERE tenant_id = $1 AND kind = $2 AND code = $3", KIND, CODE)
    return None if row is None else network_of(await partner(tx, row)).settings


def check_private(wanted: Settings, before: Settings | None) -> None:
    """Raise Faulty where settings open the private network, or lead elsewhere once it is open."""
    same = before is not None and before.allow_private
    same = same and before is not None and (before.auth_url, before.url) == (wanted.auth_url, wanted.url)
    if wanted.allow_private and not same:
        raise Faulty([fault("allow_private", "private")])


async def put(tx: Transaction, tenant: Tenant, document: Mapping[str, Any]) -> Settings:
    """Store settings; raises Faulty, naming every fault."""
    found = read(document)
    auth, ehr = addresses(found.environment, found.uf)
    transport = {
        "auth_url": found.auth_url or auth,
        "url": found.url or ehr,
        "certificate": found.certificate,
        **({"trust": found.trust} if found.trust else {}),
    }
    made = Partner(
        id=uuid.uuid5(tenant.id, "network rnds"),
        kind=KIND,
        code=CODE,
        name="RNDS",
        adapter="rnds",
        active=found.active,
        settings={"transport": transport, "allow_private": found.allow_private, "rnds": found.as_json()},
    )
    await save_partner(tx, made)
    return found


def read(document: Mapping[str, Any]) -> Settings:
    """Settings of a JSON or TOML document; raises Faulty."""
    problems = [fault(key, "unknown") for key in document if key not in _KINDS]
    if not problems:
        problems = list(_wrong_kinds(document))
    if problems:
        raise Faulty(problems)
    chosen = {name: document[name] for name in (*_TEXTS, *_FLAGS) if name in document}
    chosen |= {name: tuple(document[name]) for name in _LISTS if name in document}
    chosen |= {name: document[name] for name in _TABLES if name in document}
    tests = {key: tuple(value) for key, value in document.get("test_patients", {}).items()}
    kinds = {kind: DocumentSettings(**one) for kind, one in document.get("documents", {}).items()}
    blank = dict.fromkeys(("environment", "uf", "requester", "cnes", "certificate"), "")
    found = Settings(**{**blank, **chosen}, documents=kinds, test_patients=tests)
    if problems := list(_faults(found)):
        raise Faulty(problems)
    return replace(found, uf=found.uf.lower())


def fault(key: str, why: str, **named: str) -> Problem:
    """A fault of a key."""
    return Problem(f"rnds.config.{why}", key, args=(("key", key), *named.items()))


def _wrong_kinds(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Values that are not of the kind their key wants."""
    for key, value in document.items():
        holds, wanted = _KINDS[key]
        if not holds(value):
            yield fault(key, "kind", wanted=wanted)
        elif key == "documents":
            yield from _wrong_documents(value)


def _wrong_documents(table: Mapping[str, Any]) -> Iterator[Problem]:
    for kind, one in table.items():
        place = f"documents.{kind}"
        if kind not in document_plans.kinds() or not isinstance(one, dict) or set(one) - _DOCUMENT_KEYS:
            yield fault(place, "unknown")
            continue
        wait = one.get("wait_minutes", 0)
        if isinstance(wait, bool) or not isinstance(wait, int) or not 0 <= wait <= MOST_WAIT:
            yield fault(f"{place}.wait_minutes", "kind", wanted=f"0 … {MOST_WAIT}")
        if not isinstance(one.get("active", False), bool):
            yield fault(f"{place}.active", "kind", wanted="true / false")
        if not _text_table(one.get("settings", {})):
            yield fault(f"{place}.settings", "kind", wanted="table of texts")


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _text_table(value: Any) -> bool:
    return isinstance(value, dict) and _texts(list(value.values()))


def _table_of_tables(value: Any) -> bool:
    return isinstance(value, dict) and all(_text_table(one) for one in value.values())


def _tests(value: Any) -> bool:
    return isinstance(value, dict) and not set(value) - _TEST_KEYS and all(_texts(one) for one in value.values())


def _unidentified(value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return value == {}
    return set(value) == {"names", "reason"} and _texts(value["names"]) and value["reason"] in reasons()


_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(_TEXTS, (lambda value: isinstance(value, str), "text")),
    **dict.fromkeys(_FLAGS, (lambda value: isinstance(value, bool), "true / false")),
    **dict.fromkeys(_LISTS, (_texts, "list of texts")),
    "professional": (_text_table, "table of texts"),
    "professionals": (_table_of_tables, "table of tables"),
    "codes": (_table_of_tables, "table of tables"),
    "documents": (lambda value: isinstance(value, dict), "table"),
    "test_patients": (_tests, "names, identifiers"),
    "unidentified": (_unidentified, "names, reason (01 … 05)"),
}


def _faults(found: Settings) -> Iterator[Problem]:
    """Values that are of the right kind and still wrong."""
    choices = (
        ("environment", found.environment in environments(), environments()),
        ("uf", found.uf.lower() in STATES, STATES),
        ("consent", found.consent in CONSENT, CONSENT),
        ("prefer", bool(found.prefer) and not set(found.prefer) - {"cns", "cpf"}, ("cns", "cpf")),
    )
    yield from (fault(key, "one-of", allowed=", ".join(allowed)) for key, holds, allowed in choices if not holds)
    needs = (
        ("requester", found.requester.isalnum() and found.requester.isascii()),
        ("cnes", identifiers.is_cnes(found.cnes)),
        ("certificate", bool(found.certificate)),
    )
    yield from (fault(key, "needed") for key, holds in needs if not holds)
    people = {"professional": found.professional, **{f"professionals.{k}": v for k, v in found.professionals.items()}}
    for place, one in people.items():
        if one and not identifiers.is_cns(one.get("cns", "")):
            yield fault(f"{place}.cns", "number")
        if one.get("cbo") and not identifiers.is_cbo(one["cbo"]):
            yield fault(f"{place}.cbo", "number")
