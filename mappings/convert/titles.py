"""Surnames (FN, 2.5.1 §2.A.30) and titles of people, wherever their senders put them."""

from __future__ import annotations

from mappings.convert.registry import Context, Value

TITLES = "xcn-title"


def surname(value: Value, component: int) -> str:
    """FN (2.5.1 §2.A.30): the surname with its own prefix, which some senders put beside it and some in it as well."""
    whole, prefix, own = (value.text(component, n) for n in (1, 2, 3))
    if not whole:
        return " ".join(part for part in (prefix, own) if part)
    if not prefix or whole.upper().startswith(prefix.upper()) or (own and own.upper() in whole.upper()):
        return whole
    return f"{prefix} {whole}"


def title_of(value: Value, context: Context) -> str:
    """XCN-6, or a title that stands where the degree belongs (XCN-7 `DRA`: table 0360 has no such degree), or before a
    name in one component (`DR. RUI LIMA`)."""
    degree = context.codes(TITLES).get(value.text(7).upper().rstrip("."), "")
    return value.text(6) or degree or untitled(value, context)[0]


def untitled(value: Value, context: Context) -> tuple[str, str]:
    """The title before a name that is all in XCN-2, and the name without it: the person is the same without it."""
    whole = surname(value, 2)
    title, _, name = whole.partition(" ")
    word = title.upper().removesuffix("(A)").rstrip(".")
    if value.text(3) or not name.strip() or word not in context.codes(TITLES):
        return "", whole
    return title, name.strip()
