"""A segment of ER7 (2.5.1 §2.5): fields, repetitions, components and subcomponents, split when they are asked for."""

from __future__ import annotations

from hl7.delimiters import Delimiters
from hl7.escapes import unescape

NULL = '""'
_LONGEST_KEPT = 1_000  # characters of a repetition whose components are kept: not those of a file


class Segment:
    """One segment: its name, its 1-based place in the message, and its fields on demand.

    `asked` is for whoever accounts for fields: bit n is set when something asked for field n beside its own.
    """

    __slots__ = ("_fields", "_parts", "_said", "_texts", "asked", "delimiters", "index", "name", "raw")

    def __init__(self, raw: str, index: int, delimiters: Delimiters) -> None:
        self.raw = raw
        self.index = index
        self.asked = 0
        self.delimiters = delimiters
        self.name = raw[:3]
        self._fields: list[str] | None = None
        self._said = -1
        self._parts: dict[int, tuple[str, list[str]]] = {}
        self._texts: dict[str, list[str]] = {}

    def said(self) -> int:
        """The fields that are not empty, as bits: bit n stands for field n."""
        if self._said < 0:
            self._said = sum([1 << number for number, content in enumerate(self.fields()) if content])
        return self._said

    def fields(self) -> list[str]:
        """The raw fields; position n is field n (MSH-1 is the separator itself)."""
        if self._fields is None:
            parts = self.raw.split(self.delimiters.field)
            if self.name in ("MSH", "FHS", "BHS"):
                parts.insert(1, self.delimiters.field)
            self._fields = parts
        return self._fields

    def raw_field(self, number: int) -> str:
        """Field `number` as sent, all repetitions; empty when absent."""
        fields = self._fields or self.fields()
        return fields[number] if number < len(fields) else ""

    def repetitions(self, number: int) -> list[str]:
        """The raw repetitions of a field, not to be changed, split once for all who ask; an empty field has none."""
        raw = self.raw_field(number)
        if self.delimiters.repetition not in raw:
            return [raw] if raw else []
        known = self._parts.get(number)
        if known is None or known[0] is not raw:
            known = self._parts[number] = (raw, self.split(raw, number))
        return known[1]

    def split(self, raw: str, number: int) -> list[str]:
        """The repetitions of `raw`, the content of field `number`."""
        if number == 2 and self.name in ("MSH", "FHS", "BHS"):
            return [raw]
        mark = self.delimiters.repetition
        return raw.split(mark) if mark in raw else [raw]

    def text(self, number: int, component: int = 1, sub: int = 1, repetition: int = 0) -> str:
        """The unescaped value at a place (1-based component and subcomponent); empty when absent.

        A component that was sent where the receiver asks for a subcomponent answers for its first one, and the
        reverse: HL7 lets a type grow that way (2.5.1 §2.5.3).
        """
        raw = self.raw_field(number)
        if not raw:
            return ""
        delimiters = self.delimiters
        if delimiters.repetition in raw:
            repetitions = self.repetitions(number)
            if repetition >= len(repetitions):
                return ""
            raw = repetitions[repetition]
        elif repetition:
            return ""
        return component_text(raw, delimiters, component, sub)

    def texts(self, raw: str) -> list[str]:
        """The components of `raw`, a repetition of one of the fields, without blanks around them (`""` reads as empty),
        read once for all who ask; empty where something in it is escaped, divided further or not printable.
        """
        found = self._texts.get(raw)
        if found is None:
            d = self.delimiters
            plain = d.sub not in raw and d.escape not in raw and raw.isprintable()
            parts = raw.split(d.component) if plain else []
            found = ["" if part == NULL else part.strip() for part in parts]
            if len(raw) <= _LONGEST_KEPT:
                self._texts[raw] = found
        return found

    def ask(self, number: int, component: int = 1, sub: int = 1) -> str:
        """The same without blanks around it, noted in `asked`: a look at a field beside the one a row names."""
        self.asked |= 1 << number
        return self.text(number, component, sub).strip()

    def extend(self, text: str) -> None:
        """Add what belongs to the end of this segment and came behind it."""
        self.raw += text
        self._fields = None
        self._said = -1

    def __repr__(self) -> str:
        """The name and place only: a segment's content is patient data."""
        return f"<{self.name} #{self.index}>"


def component_text(raw: str, delimiters: Delimiters, component: int = 1, sub: int = 1) -> str:
    """The unescaped value of a component of one raw repetition.

    A subcomponent separator between blanks (`Silva & Filhos`) is text that was not escaped, and divides nothing.
    """
    if delimiters.component in raw:
        components = raw.split(delimiters.component)
        if component > len(components):
            return ""
        raw = components[component - 1]
    elif component > 1:
        return ""
    if delimiters.sub in raw:
        subs = [raw] if f" {delimiters.sub} " in raw else raw.split(delimiters.sub)
        if sub > len(subs):
            return ""
        raw = subs[sub - 1]
    elif sub > 1:
        return ""
    return unescape(raw, delimiters) if delimiters.escape in raw else raw
