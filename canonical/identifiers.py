"""Brazilian identifiers: shape and check digits. Every function takes the compact form and reads ASCII only.

`is_…` returns whether the text is a valid identifier; `compact` removes the punctuation people type.
Refusing a valid number is worse than accepting an invalid one, so lists (CNES, CRM) are not consulted here.
"""

from __future__ import annotations

import re

_DIGITS = re.compile(r"[0-9]+\Z")
_CNPJ = re.compile(r"[0-9A-Z]{12}[0-9]{2}\Z")
_CID10 = re.compile(r"[A-Z][0-9]{2}[0-9X]?\Z")
_PUNCTUATION = str.maketrans("", "", " .-/\t")

# Municipalities whose published code breaks the check digit rule (IBGE).
# The first two digits of a municipality: its state (IBGE, divisão territorial).
_STATE_CODES = frozenset(str(n) for n in (*range(11, 18), *range(21, 30), 31, 32, 33, 35, 41, 42, 43, *range(50, 54)))
# Subgroups of each group of SIGTAP; of group 09 (integrated care, since 2024) more come.
_SIGTAP_SUBGROUPS = {"01": 2, "02": 14, "03": 10, "04": 18, "05": 6, "06": 4, "07": 2, "08": 3, "09": 10}
_IBGE_EXCEPTIONS = frozenset(
    ["2201919", "2201988", "2202251", "2611533", "3117836", "3152131", "4305871", "5203939", "5203962"]
)


def compact(text: str) -> str:
    """`text` without blanks, dots, dashes and slashes, in upper case."""
    return text.translate(_PUNCTUATION).upper()


def _digits(text: str, length: int) -> bool:
    return len(text) == length and _DIGITS.match(text) is not None


def _mod11(values: list[int], weights: list[int]) -> int:
    """The check digit both CPF and CNPJ use: 0 for remainders 0 and 1, else 11 - remainder."""
    rest = sum(value * weight for value, weight in zip(values, weights, strict=True)) % 11
    return 0 if rest < 2 else 11 - rest


def cpf_digits(base: str) -> str:
    """The two check digits of a nine-digit CPF base."""
    values = [int(c) for c in base]
    first = _mod11(values, list(range(10, 1, -1)))
    second = _mod11([*values, first], list(range(11, 1, -1)))
    return f"{first}{second}"


def is_cpf(text: str) -> bool:
    """Whether `text` is a CPF: 11 digits, not all equal, both check digits right (RFB, módulo 11)."""
    return _digits(text, 11) and len(set(text)) > 1 and text[9:] == cpf_digits(text[:9])


def cnpj_digits(base: str) -> str:
    """The two check digits of a twelve-character CNPJ base, letters included (IN RFB 2.229/2024)."""
    values = [ord(c) - 48 for c in base]
    first = _mod11(values, [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
    second = _mod11([*values, first], [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
    return f"{first}{second}"


def is_cnpj(text: str) -> bool:
    """Whether `text` is a CNPJ, numeric or alphanumeric, upper case (IN RFB 2.229/2024)."""
    return _CNPJ.match(text) is not None and len(set(text)) > 1 and text[12:] == cnpj_digits(text[:12])


def cns_from_pis(base: str) -> str:
    """The definitive CNS (starts with 1 or 2) of an eleven-digit PIS/PASEP base."""
    total = sum(int(c) * (15 - i) for i, c in enumerate(base))
    digit = (11 - total % 11) % 11
    if digit == 10:
        digit = (11 - (total + 2) % 11) % 11
        return f"{base}001{digit}"
    return f"{base}000{digit}"


def is_cns(text: str) -> bool:
    """Whether `text` is a Cartão Nacional de Saúde: definitive (1, 2) or provisional (7, 8, 9), 15 digits."""
    if not _digits(text, 15):
        return False
    if text[0] in "12":
        return cns_from_pis(text[:11]) == text
    return text[0] in "789" and sum(int(c) * (15 - i) for i, c in enumerate(text)) % 11 == 0


def is_cnes(text: str) -> bool:
    """Whether `text` has the shape of a CNES: 7 digits; it has no check digit."""
    return _digits(text, 7)


def ans_digit(base: str) -> str:
    """The check digit of a five-digit registro ANS base; remainder 0 gives 1 and 1 gives 0, unlike the CPF."""
    rest = sum(int(c) * weight for c, weight in zip(base, (6, 5, 4, 3, 2), strict=True)) % 11
    return str((11 - rest) % 10)


def is_registro_ans(text: str) -> bool:
    """Whether `text` is an operator's registro ANS: 6 digits, the last a check digit."""
    return _digits(text, 6) and ans_digit(text[:5]) == text[5]


def is_tuss(text: str) -> bool:
    """Whether `text` is an eight-digit TUSS code with its check digit; nine-digit codes have none."""
    if _digits(text, 9):
        return True
    if not _digits(text, 8):
        return False
    return str(_mod11([int(c) for c in text[:7]], [8, 7, 6, 5, 4, 3, 2])) == text[7]


def is_sigtap(text: str) -> bool:
    """Whether `text` is a procedure of the SUS table (SIGTAP): ten digits, the last by modulo 11 (weights 1 to 9), the
    first two a group and the next two one of its subgroups."""
    if not _digits(text, 10) or not 1 <= int(text[2:4]) <= _SIGTAP_SUBGROUPS.get(text[:2], 0):
        return False
    total = sum(weight * int(digit) for weight, digit in enumerate(text[:9], start=1))
    return "00" not in (text[4:6], text[6:9].removeprefix("0")) and int(text[9]) == total % 11 % 10


def is_cbo(text: str) -> bool:
    """Whether `text` has the shape of a CBO occupation: 6 digits."""
    return _digits(text, 6)


def is_ibge_city(text: str) -> bool:
    """Whether `text` is an IBGE municipality: 7 digits with check digit, or the 6 digits DATASUS uses, of which the
    first two are a state's."""
    if text[:2] not in _STATE_CODES or not (_digits(text, 6) or _digits(text, 7)):
        return False
    if len(text) == 6 or text in _IBGE_EXCEPTIONS:
        return True
    total = 0
    for index, char in enumerate(text[:6]):
        product = int(char) * (1 if index % 2 == 0 else 2)
        total += product // 10 + product % 10
    return str((10 - total % 10) % 10) == text[6]


def is_cid10(text: str) -> bool:
    """Whether `text` has the shape of a Brazilian CID-10 code, without dot."""
    return _CID10.match(text) is not None
