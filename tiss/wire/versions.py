"""TISS versions: the installed official schema of each, compiled once. A version is a row of the catalogue."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from lxml import etree

from canonical.errors import Misconfigured
from schemas_xsd.catalogue import SchemaSet, installed_root, schema_sets

NAMESPACE = "http://www.ans.gov.br/padroes/tiss/schemas"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"


def known() -> tuple[str, ...]:
    """All version numbers of the catalogue, newest first."""
    return tuple(schema_sets())


def at(version: str) -> SchemaSet:
    """The schema set of `version`; raises Misconfigured when it is unknown or not installed."""
    found = schema_sets().get(version)
    if found is None:
        raise Misconfigured(f"TISS {version} is not known; known: {', '.join(known())}")
    if not found.present:
        raise Misconfigured(f"the schemas of TISS {version} are not installed; run `ponte schemas import`")
    return found


def schema(version: str, *, service: bool = False) -> etree.XMLSchema:
    """The compiled schema of the file form, or of the web-service form."""
    folder = _folder(version)
    return _compiled(version, folder, _changed(folder), service)


@cache
def _compiled(version: str, _folder: Path, _changed_at: int, service: bool) -> etree.XMLSchema:
    found = at(version)
    entry = found.service_entry if service else found.entry
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False)
    # one canonical base: Guias and ComplexTypes include each other, and libxml2 knows a file by its address only
    return etree.XMLSchema(etree.parse(str((found.folder / entry).resolve()), parser))


def installed() -> tuple[str, ...]:
    """The versions whose files are here, newest first."""
    folder = _folder()
    return _present(folder, _changed(folder))


@cache
def _present(_folder: Path, _changed_at: int) -> tuple[str, ...]:
    return tuple(version for version, found in schema_sets().items() if found.present)


def unverified(version: str) -> bool:
    """Whether the set was taken over although its files differ from the published ones."""
    folder = _folder(version)
    return _unverified(version, folder, _changed(folder))


@cache
def _unverified(version: str, _folder: Path, _changed_at: int) -> bool:
    found = schema_sets().get(version)
    return found is not None and not found.verified


def _folder(version: str = "") -> Path:
    """Where the set of a version stands, or all sets."""
    return _path(os.environ.get("PONTE_SCHEMAS"), version)


@cache  # on every message: making a Path costs more than the look at the disk
def _path(_moved: str | None, version: str) -> Path:
    return installed_root() / "tiss" / version


def _changed(folder: Path) -> int:
    """When the folder last gained or lost something: what was read of it before is looked at again."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
