"""header.*, table.operator, date.registration: the header against body, direction, register, day and contract."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lxml import etree

from canonical.identifiers import is_registro_ans
from schemas_xsd.catalogue import schema_sets
from tiss.rules.case import Findings, Given, shown
from tiss.rules.items import day
from tiss.rules.layout import Unit
from tiss.wire import transactions
from tiss.wire.message import Tiss, place

_AROUND_BODY = frozenset(("cabecalho", "epilogo", "hash", "Signature", "Signatures"))
_TIME = re.compile(r"\d\d:\d\d:\d\d\Z", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,12}\Z")
_CODE = re.compile(r"[0-9A-Za-z]{1,12}\Z")


def check(message: Tiss, given: Given, found: Findings) -> None:
    """Record what the header has wrong."""
    told = transactions.told_by(message)
    body = transactions.body_of(message)
    if body is None and not _fault(message):
        _empty(message, found)
    elif told and message.transaction not in {row.name for row in told}:
        _transaction(message, told, found)
    if told:
        _direction(message, told[0].requests, found)
    _operator(message, given, found)
    if not told or told[0].requests:
        _provider(message, given, found)
    _registration(message, given, found)
    _numbers(message, body, found)


def _empty(message: Tiss, found: Findings) -> None:
    """header.empty, unless something stands where a body should: the schema tells of that."""
    inside = {etree.QName(child).localname for child in message.root.iterchildren(etree.Element)}
    if inside - _AROUND_BODY:
        return
    rows = transactions.by_root(etree.QName(message.root).localname) if message.service else ()
    if rows:
        found.add("header.empty.service", place(message.root), right=rows[0].child)
    else:
        found.add("header.empty", place(message.root))


def _transaction(message: Tiss, told: Sequence[transactions.Transaction], found: Findings) -> None:
    """header.transaction: one that is another, or none; of a reply without one the schema tells."""
    right, request = ", ".join(row.name for row in told), told[0].requests
    code = "header.transaction" if request else "header.transaction-reply"
    if not message.transaction:
        if not request:
            return
        code = "header.transaction.missing"
    found.add(code, _at(message, "cabecalho/identificacaoTransacao/tipoTransacao"), right=right)


def _fault(message: Tiss) -> bool:
    return etree.QName(message.root).localname == "tissFaultWS" or bool(message.text("cabecalho/falhaNegocio"))


def _at(message: Tiss, path: str) -> str:
    """The place of a header element, or of its nearest present parent."""
    steps = path
    while steps:
        node = message.find(steps)
        if node is not None:
            return place(node)
        steps = steps.rpartition("/")[0]
    return place(message.root)


def _direction(message: Tiss, request: bool, found: Findings) -> None:
    sender = "identificacaoPrestador" if request else "registroANS"
    receiver = "registroANS" if request else "identificacaoPrestador"
    if message.find("cabecalho/origem") is not None and message.find(f"cabecalho/origem/{sender}") is None:
        found.add("header.sender", _at(message, f"cabecalho/origem/{sender}"), right=sender)
    if message.find("cabecalho/destino") is not None and message.find(f"cabecalho/destino/{receiver}") is None:
        found.add("header.receiver", _at(message, f"cabecalho/destino/{receiver}"), right=receiver)


def operator_of(message: Tiss) -> str:
    """The registro ANS of the operator: destino of a request, origem of a reply."""
    return message.text("cabecalho/destino/registroANS") or message.text("cabecalho/origem/registroANS")


def named(whole: Unit, operator: str, found: Findings) -> None:
    """header.body-operator of the outermost units there are."""
    told = ((unit, unit.texts.get("operator", "").strip()) for unit in whole.rows)
    others = [unit for unit, stated in told if operator and stated not in ("", operator)]
    if others:
        strangers(others, whole, operator, found)


def strangers(units: Sequence[Unit], whole: Unit, operator: str, found: Findings) -> None:
    """header.guide-operator, header.body-operator: units that name another operator than the header does.

    When all guides agree on another one, the header is wrong, once; when its number is no registro ANS at all, that
    is told of already.
    """
    named = {unit.texts["operator"].strip() for unit in units}
    agree = len(named) == 1 and len(units) == sum("operator" in unit.texts for unit in whole.rows)
    if agree and not is_registro_ans(operator):
        return
    if agree and len(units) > 1 and "guiasTISS" in units[0].path:
        where = f"{whole.place}/cabecalho/destino/registroANS"
        found.add("header.guide-operator.all", where, stated=shown(operator), right=shown(named.pop()))
        return
    for unit in units:
        code = "header.guide-operator" if "guiasTISS" in unit.path else "header.body-operator"
        found.at(code, unit, "operator", right=operator)


def _operator(message: Tiss, given: Given, found: Findings) -> None:
    ans = operator_of(message)
    if not ans:
        return
    end = "destino" if message.text("cabecalho/destino/registroANS") else "origem"
    path = f"cabecalho/{end}/registroANS"
    if given.contract.operator and ans != given.contract.operator:
        found.add("header.operator-contract", _at(message, path), right=given.contract.operator, stated=shown(ans))
    if not is_registro_ans(ans):
        return  # the check digit is told of already
    known = given.contract.known_operator or given.tables is None or given.tables.operator(ans) is not None
    if not known:
        found.add("table.operator", _at(message, path), stated=shown(ans))


def _provider(message: Tiss, given: Given, found: Findings) -> None:
    """payer.provider: who sends is named as this operator knows the provider (`identificacaoPrestador`)."""
    node = message.find("cabecalho/origem/identificacaoPrestador")
    told = next(iter(node.iterchildren(etree.Element)), None) if node is not None else None
    for name, value in given.contract.provider.items():
        if told is not None and (etree.QName(told).localname, (told.text or "").strip()) != (name, value):
            found.add("payer.provider", place(told), right=f"{name} {value}")


def _registration(message: Tiss, given: Given, found: Findings) -> None:
    top = "cabecalho/identificacaoTransacao"
    on = day(message.text(f"{top}/dataRegistroTransacao"))
    if on and given.today and on > given.today.isoformat():
        found.add("date.registration", _at(message, f"{top}/dataRegistroTransacao"))
    hour = message.text(f"{top}/horaRegistroTransacao")
    if hour and not _TIME.match(hour):
        found.add("date.time-form", _at(message, f"{top}/horaRegistroTransacao"))


def _numbers(message: Tiss, body: etree._Element | None, found: Findings) -> None:
    sequence = message.text("cabecalho/identificacaoTransacao/sequencialTransacao")
    if sequence and not _DIGITS.match(sequence):
        found.add("header.sequence", _at(message, "cabecalho/identificacaoTransacao/sequencialTransacao"))
    if body is None or etree.QName(body).localname != "loteGuias":
        return
    number = body.find(f"{{{etree.QName(body).namespace}}}numeroLote")
    if number is not None and not _CODE.match((number.text or "").strip()):
        found.add("header.batch-number", place(number))


def version(message: Tiss, given: Given, found: Findings) -> None:
    """header.version-contract, header.version-expired."""
    stated, path = message.version, "cabecalho/Padrao"
    if given.contract.version and stated != given.contract.version:
        where = _at(message, path)
        found.add("header.version-contract", where, stated=shown(stated), right=given.contract.version)
    known = schema_sets().get(stated)
    until = given.contract.until.get(stated) or (known.accepted_until if known is not None else "")
    on = given.today.isoformat() if given.today else ""
    if until and on > until:
        found.add("header.version-expired", _at(message, path), stated=shown(stated), until=until)
