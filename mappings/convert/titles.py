"""Surnames (FN, 2.5.1 §2.A.30) and titles of people, wherever their senders put them."""

from __future__ import annotations

import re
from typing import Any

from canonical.extensions import EXTENSIONS
from canonical.identity import fold
from mappings.convert.registry import Context, Value
from mappings.tables.table import codes

TITLES = "xcn-title"
_SOCIAL = re.compile(r"\s*\(?\bNOME\s+SOCIAL\b\)?\s*[:\-]?\s*", re.IGNORECASE)
DEGREES = "xcn-degree"
_A_WORD = "DO"
_LEAST = 3  # components: surname, given name, degree
_LETTERS = re.compile(r"[^\W\d_][^\d_&\\]*\Z")
_OF_SURNAMES = {2: "name-own-prefix", 3: "name-own-name", 4: "name-partner-prefix", 5: "name-partner-name"}
_TITLED = re.compile(r"(([^\W\d_]+(?:\([AaOo]\))?)(?:\.|(?=\s)))\s*(\S.*)\Z")


def surname(value: Value, component: int) -> str:
    """FN (2.5.1 §2.A.30): the surname with its own prefix, which some senders put beside it and some in it as well, and
    with the second one that some put where the prefix belongs."""
    whole, prefix, own = (value.text(component, n) for n in (1, 2, 3))
    if not whole:
        return " ".join(part for part in (prefix, own) if part)
    if not prefix or whole.upper().startswith(prefix.upper()) or (own and own.upper() in whole.upper()):
        return whole
    return f"{whole} {prefix}" if second_surname(value, component) else f"{prefix} {whole}"


def second_surname(value: Value, component: int) -> str:
    """FN-2 where it is a second surname behind the first one (`GOMEZ&RUIZ`), as senders of two surnames write them: it
    does not end in a prefix (`Van`, `De La`, `Freiherr von`) nor stand in small letters, and no own surname stands
    behind it. Else empty."""
    said, own = value.text(component, 2), value.text(component, 3)
    if not said or own or not said[0].isupper():
        return ""
    prefixes = codes("surname-prefix")
    last = said.split()[-1]
    return "" if last.endswith("'") or fold(last).upper().strip(".") in prefixes else said


def named(value: Value, context: Context) -> Value:
    """An XCN whose end, a degree or a title where another given name belongs, shows how its name stands; any other
    value itself.

    Without number a component early (`SMITH^ROBERT^MD`), letters alone for a number, which is told; behind a number
    the degree is one (`1234^SMITH^ROBERT^MD`), but for DO, which is a word of Portuguese names.
    """
    parts = value.raw.rstrip(value.delimiters.component).split(value.delimiters.component)
    if not _LEAST <= len(parts) <= _LEAST + 1 or not all(map(_LETTERS.match, parts[1:])):
        return value
    last = parts[-1].strip().upper().replace(".", "")
    degree, title = (last if last in context.codes(table) else "" for table in (DEGREES, TITLES))
    if any(map(str.isdigit, parts[0])):
        if not degree or degree == _A_WORD or len(parts) == _LEAST:
            return value
        said = [*parts[:-1], "", "", "", degree]
    elif (degree or title) and _LETTERS.match(parts[0]):
        context.problems.append(value.problem("field.name-form"))
        said = ["", *parts[:-1], *[""] * (_LEAST + 1 - len(parts)), "", title, degree]
    else:
        return value
    return Value(value.delimiters.component.join(said), value.source, value.segment)


def surname_parts(value: Value, component: int) -> dict[str, Any]:
    """FN-2 to 5 (prefix and surname of one's own, and the partner's) as what stands beside a `family` (v2-to-fhir
    FN[HumanName])."""
    parts = {name: text for n, name in _OF_SURNAMES.items() if (text := value.text(component, n))}
    if second_surname(value, component):
        del parts["name-own-prefix"]
    extensions = [{"url": EXTENSIONS[name], "valueString": text} for name, text in parts.items()]
    return {"_family": {"extension": extensions}} if extensions else {}


def title_of(value: Value, context: Context) -> str:
    """XCN-6, or a title that stands where the degree belongs (XCN-7 `DRA`: table 0360 has no such degree), or before
    the surname or the given name (`DR. RUI LIMA`, `DRA. COSTA^LENA`, `SALES^DR. IVAN`)."""
    degree = context.codes(TITLES).get(value.text(7).upper().rstrip("."), "")
    return value.text(6) or degree or parted(surname(value, 2), context)[0] or parted(value.text(3), context)[0]


def untitled(value: Value, context: Context) -> tuple[str, list[str]]:
    """The surname and the given names of an XCN without a title before them: the person is the same without it."""
    given = (parted(value.text(3), context)[1], value.text(4))
    return parted(surname(value, 2), context)[1], [part for part in given if part]


def parted(name: str, context: Context) -> tuple[str, str]:
    """The title before a name, and the name without it; what is a title alone (`Enf`) is a name."""
    match = _TITLED.match(name)
    if match is None or match[2].upper().removesuffix("(A)") not in context.codes(TITLES):
        return "", name
    return match[1], match[3]


def social(value: Value) -> Value | None:
    """An XPN that is a social name by its type (XPN-7 `S`) or by these words in it, without the words; else None."""
    if value.text(7).upper() == "S":
        return value
    bare = _SOCIAL.sub("", value.raw) if "OCIAL" in value.raw.upper() else value.raw
    return Value(bare, value.source, value.segment) if bare != value.raw else None
