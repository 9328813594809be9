"""UCUM units: the grammar (UCUM §2.1), what is no unit, conversion there and back, and what stays apart."""

from __future__ import annotations

import csv
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir.search import ucum, units

FOLDER = Path(ucum.__file__).parent


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ATOMS = rows("ucum.csv")
PREFIXES = [row["code"] for row in rows("ucum_prefixes.csv")]
METRIC = [row["code"] for row in ATOMS if row["metric"] == "1"]
SIMPLE = st.one_of(
    st.sampled_from([row["code"] for row in ATOMS]),
    st.tuples(st.sampled_from(PREFIXES), st.sampled_from(METRIC)).map("".join),
)

# A unit, and the same otherwise.
SAME = {
    "kg.m/s2": "N", "cm2.m": "100.cm3", "g.m-2": "g/m2", "mL/(kg.h)": "mL/kg/h", "a/d": "1461/4",
    "/min": "min-1", "10*3/uL": "10*9/L", "10^3.uL-1": "10*9/L", "kPa": "1000.N/m2",
    "{beats}/min": "/min", "mL{total}": "mL", "/100{WBC}": "%", "mg/dL": "10.mg/L", "[lb_av]": "16.[oz_av]",
    "[psi]": "[lbf_av]/[in_i]2", "U/L": "umol/min/L", "[mi_i]": "1760.[yd_i]", "kcal": "[Cal]", "mg%": "mg/dL", "cd": "lm/sr",
    "dar": "ar/10", "Pa": "N.m-2", "min": "60.s", "mo": "1461.d/48", "((m))": "m", "m/(s/kg)": "m.kg/s", "m/s.kg": "m.kg/s",
    "[foz_us]": "2.[tbs_us]", "[degR]": "5.K/9", "Kibit": "1024.bit",
}  # fmt: skip
WRONG = (
    "", " ", "m m", "m.", ".m", "m..s", "//m", "m/", "(m", "m)", "()", "m--2", "m+", "2mL", "0", "m0", "kmin", "Cel.m", "k[pH]", "d%[slope]", "[pH]/L", "2.dB", "[pH]2", "dB/m",
    "mEg", "MIN", "{unclosed", "{a{b}}", "m{", "x", "ã", "m²", "Ym99", "Ym9.Ym9", "m\n",
    "(" * 40 + "m" + ")" * 40, "m" * 100, "9" * 110, "[", "[]", "[in_i", "kkg", "year", "week", "day",
)  # fmt: skip


@pytest.mark.parametrize("code", SAME)
def test_the_same_unit(code: str) -> None:
    assert ucum.read(code) == ucum.read(SAME[code]) is not None


@pytest.mark.parametrize("code", WRONG)
def test_no_unit(code: str) -> None:
    assert ucum.read(code) is None and units.known(code) is None


def test_every_unit_of_the_tables_is_read() -> None:
    """Each leads to units that are made of no others; codes and prefixes are there once."""
    ground = {row["code"] for row in ATOMS if not row["unit"]}
    for row in ATOMS:
        measure = ucum.read(row["code"])
        assert measure is not None and measure.factor > 0 and {code for code, _ in measure.powers} <= ground, row
    assert len({row["code"] for row in ATOMS}) == len(ATOMS) and len(set(PREFIXES)) == len(PREFIXES)
    for row in rows("units.csv"):
        unit = units.known(row["code"])
        assert unit is not None and unit.base == row["base"], row


# Base units and factors as they stand in indexes that were written before.
KEPT = {
    "g/dL": ("g/L", 10.0), "umol/L": ("mol/L", 1e-6), "mm[Hg]": ("Pa", 133.322387415), "10*6/uL": ("/L", 1e12), "kcal": ("J", 4184.0),
    "u[IU]/mL": ("[IU]/L", 1e-3), "mL/min": ("L/s", 1 / 60000), "mosm/kg": ("osm/kg", 1e-3), "mEq/L": ("eq/L", 1e-3), "U/mL": ("[U]/L", 1e3),
    "/min": ("/s", 1 / 60), "%": ("1", 0.01), "[in_us]": ("m", 0.0254000508001016), "kg/m2": ("kg/m2", 1.0), "mo": ("s", 2629800.0),
}  # fmt: skip


@pytest.mark.parametrize("code", KEPT)
def test_base_units_stay(code: str) -> None:
    found = units.known(code)
    assert found is not None and found.offset == 0
    assert (found.base, f"{found.factor:.12g}") == (KEPT[code][0], f"{KEPT[code][1]:.12g}")


def test_temperatures_are_shifted() -> None:
    celsius, fahrenheit = units.known("Cel"), units.known("[degF]")
    assert celsius is not None and fahrenheit is not None
    assert celsius.of(37) == fahrenheit.of(98.6) == 310.15 and celsius.base == fahrenheit.base == "K"


# A value of a special unit, and the same in another (UCUM §21, table of functions).
FUNCTIONS = [
    (7, "[pH]", 1e-7, "mol/L"), (7, "[pH]", 100, "nmol/L"), (10, "dB", 1, "B"), (3, "B", 1000, "1"), (1, "Np", math.e, "1"),
    (20, "dB", 100, "1"), (2, "B[V]", 10, "V"), (60, "dB[mV]", 1, "V"), (4, "B[W]", 1, "B[kW]"), (0, "B[SPL]", 20, "uPa"), (8, "bit_s", 256, "1"),
    (2, "B[10.nV]", 100, "nV"), (0, "B[uV]", 1e-6, "V"), (100, "[p'diop]", 45, "deg"), (100, "%[slope]", math.pi / 4, "rad"), (80, "[degRe]", 100, "Cel"),
    (37000, "mCel", 37, "Cel"), (6, "[hp'_X]", 3, "[hp'_C]"), (2, "[hp'_M]", 1e-6, "1"), (1, "[hp'_Q]", 2e-5, "1"), (3, "[m/s2/Hz^(1/2)]", 9, "m2/s4/Hz"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "code", "same", "other"), FUNCTIONS)
def test_units_that_are_functions(value: float, code: str, same: float, other: str) -> None:
    one, two = units.known(code), units.known(other)
    assert one is not None and two is not None and one.base == two.base
    assert math.isclose(one.of(value), two.of(same), rel_tol=1e-10)


def test_what_a_function_has_no_value_for() -> None:
    """Infinity, or no number, is never compared; what falls is known to."""
    beyond, root, acid, level = (units.known(code) for code in ("B", "[m/s2/Hz^(1/2)]", "[pH]", "dB"))
    assert beyond is not None and root is not None and acid is not None and level is not None
    assert math.isinf(beyond.of(1e9)) and math.isnan(root.of(-1))
    assert acid.falls and not level.falls and acid.of(8) < acid.of(7) and level.of(8) > level.of(7)


@pytest.mark.parametrize(
    ("one", "other"),
    [("mmol/L", "10*9/L"), ("mmol/L", "meq/L"), ("[IU]/L", "U/L"), ("[CFU]/mL", "/mL"), ("/[HPF]", "1"), ("g", "mol"), ("rad", "1"), ("K", "Cel.m")],
)  # fmt: skip
def test_kinds_that_stay_apart(one: str, other: str) -> None:
    first, second = units.known(one), units.known(other)
    assert first is not None and (second is None or first.base != second.base)


MANY = 90  # digits of a factor; of more no unit need be read


def digits(factor: Fraction) -> int:
    return max(len(str(factor.numerator)), len(str(factor.denominator)))


@given(SIMPLE, SIMPLE, st.integers(-3, 3).filter(bool), st.integers(-3, 3).filter(bool))
def test_products_follow_the_arithmetic(one: str, other: str, first: int, second: int) -> None:
    """Powers, products, quotients and parentheses of any two units are those of their factors."""
    a, b = ucum.read(one), ucum.read(other)
    assert a is not None and b is not None
    raised, also = f"{one}{first}", f"{other}{second}"
    bound = digits(a.factor) * abs(first) + digits(b.factor) * abs(second)  # of any factor on the way
    for code, factor in (
        (raised, a.factor**first),
        (f"{raised}.{also}", a.factor**first * b.factor**second),
        (f"{raised}/{also}", a.factor**first / b.factor**second),
        (f"/({raised}.{also})", 1 / (a.factor**first * b.factor**second)),
    ):
        found = ucum.read(code)
        assert found is not None or bound > MANY or len(code) > ucum.LONGEST, code
        assert found is None or found.factor == factor, code


@given(SIMPLE, SIMPLE, st.booleans())
def test_a_product_is_read_as_it_is_written(one: str, other: str, divided: bool) -> None:
    for first in (one, f"/{one}", f"{one}/s", "1"):
        for second in (other, f"/{other}", f"{other}/s", f"{other}.m", "1"):
            code = ucum.product(first, second, divided=divided)
            found, a, b = ucum.read(code), ucum.read(first), ucum.read(second)
            assert a is not None and b is not None
            factor = a.factor / b.factor if divided else a.factor * b.factor
            assert found is not None or digits(factor) > MANY or len(code) > ucum.LONGEST
            assert found is None or found == a.times(b, -1 if divided else 1)


@given(SIMPLE, st.floats(1e-9, 1e9))
def test_there_and_back(code: str, value: float) -> None:
    unit = units.known(code)
    assert unit is not None and math.isclose(unit.back(unit.of(value)), value, rel_tol=1e-10)


@given(st.text(alphabet="mgLs10*^./(){}[]-+2%k'ux ", max_size=70))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    found = ucum.read(text)
    assert found is None or (isinstance(found.factor, Fraction) and found.factor > 0)
