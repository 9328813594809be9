"""PKCS#12 files, old and new; keys kept elsewhere; and whose a certificate is."""

from __future__ import annotations

import dataclasses
import datetime
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from signatures import certificates, keys, xmldsig
from signatures.certificates import Kind
from signatures.demo_pki import DemoPki, Subject, Use
from signatures.keys import KeyRefused, Signer
from signatures.trust import Trust
from signatures.verdict import Outcome

WORD = "senha-ção"


def test_export_and_import(signer: Signer, at: datetime.datetime) -> None:
    found = keys.from_pkcs12(keys.to_pkcs12(signer, WORD), WORD, at=at)
    assert found.certificate == signer.certificate
    assert found.chain == signer.chain


def test_a_trailing_byte_is_forgiven(signer: Signer) -> None:
    assert keys.from_pkcs12(keys.to_pkcs12(signer, WORD) + b"\n", WORD).certificate == signer.certificate


@pytest.mark.parametrize("options", [["-legacy"], ["-legacy", "-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"]])
def test_old_ciphers(options: list[str], signer: Signer, batch: bytes, tmp_path: Path) -> None:
    """RC2-40 for certificates and 3DES for keys, as issuers still send them."""
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("openssl is not installed")
    assert isinstance(signer.key, rsa.RSAPrivateKey)
    pem = signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + signer.certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "in.pem").write_bytes(pem)
    command = [tool, "pkcs12", "-export", *options, "-in", str(tmp_path / "in.pem"), "-out", str(tmp_path / "out.p12")]
    done = subprocess.run([*command, "-passout", "pass:abc"], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("this openssl has no legacy provider")
    found = keys.from_pkcs12((tmp_path / "out.p12").read_bytes(), "abc")
    assert found.certificate == signer.certificate
    assert xmldsig.sign(batch, found) == xmldsig.sign(batch, dataclasses.replace(signer, chain=()))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw, "signature.key.password"),
        (lambda raw: raw[:-10], "signature.key.password"),
        (lambda raw: b"", "signature.key.format"),
        (lambda raw: b"-----BEGIN CERTIFICATE-----", "signature.key.format"),
        (lambda raw: b"\x30\x03\x02\x01\x03", "signature.key.password"),
        (lambda raw: b"\x30\x84\xff\xff\xff\xff", "signature.key.password"),
    ],
)
def test_files_that_are_refused(change: Any, code: str, signer: Signer) -> None:
    with pytest.raises(KeyRefused) as refusal:
        keys.from_pkcs12(change(keys.to_pkcs12(signer, WORD)), "errada")
    assert refusal.value.code == code


def test_no_key_inside(signer: Signer) -> None:
    raw = pkcs12.serialize_java_truststore(
        [pkcs12.PKCS12Certificate(signer.certificate, b"x")], serialization.BestAvailableEncryption(b"abc")
    )
    with pytest.raises(KeyRefused) as refusal:
        keys.from_pkcs12(raw, "abc")
    assert refusal.value.code == "signature.key.empty"


def test_an_elliptic_key_is_refused(at: datetime.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    raw = pkcs12.serialize_key_and_certificates(
        b"x", key, bare_certificate(key, at), None, serialization.BestAvailableEncryption(b"abc")
    )
    with pytest.raises(KeyRefused) as refusal:
        keys.from_pkcs12(raw, "abc")
    assert refusal.value.code == "signature.key.kind"


@pytest.mark.parametrize(
    ("use", "code"),
    [(Use(ends=-1, starts=-3), "signature.key.expired"), (Use(starts=2), "signature.key.not-yet-valid")],
)
def test_a_certificate_outside_its_validity(use: Use, code: str, pki: DemoPki, at: datetime.datetime) -> None:
    raw = keys.to_pkcs12(pki.issue(Subject(name="Fora do Prazo", cpf="52998224725"), use), WORD)
    with pytest.raises(KeyRefused) as refusal:
        keys.from_pkcs12(raw, WORD, at=at)
    assert refusal.value.code == code
    assert keys.from_pkcs12(raw, WORD).certificate is not None


def test_a_key_kept_elsewhere(signer: Signer, batch: bytes, trust: Trust, at: datetime.datetime) -> None:
    """Anything with `sign()` signs: a card, a module, a cloud signer."""

    class Elsewhere:
        calls = 0

        def sign(self, data: bytes, padding: Any, algorithm: Any, /) -> bytes:
            self.calls += 1
            assert isinstance(algorithm, hashes.SHA256)
            return signer.key.sign(data, padding, algorithm)

    key = Elsewhere()
    remote = Signer(certificate=signer.certificate, key=key, chain=signer.chain)
    assert xmldsig.verify(xmldsig.sign(batch, remote), trust=trust, at=at).outcome is Outcome.PASSED
    assert key.calls == 1
    with pytest.raises(KeyRefused):
        keys.to_pkcs12(remote, WORD)


def bare_certificate(
    key: Any, at: datetime.datetime, *, subject: Any = None, names: Any = (), policy: str = ""
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(oid, text) for oid, text in (subject or [(NameOID.COMMON_NAME, "X")])])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(at).not_valid_after(at + datetime.timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    if policy:
        information = x509.PolicyInformation(x509.ObjectIdentifier(policy), None)
        builder = builder.add_extension(x509.CertificatePolicies([information]), critical=False)
    return builder.sign(key, hashes.SHA256())


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def other(number: int, value: bytes) -> x509.OtherName:
    return x509.OtherName(x509.ObjectIdentifier(f"2.16.76.1.3.{number}"), value)


def octets(text: str, charset: str = "utf-8") -> bytes:
    return core.OctetString(text.encode(charset)).dump()  # type: ignore[no-any-return]


def test_a_legacy_company(pki: DemoPki) -> None:
    found = certificates.holder(
        pki.issue(Subject(name="Hospital", cnpj="11222333000181", cpf="52998224725", responsible="José")).certificate
    )
    assert (found.name, found.kind, found.cpf, found.cnpj) == ("Hospital", Kind.COMPANY, None, "11222333000181")
    assert (found.responsible, found.responsible_cpf, found.hinted) == ("José", "52998224725", False)


def test_a_legacy_person(pki: DemoPki) -> None:
    found = certificates.holder(pki.issue(Subject(name="Médica", cpf="52998224725")).certificate)
    assert (found.name, found.kind, found.cpf, found.cnpj) == ("Médica", Kind.PERSON, "52998224725", None)


@pytest.mark.parametrize(
    ("policy", "number", "kind", "level"),
    [
        ("2.16.76.1.2.201.7", "12ABC34501DE35", Kind.SEAL, "SE-S"),
        ("2.16.76.1.2.202.1", "11222333000181", Kind.SEAL, "SE-H"),
        ("2.16.76.1.2.3.10", "52998224725", Kind.PERSON, "A3"),
        ("2.16.76.1.2.20.1", "52998224725", Kind.PERSON, None),
    ],
)
def test_the_profile_of_resolution_211(
    policy: str, number: str, kind: Kind, level: str | None, key: Any, at: datetime.datetime
) -> None:
    """The number stands in the subject's serialNumber, alphanumeric CNPJ included; a responsible person is absent."""
    subject = [(NameOID.COMMON_NAME, "Clínica Nova"), (NameOID.SERIAL_NUMBER, number)]
    found = certificates.holder(bare_certificate(key, at, subject=subject, policy=policy))
    assert (found.name, found.kind, found.level) == ("Clínica Nova", kind, level)
    assert number in (found.cpf, found.cnpj)
    assert (found.responsible, found.responsible_cpf) == (None, None)


def test_a_seal_that_looks_like_a_company(key: Any, at: datetime.datetime) -> None:
    names = [other(3, octets("11222333000181"))]
    assert certificates.holder(bare_certificate(key, at, names=names, policy="2.16.76.1.2.201.1")).kind is Kind.SEAL
    assert certificates.holder(bare_certificate(key, at, names=names)).kind is Kind.COMPANY


@pytest.mark.parametrize(
    "value",
    [
        octets("01011980" + "52998224725" + "0" * 26),
        core.PrintableString("01011980" + "52998224725" + "0" * 32).dump(),
        core.UTF8String("01011980" + "52998224725").dump(),
        octets("01011980" + "52998224725" + "0" * 26 + "ÓRGÃO", "latin-1"),
    ],
)
def test_string_kinds_and_cut_tails(value: bytes, key: Any, at: datetime.datetime) -> None:
    found = certificates.holder(bare_certificate(key, at, names=[other(1, value)]))
    assert (found.kind, found.cpf) == (Kind.PERSON, "52998224725")


@pytest.mark.parametrize("value", [b"\x05\x00", core.Integer(5).dump(), octets("curto"), octets("0" * 51)])
def test_names_that_say_nothing(value: bytes, key: Any, at: datetime.datetime) -> None:
    found = certificates.holder(bare_certificate(key, at, names=[other(1, value)]))
    assert (found.cpf, found.cnpj) == (None, None)


def test_inner_der_that_is_cut() -> None:
    assert certificates.other_name_text(b"\x04\x7f\x01") is None
    assert certificates.other_name_text(b"") is None


def test_equipment(key: Any, at: datetime.datetime) -> None:
    names = [x509.DNSName("exemplo.invalid"), other(3, octets("11222333000181"))]
    found = certificates.holder(bare_certificate(key, at, names=names))
    assert (found.kind, found.cnpj) == (Kind.EQUIPMENT, "11222333000181")


def test_the_common_name_is_a_hint_only(key: Any, at: datetime.datetime) -> None:
    hinted = certificates.holder(bare_certificate(key, at, subject=[(NameOID.COMMON_NAME, "ANA SILVA:52998224725")]))
    assert (hinted.name, hinted.cpf, hinted.hinted) == ("ANA SILVA", "52998224725", True)
    odd = certificates.holder(bare_certificate(key, at, subject=[(NameOID.COMMON_NAME, "ANA: SILVA")]))
    assert (odd.name, odd.cpf) == ("ANA: SILVA", None)
