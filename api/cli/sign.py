"""sign an XML document with a certificate in a PKCS#12 file"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from api.cli import output
from api.cli.verify import trust_in
from canonical.errors import Misconfigured, Refused
from hub.clock import utc_now
from signatures import trust as trust_pools
from signatures import xades, xmldsig
from signatures.keys import KeyRefused, Signer, from_pkcs12
from signatures.trust import Trust

PROFILES = ("xmldsig", "xades-ad-rb", "pades-ad-rb")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The file, the key, and where the password is; a password never stands on the command line."""
    parser.add_argument("file", type=Path, help="the XML document")
    parser.add_argument("--p12", type=Path, required=True, help="PKCS#12 file with certificate and key")
    parser.add_argument("--password-env", required=True, metavar="NAME", help="environment variable with its password")
    parser.add_argument("--profile", choices=PROFILES, default="xmldsig")
    parser.add_argument("--trust", type=Path, metavar="DIR", help="folder that completes the chain (XAdES)")
    parser.add_argument("--out", type=Path, help="where to write (default: standard output)")


def run(given: argparse.Namespace) -> int:
    """0 signed; 1 the document or certificate forbids it; 2 unreadable input, wrong password, profile not available."""
    if given.profile == "pades-ad-rb":
        output.complain("o perfil pades-ad-rb (PDF) ainda não está disponível / this profile is not available yet")
        return 2
    password = os.environ.get(given.password_env)
    if password is None:
        output.complain(f"a variável {given.password_env} não existe / the environment variable is not set")
        return 2
    try:
        document, bundle = given.file.read_bytes(), given.p12.read_bytes()
    except OSError as error:
        output.complain(f"{error.filename}: {error.strerror}")
        return 2
    trust = trust_in(given.trust)
    if trust is None:
        return 2
    try:
        signed = _sign(document, from_pkcs12(bundle, password, at=utc_now()), given.profile, trust)
    except KeyRefused as refusal:
        output.complain(refusal.text)
        return 1 if refusal.code in ("signature.key.expired", "signature.key.not-yet-valid") else 2
    except Refused as refusal:
        output.complain(refusal.text)
        return 2 if refusal.code.startswith("signature.unreadable") else 1
    return _write(signed, given.out)


def _sign(document: bytes, signer: Signer, profile: str, trust: Trust) -> bytes:
    if profile == "xmldsig":
        return xmldsig.sign(document, signer)
    at = utc_now().replace(microsecond=0)
    return xades.sign(document, signer, trust=trust_pools.with_signer(trust, signer), at=at)


def _write(signed: bytes, out: Path | None) -> int:
    if out is None:
        sys.stdout.buffer.write(signed)
        sys.stdout.buffer.flush()
        return 0
    try:
        out.write_bytes(signed)
    except OSError as error:
        raise Misconfigured(f"cannot write {out}: {error.strerror}") from None
    return 0
