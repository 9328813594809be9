"""SNOMED CT in Release Format 2, as snapshots: concepts, descriptions, is-a and other relationships, refsets, maps.

Files are told by their headings, not by their names alone. Of several packages (an extension and the edition it rests
on) a component that several have counts as the one of the last named. Delta and Full files hold former states and are
passed over where a Snapshot is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from fhir.terminology.dialects import languages
from fhir.terminology.releases.rows import (
    Broken,
    Concept,
    Detail,
    Edge,
    Fact,
    File,
    Mapped,
    Member,
    Name,
    Rank,
    Relation,
    Release,
    Row,
    heading,
    split,
)

SYSTEM = "http://snomed.info/sct"
CORE = "900000000000207008"
_MODEL = "900000000000012004"
_ISA = "116680003"
_STATED = "900000000000010007"
_PRIMITIVE = "900000000000074008"
_FSN = "900000000000003001"
_PREFERRED = "900000000000548007"
_HEAD = ("id", "effectiveTime", "active", "moduleId")
_KINDS = {
    ("definitionStatusId",): "concept",
    ("conceptId", "languageCode", "typeId", "term", "caseSignificanceId"): "name",
    (
        "sourceId", "destinationId", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId",
    ): "edge",
    (
        "sourceId", "value", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId",
    ): "value",
    ("refsetId", "referencedComponentId"): "member",
    ("refsetId", "referencedComponentId", "acceptabilityId"): "language",
    ("refsetId", "referencedComponentId", "mapTarget"): "map",
    (
        "refsetId", "referencedComponentId", "mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget",
        "correlationId",
    ): "map",
    (
        "refsetId", "referencedComponentId", "mapGroup", "mapPriority", "mapRule", "mapAdvice", "mapTarget",
        "correlationId", "mapCategoryId",
    ): "map",
    ("refsetId", "referencedComponentId", "sourceEffectiveTime", "targetEffectiveTime"): "module",
}  # fmt: skip
_MEMBER = ("refsetId", "referencedComponentId")
_NO_CONCEPTS = frozenset(("owlExpression",))  # refsets with axioms, which the relationships say already
_ORDER = ("concept", "name", "edge", "value", "member", "language", "map")
_DATE = re.compile(r"_(\d{8})(?:T\d+Z?)?\.txt\Z", re.IGNORECASE)


def kind_of(file: File) -> str:
    """What a file holds (`concept`, `name`, `edge`, `member`, `language`, `map`, `module` …); empty: not read."""
    if not file.last.endswith(".txt"):
        return ""
    columns = tuple(heading(file).split("\t"))
    if columns[:4] != _HEAD:
        return ""
    other = "member" if columns[4:6] == _MEMBER and _NO_CONCEPTS.isdisjoint(columns) else ""
    return _KINDS.get(columns[4:], other)


def is_one(files: Sequence[File]) -> bool:
    """Whether a package is a release of SNOMED CT in RF2."""
    return any(kind_of(file) == "concept" for file in files if "concept" in file.last)


def read(packages: Sequence[Sequence[File]], edition: str = "") -> Release:
    """The release the packages are together, the edition first and what rests on it after it.

    `edition` is the module that names the edition, else the one nothing else depends on. Raises Broken.
    """
    chosen = [_snapshots(files) for files in packages]
    kinds = [[(file, kind_of(file)) for file in files] for files in chosen]
    dependencies = [row for files in kinds for file, kind in files if kind == "module" for _, row in split(file, "\t")]
    module, date = _edition(dependencies, edition, [file for files in chosen for file in files])
    release = Release(
        system=SYSTEM, version=f"{SYSTEM}/{module}/version/{date}", name="SNOMED CT", rows=iter(()), language="en",
        depth=1,
    )  # fmt: skip
    release.rows = _rows(kinds, release)
    return release


def _snapshots(files: Sequence[File]) -> list[File]:
    """The files of the snapshot, or all where none says that it is one."""
    found = [file for file in files if "snapshot" in file.name.lower() and file.last.endswith(".txt")]
    return found or [file for file in files if file.last.endswith(".txt")]


def _edition(dependencies: Sequence[Mapping[str, str]], edition: str, files: Sequence[File]) -> tuple[str, str]:
    """The module and the date that name the version."""
    rows = [row for row in dependencies if row["active"] == "1"]
    needed = {row["referencedComponentId"] for row in rows}
    free = [row["moduleId"] for row in rows if row["moduleId"] not in needed]
    module = edition or next(reversed(free), CORE)
    own = [row["sourceEffectiveTime"] for row in rows if row["moduleId"] == module]
    dates = own or [match[1] for file in files if (match := _DATE.search(file.name))]
    if not dates:
        raise Broken(files[0].name if files else "", 0, "date")
    return module, max(dates)


def _rows(kinds: Sequence[Sequence[tuple[File, str]]], release: Release) -> Iterator[Row]:
    for files in kinds:
        for file, kind in files:
            if not kind and file.last.endswith(".txt"):
                release.skip(f"file {file.last}")
    for wanted in _ORDER:
        seen: set[str] = set()  # of what later packages have of this kind; the first one is the large one
        for number, files in enumerate(reversed(kinds)):
            own: set[str] = set()
            for file in (file for file, kind in files if kind == wanted):
                for line, row in split(file, "\t"):
                    if row["id"] in seen:
                        continue
                    if number < len(kinds) - 1:
                        own.add(row["id"])
                    yield from _READERS[wanted](row, file, line, release)
            seen |= own


Fields = Mapping[str, str]


def _concept(row: Fields, file: File, line: int, release: Release) -> Iterator[Row]:
    yield Concept(row["id"], inactive=row["active"] != "1")
    yield Fact(row["id"], "moduleId", "valueCode", row["moduleId"])
    yield Fact(row["id"], "effectiveTime", "valueString", row["effectiveTime"])
    defined = "false" if row["definitionStatusId"] == _PRIMITIVE else "true"
    yield Fact(row["id"], "sufficientlyDefined", "valueBoolean", defined)


def _detail(row: Fields, kind: str = "") -> Detail:
    return Detail(kind, row["moduleId"], row["effectiveTime"], row["active"] == "1")


def _name(row: Fields, file: File, line: int, release: Release) -> Iterator[Row]:
    if not row["id"].isdigit():
        raise Broken(file.name, line, "id")
    use = "f" if row["typeId"] == _FSN else "d" if "textdefinition" in file.last else "s"
    detail = _detail(row, row["typeId"])
    yield Name(row["conceptId"], row["term"], row["languageCode"], use, int(row["id"]), detail)


def _edge(row: Fields, file: File, line: int, release: Release) -> Iterator[Row]:
    if not _holds(row, release):
        return
    if row["typeId"] == _ISA:
        yield Edge(row["sourceId"], row["destinationId"])
    else:
        yield Fact(row["sourceId"], row["typeId"], "valueCode", row["destinationId"])
        yield Relation(row["sourceId"], _group(row, file, line), row["typeId"], row["destinationId"])


def _value(row: Fields, file: File, line: int, release: Release) -> Iterator[Row]:
    if _holds(row, release):
        told = row["value"].removeprefix("#").strip('"')
        yield Fact(row["sourceId"], row["typeId"], "valueString", told)
        yield Relation(row["sourceId"], _group(row, file, line), row["typeId"], "", row["value"])


def _holds(row: Fields, release: Release) -> bool:
    """Whether a relationship is an active inferred one."""
    if row["active"] != "1":
        release.skip("inactive relationships")
    elif row["characteristicTypeId"] == _STATED:
        release.skip("stated relationships")
    else:
        return True
    return False


def _group(row: Fields, file: File, line: int) -> int:
    if not row["relationshipGroup"].isdigit():
        raise Broken(file.name, line, "relationshipGroup")
    return int(row["relationshipGroup"])


def _member(row: Fields, file: File, line: int, release: Release) -> Iterator[Row]:
    fields = {name: value for name, value in row.items() if name not in _HEAD and name not in _MEMBER}
    yield Member(row["refsetId"], row["referencedComponentId"], _detail(row), json.dumps(fields, ensure_ascii=False))


def _language(row: Fields, file: File, line: int, release: Release) -> Iterator[Row]:
    if row["active"] == "1" and row["referencedComponentId"].isdigit():
        dialect = languages().get(row["refsetId"], "")
        yield Rank(int(row["referencedComponentId"]), dialect, row["acceptabilityId"] == _PREFERRED, row["refsetId"])


def _map(row: Fields, file: File, line: int, release: Release) -> Iterator[Row]:
    yield from _member(row, file, line, release)
    if row["active"] != "1":
        release.skip("inactive members of maps")
        return
    part, rank = row.get("mapGroup", "1"), row.get("mapPriority", "1")
    if not (part.isdigit() and rank.isdigit()):
        raise Broken(file.name, line, "mapGroup")
    rule, advice = row.get("mapRule", ""), row.get("mapAdvice", "")
    yield Mapped(
        row["refsetId"], row["referencedComponentId"], row["mapTarget"], int(part), int(rank), rule[:500], advice[:500]
    )


_READERS = {
    "concept": _concept,
    "name": _name,
    "edge": _edge,
    "value": _value,
    "member": _member,
    "language": _language,
    "map": _map,
}
