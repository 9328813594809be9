"""TISS versions: the installed official schema of each, compiled once. A version is a row of the catalogue."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

from canonical.errors import Misconfigured
from schemas_xsd.catalogue import SchemaSet, schema_sets

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
    if found.state() == "absent":
        raise Misconfigured(f"the schemas of TISS {version} are not installed; run `ponte schemas import`")
    return found


@cache
def schema(version: str, *, service: bool = False) -> etree.XMLSchema:
    """The compiled schema of the file form, or of the web-service form."""
    found = at(version)
    entry = found.service_entry if service else found.entry
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False)
    # one canonical base: Guias and ComplexTypes include each other, and libxml2 knows a file by its address only
    return etree.XMLSchema(etree.parse(str(Path(found.folder, entry).resolve()), parser))


def installed() -> tuple[str, ...]:
    """The versions whose files are here."""
    return tuple(version for version, found in schema_sets().items() if found.state() != "absent")
