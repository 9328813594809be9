"""`ponte tiss tables find|import`: the ANS tables by code, by words without accents, by day; and newer ones."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from api.cli import output
from canonical.errors import Misconfigured
from tiss.tables import files as table_files
from tiss.tables.tables import Term, installed


def arguments(parser: argparse.ArgumentParser) -> None:
    """The two verbs."""
    verbs = parser.add_subparsers(dest="table_verb", required=True)
    find = verbs.add_parser("find", help="termos por código ou palavras, sem acentos")
    find.add_argument("words", nargs="+", metavar="PALAVRA")
    find.add_argument("--table", default="", help="18, 19, 20, 22, 38 (glosas) ou um domínio; sem ela, a TUSS")
    find.add_argument("--on", type=date.fromisoformat, default=None, metavar="AAAA-MM-DD", help="em vigor nesse dia")
    find.add_argument("--most", type=int, default=20)
    find.add_argument("--json", action="store_true", help="um objeto JSON por termo e linha")
    take = verbs.add_parser("import", help="importa uma tabela publicada em CSV ou XLSX")
    take.add_argument("file", type=Path)
    take.add_argument("--table", default="", help="número da tabela, onde nenhuma coluna diz")
    take.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> int:
    """0 good, 1 nothing found, 2 unreadable."""
    return _find(given) if given.table_verb == "find" else _import(given)


def _find(given: argparse.Namespace) -> int:
    terms = installed().search(" ".join(given.words), table=given.table, on=given.on, most=given.most)
    for term in terms:
        if given.json:
            output.line(_row(term))
        else:
            days = f"{term.since or '…'} a {term.until or '…'}" if term.since or term.until else ""
            output.say(f"{term.table}  {term.code:<10}  {term.name}  {days}".rstrip())
    if not terms and not given.json:
        output.complain("nenhum termo encontrado")
    return 0 if terms else 1


def _row(term: Term) -> dict[str, str]:
    return {"table": term.table, "code": term.code, "name": term.name, "since": term.since, "until": term.until}


def _import(given: argparse.Namespace) -> int:
    try:
        taken = table_files.take(given.file, given.table)
    except table_files.UnreadableTable as error:
        output.complain(str(error))
        return 2
    except OSError as error:
        if not given.file.is_file():
            output.complain(f"{given.file}: {error.strerror}")
            return 2
        raise Misconfigured(f"cannot write {table_files.folder()}: {error.strerror}") from None
    installed.cache_clear()
    if given.json:
        output.line({"tables": taken.rows, "file": taken.path.name})
    else:
        for table, rows in sorted(taken.rows.items()):
            output.say(f"tabela {table}: {rows} termos, em uso a partir de agora")
    return 0
