"""Who signs: a certificate, its chain and anything with `sign()`; read from PKCS#12 (RFC 7292), old ciphers included.

A private key in a file, in a smart card or at a cloud signer looks the same here: `SigningKey`.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from canonical.errors import Misconfigured

SMALLEST_RSA = 2048


class KeyRefused(Misconfigured):
    """The key or its certificate cannot be used for signing; `code` tells why (`signature.key.…`)."""

    code = "signature.key"


class SigningKey(Protocol):
    """A private RSA key, wherever it is kept: signs `data` and returns the raw signature."""

    def sign(self, data: bytes, padding: padding.PKCS1v15, algorithm: hashes.SHA256, /) -> bytes:
        """The RSASSA-PKCS1-v1_5 signature of `data`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A certificate with its key; `chain` holds the issuers from the nearest up, as far as they are known."""

    certificate: x509.Certificate
    key: SigningKey
    chain: tuple[x509.Certificate, ...] = ()

    def sign(self, data: bytes) -> bytes:
        """The RSA-SHA256 signature of `data`."""
        return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    @property
    def der(self) -> bytes:
        """The certificate's DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


def from_pkcs12(content: bytes, password: str, *, at: datetime.datetime | None = None) -> Signer:
    """The signer in a PKCS#12 file. With `at`, a certificate that is not valid then is refused. Raises KeyRefused."""
    trimmed = _outer(content)
    try:
        bundle = pkcs12.load_pkcs12(trimmed, password.encode("utf-8"))
    except (ValueError, TypeError):
        raise KeyRefused("wrong password, or the PKCS#12 file is damaged", code="signature.key.password") from None
    if bundle.key is None or bundle.cert is None:
        raise KeyRefused("the PKCS#12 file holds no private key with its certificate", code="signature.key.empty")
    if not isinstance(bundle.key, rsa.RSAPrivateKey) or bundle.key.key_size < SMALLEST_RSA:
        raise KeyRefused(f"an RSA key of at least {SMALLEST_RSA} bits is needed", code="signature.key.kind")
    certificate = bundle.cert.certificate
    if at is not None:
        refuse_outside_validity(certificate, at)
    others = [extra.certificate for extra in bundle.additional_certs]
    return Signer(certificate=certificate, key=bundle.key, chain=ordered(certificate, others))


def to_pkcs12(signer: Signer, password: str) -> bytes:
    """A PKCS#12 file (AES-256) of a signer whose key is at hand; raises KeyRefused when the key is kept elsewhere."""
    if not isinstance(signer.key, rsa.RSAPrivateKey):
        raise KeyRefused("the private key is kept elsewhere and cannot be exported", code="signature.key.kind")
    cipher = serialization.BestAvailableEncryption(password.encode("utf-8"))
    return pkcs12.serialize_key_and_certificates(b"ponte", signer.key, signer.certificate, signer.chain, cipher)


def refuse_outside_validity(certificate: x509.Certificate, at: datetime.datetime) -> None:
    """Raise KeyRefused unless `certificate` is valid at `at`."""
    if at > certificate.not_valid_after_utc:
        ended = certificate.not_valid_after_utc.date().isoformat()
        raise KeyRefused(f"the certificate expired on {ended}", code="signature.key.expired")
    if at < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc.date().isoformat()
        raise KeyRefused(f"the certificate is valid from {begins} only", code="signature.key.not-yet-valid")


def ordered(leaf: x509.Certificate, others: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The issuers of `leaf` among `others`, nearest first; strangers are left out."""
    rest = list(others)
    chain: list[x509.Certificate] = []
    current = leaf
    while current.issuer != current.subject:
        issuer = next((found for found in rest if found.subject == current.issuer and found not in chain), None)
        if issuer is None:
            break
        chain.append(issuer)
        current = issuer
    return tuple(chain)


def _outer(content: bytes) -> bytes:
    """The outer SEQUENCE of a PKCS#12 file without trailing bytes, which some exporters leave; raises KeyRefused."""
    if len(content) < 4 or content[0] != 0x30:
        raise KeyRefused("this is not a PKCS#12 file", code="signature.key.format")
    first = content[1]
    if first == 0x80:  # indefinite length (BER): the end is marked inside
        return content
    if first < 0x80:
        return content[: 2 + first]
    size = first & 0x7F
    return content[: 2 + size + int.from_bytes(content[2 : 2 + size], "big")]
