"""official schemas and tables: list, install, import PATH, check"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lxml import etree

from api.cli import output
from canonical.errors import Misconfigured
from schemas_xsd import catalogue, importer, install
from tiss.wire import versions

_TOLD = {
    "installed": "installed, every file as published",
    "unverified": "installed UNVERIFIED: these files differ from the published ones",
    "refused": "refused: these files differ from the published ones (--unverified takes them over, marked)",
    "incomplete": "refused: these files are missing",
    "unknown": "refused: the catalogue has no row for this version (schemas_xsd/catalogue.toml)",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The four verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in (("list", "what is known and what is installed"), ("check", "verify every installed file")):
        verbs.add_parser(verb, help=text).add_argument("--json", action="store_true")
    verbs.add_parser("install", help="install the pinned versions and tables")
    take = verbs.add_parser("import", help="take over a publisher's ZIP, a folder, or one set")
    take.add_argument("path", type=Path)
    take.add_argument("--unverified", action="store_true", help="take over altered files, and mark them")
    take.add_argument("--json", action="store_true")


def run(given: argparse.Namespace) -> int:
    """0 good, 1 something altered or refused, 2 unreadable, 4 the pinned set cannot be brought."""
    return {"list": _list, "check": _check, "install": _install, "import": _import}[given.verb](given)


def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "kind": "tiss",
            "name": version,
            "publication": found.publication,
            "state": found.state(),
            "pinned": found.pinned,
            "accepted_from": found.accepted_from,
            "accepted_until": found.accepted_until,
        }
        for version, found in catalogue.schema_sets().items()
    ]
    for name, table in catalogue.tables().items():
        state = "absent"
        if table.path.is_file():
            state = "installed" if catalogue.sha256(table.path) == table.sha256 else "altered"
        rows.append({"kind": "table", "name": name, "title": table.title, "state": state, "pinned": True})
    return rows


def _list(given: argparse.Namespace) -> int:
    for row in _rows():
        if given.json:
            output.line(row)
        else:
            told = row.get("publication") or row.get("title") or ""
            output.say(f"{row['kind']:<6}{row['name']:<12}{row['state']:<12}{told}")
    return 0


def _check(given: argparse.Namespace) -> int:
    """Hashes of every file, and whether libxml2 compiles each installed schema in both forms."""
    worst = 0
    for row in _rows():
        good = row["state"] == "installed" or (row["state"] == "absent" and not row["pinned"])
        if row["kind"] == "tiss" and row["state"] != "absent":
            row["compiles"] = _compiles(row["name"])
            good = good and row["compiles"]
        worst = max(worst, 0 if good else 1)
        if given.json:
            output.line(row | {"ok": good})
        else:
            output.say(f"{'ok' if good else 'WRONG':<7}{row['kind']:<6}{row['name']:<12}{row['state']}")
    return worst


def _compiles(version: str) -> bool:
    try:
        versions.schema(version)
        versions.schema(version, service=True)
    except (etree.XMLSchemaParseError, etree.XMLSyntaxError, OSError):
        return False
    return True


def _install(_given: argparse.Namespace) -> int:
    try:
        install.install()
    except install.InstallFailed as error:
        raise Misconfigured(str(error)) from None
    except OSError as error:
        raise Misconfigured(f"cannot write {catalogue.installed_root()}: {error.strerror}") from None
    output.say("installed: " + ", ".join(versions.installed()))
    return 0


def _import(given: argparse.Namespace) -> int:
    try:
        outcomes = importer.import_from(given.path, unverified=given.unverified)
    except importer.ImportRefused as error:
        output.complain(str(error))
        return 2
    except OSError as error:
        raise Misconfigured(f"cannot import: {error.strerror}") from None
    for outcome in outcomes:
        if given.json:
            output.line({"version": outcome.version, "state": outcome.state, "files": list(outcome.files)})
        else:
            files = f" ({', '.join(outcome.files)})" if outcome.files else ""
            output.say(f"{outcome.version}: {_TOLD[outcome.state]}{files}")
    return 0 if all(outcome.good for outcome in outcomes) else 1
