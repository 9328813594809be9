"""A demonstration chain shaped like ICP-Brasil: root, AC and final certificates. Demonstração, sem valor.

Every subject says so, and the policy OIDs lie in the example arc 2.999 (ITU-T X.660), so nothing can take a demo
certificate for a real one. Times are passed in; keys are new at each call.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signatures.keys import Signer

NOTICE = "Demonstração, sem valor"
TEST_POLICY = "2.999.76.1.2.1.1"
_ARC = "2.16.76.1.3."
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a demo certificate names: a company (`cnpj`, with the responsible person) or a person (`cpf`)."""

    name: str
    cpf: str
    cnpj: str = ""
    responsible: str = ""
    born: datetime.date = datetime.date(1980, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How a final certificate differs from a good one: validity in days before and after, key usage, policy."""

    starts: int = -1
    ends: int = 365
    signs: bool = True
    policy: str = TEST_POLICY
    bits: int = 2048


GOOD = Use()


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPki:
    """A root and an AC under it, both with their keys."""

    made_at: datetime.datetime
    root: x509.Certificate
    root_key: rsa.RSAPrivateKey
    authority: x509.Certificate
    authority_key: rsa.RSAPrivateKey

    def issue(self, subject: Subject, use: Use = GOOD) -> Signer:
        """A final certificate with its key and chain."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=use.bits)
        number = subject.cnpj or subject.cpf
        label = f"{subject.name[: 63 - len(number)]}:{number}"
        builder = (
            _builder(_subject(label, "PJ demo" if subject.cnpj else "PF demo"), self.authority.subject, key)
            .not_valid_before(self.made_at + use.starts * _DAY)
            .not_valid_after(self.made_at + use.ends * _DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_final_usage(use.signs), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION]), False
            )
            .add_extension(x509.SubjectAlternativeName(_other_names(subject)), critical=False)
            .add_extension(_policies(use.policy), critical=False)
            .add_extension(_issued_by(self.authority_key), critical=False)
        )
        certificate = builder.sign(self.authority_key, hashes.SHA256())
        return Signer(certificate=certificate, key=key, chain=(self.authority, self.root))

    def revocation_list(
        self, revoked: Iterable[x509.Certificate], at: datetime.datetime
    ) -> x509.CertificateRevocationList:
        """The AC's CRL of `at`, valid for thirty days, that revokes `revoked` from that moment on."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.authority.subject)
            .last_update(at)
            .next_update(at + 30 * _DAY)
            .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
            .add_extension(_issued_by(self.authority_key), critical=False)
        )
        for certificate in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(at)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.authority_key, hashes.SHA256())


def make(made_at: datetime.datetime, *, label: str = "Ponte") -> DemoPki:
    """A fresh demo chain: the root lives twenty years from the day before `made_at`, the AC ten."""
    root_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    authority_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root_name = _subject(f"Autoridade Certificadora Raiz de Teste {label}", "AC raiz demo")
    authority_name = _subject(f"AC de Teste {label}", "AC demo")
    root = (
        _authority(_builder(root_name, root_name, root_key), made_at, years=20, path_length=None)
        .add_extension(_issued_by(root_key), critical=False)
        .sign(root_key, hashes.SHA512())
    )
    authority = (
        _authority(_builder(authority_name, root_name, authority_key), made_at, years=10, path_length=0)
        .add_extension(_issued_by(root_key), critical=False)
        .add_extension(_policies(TEST_POLICY), critical=False)
        .sign(root_key, hashes.SHA512())
    )
    return DemoPki(made_at=made_at, root=root, root_key=root_key, authority=authority, authority_key=authority_key)


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority(
    builder: x509.CertificateBuilder, made_at: datetime.datetime, *, years: int, path_length: int | None
) -> x509.CertificateBuilder:
    return (
        builder.not_valid_before(made_at - _DAY)
        .not_valid_after(made_at + years * 365 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(("key_cert_sign", "crl_sign")), critical=True)
    )


def _subject(common_name: str, unit: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, NOTICE),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]),
        ]
    )


def _other_names(subject: Subject) -> list[x509.GeneralName]:
    """The fixed layouts of DOC-ICP-04: birth 8, CPF 11, NIS 11, RG 15, issuer and UF 6; unknown numbers are zeros."""
    person = subject.born.strftime("%d%m%Y") + subject.cpf + "0" * 11 + "0" * 15 + " " * 6
    if not subject.cnpj:
        return [_other(1, person), _other(5, "0" * 19 + " " * 22), _other(6, "0" * 12)]
    return [_other(4, person), _other(2, subject.responsible), _other(3, subject.cnpj), _other(7, "0" * 12)]


def _other(number: int, text: str) -> x509.OtherName:
    return x509.OtherName(x509.ObjectIdentifier(f"{_ARC}{number}"), core.OctetString(text.encode("utf-8")).dump())


def _issued_by(key: rsa.RSAPrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _policies(oid: str) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)])


def _final_usage(signs: bool) -> x509.KeyUsage:
    return _usage(("digital_signature", "content_commitment", "key_encipherment") if signs else ("key_encipherment",))


def _usage(names: tuple[str, ...]) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in names for name in every})
