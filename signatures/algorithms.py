"""The algorithms a signature may use: an allow-list (`algorithms.csv`). What is not in it is refused: SHA-1, MD5,
HMAC, XSLT, free XPath and everything unknown."""

from __future__ import annotations

import base64
import binascii
import csv
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import Certificate

from signatures.reading import Canonical

SMALLEST_RSA = 2048
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def named(role: str, uri: str | None) -> str | None:
    """The short name of the algorithm `uri` in this role; None when it is not allowed."""
    return _allowed().get((role, uri or ""))


def canonicalisation(uri: str | None, prefixes: tuple[str, ...] = ()) -> Canonical | None:
    """The canonicalisation `uri` names; None when it is not allowed."""
    name = named("canonicalisation", uri)
    if name is None:
        return None
    return Canonical(exclusive=name.startswith("exclusive"), comments=name.endswith("comments"), prefixes=prefixes)


def fits(certificate: Certificate, signature: bytes, data: bytes, name: str) -> bool:
    """Whether `signature` over `data` was made by the key of `certificate`; weak or other keys never fit."""
    family, _, digest = name.partition("-")
    key = certificate.public_key()
    try:
        if family == "rsa" and isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_RSA:
            key.verify(signature, data, padding.PKCS1v15(), _HASHES[digest])
            return True
        if family == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256:
            half = (key.key_size + 7) // 8  # RFC 6931 2.3.6: r and s, each as long as the curve's order
            if len(signature) != 2 * half:
                return False
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            key.verify(encode_dss_signature(r, s), data, ec.ECDSA(_HASHES[digest]))
            return True
    except InvalidSignature:
        return False
    return False


def strong(certificate: Certificate) -> bool:
    """Whether the certificate's key is of a kind and size that may sign."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= SMALLEST_RSA
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256


def from_base64(text: str | None) -> bytes | None:
    """The octets of a base64 text, in which blanks may stand; None when it is not base64."""
    try:
        return base64.b64decode("".join((text or "").split()).encode("ascii"), validate=True) or None
    except (binascii.Error, UnicodeEncodeError):
        return None


@cache
def _allowed() -> dict[tuple[str, str], str]:
    with (Path(__file__).resolve().parent / "algorithms.csv").open(encoding="utf-8", newline="") as file:
        return {(row["role"], row["uri"]): row["name"] for row in csv.DictReader(file)}
