"""indicacaoAcidente (table 36) of a visit: what was sent as accident, else what its external causes (CID-10) say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canonical.codes import TUSS
from hub.billing.visit.stays import cids
from mappings.billing.guide_values import longest
from mappings.tables.table import codes

NONE = "9"
_INDICATORS = f"{TUSS}36"
_TOLD = ("http://terminology.hl7.org/CodeSystem/v2-0050", "http://terminology.hl7.org/CodeSystem/v3-ActCode")
_ADMISSION = "http://terminology.hl7.org/CodeSystem/v2-0007"


def indicator(encounter: Mapping[str, Any], diagnosed: Sequence[str], reasons: Iterable[Mapping[str, Any]] = ()) -> str:
    """The code of table 36; 9 when nothing tells of an accident.

    In this order: an accident sent as reason of the visit (ACC-2, ACC-5, or the code of table 36 itself), a CID-10 of
    an external cause among diagnoses and reasons, the type of admission.
    """
    known = codes("tiss-acidente")
    causes = [coding for concept in encounter.get("reasonCode", ()) for coding in concept.get("coding", ())]
    told = [str(coding.get("code", "")) for coding in causes if coding.get("system") == _INDICATORS]
    told += [known.get(str(coding.get("code", "")), "") for coding in causes if coding.get("system") in _TOLD]
    found = [*diagnosed, *cids(causes), *cids(c for concept in reasons for c in concept.get("coding", ()))]
    told += [longest("tiss-acidente-cid", code) for code in found]
    kinds = [coding for concept in encounter.get("type", ()) for coding in concept.get("coding", ())]
    told += [known.get(str(c.get("code", "")), "") for c in kinds if c.get("system") == _ADMISSION]
    return next((code for code in told if code), NONE)
