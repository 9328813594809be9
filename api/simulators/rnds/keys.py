"""TLS material of the simulated RNDS, made anew at each start: its issuer, its server, the hospital's certificate.

Every subject says that it is a demonstration; nothing of it is trusted by anything but the trial tenant.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from hub.rnds.trial import CLIENT, ISSUERS, PASSWORD

SERVER = "server.pem"
_NOTICE = "Demonstração, sem valor"
_DAYS = 365


def prepare(folder: Path, now: datetime.datetime) -> None:
    """Write issuer, server and client certificate into `folder`, which only its owner can read."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    root = (
        _builder("Autoridade", "Autoridade", key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = root.public_bytes(Encoding.PEM)
    server, served = _issued("RNDS simulada", key, now)
    client, named = _issued("Hospital Demonstração", key, now)
    private = server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(folder / SERVER, private + served.public_bytes(Encoding.PEM))
    _write(folder / ISSUERS, pem)
    sealed = BestAvailableEncryption(PASSWORD.encode())
    _write(folder / CLIENT, pkcs12.serialize_key_and_certificates(b"rnds", client, named, [root], sealed))


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The TLS of EHR-auth, which asks for a client certificate, and of EHR-services."""
    auth, ehr = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context in (auth, ehr):
        context.load_cert_chain(folder / SERVER)
    auth.verify_mode = ssl.CERT_REQUIRED
    auth.load_verify_locations(cafile=str(folder / ISSUERS))
    return auth, ehr


def _issued(
    subject: str, issuer: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = _builder(subject, "Autoridade", key, now).add_extension(names, critical=False)
    return key, made.sign(issuer, hashes.SHA256())


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(_name(subject)).issuer_name(_name(issuer))
    made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
    day = datetime.timedelta(days=1)
    return made.not_valid_before(now - day).not_valid_after(now + day * _DAYS)


def _name(text: str) -> x509.Name:
    parts = ((NameOID.ORGANIZATION_NAME, _NOTICE), (NameOID.COMMON_NAME, text))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
