"""TISS requests to a payer: header, login, body and hash in the web-service form, and the envelope around them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from hub.billing.message import numbers, vault
from hub.billing.profiles import PayerProfile
from hub.store.database import Transaction
from hub.world import Tenant, World
from tiss.wire import build, soap, transactions

Tree = dict[str, Any]
_MODULUS = 10**12  # sequencialTransacao and numeroLote have at most 12 digits


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What makes one message this message: its number, its local time, and the login the payer wants."""

    sequence: int
    at: datetime.datetime
    login: dict[str, str] | None


async def stamp(world: World, tenant: Tenant, tx: Transaction, profile: PayerProfile) -> Stamp:
    """A fresh transaction number with the tenant's local time."""
    return Stamp(
        sequence=await numbers.take(tx, profile.partner.id, "transacao"),
        at=world.now().astimezone(ZoneInfo(tenant.zone)),
        login=await vault.login(tx, world.settings, profile),
    )


def trial_stamp(today: datetime.date) -> Stamp:
    """A stamp for checking a guide before it has a message."""
    return Stamp(sequence=1, at=datetime.datetime.combine(today, datetime.time.max, datetime.UTC), login=None)


def request(profile: PayerProfile, transaction: str, body: Tree, mark: Stamp) -> bytes:
    """The exact bytes of a request, hash included, in the form the payer takes; raises tiss.wire.build.UnknownElement.

    A payer with a web service gets the web-service form, one that takes files the file form.
    """
    row = transactions.of(transaction)
    head = header(profile, transaction, mark)
    if profile.by_file:
        tree = {"cabecalho": head, row.wrapper: {row.body: body}, "epilogo": {"hash": ""}}
        return build.build("mensagemTISS", tree, profile.version)
    return build.build(row.root, {"cabecalho": head, row.child: body, "hash": ""}, profile.version, service=True)


def wrapped(content: bytes, profile: PayerProfile) -> bytes:
    """A message as it travels: within an envelope, or bare where the payer takes files."""
    return content if profile.by_file else soap.envelope(content)


def named(profile: PayerProfile, number: str, stated: str) -> dict[str, str]:
    """The standard's name of a message's file, in the purpose of its delivery; nothing for a payer with web service."""
    return {"file": f"{number:0>20}_{stated.upper()}.xml"} if profile.by_file else {}


def header(profile: PayerProfile, transaction: str, mark: Stamp) -> Tree:
    """cabecalho of a message from the provider to the operator."""
    tree: Tree = {
        "identificacaoTransacao": {
            "tipoTransacao": transaction,
            "sequencialTransacao": str(mark.sequence % _MODULUS),
            "dataRegistroTransacao": mark.at.date().isoformat(),
            "horaRegistroTransacao": mark.at.strftime("%H:%M:%S"),
        },
        "origem": {"identificacaoPrestador": profile.identification},
        "destino": {"registroANS": profile.ans},
        "Padrao": profile.version,
    }
    if mark.login is not None:
        tree["loginSenhaPrestador"] = mark.login
    return tree
