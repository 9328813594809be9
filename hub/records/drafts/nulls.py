"""An explicit null (`""`) is a statement like any other: an older message does not bring back what it took away, nor
does one that only mentions the record; a newer one that states the element does (HL7 v2.5.1 §2.5.3)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from canonical.records import Draft
from hub.records.drafts.marks import mark_nulled, nulled

Groups = Mapping[str, Callable[[Any], str]]


def since(body: dict[str, Any], moment: datetime.datetime | None) -> frozenset[str]:
    """The elements set to null by a later event than that of `moment`; all of them when it is None."""
    return frozenset(path for path, at in nulled(body).items() if moment is None or at > moment)


def left(name: str, value: Any, gone: frozenset[str], choice: str, groups: Groups) -> Any:
    """What is left of a statement when the elements `gone` were nulled; None when nothing is.

    `choice` is the choice element that `name` is one form of; `groups` tell the parts of a list by name.
    """
    if name in gone or (choice and f"{choice}[x]" in gone):
        return None
    parts = {path[len(name) + 1 :] for path in gone if path.startswith((f"{name}:", f"{name}."))}
    if parts and isinstance(value, list) and name in groups:
        return [item for item in value if groups[name](item) not in parts] or None
    if parts and isinstance(value, dict):
        return {key: part for key, part in value.items() if key not in parts} or None
    return value


def note(body: dict[str, Any], draft: Draft, choice: Callable[[str], str], groups: Groups) -> None:
    """Remember what the newest message about a record set to null, and forget it of what it states."""
    told = nulled(body)
    if draft.event_at is None or not (told or draft.cleared):
        return
    for path in list(told):
        name = path.partition(":")[0].partition(".")[0].removesuffix("[x]")
        stated = {key: value for key, value in draft.body.items() if name in (key, choice(key))}
        if any(left(key, value, frozenset((path,)), choice(key), groups) != value for key, value in stated.items()):
            del told[path]
    told.update(dict.fromkeys(draft.cleared, draft.event_at))
    mark_nulled(body, told)
