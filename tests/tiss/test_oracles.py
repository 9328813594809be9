"""Agreement with the public library `tiss` 0.4.0 (golden files in tests/oracles/tiss, made by golden.py there)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiss.test_clean import independent_hash, report

FOLDER = Path(__file__).resolve().parents[1] / "oracles" / "tiss"
GOLDEN: dict[str, dict[str, Any]] = json.loads((FOLDER / "golden.json").read_text(encoding="utf-8"))
# what the other library says, and how our finding of the same thing begins
SAME = {"lote.hash_divergente": "hash.wrong", "xsd.elemento_ausente": "xsd."}
# where we know better: it leaves reducaoAcrescimo out of the item's product, and knows no web-service form
THEIRS = {"item.valor_divergente", "xsd.elemento_inesperado"}


def test_every_file_is_judged() -> None:
    assert {path.name for path in FOLDER.glob("*.xml")} == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_hash_and_findings_agree(name: str) -> None:
    raw = (FOLDER / name).read_bytes()
    found = report(raw)
    assert found.hash.computed == GOLDEN[name]["hash"] == independent_hash(raw)
    ours = {problem.code for problem in found.problems}
    said = set(GOLDEN[name]["findings"]) - THEIRS
    assert said <= set(SAME)
    for code in said:
        assert any(problem.startswith(SAME[code]) for problem in ours)
    assert bool(ours) == bool(said)


def test_the_published_vector() -> None:
    from lxml import etree

    from tiss.wire import epilogo

    root = etree.fromstring("<r><a>AÇÃO</a><b> x </b><c/><d>1</d></r>")
    assert "".join(epilogo.leaf_texts(root)) == epilogo.leaf_text(root) == "AÇÃO x 1"
    assert epilogo.compute(root) == "84420eb54bee17b575c22dec20d74852"
    assert epilogo.compute(root, "utf-8") == "1002e63b5d46902c93619404418c8ed9"
