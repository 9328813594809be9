"""Filters of ECL 2.2 (`{{ … }}`): of descriptions, concepts, members; history supplements; codes and literals."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from fhir.terminology.dialects import aliases
from fhir.terminology.ecl.scanner import Scanner
from fhir.terminology.nodes import All, Codes, Defined, Described, Historic, Lineage, Node, Numbers, Test, Texts, Truth

Reading = Callable[[Scanner], Node]
_CODE = r"[1-9]\d{5,17}(?!\d)"
_STRING = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"#[+-]?(?:0|[1-9]\d*)(?:\.\d+)?(?![\d.])"
_ANY_ORDER = r"!=|<>|not\s*=|<=|>=|=|<|>"
_EQUAL = r"!=|<>|not\s*=|="
_TYPES = {
    "syn": "900000000000013009", "synonym": "900000000000013009", "fsn": "900000000000003001",
    "fullyspecifiedname": "900000000000003001", "def": "900000000000550004", "definition": "900000000000550004",
}  # fmt: skip
_RANKS = {
    "prefer": "P", "preferred": "P", "accept": "A", "acceptable": "A",
    "900000000000548007": "P", "900000000000549004": "A",
}  # fmt: skip
_STATES = {"primitive": "900000000000074008", "defined": "900000000000073002"}
_SAME, _REPLACED, _WAS, _PARTLY = "900000000000527005", "900000000000526001", "900000000000528000", "1186924009"
_ASSOCIATIONS = Lineage(Codes(("900000000000522004",)), True, True, False)
_HISTORY: dict[str, Node] = {
    "min": Codes((_SAME,)),
    "mod": Codes((_SAME, _REPLACED, _WAS, _PARTLY)),
    "max": _ASSOCIATIONS,
    "": _ASSOCIATIONS,
}
_SHARED = ("moduleid", "effectivetime", "active")
_FIELDS = {
    "d": ("term", "language", "typeid", "type", "dialectid", "dialect", "id", *_SHARED),
    "c": ("definitionstatusid", "definitionstatus", *_SHARED),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One `{{ … }}`: `d`, `c` or `m` with its tests, or `+` with the lists of associations."""

    kind: str
    tests: tuple[Test, ...] = ()
    lists: Node | None = None


def code(scanner: Scanner) -> str:
    """A concept's code, its term behind it passed over."""
    found = scanner.need(_CODE)
    if scanner.take(r"\|"):
        scanner.need(r"[^|]*\|")
    return found


def operator(scanner: Scanner, pattern: str) -> str:
    """A comparison as `=`, `!=`, `<` …"""
    found = scanner.need(pattern)
    return "!=" if found[0] in "nN" or found in ("!=", "<>") else found


def literal(scanner: Scanner, compared: str) -> Numbers | Texts | Truth | None:
    """A number, text or truth, or a set of them in parentheses; None where something else stands."""
    several = scanner.see(r"\(\s*(?:#|\"|(?:match|wild)\s*:)") is not None and bool(scanner.take(r"\("))
    found: Numbers | Texts | Truth | None = None
    if scanner.see("#") is not None:
        values = [Decimal(scanner.need(_NUMBER)[1:])]
        while several and scanner.see("#") is not None:
            values.append(Decimal(scanner.need(_NUMBER)[1:]))
        found = Numbers(tuple(values))
    elif compared in ("=", "!="):
        found = _texts(scanner, several, "exact")
        if found is None and (truth := scanner.take(r"(?:true|false)\b")):
            found = Truth(truth.lower() == "true")
    if several:
        scanner.need(r"\)")
    return found


def _texts(scanner: Scanner, several: bool, usual: str) -> Texts | None:
    found: list[tuple[str, str]] = []
    while scanner.see(r"\"|(?:match|wild)\s*:") is not None and (several or not found):
        kind = (scanner.take(r"match|wild") or usual).lower()
        scanner.take(":")
        text = scanner.need(_STRING)[1:-1]
        if not text.strip():
            raise scanner.refused()
        unescaped = r'\\(["\\])' if kind == "wild" else r"\\(.)"
        found.append((kind, re.sub(unescaped, _kept if kind == "wild" else r"\1", text)))
    return Texts(tuple(found)) if found else None


def _kept(match: re.Match[str]) -> str:
    """In a pattern a backslash stays before a backslash (and before a star), and nowhere else."""
    return match[1] if match[1] == '"' else "\\\\"


def read(scanner: Scanner, part: Reading) -> tuple[Block, ...]:
    """The filters behind a focus."""
    found: list[Block] = []
    while scanner.take(r"\{\{"):
        if scanner.take(r"\+"):
            found.append(_history(scanner, part))
        else:
            kind = (scanner.take(r"[dcm]\b(?!\s*[=!<>])") or "d").lower()
            tests = [_test(scanner, kind, part)]
            while scanner.take(","):
                tests.append(_test(scanner, kind, part))
            found.append(Block(kind, tuple(tests)))
        scanner.need(r"\}\}")
    return tuple(found)


def applied(found: Node, blocks: tuple[Block, ...]) -> Node:
    """What the filters leave, and supplements add, in their order."""
    for block in blocks:
        if block.kind == "d":
            found = All((found, Described(block.tests)))
        elif block.kind == "c":
            found = All((found, Defined(block.tests)))
        elif block.kind == "+" and block.lists is not None:
            found = Historic(found, block.lists)
    return found


def _history(scanner: Scanner, part: Reading) -> Block:
    scanner.need("history")
    if scanner.take("[-_]"):
        return Block("+", lists=_HISTORY[scanner.need(r"(?:min|mod|max)\b").lower()])
    if scanner.see(r"\(") is not None:
        return Block("+", lists=part(scanner))
    return Block("+", lists=_HISTORY[""])


def _test(scanner: Scanner, kind: str, part: Reading) -> Test:
    name = scanner.need(r"[A-Za-z][A-Za-z0-9_]*")
    known = name.lower()
    if kind != "m" and known not in _FIELDS[kind]:
        raise scanner.refused()
    if known == "effectivetime":
        compared = operator(scanner, _ANY_ORDER)
        return Test(known, compared, Texts(tuple(("exact", each) for each in _times(scanner))))
    if known == "active":
        compared = operator(scanner, _EQUAL)
        return Test(known, compared, Truth(scanner.need(r"(?:true|false|1|0)\b").lower() in ("true", "1")))
    if kind == "m" and known != "moduleid":
        compared = operator(scanner, _ANY_ORDER)
        value = literal(scanner, compared)
        if value is None and compared not in ("=", "!="):
            raise scanner.refused()
        return Test(name, compared, value if value is not None else part(scanner))
    return _of_text(scanner, known, operator(scanner, _EQUAL), part)


def _of_text(scanner: Scanner, known: str, compared: str, part: Reading) -> Test:
    """Tests for equality of a concept's or a description's fields."""
    match known:
        case "term":
            several = bool(scanner.take(r"\("))
            texts = _texts(scanner, several, "match")
            if texts is None:
                raise scanner.refused()
            if several:
                scanner.need(r"\)")
            return Test(known, compared, texts)
        case "language" | "id":
            return Test(known, compared, Texts(_set(scanner, r"[A-Za-z]{2}\b" if known == "language" else _CODE)))
        case "type":
            return Test("typeid", compared, Codes(_named(scanner, _TYPES)))
        case "definitionstatus":
            return Test("definitionstatusid", compared, Codes(_named(scanner, _STATES)))
        case "dialect" | "dialectid":
            return _dialect(scanner, known, compared, part)
    return Test(known, compared, _concepts(scanner, part))


def _times(scanner: Scanner) -> tuple[str, ...]:
    return tuple(text.strip('"') for _, text in _set(scanner, r'"\d{8}"'))


def _set(scanner: Scanner, pattern: str) -> tuple[tuple[str, str], ...]:
    """One word, or several in parentheses."""
    if not scanner.take(r"\("):
        return (("exact", scanner.need(pattern)),)
    found = [scanner.need(pattern)]
    while not scanner.take(r"\)"):
        found.append(scanner.need(pattern))
    return tuple(("exact", each) for each in found)


def _named(scanner: Scanner, known: dict[str, str]) -> tuple[str, ...]:
    words = sorted(known, key=len, reverse=True)
    return tuple(known[text.lower()] for _, text in _set(scanner, rf"(?:{'|'.join(words)})(?![\w-])"))


def _dialect(scanner: Scanner, known: str, compared: str, part: Reading) -> Test:
    """Refsets by alias, code or expression; in a set each may have acceptabilities of its own, behind it all have."""
    words = "|".join(sorted(aliases(), key=len, reverse=True))
    one = rf"(?:{words})(?![\w-])" if known == "dialect" else _CODE
    if known == "dialectid" and scanner.see(rf"\(?\s*{_CODE}") is None:
        return Test("dialectid", compared, part(scanner), _ranks(scanner))
    several = bool(scanner.take(r"\("))
    found: list[tuple[str, str]] = []
    while not found or (several and not scanner.take(r"\)")):
        named = code(scanner) if known == "dialectid" else aliases()[scanner.need(one).lower()]
        found.append(("".join(_ranks(scanner)) if several else "", named))
    shared = "".join(_ranks(scanner))
    return Test("dialectid", compared, Texts(tuple((ranks or shared, named) for ranks, named in found)))


def _concepts(scanner: Scanner, part: Reading) -> Node:
    """Codes side by side in parentheses, else an expression."""
    if scanner.see(rf"\(\s*{_CODE}\s*(?:\|[^|]*\|\s*)?(?:[1-9]|\))") is None:
        return part(scanner)
    scanner.need(r"\(")
    found = [code(scanner)]
    while not scanner.take(r"\)"):
        found.append(code(scanner))
    return Codes(tuple(found))


def _ranks(scanner: Scanner) -> tuple[str, ...]:
    """The acceptabilities behind a dialect; none stated: each."""
    if not scanner.take(r"\("):
        return ()
    found: list[str] = []
    while not scanner.take(r"\)"):
        word = scanner.take(r"(?:preferred|prefer|acceptable|accept)\b") or code(scanner)
        if word.lower() not in _RANKS:
            raise scanner.refused()
        found.append(_RANKS[word.lower()])
    return tuple(dict.fromkeys(found))
