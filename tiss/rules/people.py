"""table.sex, table.age, table.sex-mixed (`sex.csv`) and table.tooth, table.faces, table.dentition (`teeth.csv`)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from tiss.rules.case import FOLDER, Findings, Given, shown
from tiss.rules.layout import Unit

_FRONT, _UPPER = frozenset("123"), frozenset("1256")
_EXTRA = "9"  # a supernumerary tooth can have any shape
NEWBORN = "S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Whom a code fits: `sex` as TISS writes it (1, 3; empty: both), ages in years."""

    sex: str
    least: int
    most: int


@cache
def _fits() -> dict[tuple[str, str], Fit]:
    with (FOLDER / "sex.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["kind"], row["prefix"]): Fit(
                sex=row["sex"], least=int(row["least"] or 0), most=int(row["most"] or 999)
            )
            for row in csv.DictReader(file)
        }


def fit(kind: str, code: str) -> Fit | None:
    """Whom a CID (`cid`) or a code of TUSS 22 (`tuss`) fits; None when it fits everybody."""
    return _fits().get((kind, code[:3])) or _fits().get((kind, code[:1]))


def patient(annex: Unit, _given: Given, found: Findings) -> None:
    """table.sex, table.age: the diagnoses of an annex against the sex and age it states."""
    sex, age = annex.texts.get("sex", "").strip(), annex.texts.get("age", "").strip()
    for row in annex.every("cid"):
        known = fit("cid", row.texts.get("cid", "").strip().upper())
        if known is None:
            continue
        if known.sex and sex and known.sex != sex:
            found.at("table.sex", row, "cid")
        if age.isascii() and age.isdigit() and not known.least <= int(age) <= known.most:
            found.at("table.age", row, "cid")


def mixed(guide: Unit, _given: Given, found: Findings) -> None:
    """table.sex-mixed: one patient cannot have diagnoses or procedures of both sexes; a newborn shares the guide."""
    first = ""
    for row in guide.rows:
        get = row.texts.get
        if get("table") == "22":
            role, known = "code", fit("tuss", get("code", "").strip())
        elif row.section.name == "cid":
            role, known = "cid", fit("cid", get("cid", "").strip().upper())
        else:
            continue
        if known is None or not known.sex or guide.texts.get("newborn", "") == NEWBORN:
            continue
        if first and known.sex != first:
            found.at("table.sex-mixed", row, role, code=shown(get(role, "").strip()))
        first = first or known.sex


@cache
def _teeth() -> dict[str, tuple[int, str]]:
    with (FOLDER / "teeth.csv").open(encoding="utf-8", newline="") as file:
        return {row["code"]: (int(row["faces"] or 0), row["dentition"]) for row in csv.DictReader(file)}


def teeth(guide: Unit, _given: Given, found: Findings) -> None:
    """table.tooth, table.faces, table.dentition, table.face-letter on the lines of a dental guide or request."""
    for row in guide.every("tooth", "request-tooth"):
        get = row.texts.get
        tooth, face = get("tooth", "").strip(), get("face", "").strip()
        faces, dentition = _teeth().get(get("code", "").strip(), (0, ""))
        if (faces or dentition) and not tooth:
            found.at("table.tooth", row, "tooth")
        elif dentition in ("deciduous", "permanent") and (tooth[:1] > "4") != (dentition == "deciduous"):
            found.at("table.dentition", row, "tooth")
        if faces and len(set(face)) != faces:
            found.at("table.faces", row, "face", right=faces)
        if tooth and not _letters(tooth, face):
            found.at("table.face-letter", row, "face")


def _letters(tooth: str, face: str) -> bool:
    """Whether the faces are those of the tooth: incisal in front, occlusal behind, palatal above, lingual below."""
    if tooth.endswith(_EXTRA):
        return len(set(face)) == len(face)
    upper, front = tooth[:1] in _UPPER, tooth[1:2] in _FRONT
    foreign = ("L" if upper else "P") + ("O" if front else "I")
    return len(set(face)) == len(face) and not set(face) & set(foreign)
