"""Brazilian lists as DATASUS and the Ministry of Labour publish them: CID-10, SIGTAP, CBO.

CID-10: CSV files with semicolons (`CID-10-CATEGORIAS.CSV` …). SIGTAP: texts of fixed columns, each beside a file that
tells them (`tb_procedimento_layout.txt`). CBO: `CBO2002 - Ocupacao.csv` and its families and groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from canonical.codes import CBO, CID10
from fhir.terminology.releases.rows import Broken, Concept, Edge, Fact, File, Name, Release, Row, heading, named, split

SIGTAP = "https://terminologia.saude.gov.br/fhir/CodeSystem/BRTabelaSUS"
PT = "pt-BR"
_DATED = re.compile(r"(?:v|_)(\d{4}(?:\d{2}){0,2})(?!\d)", re.IGNORECASE)
_LEVELS = (
    ("tb_grupo", ("CO_GRUPO",), "NO_GRUPO"),
    ("tb_sub_grupo", ("CO_GRUPO", "CO_SUB_GRUPO"), "NO_SUB_GRUPO"),
    ("tb_forma_organizacao", ("CO_GRUPO", "CO_SUB_GRUPO", "CO_FORMA_ORGANIZACAO"), "NO_FORMA_ORGANIZACAO"),
    ("tb_procedimento", ("CO_PROCEDIMENTO",), "NO_PROCEDIMENTO"),
)
_LENGTHS = (2, 4, 6, 10)
_FACTS = ("TP_COMPLEXIDADE", "TP_SEXO", "VL_SH", "VL_SA", "VL_SP", "CO_FINANCIAMENTO", "CO_RUBRICA", "DT_COMPETENCIA")
_CBO = (
    ("grande grupo", 1),
    ("subgrupo principal", 2),
    ("subgrupo", 3),
    ("familia", 4),
    ("ocupacao", 6),
)


def is_cid10(files: Sequence[File]) -> bool:
    """Whether a package is the CID-10 of DATASUS."""
    return named(files, "cid-10-categorias.csv") is not None and named(files, "cid-10-subcategorias.csv") is not None


def is_sigtap(files: Sequence[File]) -> bool:
    """Whether a package is a table of SIGTAP with its layouts."""
    return named(files, "tb_procedimento.txt") is not None and named(files, "tb_procedimento_layout.txt") is not None


def is_cbo(files: Sequence[File]) -> bool:
    """Whether a package holds the occupations of CBO 2002."""
    return _of_cbo(files, "ocupacao") is not None


def cid10(files: Sequence[File], package: str, version: str = "") -> Release:
    """CID-10 with chapters, groups, categories and subcategories; `version` as stated, else the publisher's 2008."""
    release = Release(system=CID10, version=version or "2008", name="CID-10", rows=iter(()), language=PT)
    release.rows = _cid10(files, release)
    return release


def _cid10(files: Sequence[File], release: Release) -> Iterator[Row]:
    read = ("cid-10-capitulos.csv", "cid-10-grupos.csv", "cid-10-categorias.csv", "cid-10-subcategorias.csv")
    for file in files:
        if file.last.endswith(".csv") and file.last not in read:
            release.skip(f"file {file.last}")
    chapters = list(_ranges(named(files, read[0]), chapter=True))
    groups = list(_ranges(named(files, read[1]), chapter=False))
    for code, _, _, text in (*chapters, *groups):
        yield from _grouping(code, text)
    for code, first, last, _ in groups:
        narrowest = min(
            (c for c in (*chapters, *groups) if c[0] != code and c[1] <= first and last <= c[2]),
            key=lambda each: (each in chapters, _span(each)),
            default=None,
        )
        if narrowest is not None:
            yield Edge(code, narrowest[0])
    for _, row in _csv(named(files, read[2]), "CAT", "DESCRICAO"):
        code = row["CAT"]
        yield from _diagnosis(code, row)
        within = [each for each in (*groups, *chapters) if each[1] <= code[:3] <= each[2]]
        if within:
            yield Edge(code, min(within, key=lambda each: (each in chapters, _span(each)))[0])
    for _, row in _csv(named(files, read[3]), "SUBCAT", "DESCRICAO"):
        code = row["SUBCAT"]
        if len(code) < 4:  # a category without subdivisions is repeated here
            release.skip("categories repeated as subcategories")
            continue
        dotted = f"{code[:3]}.{code[3:]}"
        yield from _diagnosis(dotted, row)
        yield Edge(dotted, code[:3])


def _span(each: tuple[str, str, str, str]) -> tuple[int, int]:
    """How wide a range of categories is."""
    first, last = each[1], each[2]
    return ord(last[0]) - ord(first[0]), int(last[1:3]) - int(first[1:3])


def _ranges(file: File | None, *, chapter: bool) -> Iterator[tuple[str, str, str, str]]:
    """Chapters and groups: code, first and last category, name."""
    for line, row in _csv(file, "CATINIC", "CATFIM", "DESCRICAO"):
        first, last = row["CATINIC"], row["CATFIM"]
        if not (re.fullmatch(r"[A-Z]\d\d", first) and re.fullmatch(r"[A-Z]\d\d", last)):
            raise Broken(file.name if file else "", line, "CATINIC")
        code = row.get("NUMCAP", "") if chapter else ""
        yield (_roman(code) or f"{first}-{last}"), first, last, row["DESCRICAO"]


def _roman(number: str) -> str:
    """A chapter's number as it is written; empty for none."""
    if not number.isdigit():
        return number
    tens, ones = divmod(int(number), 10)
    return "X" * tens + ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")[ones]


def _diagnosis(code: str, row: Mapping[str, str]) -> Iterator[Row]:
    yield Concept(code)
    yield Name(code, row["DESCRICAO"], PT, "p")
    if row.get("DESCRABREV") and row["DESCRABREV"] != row["DESCRICAO"]:
        yield Name(code, row["DESCRABREV"], PT, "s")
    for column in ("CLASSIF", "RESTRSEXO", "CAUSAOBITO"):
        if row.get(column):
            yield Fact(code, column, "valueString", row[column])


def _grouping(code: str, text: str) -> Iterator[Row]:
    yield Concept(code, abstract=True)
    yield Name(code, text, PT, "p")


def _csv(file: File | None, *needed: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows of a file with semicolons, quotes taken off; nothing where the package lacks it."""
    if file is None:
        return
    columns = [name.strip().strip('"') for name in heading(file).split(";")]
    if lost := next((name for name in needed if name not in columns), ""):
        raise Broken(file.name, 1, lost)
    for line, row in split(file, ";"):
        yield line, {name: value.strip('"').strip() for name, value in row.items()}


def sigtap(files: Sequence[File], package: str, version: str = "") -> Release:
    """SIGTAP: groups, subgroups, forms of organisation, procedures; the version is its competence (`AAAAMM`)."""
    names = (package, *(file.name for file in files))
    found = version or next((match[1] for name in names if (match := _DATED.search(name))), "")
    if not found:
        raise Broken(package, 0, "version")
    release = Release(system=SIGTAP, version=found, name="SIGTAP", rows=iter(()), language=PT)
    release.rows = _sigtap(files, release)
    return release


def _sigtap(files: Sequence[File], release: Release) -> Iterator[Row]:
    read = {f"{name}{end}.txt" for name, _, _ in _LEVELS for end in ("", "_layout")}
    for file in files:
        if file.last not in read and file.last.endswith(".txt") and not file.last.endswith("_layout.txt"):
            release.skip(f"file {file.last}")
    for level, (name, keys, title) in enumerate(_LEVELS):
        table, layout = named(files, f"{name}.txt"), named(files, f"{name}_layout.txt")
        if table is None or layout is None:
            continue
        for number, row in _fixed(table, _layout(layout, (*keys, title))):
            code = "".join(row[key] for key in keys)
            if len(code) != _LENGTHS[level]:
                raise Broken(table.name, number, keys[-1])
            yield Concept(code, abstract=level < len(_LEVELS) - 1)
            yield Name(code, row[title], PT, "p")
            if level:
                yield Edge(code, code[: _LENGTHS[level - 1]])
            yield from (Fact(code, name, "valueString", row[name]) for name in _FACTS if row.get(name))


def _fixed(file: File, places: Mapping[str, tuple[int, int]]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The rows of a text of fixed columns."""
    for number, line in enumerate(file.lines(), start=1):
        if line.strip():
            yield number, {column: line[first:last].strip() for column, (first, last) in places.items()}


def _layout(file: File, needed: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Where each column of a text stands, counted from zero: `Coluna,Tamanho,Inicio,Fim,Tipo`."""
    found: dict[str, tuple[int, int]] = {}
    for number, line in enumerate(file.lines(), start=1):
        parts = [part.strip() for part in line.split(",")]
        if number == 1 or len(parts) < 4:
            continue
        if not (parts[2].isdigit() and parts[3].isdigit()):
            raise Broken(file.name, number, "Inicio")
        found[parts[0].upper()] = int(parts[2]) - 1, int(parts[3])
    if lost := next((name for name in needed if name not in found), ""):
        raise Broken(file.name, 1, lost)
    return found


def cbo(files: Sequence[File], package: str, version: str = "") -> Release:
    """CBO 2002: large groups, subgroups, families, occupations with their synonyms."""
    release = Release(system=CBO, version=version or "2002", name="CBO", rows=iter(()), language=PT)
    release.rows = _cbo(files, release)
    return release


def _of_cbo(files: Sequence[File], what: str) -> File | None:
    """The file of a level: `CBO2002 - Familia.csv`, whatever the blanks and accents."""
    plain = what.replace(" ", "")
    wanted = (f"cbo2002-{plain}.csv", f"cbo2002{plain}.csv")
    cleaned = str.maketrans("íçãá", "icaa", " _")
    return next((file for file in files if file.last.translate(cleaned) in wanted), None)


def _cbo(files: Sequence[File], release: Release) -> Iterator[Row]:
    read = [_of_cbo(files, what) for what in (*(name for name, _ in _CBO), "sinonimo")]
    for file in files:
        if file.last.endswith(".csv") and file not in read:
            release.skip(f"file {file.last}")
    for (what, length), table in zip(_CBO, read, strict=False):
        for line, row in _csv(table, "CODIGO", "TITULO"):
            code = row["CODIGO"].replace("-", "")
            if len(code) != length or not code.isdigit():
                raise Broken(table.name if table else "", line, "CODIGO")
            yield Concept(code, abstract=what != "ocupacao")
            yield Name(code, row["TITULO"], PT, "p")
            if length > 1:
                yield Edge(code, code[: 4 if length == 6 else length - 1])
    for _, row in _csv(read[-1], "OCUPACAO", "TITULO"):
        yield Name(row["OCUPACAO"].replace("-", ""), row["TITULO"], PT, "s")
