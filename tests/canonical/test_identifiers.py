"""Brazilian identifiers against the published rules: known values, and every single-digit error for the strong ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canonical import identifiers as ids

VALID = [
    (ids.is_cpf, "52998224725"), (ids.is_cnpj, "11222333000181"), (ids.is_cnpj, "12ABC34501DE35"),
    (ids.is_cns, "123456789010000"), (ids.is_cns, "100000000060018"), (ids.is_cns, "700000000000005"),
    (ids.is_registro_ans, "326305"), (ids.is_registro_ans, "304051"), (ids.is_registro_ans, "300730"),
    (ids.is_sigtap, "0301010072"), (ids.is_sigtap, "0202020380"), (ids.is_sigtap, "0411010034"),
    (ids.is_tuss, "10101012"), (ids.is_tuss, "40304361"), (ids.is_tuss, "10101020"), (ids.is_tuss, "10104020"),
    (ids.is_ibge_city, "3550308"), (ids.is_ibge_city, "3117836"),
    (ids.is_cid10, "A90"), (ids.is_cid10, "J121"),
]  # fmt: skip
INVALID = [
    (ids.is_cpf, "11111111111"), (ids.is_cpf, "52998224726"), (ids.is_cpf, "529.982.247-25"), (ids.is_cpf, "٥٢٩٩٨٢٢٤٧٢٥"),
    (ids.is_cnpj, "12abc34501de35"), (ids.is_cnpj, "11222333000180"), (ids.is_cns, "300000000000005"),
    (ids.is_registro_ans, "326306"), (ids.is_tuss, "10101013"), (ids.is_sigtap, "0123456789"), (ids.is_sigtap, "0301010073"), (ids.is_ibge_city, "3550309"), (ids.is_ibge_city, "990102"), (ids.is_cid10, "A90.0"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "text"), VALID)
def test_valid(check, text) -> None:
    assert check(text)


@pytest.mark.parametrize(("check", "text"), INVALID)
def test_invalid(check, text) -> None:
    assert not check(text)


@given(
    st.text("0123456789", min_size=9, max_size=9).filter(lambda t: len(set(t)) > 1),
    st.integers(0, 10),
    st.integers(1, 9),
)
def test_a_wrong_digit_of_a_cpf_is_seen(base: str, place: int, shift: int) -> None:
    cpf = base + ids.cpf_digits(base)
    assert ids.is_cpf(cpf)
    wrong = cpf[:place] + str((int(cpf[place]) + shift) % 10) + cpf[place + 1 :]
    # Only the first digit can err unseen: the second check digit gives it the weight 11, and remainders 0 and 1 both
    # make the first check digit 0.
    assert not ids.is_cpf(wrong) or (place == 0 and cpf[9] == "0")


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=12, max_size=12).filter(lambda t: len(set(t)) > 1))
def test_alphanumeric_cnpj(base: str) -> None:
    assert ids.is_cnpj(base + ids.cnpj_digits(base))


@given(st.text("0123456789", min_size=11, max_size=11))
def test_definitive_cns(base: str) -> None:
    number = ids.cns_from_pis("1" + base[1:])
    assert len(number) == 15 and ids.is_cns(number)
