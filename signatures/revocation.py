"""Certificate revocation lists (RFC 5280, 5): is a certificate good, revoked or unknown at a moment."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm


class Status(enum.Enum):
    """What the lists at hand say about a certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


def status(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Iterable[x509.CertificateRevocationList],
    at: datetime.datetime,
) -> Status:
    """The status of `certificate` at `at`. A list made later tells of revocations before `at` too; an older one, past
    its nextUpdate, still tells that a certificate was revoked, but never that it is good."""
    answer = Status.UNKNOWN
    for found in lists:
        if found.issuer != certificate.issuer or not _usable(found, certificate, issuer):
            continue
        entry = found.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None and entry.revocation_date_utc <= at and not _lifted(entry):
            return Status.REVOKED
        end = found.next_update_utc
        if end is not None and at <= end:
            answer = Status.GOOD
    return answer


def _lifted(entry: x509.RevokedCertificate) -> bool:
    """Whether a delta entry takes a hold back."""
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return False
    return reason is x509.ReasonFlags.remove_from_crl


def _usable(found: x509.CertificateRevocationList, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether a list is signed by the issuer and speaks of certificates like this one; partial lists are left out."""
    try:
        if not found.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
            return False
        extensions = found.extensions
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl or value.only_contains_attribute_certs or value.only_some_reasons:
                return False
            if (value.only_contains_ca_certs and not _authority(certificate)) or (
                value.only_contains_user_certs and _authority(certificate)
            ):
                return False
        elif extension.critical:
            return False  # delta lists, and what we do not know
    return True


def _authority(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False
