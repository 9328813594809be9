"""What the simulated RNDS holds: documents by its own ids and by the sender's, replaced once, deleted logically."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from api.simulators.rnds import register
from api.simulators.rnds.rules import Error

SUFFIX = "sim"


@dataclass(slots=True, kw_only=True)
class Stored:
    """A document: its id here, the sender's identifier, its type, the exact Bundle, and what became of it."""

    id: str
    system: str
    value: str
    kind: str
    bundle: dict[str, Any]
    professional: str
    replaced_by: str = ""
    deleted: bool = False

    @property
    def person(self) -> str:
        """The CNS of whom it is about; a CPF leads to the CNS the register has for it."""
        head = self.bundle["entry"][0]["resource"]
        number = str(((head.get("subject") or {}).get("identifier") or {}).get("value", ""))
        return register.cns_of(number)


@dataclass(slots=True)
class Book:
    """All documents, in the order they came, and how many requests of which kind were made."""

    documents: list[Stored] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def by_id(self, identity: str) -> Stored | None:
        """A document by the id it has here."""
        return next((one for one in self.documents if one.id == identity), None)

    def current(self, system: str, value: str) -> Stored | None:
        """The one under a sender's identifier that is neither replaced nor deleted."""
        found = [one for one in self.documents if (one.system, one.value) == (system, value)]
        return next((one for one in reversed(found) if not one.replaced_by and not one.deleted), None)

    def clash(self, bundle: dict[str, Any]) -> Error | None:
        """Why a document cannot stand beside those that are here; None when it can."""
        system, value = bundle["identifier"]["system"], bundle["identifier"]["value"]
        relates = bundle["entry"][0]["resource"].get("relatesTo")
        if relates:
            return self._not_replacing(relates[0], system, value)
        found = self.current(system, value)
        if found is not None:
            text = "O identifier informado já foi utilizado para cadastrar outro documento e não pode ser repetido."
            return Error("ERR866", f"{text} O id existente é {found.id}.")
        standing = (one for one in self.documents if not one.deleted and not one.replaced_by)
        same = next((one for one in standing if _dose(one.bundle) == _dose(bundle)), None)
        if _dose(bundle) and same is not None:
            text = 'Informação referente ao item "Immunization" já existe no repositório.'
            return Error("ERR823", f"{text} O ID existente é {same.id}.")
        return None

    def _not_replacing(self, relates: dict[str, Any], system: str, value: str) -> Error | None:
        target = str(relates.get("targetReference", {}).get("reference", "")).removeprefix("Composition/")
        found = self.by_id(target)
        if found is None or found.deleted:
            return Error("ERR875", "Documento para substituição, indicado no atributo relatesTo, não foi encontrado.")
        if (found.system, found.value) != (system, value):
            return Error(
                "ERR872", "O documento referenciado para substituição possui um 'identifier' que não é o mesmo."
            )
        if found.replaced_by:
            return Error("MSG009", f"O documento {target} já foi substituído.")
        return None

    def take(self, bundle: dict[str, Any], professional: str) -> Stored:
        """Store a document that was judged good; what it replaces is replaced."""
        head = bundle["entry"][0]["resource"]
        stored = Stored(
            id=f"{uuid.uuid4()}-{SUFFIX}",
            system=bundle["identifier"]["system"],
            value=bundle["identifier"]["value"],
            kind=head["type"]["coding"][0]["code"],
            bundle=bundle,
            professional=professional,
        )
        for relates in head.get("relatesTo", ()):
            found = self.by_id(str(relates["targetReference"]["reference"]).removeprefix("Composition/"))
            if found is not None:
                found.replaced_by = stored.id
        self.documents.append(stored)
        return stored

    def report(self) -> dict[str, Any]:
        """Counts and ids, no content."""
        listed = [
            {
                "id": one.id,
                "kind": one.kind,
                "value": one.value,
                "replaced": bool(one.replaced_by),
                "deleted": one.deleted,
            }
            for one in self.documents
        ]
        return {"documents": listed, "requests": dict(self.requests), "refused": dict(self.refused)}


def _dose(bundle: dict[str, Any]) -> tuple[str, str, str] | None:
    """Who got which vaccine when, of a vaccination document."""
    for entry in bundle["entry"]:
        body = entry.get("resource") or {}
        if body.get("resourceType") == "Immunization":
            code = body.get("vaccineCode", {}).get("coding", [{}])[0].get("code", "")
            person = body.get("patient", {}).get("identifier", {}).get("value", "")
            return person, code, str(body.get("occurrenceDateTime", ""))[:10]
    return None
