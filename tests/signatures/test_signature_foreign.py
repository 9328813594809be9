"""Signatures of other software, in the variants that occur: made by xmlsec1 from a template, verified by us."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml import XMLSigner

from signatures import xmldsig
from signatures.keys import Signer
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason
from tests.signatures.test_signature_keys import bare_certificate

DSIG = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA = "http://www.w3.org/2001/04/xmlenc#sha256"
ENVELOPED = f'<ds:Transform Algorithm="{DSIG}enveloped-signature"/>'
PREFIXES = f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="x y unknown"/>'
XPATH = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
    "<ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>"
)
TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<?before it?>
<laudo xmlns="urn:a" xmlns:x="urn:x" xmlns:y="urn:y" xml:lang="pt" Id="raiz">
  <x:texto y:n="1">sem alterações</x:texto><!-- nota -->
  <ds:Signature xmlns:ds="{dsig}"><ds:SignedInfo>
    <ds:CanonicalizationMethod Algorithm="{method}">{prefixes}</ds:CanonicalizationMethod>
    <ds:SignatureMethod Algorithm="{rsa}"/>
    <ds:Reference URI="{uri}"><ds:Transforms>{transforms}</ds:Transforms>
    <ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/></ds:Reference>
  </ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo>
  </ds:Signature>
</laudo>
"""


def c14n(uri: str, inner: str = "") -> str:
    return f'<ds:Transform Algorithm="{uri}">{inner}</ds:Transform>'


VARIANTS = {
    "inclusive": {"method": INCLUSIVE, "transforms": ENVELOPED},
    "inclusive stated": {"method": INCLUSIVE, "transforms": ENVELOPED + c14n(INCLUSIVE)},
    "exclusive": {"transforms": ENVELOPED + c14n(EXCLUSIVE)},
    "with comments": {"transforms": ENVELOPED + c14n(EXCLUSIVE + "WithComments")},
    "inclusive with comments": {"method": INCLUSIVE + "#WithComments", "transforms": ENVELOPED},
    "prefix lists": {"prefixes": PREFIXES, "transforms": ENVELOPED + c14n(EXCLUSIVE, PREFIXES)},
    "by id": {"uri": "#raiz", "transforms": ENVELOPED + c14n(EXCLUSIVE)},
    "by id, inclusive": {"uri": "#raiz", "method": INCLUSIVE, "transforms": ENVELOPED},
    "xpath": {"transforms": XPATH + c14n(EXCLUSIVE)},
    "enveloped and xpath": {"transforms": ENVELOPED + XPATH + c14n(INCLUSIVE)},
    "sha-512": {
        "transforms": ENVELOPED + c14n(EXCLUSIVE),
        "rsa": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
        "digest": "http://www.w3.org/2001/04/xmlenc#sha512",
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_other_software(
    name: str, signer: Signer, trust: Trust, at: datetime.datetime, tmp_path: Path
) -> None:
    tool = shutil.which("xmlsec1")
    if tool is None:
        pytest.skip("xmlsec1 is not installed (Debian package xmlsec1)")
    assert isinstance(signer.key, rsa.RSAPrivateKey)
    (tmp_path / "key.pem").write_bytes(
        signer.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "cert.pem").write_bytes(signer.certificate.public_bytes(serialization.Encoding.PEM))
    given = {
        "dsig": DSIG, "method": EXCLUSIVE, "rsa": RSA, "digest": SHA, "uri": "", "prefixes": "", **VARIANTS[name],
    }  # fmt: skip
    (tmp_path / "in.xml").write_text(TEMPLATE.format(**given), encoding="utf-8")
    command = [tool, "--sign", "--privkey-pem", f"{tmp_path / 'key.pem'},{tmp_path / 'cert.pem'}"]
    command += ["--id-attr:Id", "urn:a:laudo", "--output", str(tmp_path / "out.xml"), str(tmp_path / "in.xml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    signed = (tmp_path / "out.xml").read_bytes()
    verdict = xmldsig.verify(signed, trust=trust, at=at)
    assert verdict.outcome is Outcome.PASSED, verdict.problems
    changed = signed.replace("sem alterações".encode(), "com alterações".encode())
    assert xmldsig.verify(changed, trust=trust, at=at).reason is Reason.HASH_FAILURE


@pytest.mark.parametrize(("curve", "algorithm"), [(ec.SECP256R1(), "ecdsa-sha256"), (ec.SECP521R1(), "ecdsa-sha512")])
def test_elliptic_curves(curve: ec.EllipticCurve, algorithm: str, at: datetime.datetime) -> None:
    key = ec.generate_private_key(curve)
    certificate = bare_certificate(key, at)
    maker = XMLSigner(c14n_algorithm=EXCLUSIVE, signature_algorithm=algorithm, digest_algorithm=algorithm[6:])  # type: ignore[arg-type]
    made = etree.tostring(maker.sign(etree.fromstring("<a>1</a>"), key=key, cert=[certificate]))  # type: ignore[arg-type]
    trust = Trust(tests=(certificate,))
    assert xmldsig.verify(made, trust=trust, at=at).outcome is Outcome.PASSED  # type: ignore[arg-type]
    changed = made.replace(b"<a>1", b"<a>2")  # type: ignore[arg-type]
    assert xmldsig.verify(changed, trust=trust, at=at).reason is Reason.HASH_FAILURE  # type: ignore[arg-type]
