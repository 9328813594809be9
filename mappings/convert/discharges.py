"""How a visit ended (PV1-36, table 0112, which the house defines): codes of ANS table 39 or HL7's, or words."""

from __future__ import annotations

from typing import Any

from mappings.convert.misplaced.shifted import no_house
from mappings.convert.registry import Context, Value, conversion
from mappings.convert.text import coding_from, meant


@conversion("disposition")
def disposition(value: Value, context: Context, argument: str) -> Any:
    """PV1-36 as CodeableConcept.

    Words that say how the visit ended (`codes/<argument>.csv`) get its code of ANS table 39, or HL7's where that says
    no more than they do, before the sender's own: `03^ALTA A PEDIDO` is no transfer, HL7's 03.
    """
    found = no_house(value, context, "HL70112")
    ending = meant(context.codes(argument), value) if found else None
    if not ending:
        return found
    own = [coding if value.text(3) else _without_system(coding) for coding in found.get("coding", ())]
    return {"coding": [coding_from(ending), *own], "text": value.text(2) or value.text(1)}


def _without_system(coding: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in coding.items() if name != "system"}
