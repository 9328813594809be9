"""Signing and verifying every kind of document: places, bytes kept, schema, epilogo hash, covered octets."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from lxml import etree

from canonical.errors import Refused
from signatures import reading, xades, xmldsig
from signatures.demo_pki import DemoPki, Subject
from signatures.keys import Signer
from signatures.places import place_of
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason
from tiss.wire import epilogo, versions

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "samples" / "tiss"

DS = "{http://www.w3.org/2000/09/xmldsig#}"
ANS = "{http://www.ans.gov.br/padroes/tiss/schemas}"
PROFILES = ("xmldsig", "xades-ad-rb")


def tiss_samples() -> list[object]:
    """The shared samples, or one skipped parameter that says they are not here."""
    found = sorted(SAMPLES.glob("*/*.xml"))
    return list(found) or [pytest.param(None, marks=pytest.mark.skip(reason=f"the samples are not here: {SAMPLES}"))]


def sample_id(path: Path | None) -> str:
    return f"{path.parent.name}/{path.stem}" if path else "absent"


def made(profile: str, document: bytes, signer: Signer, trust: Trust, at: datetime.datetime) -> bytes:
    if profile == "xmldsig":
        return xmldsig.sign(document, signer)
    return xades.sign(document, signer, trust=trust, at=at)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_signed_verifies(
    profile: str, document: bytes, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    signed = made(profile, document, signer, trust, at)
    verdict = xmldsig.verify(signed, trust=trust, at=at)
    assert verdict.outcome is Outcome.PASSED, verdict.problems
    root = etree.fromstring(document)
    assert verdict.octets == etree.tostring(root.getroottree(), method="c14n", exclusive=True, with_comments=False)
    covered = verdict.covered_root
    assert covered is not None
    assert covered.tag == root.tag
    assert verdict.covered[0] == "/" + etree.QName(root).localname
    assert verdict.signer is not None
    assert verdict.signer.cnpj == "12ABC34501DE35"
    assert (verdict.policy is not None) == (profile == "xades-ad-rb")
    assert (verdict.claimed_at == at) == (profile == "xades-ad-rb")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_other_byte_stays(
    profile: str, document: bytes, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    signed = made(profile, document, signer, trust, at)
    end = document.rindex(b"</")
    assert signed.startswith(document[:end])
    assert signed.endswith(document[end:])


def test_the_signature_stands_where_the_schema_wants_it(batch: bytes, service_batch: bytes, signer: Signer) -> None:
    assert etree.fromstring(xmldsig.sign(batch, signer))[-1].tag == f"{DS}Signature"
    wrapper = etree.fromstring(xmldsig.sign(service_batch, signer))[-1]
    assert wrapper.tag == f"{ANS}Signature"
    assert [child.tag for child in wrapper] == [f"{DS}SignedInfo", f"{DS}SignatureValue", f"{DS}KeyInfo"]


@pytest.mark.parametrize("name", ["respostaElegibilidadeWS", "protocoloRecebimentoAnexoWS", "reciboDocumentosWS"])
def test_three_roots_have_the_plural_wrapper(name: str, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    document = f'<{name} xmlns="http://www.ans.gov.br/padroes/tiss/schemas"><hash>0</hash></{name}>'.encode()
    signed = xmldsig.sign(document, signer)
    assert etree.fromstring(signed)[-1].tag == f"{ANS}Signatures"
    assert xmldsig.verify(signed, trust=trust, at=at).outcome is Outcome.PASSED


def test_the_place_of_every_web_service_root_is_the_schema_s() -> None:
    """The table of places agrees with the official schema, root by root."""
    if not versions.installed():
        pytest.skip("no TISS schema is installed")
    xs = "{http://www.w3.org/2001/XMLSchema}"
    found = versions.at(versions.installed()[0])
    for element in etree.parse(Path(found.folder, found.service_entry)).getroot().findall(f"{xs}element"):
        wrappers = [e.get("name") for e in element.iter(f"{xs}element") if e.get("type") == "ans:Signature"]
        place = place_of(etree.Element(f"{ANS}{element.get('name')}"))
        assert ([etree.QName(place.tag).localname] if place else []) == wrappers


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("path", tiss_samples(), ids=sample_id)
def test_tiss_samples(path: Path, profile: str, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    document = path.read_bytes()
    signed = made(profile, document, signer, trust, at)
    assert xmldsig.verify(signed, trust=trust, at=at).outcome is Outcome.PASSED
    before, after = etree.fromstring(document), etree.fromstring(signed)
    assert epilogo.compute(after) == epilogo.compute(before)
    version = path.parent.name
    if version in versions.installed():
        schema = versions.schema(version, service=path.stem.endswith("__ws"))
        assert schema.validate(after), schema.error_log.last_error.type_name


@pytest.mark.parametrize(
    "document",
    [
        b"<a/>",
        b'<a xmlns="urn:x"/>',
        b"<p:a xmlns:p='urn:x'></p:a  >\n\n",
        b"<a>text</a><!-- </a> -->",
        b"<?pi before?><a><!-- in --><b/> tail </a><?pi after?>",
        '<?xml version="1.0" encoding="UTF-16"?><a>ação</a>'.encode("utf-16"),
        '<?xml version="1.0" encoding="ISO-8859-1"?><ação>ç</ação>'.encode("latin-1"),
        b'<ds:a xmlns:ds="urn:mine"><ds:b ds:c="1"/></ds:a>',
        b'<ds:xWS xmlns:ds="http://www.ans.gov.br/padroes/tiss/schemas"><ds:hash/></ds:xWS>',
        b"<a>\r\n<b>x</b>\r\n</a>",
    ],
)
def test_odd_documents(document: bytes, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    signed = xmldsig.sign(document, signer)
    verdict = xmldsig.verify(signed, trust=trust, at=at)
    assert verdict.outcome is Outcome.PASSED, verdict.problems
    read = reading.read(document)
    assert isinstance(read, reading.Document)
    assert verdict.octets == reading.canonical_document(read.root)


def test_signing_twice_is_refused(document: bytes, signer: Signer) -> None:
    with pytest.raises(Refused) as refusal:
        xmldsig.sign(xmldsig.sign(document, signer), signer)
    assert refusal.value.code == "signature.already-signed"


@pytest.mark.parametrize("document", [b"", b"   ", b"not xml", b"<a>", b"<a>\x00</a>", b"\xff\xfe<"])
def test_what_cannot_be_read_is_refused(document: bytes, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    with pytest.raises(Refused):
        xmldsig.sign(document, signer)
    verdict = xmldsig.verify(document, trust=trust, at=at)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, Reason.UNREADABLE)


def test_unsigned(document: bytes, trust: Trust, at: datetime.datetime) -> None:
    verdict = xmldsig.verify(document, trust=trust, at=at)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, Reason.NO_SIGNATURE)
    assert verdict.covered_root is None
    assert verdict.as_problem().code == "signature.none"


def test_a_fault_carries_no_signature(signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    document = b'<tissFaultWS xmlns="http://www.ans.gov.br/padroes/tiss/schemas"/>'
    with pytest.raises(Refused):
        xmldsig.sign(document, signer)
    assert xmldsig.verify(document, trust=trust, at=at).as_problem().code == "signature.no-place"


def test_large_text(signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    document = b"<a><pdf>" + b"QUJD" * 3_000_000 + b"</pdf></a>"
    assert xmldsig.verify(xmldsig.sign(document, signer), trust=trust, at=at).outcome is Outcome.PASSED


def test_a_guide_signature_is_content_of_the_message(
    batch: bytes, signer: Signer, pki: DemoPki, trust: Trust, at: datetime.datetime
) -> None:
    other = pki.issue(Subject(name="Médica de Teste", cpf="11144477735"))
    foreign = etree.fromstring(xmldsig.sign(b"<a/>", other))[-1]
    root = etree.fromstring(batch)
    guide = next(root.iter(f"{ANS}guiaConsulta"))
    etree.SubElement(guide, f"{ANS}assinaturaDigitalGuia").extend(list(foreign))
    with_guide = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=True)
    assert xmldsig.verify(with_guide, trust=trust, at=at).as_problem().code == "signature.guides-only"
    signed = xmldsig.sign(with_guide, signer)
    verdict = xmldsig.verify(signed, trust=trust, at=at)
    assert verdict.outcome is Outcome.PASSED
    assert verdict.signer is not None
    assert verdict.signer.cnpj == "12ABC34501DE35"
    value = next(etree.fromstring(signed).iter(f"{DS}SignatureValue")).text or ""
    assert (
        xmldsig.verify(signed.replace(value[:20].encode(), b"A" * 20, 1), trust=trust, at=at).outcome is Outcome.FAILED
    )
