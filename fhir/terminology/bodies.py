"""Terminology of bodies at hand, as packages bring them, and membership as profiles ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from canonical.codes import aliases
from fhir.terminology import known, stated, systems
from fhir.terminology.sets import Reader
from fhir.terminology.stated import Set
from fhir.terminology.systems import System, Unanswered


class Bodies:
    """A library of bodies at hand (of packages), before what R4 brings; each is read when it is first asked for."""

    def __init__(self, bodies: Iterable[dict[str, Any]]) -> None:
        kinds = ("CodeSystem", "ValueSet")
        self._bodies = {(b["resourceType"], str(b.get("url"))): b for b in bodies if b.get("resourceType") in kinds}
        self._found: dict[tuple[str, str], Any] = {}

    def system(self, url: str, version: str = "") -> System | None:
        """The code system of an address or of another name of it, in whichever version is here."""
        names = [url, *sorted(aliases(url) - {url})]
        found = (self._read("CodeSystem", name) for name in names)
        return next((each for each in found if each is not None), None) or known.system(url)

    def value_set(self, url: str) -> Set | None:
        """The value set of an address, or None."""
        name = url.partition("|")[0]
        return self._read("ValueSet", name) or known.value_set(name)

    def _read(self, kind: str, url: str) -> Any:
        key = (kind, url)
        if key in self._bodies and key not in self._found:
            self._found[key] = (systems.of_body if kind == "CodeSystem" else stated.of_body)(self._bodies[key])
        return self._found.get(key)


def membership(reader: Reader) -> Callable[[str, str, str], bool | None]:
    """Whether a value set (by address) has a code of a system (empty: of any); None when that is not known."""

    def holds(url: str, system: str, code: str) -> bool | None:
        found = reader.library.value_set(url)
        try:
            return None if found is None else reader.holds(found, system, code)
        except Unanswered:
            return None

    return holds
