"""`ponte sign` and `ponte verify`: keys, exit codes, outputs."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from api.cli import main
from signatures import demo_pki, keys
from signatures.demo_pki import Subject, Use

KEYS = ["file", "verdict", "reason", "covered", "signer", "policy", "time"]
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys, trust and a stranger's trust."""
    place = tmp_path_factory.mktemp("cli")
    pki = demo_pki.make(NOW)
    who = Subject(name="Clínica de Teste", cnpj="11222333000181", cpf="52998224725")
    (place / "key.p12").write_bytes(keys.to_pkcs12(pki.issue(who), "segredo"))
    (place / "old.p12").write_bytes(keys.to_pkcs12(pki.issue(who, Use(starts=-9, ends=-1)), "segredo"))
    for name, root in (("trust", pki.root), ("other", demo_pki.make(NOW).root)):
        (place / name).mkdir()
        (place / name / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (place / "trust" / "authority.der").write_bytes(pki.authority.public_bytes(Encoding.DER))
    (place / "document.xml").write_bytes("<laudo>sem alterações</laudo>".encode())
    return place


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("P12_WORD", "segredo")

    def call(*words: str) -> tuple[int, str, str]:
        done = main.main([str(folder / word[1:]) if word.startswith("@") else word for word in words])
        captured = capsys.readouterr()
        return done, captured.out, captured.err

    return call


KEY = ("--p12", "@key.p12", "--password-env", "P12_WORD")


@pytest.mark.parametrize(("profile", "policy"), [("xmldsig", None), ("xades-ad-rb", "2.16.76.1.7.1.6.2.5")])
def test_sign_then_verify(profile: str, policy: str | None, run: Any, folder: Path) -> None:
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    assert run("sign", "@document.xml", *KEY, "--profile", profile, "--out", "@signed.xml")[0] == 0
    code, out, _ = run("verify", "@signed.xml", "--trust", "@trust", "--json")
    found = json.loads(out)
    assert (code, list(found), out.count("\n")) == (0, KEYS, 1)
    assert found["file"] == str(folder / "signed.xml")
    assert (found["verdict"], found["reason"], found["policy"]) == ("passed", "", policy)
    assert found["covered"][0] == "/laudo"
    assert found["signer"] == {"name": "Clínica de Teste", "cpf": None, "cnpj": "11222333000181"}
    assert before <= datetime.datetime.fromisoformat(found["time"]) <= datetime.datetime.now(datetime.UTC)


def test_verdicts_and_exit_codes(run: Any, folder: Path) -> None:
    run("sign", "@document.xml", *KEY, "--out", "@signed.xml")
    (folder / "changed.xml").write_bytes((folder / "signed.xml").read_bytes().replace(b"sem", b"com", 1))
    (folder / "broken.xml").write_bytes(b"<laudo>")
    later = (NOW + datetime.timedelta(days=400)).isoformat()
    for words, code, verdict, reason in [
        (["@signed.xml"], 3, "indeterminate", "NO_CERTIFICATE_CHAIN_FOUND: Nenhuma raiz"),
        (["@signed.xml", "--trust", "@other"], 3, "indeterminate", "NO_CERTIFICATE_CHAIN_FOUND: Não há caminho"),
        (["@signed.xml", "--trust", "@trust", "--at", later], 1, "failed", "EXPIRED: "),
        (["@changed.xml", "--trust", "@trust"], 1, "failed", "HASH_FAILURE: "),
        (["@document.xml", "--trust", "@trust"], 1, "failed", "NO_SIGNATURE: "),
        (["@broken.xml", "--trust", "@trust"], 2, "failed", "UNREADABLE: "),
    ]:
        done, out, _ = run("verify", *words, "--json")
        found = json.loads(out)
        assert (done, found["verdict"]) == (code, verdict)
        assert found["reason"].startswith(reason)
    done, out, _ = run("verify", "@changed.xml", "--trust", "@trust")
    assert done == 1
    assert "reprovada" in out
    assert "->" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sign", "@document.xml", *KEY, "--profile", "pades-ad-rb"], 2),
        (["sign", "@document.xml", "--p12", "@key.p12", "--password-env", "NOT_SET"], 2),
        (["sign", "@document.xml", "--p12", "@key.p12", "--password-env", "PATH"], 2),
        (["sign", "@absent.xml", *KEY], 2),
        (["sign", "@document.xml", "--p12", "@document.xml", "--password-env", "P12_WORD"], 2),
        (["sign", "@key.p12", *KEY], 2),
        (["sign", "@document.xml", "--p12", "@old.p12", "--password-env", "P12_WORD"], 1),
        (["sign", "@document.xml"], 2),
        (["verify", "@absent.xml"], 2),
        (["verify", "@document.xml", "--trust", "@absent"], 2),
        (["verify", "@document.xml", "--at", "ontem"], 2),
        (["verify"], 2),
    ],
)
def test_usage(words: list[str], code: int, run: Any) -> None:
    done, _, err = run(*words)
    assert done == code
    assert err
    assert "segredo" not in err
    assert "Traceback" not in err


def test_a_second_signature_is_refused(run: Any) -> None:
    run("sign", "@document.xml", *KEY, "--out", "@signed.xml")
    assert run("sign", "@signed.xml", *KEY)[0] == 1


def test_the_folder_s_odd_files_are_told(run: Any, folder: Path) -> None:
    run("sign", "@document.xml", *KEY, "--out", "@signed.xml")
    (folder / "trust" / "notes.txt").write_text("palavras")
    done, _, err = run("verify", "@signed.xml", "--trust", "@trust")
    assert done == 0
    assert "notes.txt" in err


def test_a_key_without_its_chain_takes_it_from_the_trust(run: Any, folder: Path) -> None:
    signer = keys.from_pkcs12((folder / "key.p12").read_bytes(), "segredo")
    bare = keys.Signer(certificate=signer.certificate, key=signer.key)
    (folder / "bare.p12").write_bytes(keys.to_pkcs12(bare, "segredo"))
    words = ["sign", "@document.xml", "--p12", "@bare.p12", "--password-env", "P12_WORD", "--profile", "xades-ad-rb"]
    assert run(*words)[0] == 1
    assert run(*words, "--trust", "@trust", "--out", "@signed.xml")[0] == 0
    assert run("verify", "@signed.xml", "--trust", "@trust")[0] == 0
