"""A certificate authority for one test, with server and client certificates; nothing of it is trusted elsewhere."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    def __init__(self, title: str = "Autoridade de Teste") -> None:
        self.issued = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name(title)
        builder = self._builder(self.name, self.key.public_key())
        self.certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(
            self.key, hashes.SHA256()
        )

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins: int = 0, ends: int = 3650
    ) -> x509.CertificateBuilder:
        start = NOW if not begins else datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start + datetime.timedelta(days=begins))
            .not_valid_after(start + datetime.timedelta(days=ends))
        )

    def issue(
        self, subject: str, *, begins: int = 0, ends: int = 3650, names: Sequence[str] = ()
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """A key and its certificate; `begins` and `ends` in days from now (0: as the authority's)."""
        key = ec.generate_private_key(ec.SECP256R1())
        usual = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(subject)]
        stated = [x509.DNSName(one) for one in names] if names else usual
        builder = self._builder(name(subject), key.public_key(), begins, ends)
        return key, builder.add_extension(x509.SubjectAlternativeName(stated), critical=False).sign(
            self.key, hashes.SHA256()
        )

    def p12(self, subject: str, password: str = "x") -> bytes:
        key, certificate = self.issue(subject)
        return pkcs12.serialize_key_and_certificates(
            b"x", key, certificate, [self.certificate], serialization.BestAvailableEncryption(password.encode())
        )

    def revoking(self, *serials: int) -> str:
        """Its revocation list, as PEM."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now)
        builder = builder.next_update(now + datetime.timedelta(days=1))
        for serial in serials:
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(gone.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def server(self, folder: Path, *, clients: bool, **stated: Any) -> ssl.SSLContext:
        key, certificate = self.issue("servidor.teste", **stated)
        self.issued = certificate.serial_number
        file = folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.pem)
        return context
