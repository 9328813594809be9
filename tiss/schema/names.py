"""What the elements of a message are called in the manual, and what a field takes: the words of schema findings.

Names are those of the componente de Conteúdo e Estrutura (`names.csv`); who bills knows `Número da carteira`, not
`numeroCarteira`. Examples (`examples.csv`, else by type) are invented.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from tiss.wire.shapes import Shape

Args = tuple[tuple[str, str], ...]
ShapeAt = Callable[[str], Shape | None]  # the shape of the element at a place of the message
FIELD, GROUP = "campo", "grupo"
_FOLDER = Path(__file__).parent
_POSITION = re.compile(r"\[\d+\]")
_BETWEEN = re.compile(r",| / ")
_BY_BASE = {"date": "2026-11-20", "time": "10:30:00", "boolean": "true", "base64Binary": "JVBERi0xLjcK"}
_NUMBERS = frozenset(("decimal", "integer", "positiveInteger", "nonNegativeInteger", "int", "long"))
_LISTED = ("expected", "missing", "parents", "order")  # arguments that list elements
_NAMED = ("other", "right")  # arguments that name one


@cache
def _names() -> dict[tuple[str, str], str]:
    with (_FOLDER / "names.csv").open(encoding="utf-8", newline="") as file:
        return {(row["element"], row["kind"]): row["name"] for row in csv.DictReader(file)}


@cache
def _examples() -> dict[str, str]:
    with (_FOLDER / "examples.csv").open(encoding="utf-8", newline="") as file:
        return {row["element"]: row["example"] for row in csv.DictReader(file)}


def called(element: str, shape: Shape | None = None) -> str:
    """`campo Número da carteira (numeroCarteira)`, or `grupo …` of what holds fields; without a name the tag alone."""
    names = _names()
    known = [kind for kind in (FIELD, GROUP) if (element, kind) in names]
    kind = (FIELD if not shape.parts else GROUP) if shape is not None else next(iter(known), FIELD)
    name = names.get((element, kind)) or names.get((element, GROUP if kind == FIELD else FIELD), "")
    return f"{kind} {name} ({element})" if name not in ("", element) else f"{kind} {element}"


def example(element: str, shape: Shape | None) -> str:
    """A text the field takes."""
    if shape is None:
        return "…"
    own = _examples().get(element, "")
    if own and _takes(shape, own):
        return own
    if shape.codes:
        return next(code for code in shape.codes if code)
    if shape.base in _NUMBERS:
        return "12.50" if shape.places else _kin(element, shape) or "1"
    return _BY_BASE.get(shape.base) or _text(element, shape)


def _text(element: str, shape: Shape) -> str:
    return _kin(element, shape) or "12345678901234567890"[: max(shape.shortest or 0, min(shape.longest or 5, 5))]


def _kin(element: str, shape: Shape) -> str:
    """An example of fields whose name begins alike; empty where there is none the field takes."""
    kin = (text for start, text in _examples().items() if start.endswith("*") and element.startswith(start[:-1]))
    return next((text for text in kin if _takes(shape, text)), "")


def _takes(shape: Shape, text: str) -> bool:
    if shape.codes:
        return text in shape.codes
    longest = shape.digits if shape.base in _NUMBERS else shape.longest
    fits = longest is None or len(text) <= longest
    return fits and all(re.fullmatch(pattern, text, re.ASCII) for pattern in shape.patterns)


def worded(code: str, where: str, args: Args, shape_at: ShapeAt) -> Args:
    """`args` of a finding and the words for what they name.

    `field` and `inside` are the element and the group around it, `example` a text it takes, `…_names` and `…_name`
    what the elements of lists and single arguments are called.
    """
    plain = _POSITION.sub("", where)
    above, _, own = plain.rpartition("/")
    parent = plain if code.startswith("xsd.missing") else above  # what is missing is told at the group that lacks it
    shape, known = shape_at(plain), dict(args)
    words = {
        "found": own,
        "field": called(own, shape),
        "inside": called(parent.rpartition("/")[2], shape_at(parent)),
        "example": example(own, shape),
    }
    for key in _LISTED:
        if key in known:
            words[f"{key}_names"] = ", ".join(_each(known[key], parent, shape_at))
    for key in _NAMED:
        if key in known:
            words[f"{key}_name"] = called(known[key], shape_at(f"{parent}/{known[key]}"))
    return (*words.items(), *((key, value) for key, value in args if key not in words))


def _each(listed: str, parent: str, shape_at: ShapeAt) -> Iterable[str]:
    """What each of the elements of a list is called; `</x>` stands for the end of a group."""
    for name in filter(None, map(str.strip, _BETWEEN.split(listed))):
        if name.startswith("</"):
            yield f"fim do {called(parent.rpartition('/')[2], shape_at(parent))}"
        else:
            yield called(name, shape_at(f"{parent}/{name}")) if name[0] not in "#*.{" else name
