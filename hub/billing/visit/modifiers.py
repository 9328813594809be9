"""What qualifies a charged item beyond its code: via de acesso, técnica, dente, face, região, details of a product.

R4 has ChargeItem.bodysite and product[x]; a modifier stands in an extension. What the charge does not say, the
Procedure it bills may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from canonical.codes import TUSS
from canonical.extensions import EXTENSIONS
from hub.records.projections import target
from mappings.tables.table import codes

Body = Mapping[str, Any]
_DOMAINS = {"28": "tooth", "32": "face", "42": "region", "48": "technique", "61": "route"}
_FDI_TOOTH = "http://terminology.hl7.org/CodeSystem/ex-tooth"
_FDI_SURFACE = "http://terminology.hl7.org/CodeSystem/FDI-surface"
_SPOKEN = re.compile(r"[^A-Z0-9]+")


def qualities(charge: Body, procedures: Iterable[Body] = ()) -> dict[str, str]:
    """`route`, `technique`, `tooth`, `region`, `face` as far as told; the charge goes before the acts it bills."""
    found: dict[str, str] = {}
    for body in (charge, *procedures):
        told = _told(body)
        found |= {name: value for name, value in told.items() if name not in found}
    if "tooth" in found:
        found.pop("region", None)  # a line is for a tooth or a region
    return found


def _told(body: Body) -> dict[str, str]:
    found: dict[str, str] = {}
    faces: list[str] = []
    for coding in _codings(body):
        name = _name(str(coding.get("system", "")))
        code = _SPOKEN.sub("", str(coding.get("code", "")).upper())
        if not name or not code:
            continue
        if name == "face":
            faces += [letter for letter in _faces(code) if letter not in faces]
        else:
            found.setdefault(name, code)
    if faces:
        found["face"] = "".join(faces)
    return found


def _codings(body: Body) -> Iterable[Body]:
    sites = [*body.get("bodysite", ()), *body.get("bodySite", ())]
    modifiers = [
        extension.get("valueCodeableConcept", {})
        for extension in body.get("extension", ())
        if extension.get("url") == EXTENSIONS["modifier"]
    ]
    return [coding for concept in (*sites, *modifiers) for coding in concept.get("coding", ())]


def _name(system: str) -> str:
    if system.startswith(TUSS):
        return _DOMAINS.get(system.removeprefix(TUSS), "")
    return {_FDI_TOOTH: "tooth", _FDI_SURFACE: "face"}.get(system, "")


def _faces(code: str) -> list[str]:
    """The letters of table 32, one for each face; FDI names of surfaces go through their table."""
    return [codes("tiss-face").get(letter, letter) for letter in code]


def product(charge: Body, devices: Mapping[str, Body]) -> dict[str, str]:
    """`anvisa`, `reference` and `permit` of a charged material: product codes, or the Device it refers to."""
    device = devices.get(target(charge.get("productReference"), "Device") or "", {})
    codings = [
        *charge.get("productCodeableConcept", {}).get("coding", ()),
        *({"system": i.get("system"), "code": i.get("value")} for i in device.get("identifier", ())),
    ]
    found: dict[str, str] = {}
    for coding in codings:
        name = codes("tiss-produto").get(str(coding.get("system", "")).rstrip("/").rpartition(":")[2].lower(), "")
        if name and coding.get("code"):
            found.setdefault(name, str(coding["code"]))
    if "anvisa" in found:
        found["anvisa"] = re.sub(r"[.\-/ ]", "", found["anvisa"])
    if reference := device.get("modelNumber") or device.get("partNumber"):
        found.setdefault("reference", str(reference))
    for extension in (*charge.get("extension", ()), *device.get("extension", ())):
        if extension.get("url") == EXTENSIONS["working-permit"]:
            found.setdefault("permit", str(extension.get("valueString", "")))
    return {name: value for name, value in found.items() if value}
