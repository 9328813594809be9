"""Addresses (XAD, 2.5.1 §2.A.89) whose parts stand in other components than their own, as their shapes surely tell.

A CEP beside its state (UF), or beside the name of Brazil, cannot be anything else; one shape alone moves nothing.
"""

from __future__ import annotations

import re
from typing import Any

from canonical import identifiers
from canonical.councils import STATES
from canonical.extensions import EXTENSIONS
from mappings.convert.registry import Context, Value
from mappings.convert.text import listed

CITY_SYSTEM = "https://terminologia.saude.gov.br/fhir/CodeSystem/BRDivisaoGeograficaBrasil"
_CEP = re.compile(r"[0-9]{2}\.?[0-9]{3}-?[0-9]{3}\Z")
_DOTTED = re.compile(r"[0-9]{2}\.[0-9]{3}-?[0-9]{3}\Z")
_CITY_AND_STATE = re.compile(r"(.*[^\W\d_])\s*[-/(]\s*([A-Z]{2})\)?\Z")
_ZIP = re.compile(r"[0-9]{5}(?:-[0-9]{4})?\Z")
_USA = frozenset(("US", "USA", "840"))
_BRAZIL = frozenset(("BR", "BRA", "076", "BRASIL", "BRAZIL"))
_OF_BIRTH = frozenset(("BDL", "N"))
_STATE, _POSTAL = 4, 5  # XAD


def of_birth(value: Value) -> bool:
    """Whether an address of PID-11 is where the patient was born and nobody's home (XAD-7, table 0190: BDL, N)."""
    return value.source.segment == "PID" and value.text(7).upper() in _OF_BIRTH


def kin_for_address(value: Value, context: Context) -> bool:
    """Whether the address of a relative (NK1-4) is a word for the relationship, for which NK1-3 is empty."""
    alone = value.source.segment == "NK1" and value.raw == value.text(1) and not value.other(3)
    return alone and bool(value.raw) and listed(context.codes("hl70063"), value.raw) is not None


def address_for_number(value: Value, context: Context) -> bool:
    """Whether a telephone (XTN) is an address: a street, more letters than digits, with a city where the kind of
    telephone would be and a postal code or a country behind it."""
    street, city = value.text(1), value.text(3)
    letters = sum(c.isalpha() for c in street)
    if "@" in value.raw or letters <= sum(c.isdigit() for c in street) or not city.replace(" ", "").isalpha():
        return False
    telephone = listed(context.codes("hl70201"), value.text(2)) or listed(context.codes("hl70202"), city)
    return bool(value.text(5) or value.text(6)) and not telephone


def is_abroad(value: Value, country: str) -> bool:
    """Whether an address is of another country, by XAD-6 or else by that of the sender (MSH-17)."""
    said = (value.text(_STATE + 2) or country).upper()
    return bool(said) and said not in _BRAZIL


def is_cep(text: str) -> bool:
    """Whether a text has the form of a CEP."""
    return bool(_CEP.match(text))


def _is_state(text: str) -> bool:
    return text.upper() in STATES


def municipality(address: dict[str, Any]) -> None:
    """Read a Brazilian address's city: its code of the IBGE (as the city, or the district), and the state behind its
    name (`SAO PAULO/SP`), where none is said otherwise."""
    for name in ("district", "city"):
        if identifiers.is_ibge_city(code := address.get(name, "")):
            coded = {"url": EXTENSIONS["city-code"], "valueCoding": {"system": CITY_SYSTEM, "code": code}}
            address.setdefault("_city", {"extension": [coded]})
            del address[name]
    match = _CITY_AND_STATE.match(address.get("city", ""))
    if match and _is_state(match[2]) and str(address.get("state", match[2])).upper() == match[2]:
        address |= {"city": match[1], "state": match[2]}


def postal_code(text: str) -> str:
    """A postal code as it is sent; a CEP without the dot that some write into it: `01.310-100` is `01310-100`."""
    return f"{text[:2]}{text[3:6]}-{text[-3:]}" if _DOTTED.match(text) else text


def righted(value: Value) -> Value | None:
    """An address with components too few before its CEP, or with CEP and state in each other's place, as it was meant;
    None for one that stands as it should, or may.

    Street and city without the complement between them; street, or city, alone before the state. Before a CEP that the
    country's name follows any component may be the lost one: only these two are moved.
    """
    if is_cep(value.text(_POSTAL)):
        return None
    parts = value.raw.split(value.delimiters.component)
    state, country = value.text(_STATE - 1), value.text(_STATE + 1).upper()
    if is_cep(value.text(_STATE)):
        if _is_state(country):
            parts = [*parts[:3], parts[4], parts[3], *parts[5:]]
        elif _is_state(state):
            parts = [parts[0], "", *parts[1:]]
        elif country in _BRAZIL and state:
            parts = [*parts[:3], "", *parts[3:]]
        else:
            return None
    elif is_cep(state) and _is_state(value.text(_STATE - 2)):
        parts = [parts[0], "", "", *parts[1:]]
    else:
        return None
    return Value(value.delimiters.component.join(parts), value.source, value.segment)


def without_postal_state(value: Value, country: str) -> tuple[Value, bool] | None:
    """An address whose state (XAD-4) is a postal code, without it, and whether that went to XAD-5, empty, since its
    form is certain: a CEP, or a ZIP with its four digits or of the USA (XAD-6, else MSH-17). None for any other."""
    code, stated = value.text(_STATE), (value.text(_STATE + 2) or country).upper()
    if not (is_cep(code) or _ZIP.match(code)):
        return None
    parts = value.raw.split(value.delimiters.component)
    certain = is_cep(code) or "-" in code or stated in _USA
    moved = certain and not value.text(_POSTAL)
    parts += [""] * (_POSTAL - len(parts))
    parts[_STATE - 1 : _POSTAL] = ["", parts[_STATE - 1] if moved else parts[_POSTAL - 1]]
    return Value(value.delimiters.component.join(parts), value.source, value.segment), moved


def shifted(value: Value) -> dict[str, Any] | None:
    """Street, number, complement, (quarter,) city, state, CEP, country; None where state and CEP stand as in XAD."""
    for state in (5, 6):
        if is_cep(value.text(state + 1)) and _is_state(value.text(state)):
            break
    else:
        return None
    address: dict[str, Any] = {"line": [line for number in (1, 2, 3) if (line := value.text(number))]}
    names = {"city": state - 1, "state": state, "postalCode": state + 1, "country": state + 2}
    address.update({name: text for name, number in names.items() if (text := value.text(number))})
    address["postalCode"] = postal_code(address["postalCode"])
    if state == 6 and (quarter := value.text(4)):
        address["district"] = quarter
    return address


def behind_a_house(value: Value) -> dict[str, Any] | None:
    """An address behind the name of a house, two components late: postal code and country where the type and another
    designation belong, and no digit in the postal code; None for any other."""
    code = value.text(7)
    digits = any(map(str.isdigit, value.text(5)))
    if len(code) < len("101") or not code.isdigit() or not value.text(8).isalpha() or digits:
        return None
    names = {"city": 5, "state": 6, "postalCode": 7, "country": 8}
    address: dict[str, Any] = {"line": [line for number in (1, 2, 3, 4) if (line := value.text(number))]}
    return {**address, **{name: text for name, number in names.items() if (text := value.text(number))}}
