"""LOINC as it is downloaded: the table, parts and their hierarchy, answer lists, panels, names in other languages.

Only `Loinc.csv` must be there; whatever else of the package is found adds to it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence

from fhir.terminology.releases.rows import (
    Broken,
    Concept,
    Edge,
    Fact,
    File,
    Member,
    Name,
    Release,
    Row,
    heading,
    named,
)

SYSTEM = "http://loinc.org"
_AXES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP")
_FACTS = (
    *_AXES, "CLASS", "CLASSTYPE", "STATUS", "ORDER_OBS", "VersionLastChanged", "EXAMPLE_UNITS", "EXAMPLE_UCUM_UNITS",
    "PanelType", "EXTERNAL_COPYRIGHT_NOTICE",
)  # fmt: skip
_NEEDED = frozenset(("LOINC_NUM", "COMPONENT", "LONG_COMMON_NAME", "STATUS"))
_VERSION = re.compile(r"loinc[_-]?v?(\d+\.\d+)", re.IGNORECASE)
_LANGUAGE = re.compile(r"([a-z]{2})([A-Z]{2})\d*LinguisticVariant\.csv\Z")
_READ = frozenset(
    (
        "loinc.csv", "part.csv", "componenthierarchybysystem.csv", "multiaxialhierarchy.csv", "answerlist.csv",
        "loincanswerlistlink.csv", "panelsandforms.csv", "mapto.csv",
    )
)  # fmt: skip


def is_one(files: Sequence[File]) -> bool:
    """Whether a package holds the table of LOINC."""
    table = named(files, "loinc.csv")
    return table is not None and set(_columns(table)) >= _NEEDED


def _columns(file: File) -> list[str]:
    return next(csv.reader([heading(file)]), [])


def _lines(file: File, *needed: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows of a CSV with those columns; raises Broken."""
    reader = csv.DictReader(f"{line}\n" for line in file.lines())
    names = [name.lstrip("\ufeff") for name in reader.fieldnames or ()]
    reader.fieldnames = names
    if lost := next((name for name in needed if name not in names), ""):
        raise Broken(file.name, 1, lost)
    try:
        for row in reader:
            yield reader.line_num, {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    except csv.Error:
        raise Broken(file.name, reader.line_num, "csv") from None


def read(files: Sequence[File], package: str, version: str = "") -> Release:
    """The release a package is; its own name (`package`) tells the version where no folder does. Raises Broken."""
    names = (package, *(file.name for file in files))
    found = version or next((match[1] for name in names if (match := _VERSION.search(name))), "")
    if not found:
        raise Broken(package, 0, "version")
    release = Release(system=SYSTEM, version=found, name="LOINC", rows=iter(()))
    release.rows = _rows(files, release)
    return release


def _rows(files: Sequence[File], release: Release) -> Iterator[Row]:
    for file in files:
        if file.last.endswith(".csv") and file.last not in _READ and not _LANGUAGE.search(file.name):
            release.skip(f"file {file.last}")
    table = named(files, "loinc.csv")
    assert table is not None
    for _, row in _lines(table, *sorted(_NEEDED)):
        yield from _term(row)
    for names, read in _MORE:
        if (found := named(files, *names)) is not None:
            yield from read(found)
    for file in files:
        if (match := _LANGUAGE.search(file.name.replace("\\", "/"))) is not None:
            yield from _variant(file, f"{match[1]}-{match[2]}")


def _term(row: Mapping[str, str]) -> Iterator[Row]:
    code = row["LOINC_NUM"]
    yield Concept(code, inactive=row["STATUS"] in ("DEPRECATED", "DISCOURAGED"))
    yield Name(code, row["LONG_COMMON_NAME"] or _formal(row), "en", "p")
    for column, use in (("SHORTNAME", "s"), ("DisplayName", "s"), ("CONSUMER_NAME", "c")):
        if row.get(column):
            yield Name(code, row[column], "en", use)
    yield Name(code, _formal(row), "en", "f")
    for word in row.get("RELATEDNAMES2", "").split(";"):
        if word.strip():
            yield Name(code, word.strip(), "en", "r")
    if row.get("DefinitionDescription"):
        yield Name(code, row["DefinitionDescription"], "en", "d")
    for column in _FACTS:
        if row.get(column):
            yield Fact(code, column, "valueString", row[column])


def _formal(row: Mapping[str, str]) -> str:
    """The formal name: the axes between colons, an empty method left out."""
    parts = [row.get(axis, "") for axis in _AXES]
    return ":".join(parts if parts[-1] else parts[:-1])


def _parts(file: File) -> Iterator[Row]:
    for _, row in _lines(file, "PartNumber", "PartTypeName", "PartName"):
        code = row["PartNumber"]
        yield Concept(code, inactive=row.get("Status") in ("DEPRECATED", "INACTIVE"), abstract=True)
        yield Name(code, row.get("PartDisplayName") or row["PartName"], "en", "p")
        yield Fact(code, "PartTypeName", "valueString", row["PartTypeName"])


def _hierarchy(file: File) -> Iterator[Row]:
    for _, row in _lines(file, "IMMEDIATE_PARENT", "CODE", "CODE_TEXT"):
        if row["CODE"].startswith("LP"):
            yield Concept(row["CODE"], abstract=True)
            yield Name(row["CODE"], row["CODE_TEXT"], "en", "p")
        if row["IMMEDIATE_PARENT"]:
            yield Edge(row["CODE"], row["IMMEDIATE_PARENT"])


def _answers(file: File) -> Iterator[Row]:
    for _, row in _lines(file, "AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText"):
        group, code = row["AnswerListId"], row["AnswerStringId"]
        yield Concept(group, abstract=True)
        yield Name(group, row["AnswerListName"], "en", "p")
        if code:
            yield Concept(code)
            yield Name(code, row["DisplayText"], "en", "p")
            yield Member(group, code)


def _answer_links(file: File) -> Iterator[Row]:
    for _, row in _lines(file, "LoincNumber", "AnswerListId"):
        yield Fact(row["LoincNumber"], "answer-list", "valueCode", row["AnswerListId"])


def _panels(file: File) -> Iterator[Row]:
    for _, row in _lines(file, "ParentLoinc", "Loinc"):
        if row["ParentLoinc"] != row["Loinc"]:
            yield Fact(row["ParentLoinc"], "panel-element", "valueCode", row["Loinc"])
            yield Member(row["ParentLoinc"], row["Loinc"])


def _successors(file: File) -> Iterator[Row]:
    for _, row in _lines(file, "LOINC", "MAP_TO"):
        yield Fact(row["LOINC"], "MAP_TO", "valueCode", row["MAP_TO"])


def _variant(file: File, language: str) -> Iterator[Row]:
    for _, row in _lines(file, "LOINC_NUM"):
        code = row["LOINC_NUM"]
        shown = row.get("LinguisticVariantDisplayName") or row.get("LONG_COMMON_NAME") or ""
        formal = _formal(row)
        if shown or formal.strip(":"):
            yield Name(code, shown or formal, language, "p")
        if row.get("SHORTNAME"):
            yield Name(code, row["SHORTNAME"], language, "s")
        for word in row.get("RELATEDNAMES2", "").split(";"):
            if word.strip():
                yield Name(code, word.strip(), language, "r")


_MORE = (
    (("part.csv",), _parts),
    (("componenthierarchybysystem.csv", "multiaxialhierarchy.csv"), _hierarchy),
    (("answerlist.csv",), _answers),
    (("loincanswerlistlink.csv",), _answer_links),
    (("panelsandforms.csv",), _panels),
    (("mapto.csv",), _successors),
)
