"""Invented patients, doctors, diagnoses and results, so that messages of a benchmark differ as those of a house do.

Names, addresses, birthdays and telephones are another for nearly every patient; doctors, wards, insurers and codes are
a house's few hundred, which come again all day.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FAMILIES = _words(
    "Conceição Araújo Nóbrega Brandão Falcão Guimarães Sepúlveda Taveira Quintão Lacerda Vilhena Bastos Moura Pestana "
    "Rezende Siqueira Teles Uchôa Valadão Xavier Zanetti Aragão Bittencourt Carvalhal Damasceno Esteves"
)
_GIVEN = _words(
    "Ana Maria José Antônio Inês Luíza Tomás Heitor Cecília Dalva Elói Fátima Gaspar Helena Iara Joaquim Lívia Murilo "
    "Noêmia Otávio Priscila Quitéria Raul Sônia Tereza Ubirajara Vânia Wagner Yara Zélia"
)
_STREETS = ("Rua da Consolação", "Avenida Água Funda", "Rua das Laranjeiras", "Travessa do Comércio", "Alameda Jaú")
_WARDS = ("CLINICA MEDICA", "CIRURGIA", "UTI ADULTO", "PEDIATRIA", "MATERNIDADE", "PRONTO SOCORRO")
_DIAGNOSES = (
    ("J189", "Pneumonia não especificada"),
    ("I10", "Hipertensão essencial primária"),
    ("E119", "Diabetes mellitus tipo 2"),
    ("N390", "Infecção do trato urinário"),
    ("K359", "Apendicite aguda"),
    ("I219", "Infarto agudo do miocárdio"),
    ("S720", "Fratura do colo do fêmur"),
    ("O800", "Parto espontâneo cefálico"),
)
_ALLERGIES = (
    "DA|70618^Penicilina^L|MO|Exantema",
    "DA|1191^Ácido acetilsalicílico^L|SV|Broncoespasmo",
    "FA|3718001^Leite de vaca^SCT|MI|Desconforto abdominal depois das refeições",
    "FA|91935009^Amendoim^SCT|SV|Urticária",
)
_PLANS = ("APTO^Apartamento Pleno", "ENF^Enfermaria Básico", "EXEC^Executivo Nacional")
_DOCTORS = 200


@dataclass(frozen=True, slots=True)
class Patient:
    """What a message says of one patient beside numbers: each a piece of ER7."""

    name: str
    relative: str
    birth: str
    address: str
    phone: str
    place: str
    doctor: str
    diagnoses: tuple[str, str]
    allergies: tuple[str, str]
    plan: str
    card: str
    draw: int


def patient(number: str) -> Patient:
    """The patient of a number, the same each time."""
    draw = zlib.crc32(number.encode())
    family, given, other = (_pick(_FAMILIES, draw), _pick(_GIVEN, draw >> 5), _pick(_GIVEN, draw >> 10))
    street = f"{_pick(_STREETS, draw >> 3)}, {draw % 3000 + 1}^apto {draw % 190 + 10}"
    return Patient(
        name=f"{family}^{given}^{other}",
        relative=f"{family}^{_pick(_GIVEN, draw >> 15)}",
        birth=f"{1930 + draw % 90}{draw % 12 + 1:02d}{draw % 28 + 1:02d}",
        address=f"{street}^São Paulo^SP^0{1000 + draw % 4000}-{draw % 900 + 100}^BRA",
        phone=f"^^55^11^9{10_000_000 + draw % 89_999_999}",
        place=f"{_pick(_WARDS, draw >> 7)}^{draw % 40 + 101}^{'ABCD'[draw % 4]}",
        doctor=doctor(draw >> 4),
        diagnoses=("^".join(_pick(_DIAGNOSES, draw >> 6)), "^".join(_pick(_DIAGNOSES, (draw >> 6) + 3))),
        allergies=(_ALLERGIES[draw % 2], _ALLERGIES[2 + draw % 2]),
        plan=_pick(_PLANS, draw >> 9),
        card=f"{draw % 10**9:09d}{draw % 991:03d}",
        draw=draw,
    )


def doctor(draw: int) -> str:
    """One of the house's doctors as XCN, by the number of the council."""
    which = draw % _DOCTORS
    return f"{148201 + which * 37}^{_pick(_FAMILIES, which)}^{_pick(_GIVEN, which * 7)}^^^Dr.^^^CRM^L^^^LN"


def _pick(of: Sequence[T], draw: int) -> T:
    return of[draw % len(of)]
