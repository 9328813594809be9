"""What a command says of wrong usage: the name that was meant, the command that shows the names, the file in one sentence."""

from __future__ import annotations

import errno
import os
import tomllib
import zipfile
from pathlib import Path

import pytest

from api.cli.main import main
from tests.api.operate.test_cli_operate import slug

__all__ = ["slug"]
ROOT = Path(__file__).resolve().parents[3]


def test_a_misspelt_command_is_answered_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["channle", "list"]) == 2
    assert "did you mean 'channel'?" in capsys.readouterr().err
    assert main(["zzzz"]) == 2
    assert "alarms, bench, channel" in capsys.readouterr().err


def test_the_version_is_the_projects(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert capsys.readouterr().out == f"ponte {stated}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["fhir", "package", "import", "/no-such/package.tgz"],
        ["fhir", "validate", "--package", "/no-such/package.tgz", "README.md"],
    ],
)
def test_a_file_that_is_not_there_is_named_and_ends_with_2(
    arguments: list[str], slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant = [] if "validate" in arguments else ["--tenant", slug]
    assert main([*arguments, *tenant]) == 2
    told = capsys.readouterr().err
    assert "/no-such/" in told and "No such file" in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (["channel", "show", "his-mlpp"], "./ponte channel list"),
        (["channel", "diff", "his-mllp", "1", "99"], "./ponte channel versions"),
        (["partner", "show", "payer/999"], "./ponte partner list"),
        (["schedule", "run", "nosuch"], "./ponte schedule list"),
        (["client", "revoke", "nosuch"], "./ponte client list"),
        (["lane", "pause", "--name", "nosuch"], "./ponte lane list"),
        (["alarms", "limit", "nosuch", "--warning", "1"], "./ponte alarms limits"),
        (["user", "close", "nosuch"], "./ponte user list"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_what_shows_the_names(
    arguments: list[str], shows: str, slug: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--tenant", slug]) == 1
    assert f"; {shows}" in capsys.readouterr().err


def test_a_status_there_is_not_is_no_empty_answer(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["messages", "find", "--status", "FAILED", "--tenant", slug]) == 1
    told = capsys.readouterr()
    assert "one of ERROR, TRANSFORMED" in told.err and not told.out


def test_a_key_file_that_cannot_be_read_is_named(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    scope = ["--scope", "system/Patient.rs", "--tenant", slug]
    assert main(["client", "create", "abc", *scope, "--jwks", "/no-such/keys.json"]) == 2
    assert "/no-such/keys.json: No such file" in capsys.readouterr().err


def test_a_job_there_is_not_is_answered_with_those_there_are(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", "set", "nosuch", "--tenant", slug]) == 1
    assert "close-batches" in capsys.readouterr().err


def test_no_document_to_rnds_is_said(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rnds", "status", "--tenant", slug]) == 0
    assert "no document" in capsys.readouterr().out


def test_a_token_nobody_could_use_is_not_given(slug: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--tenant", slug, "--scope", "system/Pacient.rs"]) == 1
    told = capsys.readouterr()
    assert "system/Pacient.rs is not one of the scopes" in told.err and not told.out
    assert main(["token", "--tenant", slug, "--minutes", "0"]) == 2
    assert "from 1 to" in capsys.readouterr().err


def test_a_support_bundle_that_cannot_be_written_is_told_once(
    slug: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["support", str(tmp_path / "none" / "bundle.zip")]) == 4
    told = capsys.readouterr().err
    assert told.count("cannot write") == 1 and "database" not in told


def test_a_support_bundle_on_a_full_disk_is_told_and_none_is_left(
    slug: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    assert main(["support", str(tmp_path / "bundle.zip")]) == 4
    assert "No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
