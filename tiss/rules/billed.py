"""What a batch of guides bills, item by item: table, code, where it stands, and who performed it as far as told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from tiss.wire.message import Tiss, place
from tiss.wire.reading import find, local, value

_PERFORMERS = ("profissionalExecutante", "procedimentosRealizados/procedimentoRealizado/profissionais")
_COUNCIL = ("conselhoProfissional", "conselho")
_NUMBER = ("numeroConselhoProfissional",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """One item of a guide; `council`, `number` and `state` (ANS codes) are of who performed it, empty when not told."""

    where: str
    table: str
    code: str
    council: str
    number: str
    state: str


def items(message: Tiss) -> Iterator[Billed]:
    """The items of a message's guides, in order; none for other messages."""
    for guides in message.root.iter("{*}guiasTISS"):
        for guide in guides:
            performer = next((found for path in _PERFORMERS if (found := find(guide, path)) is not None), None)
            named = _named(performer)
            for node in guide.iter("{*}codigoProcedimento"):
                parent = node.getparent()
                if parent is not None and local(node):
                    table = value(parent, "codigoTabela")
                    yield Billed(where=place(parent), table=table, code=(node.text or "").strip(), **named)


def _named(performer: etree._Element | None) -> dict[str, str]:
    if performer is None:
        return {"council": "", "number": "", "state": ""}

    def first(*names: str) -> str:
        return next((text for name in names if (text := value(performer, name))), "")

    return {"council": first(*_COUNCIL), "number": first(*_NUMBER), "state": value(performer, "UF")}
