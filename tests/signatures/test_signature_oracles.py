"""Two other implementations agree: signxml and xmlsec1 verify what we sign, and we verify what signxml signs."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import SignatureConfiguration, XMLSigner, XMLVerifier
from signxml.xades import XAdESSigner

from signatures import xades, xmldsig
from signatures.demo_pki import DemoPki
from signatures.keys import Signer
from signatures.trust import Trust
from signatures.verdict import Outcome

DS = "{http://www.w3.org/2000/09/xmldsig#}"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"


def ordinary(signed: bytes) -> bytes:
    """The web-service wrapper renamed to ds:Signature, where other tools find it: what it says stays the same."""
    root = etree.fromstring(signed)
    root[-1].tag = f"{DS}Signature"
    return etree.tostring(root)  # type: ignore[return-value]


@pytest.mark.parametrize("profile", ["xmldsig", "xades-ad-rb"])
def test_xmlsec1_verifies_ours(
    profile: str, document: bytes, signer: Signer, pki: DemoPki, trust: Trust, at: datetime.datetime, tmp_path: Path
) -> None:
    tool = shutil.which("xmlsec1")
    if tool is None:
        pytest.skip("xmlsec1 is not installed (Debian package xmlsec1)")
    signed = (
        xades.sign(document, signer, trust=trust, at=at) if profile == "xades-ad-rb" else xmldsig.sign(document, signer)
    )
    file, root, authority = (tmp_path / name for name in ("signed.xml", "root.pem", "authority.pem"))
    file.write_bytes(ordinary(signed))
    root.write_bytes(pki.root.public_bytes(Encoding.PEM))
    authority.write_bytes(pki.authority.public_bytes(Encoding.PEM))
    command = [tool, "--verify", "--trusted-pem", str(root), "--untrusted-pem", str(authority)]
    command += ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
    command += ["--verification-time", at.strftime("%Y-%m-%d %H:%M:%S"), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    changed = etree.fromstring(ordinary(signed))
    changed.set("novo", "1")
    file.write_bytes(etree.tostring(changed))  # type: ignore[arg-type]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("profile", ["xmldsig", "xades-ad-rb"])
def test_signxml_verifies_ours(
    profile: str, document: bytes, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    signed = (
        xades.sign(document, signer, trust=trust, at=at) if profile == "xades-ad-rb" else xmldsig.sign(document, signer)
    )
    expected = SignatureConfiguration(expect_references=2 if profile == "xades-ad-rb" else 1, verification_time=at)
    found = XMLVerifier().verify(ordinary(signed), x509_cert=signer.certificate, expect_config=expected)  # type: ignore[arg-type]
    first = found[0] if isinstance(found, list) else found
    covered = xmldsig.verify(signed, trust=trust, at=at).covered_root
    assert covered is not None
    assert first.signed_xml is not None
    assert etree.tostring(covered, method="c14n") == etree.tostring(first.signed_xml, method="c14n", exclusive=True)


@pytest.mark.parametrize("method", [EXCLUSIVE, INCLUSIVE, EXCLUSIVE + "WithComments"])
@pytest.mark.parametrize("algorithm", ["rsa-sha256", "rsa-sha384", "rsa-sha512"])
def test_we_verify_signxml_s(
    method: str, algorithm: str, batch: bytes, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    maker = XMLSigner(c14n_algorithm=method, signature_algorithm=algorithm, digest_algorithm=algorithm[4:])  # type: ignore[arg-type]
    chain = [signer.certificate, signer.chain[0]]
    made = maker.sign(etree.fromstring(batch), key=signer.key, cert=chain)  # type: ignore[arg-type]
    verdict = xmldsig.verify(etree.tostring(made), trust=trust, at=at)  # type: ignore[arg-type]
    assert verdict.outcome is Outcome.PASSED, verdict.problems


def test_we_verify_signxml_s_xades(batch: bytes, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    maker = XAdESSigner(c14n_algorithm=INCLUSIVE)  # type: ignore[arg-type]
    chain = [signer.certificate, signer.chain[0]]
    made = maker.sign(etree.fromstring(batch), key=signer.key, cert=chain, always_add_key_value=True)  # type: ignore[arg-type]
    verdict = xmldsig.verify(etree.tostring(made), trust=trust, at=at)  # type: ignore[arg-type]
    assert verdict.outcome is Outcome.PASSED, verdict.problems
    assert verdict.claimed_at is not None
    assert verdict.policy is None
    assert len(verdict.covered) == 3
