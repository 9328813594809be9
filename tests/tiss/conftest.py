"""Every known version at once: the shared official sets, imported once for the whole run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_files import standards

from schemas_xsd import catalogue, importer


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where every known version is installed, and the tables."""
    source = standards("tiss")
    folder = tmp_path_factory.mktemp("schemas")
    here = catalogue.installed_root()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PONTE_SCHEMAS", str(folder))
        outcomes = importer.import_from(source)
    assert all(outcome.good for outcome in outcomes)
    shutil.copytree(here / "tables", folder / "tables")
    for stored in here.glob("tiss/*/*.shapes.json"):  # deriving one takes seconds
        shutil.copy(stored, folder / stored.relative_to(here))
    return folder


@pytest.fixture
def every_version(imported: Path) -> Iterator[tuple[str, ...]]:
    """All known version numbers, installed for this test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PONTE_SCHEMAS", str(imported))
        yield tuple(catalogue.schema_sets())
