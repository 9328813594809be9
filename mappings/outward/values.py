"""What all conversions outward share: repetitions of an HL7 field, and texts, codes and moments as such.

A repetition is its texts by (component, subcomponent); none means there is nothing to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mappings.tables.table import codes

Repetition = dict[tuple[int, int], str]
Conversion = Callable[[Any, str], list[Repetition]]
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?\Z")


def components(*texts: str) -> list[Repetition]:
    """One repetition of these components; none of empty ones."""
    repetition = {(n, 1): text for n, text in enumerate(texts, start=1) if text}
    return [repetition] if repetition else []


def text(value: Any, argument: str) -> list[Repetition]:
    """A string as it is."""
    return components(str(value))


def parts(value: Any, argument: str) -> list[Repetition]:
    """`OML^O21^OML_O21` as its components."""
    return components(*str(value).split("^"))


def text_of(value: Any, argument: str) -> list[Repetition]:
    """The text of an Annotation or CodeableConcept."""
    return components(str(value.get("text", "")))


def datetime_text(value: Any, argument: str) -> list[Repetition]:
    """A FHIR date, dateTime or instant as DTM of the same precision, with its offset."""
    match = _DATE.match(str(value))
    if match is None:
        return []
    zone = (match[7] or "").replace(":", "").replace("Z", "+0000")
    return components("".join(part or "" for part in match.groups()[:6]) + zone)


def date_text(value: Any, argument: str) -> list[Repetition]:
    """The day of a FHIR date or dateTime as DT."""
    return [{place: text[:8] for place, text in one.items()} for one in datetime_text(value, "")]


def code(value: Any, argument: str) -> list[Repetition]:
    """A code by the table `argument`; one without a row is left out."""
    return components(codes(argument).get(str(value), ""))


def flag(value: Any, argument: str) -> list[Repetition]:
    """A boolean as ID of table 0136."""
    return components("Y" if value is True else "N")


def is_stated(value: Any, argument: str) -> list[Repetition]:
    """`Y` where there is any value: a date of death says that there was one."""
    return components("Y")


def joined(value: Any, argument: str) -> list[Repetition]:
    """The texts of all Annotations as one, for a field that does not repeat; they are told apart by a line end."""
    return components("\n".join(str(note["text"]) for note in value if note.get("text")))


def filled(repetition: Repetition) -> Repetition:
    """What of it says something."""
    return {place: shown for place, shown in repetition.items() if shown}


def filled_list(repetition: Repetition) -> list[Repetition]:
    """The repetition, where it says something."""
    found = filled(repetition)
    return [found] if found else []
