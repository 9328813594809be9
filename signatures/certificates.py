"""ICP-Brasil certificates: whose they are (DOC-ICP-04, Resolução CG ICP-Brasil 211).

Read in this order: policy OID, subject serialNumber, otherName of the alternative name, and last, as a hint only,
the common name. What a profile does not carry is None, never an error.
"""

from __future__ import annotations

import csv
import enum
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from asn1crypto import core
from cryptography import x509
from cryptography.x509.oid import NameOID

from canonical import identifiers

_ARC = "2.16.76.1.3."
_PERSON, _RESPONSIBLE, _COMPANY, _RESPONSIBLE_DATA, _CEI, _EQUIPMENT = (f"{_ARC}{n}" for n in (1, 2, 3, 4, 7, 8))
_CPF = slice(8, 19)  # otherName 1 and 4: birth DDMMAAAA (8), CPF (11), …


class Kind(enum.StrEnum):
    """What a certificate stands for."""

    PERSON = "PF"
    COMPANY = "PJ"
    EQUIPMENT = "equipamento"
    SEAL = "SE"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose certificate it is. `hinted`: the number was found in the common name only."""

    name: str
    kind: Kind
    cpf: str | None = None
    cnpj: str | None = None
    responsible: str | None = None
    responsible_cpf: str | None = None
    level: str | None = None
    hinted: bool = False

    def as_json(self) -> dict[str, str | None]:
        """The three keys of the command-line contract."""
        return {"name": self.name, "cpf": self.cpf, "cnpj": self.cnpj}


def holder(certificate: x509.Certificate) -> Holder:
    """Whose `certificate` is."""
    names, servers = _alternative(certificate)
    level, policy_kind = _policy(certificate)
    kind = _kind(names, servers, policy_kind)
    serial = _first(certificate, NameOID.SERIAL_NUMBER)
    cpf = _cpf(serial) or _cpf(names.get(_PERSON, "")[_CPF])
    cnpj = _cnpj(serial) or _cnpj(names.get(_COMPANY, ""))
    name, _, number = _first(certificate, NameOID.COMMON_NAME).rpartition(":")
    if not name or not (_cpf(number) or _cnpj(number)):
        name, number = _first(certificate, NameOID.COMMON_NAME), ""
    hinted = not cpf and not cnpj and bool(number)
    if hinted:
        cpf, cnpj = _cpf(number), _cnpj(number)
    return Holder(
        name=name,
        kind=kind or (Kind.COMPANY if cnpj else Kind.PERSON if cpf else Kind.UNKNOWN),
        cpf=cpf,
        cnpj=cnpj,
        responsible=names.get(_RESPONSIBLE, "").strip() or None,
        responsible_cpf=_cpf(names.get(_RESPONSIBLE_DATA, "")[_CPF]),
        level=level,
        hinted=hinted,
    )


def policies(certificate: x509.Certificate) -> tuple[str, ...]:
    """The certificate policy OIDs."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(policy.policy_identifier.dotted_string for policy in found)


def _kind(names: dict[str, str], servers: bool, by_policy: Kind) -> Kind:
    if by_policy is not Kind.UNKNOWN:
        return by_policy
    if servers or _EQUIPMENT in names:
        return Kind.EQUIPMENT
    if _COMPANY in names or _CEI in names:
        return Kind.COMPANY
    return Kind.PERSON if _PERSON in names else Kind.UNKNOWN


def _policy(certificate: x509.Certificate) -> tuple[str | None, Kind]:
    for oid in policies(certificate):
        for prefix, (level, kind) in _levels().items():
            if oid == prefix or oid.startswith(prefix + "."):
                return level, kind
    return None, Kind.UNKNOWN


def _alternative(certificate: x509.Certificate) -> tuple[dict[str, str], bool]:
    """The otherName texts by OID, and whether there is a dNSName; a name that cannot be decoded is left out."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return {}, False
    texts: dict[str, str] = {}
    for other in found.get_values_for_type(x509.OtherName):
        text = other_name_text(other.value)
        if text is not None:
            texts.setdefault(other.type_id.dotted_string, text)
    return texts, bool(found.get_values_for_type(x509.DNSName))


def other_name_text(value: bytes) -> str | None:
    """The text in an otherName's inner DER: OCTET STRING (UTF-8, else Latin-1) or a character string; else None."""
    try:
        native = core.load(value).native
    except (ValueError, TypeError):
        return None
    if isinstance(native, bytes):
        try:
            return native.decode("utf-8")
        except UnicodeDecodeError:
            return native.decode("latin-1")
    return native if isinstance(native, str) else None


def _first(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value).strip() if found else ""


def _cpf(text: str) -> str | None:
    compact = identifiers.compact(text)
    return compact if identifiers.is_cpf(compact) else None


def _cnpj(text: str) -> str | None:
    compact = identifiers.compact(text)
    return compact if identifiers.is_cnpj(compact) else None


@cache
def _levels() -> dict[str, tuple[str, Kind]]:
    with (Path(__file__).resolve().parent / "certificate_policies.csv").open(encoding="utf-8", newline="") as file:
        return {row["prefix"]: (row["level"], Kind(row["kind"])) for row in csv.DictReader(file)}
