"""The ANS tables (TUSS 18/19/20/22, glosas 38, domains, operators) behind one small interface.

The published JSON is compiled once into a compact file beside it, stamped with the sources; where that folder cannot be
written, the compiled form lives in memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol

from canonical.errors import Misconfigured
from canonical.identity import unaccented
from schemas_xsd import catalogue
from tiss.tables import files as table_files

FORMAT = "2"
TUSS = ("18", "19", "20", "22")
_SCHEMA = """
CREATE TABLE stamp (value TEXT NOT NULL);
CREATE TABLE term (kind TEXT, code TEXT, name TEXT, since TEXT, until TEXT, folded TEXT,
                   PRIMARY KEY (kind, code)) WITHOUT ROWID;
CREATE INDEX term_code ON term (code);
CREATE TABLE operator (ans TEXT PRIMARY KEY, name TEXT, cnpj TEXT) WITHOUT ROWID;
"""
GLOSAS = "38"
IMPORTED = "import:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One row of a table: `since` and `until` are ISO dates (empty: no limit)."""

    table: str
    code: str
    name: str
    since: str
    until: str

    def in_force(self, on: date) -> bool:
        """Whether the term may be used for something done on that day."""
        return self.on_day(on.isoformat())

    def on_day(self, day: str) -> bool:
        """The same for a day as ISO text."""
        return (not self.since or self.since <= day) and (not self.until or day <= self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An active operator of the ANS register."""

    ans: str
    name: str
    cnpj: str


class Tables(Protocol):
    """What the rules and the screens ask of the ANS tables."""

    @property
    def version(self) -> str:
        """Names the exact content: kept with every batch that was checked against it."""

    def tuss(self, table: str, code: str, on: date | None = None) -> Term | None:
        """The TUSS term; None when the table has no such code, or not in force on that day."""

    def tables_of(self, code: str) -> tuple[str, ...]:
        """The TUSS tables that hold this code."""

    def domain(self, table: str, code: str) -> Term | None:
        """The value of a domain table (24 CBO, 60 unidade de medida …)."""

    def glosa(self, code: str) -> Term | None:
        """The glosa or message of table 38 in force."""

    def operator(self, ans: str) -> Operator | None:
        """The active operator with this registro ANS."""

    def search(self, words: str, *, table: str = "", on: date | None = None, most: int = 20) -> list[Term]:
        """Terms whose code begins with, or whose name contains, all words (case and accents do not count).

        Without `table` the TUSS is searched; `38` gives glosas, another number a domain.
        """

    def numbers(self) -> frozenset[str]:
        """The numbers of the tables that have a term."""


@cache
def installed() -> Tables:
    """The installed tables; raises Misconfigured when they are not here."""
    sources = {name: table.path for name, table in catalogue.tables().items()}
    sources |= {IMPORTED + path.stem: path for path in sorted(table_files.folder().glob("*.json"))}
    absent = [name for name, path in sources.items() if not path.is_file()]
    if absent:
        raise Misconfigured(f"the ANS tables are not installed ({', '.join(absent)}); run `ponte schemas install`")
    return _Stored(_open(sources))


class _Stored:
    """Tables in a read-only SQLite file, or in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        weakref.finalize(self, connection.close)  # others may still ask tables that newer ones have replaced
        self._lock = threading.Lock()
        self._term = lru_cache(maxsize=20_000)(self._find)
        self._operator = lru_cache(maxsize=2_000)(self._find_operator)

    @property
    def version(self) -> str:
        """The first 12 hexadecimal digits of each source's SHA-256, published and imported."""
        published = [f"{name}:{table.sha256[:12]}" for name, table in sorted(catalogue.tables().items())]
        return " ".join([*published, *(IMPORTED + path.stem for path in sorted(table_files.folder().glob("*.json")))])

    def tuss(self, table: str, code: str, on: date | None = None) -> Term | None:
        found = self._term(f"tuss-{table}", code)
        return found if found is not None and (on is None or found.in_force(on)) else None

    def tables_of(self, code: str) -> tuple[str, ...]:
        rows = self._rows("SELECT kind FROM term WHERE code = ? AND kind LIKE 'tuss-%' ORDER BY kind", code)
        return tuple(kind.removeprefix("tuss-") for (kind,) in rows)

    def domain(self, table: str, code: str) -> Term | None:
        return self._term(table, code)

    def glosa(self, code: str) -> Term | None:
        return self._term(GLOSAS, code)

    def operator(self, ans: str) -> Operator | None:
        return self._operator(ans)

    def search(self, words: str, *, table: str = "", on: date | None = None, most: int = 20) -> list[Term]:
        wanted = [word.replace("%", "").replace("_", "") for word in fold(words).split()]
        clause = " AND ".join("(folded LIKE ? OR code LIKE ?)" for _ in wanted) or "1"
        sql = f"SELECT kind, code, name, since, until FROM term WHERE kind LIKE ? AND {clause} ORDER BY code"
        kind = f"tuss-{table or '%'}" if not table or table in TUSS else table
        given = [kind, *(part for word in wanted for part in (f"%{word}%", f"{word}%"))]
        terms = (_term(row) for row in self._rows(sql, *given))
        return [term for term in terms if on is None or term.in_force(on)][:most]

    def numbers(self) -> frozenset[str]:
        rows = self._rows("SELECT DISTINCT kind FROM term")
        return frozenset(kind.removeprefix("tuss-") for (kind,) in rows)

    def _find(self, kind: str, code: str) -> Term | None:
        rows = self._rows("SELECT kind, code, name, since, until FROM term WHERE kind = ? AND code = ?", kind, code)
        return _term(rows[0]) if rows else None

    def _find_operator(self, ans: str) -> Operator | None:
        rows = self._rows("SELECT ans, name, cnpj FROM operator WHERE ans = ?", ans)
        return Operator(ans=rows[0][0], name=rows[0][1], cnpj=rows[0][2]) if rows else None

    def _rows(self, sql: str, *given: str) -> list[tuple[str, ...]]:
        with self._lock:
            return self._connection.execute(sql, given).fetchall()


def _term(row: tuple[str, ...]) -> Term:
    return Term(table=row[0].removeprefix("tuss-"), code=row[1], name=row[2], since=row[3], until=row[4])


def fold(text: str) -> str:
    """`text` without accents, in lower case."""
    return unaccented(text.lower())


def _open(sources: dict[str, Path]) -> sqlite3.Connection:
    stamp = _stamp(sources)
    target = catalogue.installed_root() / "tables" / "tables.sqlite"
    with contextlib.suppress(sqlite3.Error):
        found = _connect(target)
        if _is(found, stamp):
            return found
    partial = target.with_name(f"tables.sqlite.{os.getpid()}.{threading.get_ident()}.partial")
    try:
        with contextlib.closing(sqlite3.connect(partial)) as made:
            _fill(made, sources, stamp)
        partial.replace(target)
        return _connect(target)
    except (OSError, sqlite3.Error):
        with contextlib.suppress(OSError):
            partial.unlink()
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with contextlib.ExitStack() as unless:
        unless.callback(memory.close)
        _fill(memory, sources, stamp)
        unless.pop_all()
    return memory


def _is(found: sqlite3.Connection, stamp: str) -> bool:
    """Whether a file holds what `stamp` names; if not, it is closed."""
    with contextlib.suppress(sqlite3.Error):
        if found.execute("SELECT value FROM stamp").fetchall() == [(stamp,)]:
            return True
    found.close()
    return False


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)


def _stamp(sources: dict[str, Path]) -> str:
    facts = [(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in sorted(sources.items())]
    return json.dumps([FORMAT, facts])


def _fill(connection: sqlite3.Connection, sources: dict[str, Path], stamp: str) -> None:
    documents: dict[str, Any] = {}
    for name, path in sources.items():
        try:
            documents[name] = json.loads(path.read_bytes())
        except ValueError:
            raise Misconfigured(f"the ANS table {name} is damaged; run `ponte schemas install`") from None
    connection.executescript(_SCHEMA)
    connection.executemany("INSERT OR REPLACE INTO term VALUES (?,?,?,?,?,?)", _terms(documents))
    operators = documents["operators"]["records"].values()
    connection.executemany(
        "INSERT INTO operator VALUES (?,?,?)",
        [(row["registro_ans"], row["nome_fantasia"] or row["razao_social"], row["cnpj"]) for row in operators],
    )
    connection.execute("INSERT INTO stamp VALUES (?)", (stamp,))
    connection.commit()


def _terms(documents: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for row in documents["tuss"]["records"]:
        yield (f"tuss-{row['tabela']}", *_words(row), fold(row["termo"]))
    for row in documents["domains"]["records"]:
        yield (row["tabela"], *_words(row), fold(row["termo"]))
    for row in documents["glosas"]["records"]:
        yield (GLOSAS, row["codigo"], row["descricao"], "", "", fold(row["descricao"]))
    for name in sorted(documents):
        if name.startswith(IMPORTED):  # what an operator imported comes last and replaces
            for row in documents[name]["records"]:
                kind = f"tuss-{row['tabela']}" if row["tabela"] in TUSS else row["tabela"]
                yield (kind, *_words(row), fold(row["termo"]))


def _words(row: dict[str, str]) -> tuple[str, str, str, str]:
    return (row["codigo"], row["termo"], row["vigencia_inicio"] or "", row["vigencia_fim"] or "")
