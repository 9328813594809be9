"""Writes golden.json: what the public library `tiss` 0.4.0 says of the files beside this one.

    uv run --isolated --no-project --with tiss==0.4.0 python tests/oracles/tiss/golden.py

It runs in an environment of its own, since that library and ours have one import name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Hash and finding codes of every XML here."""
    import tiss

    library: Any = tiss
    said = {}
    for path in sorted(HERE.glob("*.xml")):
        raw = path.read_bytes()
        report = library.validate(raw)
        said[path.name] = {
            "hash": library.hash_epilogo(raw),
            "findings": sorted({finding.code for finding in report.findings}),
        }
    (HERE / "golden.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
