"""Read, tree, write: the same message, for every transaction, version and form, and for every shared sample."""

from __future__ import annotations

import json
from pathlib import Path

import clean
import made
import pytest
from shared_files import samples

from api.cli.main import main
from canonical.problem import Problem
from tiss.checking import summary
from tiss.wire import message, spec, transactions, tree, versions


def again(raw: bytes) -> tuple[bytes, message.Tiss, message.Tiss]:
    """The message made again from its tree, and both parsed."""
    first = message.read(raw)
    assert isinstance(first, message.Tiss)
    described = json.loads(json.dumps(tree.description(first)))
    told: list[Problem] = []
    written = spec.message_of(described, told)
    assert isinstance(written, bytes), written
    assert told == []
    second = message.read(written)
    assert isinstance(second, message.Tiss)
    return written, first, second


def leaves(parsed: message.Tiss) -> list[tuple[str, str]]:
    return [(message.place(node), node.text or "") for node in parsed.root.iter("{*}*") if not len(node)]


@pytest.mark.parametrize("version", ["3.05.00", "4.01.00", "4.02.00", "4.03.00"])
def test_every_sample(version: str, every_version: tuple[str, ...]) -> None:
    assert version in every_version
    for path in sorted((samples("tiss") / version).glob("*.xml")):
        written, first, second = again(path.read_bytes())
        assert leaves(first) == leaves(second), path.name
        schema = versions.schema(version, service=second.service)
        assert schema.validate(second.root), path.name
        told = summary.of(written)
        assert isinstance(told, list) and len(told) > 6, path.name


@pytest.mark.parametrize("name", transactions.table())
def test_every_transaction(name: str, every_version: tuple[str, ...]) -> None:
    for version in every_version:
        if not made.exists(name, version):
            continue
        for service in (False, True):
            raw = made.message(name, version, service=service)
            written, first, second = again(raw)
            assert written == raw
            assert leaves(first) == leaves(second)
            told = summary.of(raw)
            assert isinstance(told, list)
            assert any(name in line for line in told)


def test_show_gives_what_build_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, described, target = tmp_path / "a.xml", tmp_path / "a.json", tmp_path / "b.xml"
    source.write_bytes(clean.sadt_batch(2))
    assert main(["tiss", "show", "--json", str(source)]) == 0
    described.write_text(capsys.readouterr().out, encoding="utf-8")
    main(["tiss", "build", str(described), "--out", str(target)])
    assert target.read_bytes() == source.read_bytes()


def test_the_body_is_told_where_nothing_else_is(every_version: tuple[str, ...]) -> None:
    raw = made.message("ENVIO_DOCUMENTO", every_version[0], "numeroGuiaPrestador=77 documento=" + "QUJD" * 100)
    told = summary.of(raw)
    assert isinstance(told, list)
    assert any("numeroGuiaPrestador: 77" in line for line in told)
    assert any("documento: (400 caracteres)" in line for line in told)
