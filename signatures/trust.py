"""Whom to trust: pools of roots and intermediates, revocation lists, and the building of chains (RFC 5280, 6).

The chain is built from the pools; certificates inside a signature only help to find the way to a root of the pools.
Known ICP-Brasil roots are a table of fingerprints (`roots.csv`): one made for TLS servers or code never signs here.
"""

from __future__ import annotations

import csv
import datetime
import itertools
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext, errors
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)

from canonical.problem import Problem
from signatures import revocation
from signatures.keys import Signer
from signatures.policy import Expected
from signatures.verdict import Failure, Outcome, Reason

_NO_CHECK = CertRevTrustPolicy(
    RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
)
_CACHED = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A valid path from a root to the signer: the root's name in the table, or its own; `test` for a test pool."""

    certificates: tuple[x509.Certificate, ...]
    root: str
    test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Roots and intermediates by pool. `roots` are of ICP-Brasil; `tests` are roots outside its table that somebody
    trusts explicitly: demonstration and private chains. `warnings` tells what was left out."""

    roots: tuple[x509.Certificate, ...] = ()
    tests: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    lists: tuple[x509.CertificateRevocationList, ...] = ()
    warnings: tuple[Problem, ...] = ()
    _built: dict[tuple[bytes, datetime.datetime], Chain] = field(default_factory=dict, compare=False, repr=False)

    @property
    def empty(self) -> bool:
        """Whether there is no root at all."""
        return not self.roots and not self.tests

    def chain(
        self, leaf: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime.datetime, expected: Expected
    ) -> Chain:
        """The valid chain of `leaf` at `at`; raises Failure. `extra` are untrusted certificates that came along."""
        refuse_outside_validity(leaf, at)
        refuse_wrong_use(leaf)
        key = (leaf.fingerprint(hashes.SHA256()), at.replace(minute=0, second=0, microsecond=0))
        found = self._built.get(key)
        if found is None or not all(_valid(certificate, at) for certificate in found.certificates):
            found = self._build(leaf, extra, at)
            if len(self._built) >= _CACHED:
                self._built.clear()
            self._built[key] = found
        self._refuse_revoked(found.certificates, at, expected)
        return found

    def _build(self, leaf: x509.Certificate, extra: Sequence[x509.Certificate], at: datetime.datetime) -> Chain:
        if self.empty:
            raise Failure(
                Reason.NO_CERTIFICATE_CHAIN_FOUND, Problem("signature.trust.none"), outcome=Outcome.INDETERMINATE
            )
        context = ValidationContext(
            trust_roots=[_asn1(root) for root in (*self.roots, *self.tests)],
            other_certs=[_asn1(found) for found in (*self.intermediates, *extra)],
            moment=at,
            allow_fetching=False,
            revinfo_policy=_NO_CHECK,
        )
        validator = CertificateValidator(_asn1(leaf), validation_context=context)
        path = _validated(validator.async_validate_path())
        certificates = tuple(x509.load_der_x509_certificate(found.dump()) for found in path)
        return self._named(certificates)

    def _named(self, certificates: tuple[x509.Certificate, ...]) -> Chain:
        root = certificates[0]
        row = known_roots().get(fingerprint(root))
        return Chain(certificates=certificates, root=row["name"] if row else _name(root), test=root in self.tests)

    def _refuse_revoked(
        self, certificates: tuple[x509.Certificate, ...], at: datetime.datetime, expected: Expected
    ) -> None:
        unknown = False
        for issuer, certificate in itertools.pairwise(certificates):
            found = revocation.status(certificate, issuer, self.lists, at)
            if found is revocation.Status.REVOKED:
                raise Failure(Reason.REVOKED, Problem("signature.certificate.revoked"))
            unknown = unknown or found is revocation.Status.UNKNOWN
        if unknown and expected.revocation == "required":
            raise Failure(Reason.TRY_LATER, Problem("signature.revocation.unknown"), outcome=Outcome.INDETERMINATE)


def refuse_outside_validity(certificate: x509.Certificate, at: datetime.datetime) -> None:
    """Raise Failure unless `certificate` is valid at `at`."""
    if at > certificate.not_valid_after_utc:
        raise Failure(Reason.EXPIRED, Problem("signature.certificate.expired"))
    if at < certificate.not_valid_before_utc:
        raise Failure(Reason.NOT_YET_VALID, Problem("signature.certificate.not-yet-valid"))


def refuse_wrong_use(certificate: x509.Certificate) -> None:
    """Raise Failure when the key usage allows neither digitalSignature nor nonRepudiation (RFC 5280, 4.2.1.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    except ValueError:
        raise Failure(Reason.CHAIN_CONSTRAINTS_FAILURE, Problem("signature.certificate.malformed")) from None
    if not (usage.digital_signature or usage.content_commitment):
        raise Failure(Reason.CHAIN_CONSTRAINTS_FAILURE, Problem("signature.certificate.use"))


def from_files(files: Iterable[tuple[str, bytes]]) -> Trust:
    """A trust made of PEM or DER files by name: self-signed certificates are roots, others intermediates; CRLs too.

    A root in the table of ICP-Brasil goes into `roots`, any other, which whoever gave the files trusts, into `tests`.

    Each is read by itself; what cannot be read, and ICP-Brasil roots of another use, are left out with a warning.
    """
    roots: list[x509.Certificate] = []
    tests: list[x509.Certificate] = []
    intermediates: list[x509.Certificate] = []
    lists: list[x509.CertificateRevocationList] = []
    warnings: list[Problem] = []
    for name, content in files:
        found, skipped = _read(content)
        if skipped:
            warnings.append(Problem("signature.trust.skipped", name))
        for entry in found:
            if isinstance(entry, x509.CertificateRevocationList):
                lists.append(entry)
            elif not _self_signed(entry):
                intermediates.append(entry)
            elif not is_known(entry):
                tests.append(entry)
            elif known_roots()[fingerprint(entry)]["use"] != "signature":
                warnings.append(Problem("signature.trust.other-use", name))
            else:
                roots.append(entry)
    return Trust(
        roots=tuple(roots),
        tests=tuple(tests),
        intermediates=tuple(intermediates),
        lists=tuple(lists),
        warnings=tuple(warnings),
    )


def with_signer(pools: Trust, signer: Signer) -> Trust:
    """`pools` and the chain a signer brings along.

    Good for choosing a policy when signing; a verification must bring its own trust.
    """
    top = signer.chain[-1] if signer.chain else signer.certificate
    brought = (top,) if _self_signed(top) else ()
    return Trust(
        roots=(*pools.roots, *(root for root in brought if is_known(root))),
        tests=(*pools.tests, *(root for root in brought if not is_known(root))),
        intermediates=(*pools.intermediates, *signer.chain),
    )


def is_known(root: x509.Certificate) -> bool:
    """Whether `root` is in the table of ICP-Brasil."""
    return fingerprint(root) in known_roots()


def fingerprint(certificate: x509.Certificate) -> str:
    """The lower-case hexadecimal SHA-256 of the DER."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@cache
def known_roots() -> dict[str, dict[str, str]]:
    """The rows of `roots.csv` by fingerprint."""
    with (Path(__file__).resolve().parent / "roots.csv").open(encoding="utf-8", newline="") as file:
        return {row["sha256"]: row for row in csv.DictReader(file)}


def _validated(work: Coroutine[Any, Any, Any]) -> Any:
    """The path, from a coroutine that never waits because nothing is fetched; raises Failure. No message of the
    library is passed on: it names the holder."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    except errors.ExpiredError:
        raise Failure(Reason.EXPIRED, Problem("signature.certificate.chain-expired")) from None
    except errors.NotYetValidError:
        raise Failure(Reason.NOT_YET_VALID, Problem("signature.certificate.chain-expired")) from None
    except errors.PathBuildingError:
        raise Failure(
            Reason.NO_CERTIFICATE_CHAIN_FOUND, Problem("signature.trust.unknown"), outcome=Outcome.INDETERMINATE
        ) from None
    except (errors.ValidationError, ValueError, TypeError):
        raise Failure(Reason.CHAIN_CONSTRAINTS_FAILURE, Problem("signature.certificate.chain")) from None
    work.close()
    raise RuntimeError("a chain is validated without waiting")


def _read(content: bytes) -> tuple[list[x509.Certificate | x509.CertificateRevocationList], bool]:
    """The certificates and lists in a file, and whether something in it could not be read."""
    found: list[x509.Certificate | x509.CertificateRevocationList] = []
    blocks = _pem_blocks(content) if b"-----BEGIN " in content else [content]
    for block in blocks:
        entry = _entry(block)
        if entry is not None:
            found.append(entry)
    return found, len(found) < len(blocks) or not blocks


def _pem_blocks(content: bytes) -> list[bytes]:
    pieces = content.split(b"-----BEGIN ")[1:]
    return [b"-----BEGIN " + piece for piece in pieces if piece.startswith((b"CERTIFICATE", b"X509 CRL"))]


def _entry(block: bytes) -> x509.Certificate | x509.CertificateRevocationList | None:
    loaders: tuple[Any, ...] = (x509.load_der_x509_certificate, x509.load_der_x509_crl)
    if block.startswith(b"-----"):
        loaders = (x509.load_pem_x509_certificate, x509.load_pem_x509_crl)
    for load in loaders:
        try:
            entry = load(block)
            if isinstance(entry, x509.Certificate):
                entry.public_key()  # a key of an unknown kind (Ed448 with unknown parameters, E-521) raises here
        except (ValueError, UnsupportedAlgorithm):
            continue
        return entry  # type: ignore[no-any-return]
    return None


def _self_signed(certificate: x509.Certificate) -> bool:
    if certificate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _valid(certificate: x509.Certificate, at: datetime.datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _asn1(certificate: x509.Certificate) -> asn1.Certificate:
    return asn1.Certificate.load(certificate.public_bytes(Encoding.DER))
