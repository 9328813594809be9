"""Chains and moments: other roots, validity, use, revocation, ICP-Brasil pools, signature policies."""

from __future__ import annotations

import dataclasses
import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from canonical.errors import Refused
from signatures import demo_pki, policy, trust, xades, xmldsig
from signatures.demo_pki import DemoPki, Subject, Use
from signatures.keys import Signer
from signatures.policy import LOTE_TISS, STRICT, Expected
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason, Verdict

DAY = datetime.timedelta(days=1)
PERSON = Subject(name="Médica de Teste", cpf="52998224725")


def verified(document: bytes, pools: Trust, at: datetime.datetime, expected: Expected = LOTE_TISS) -> Verdict:
    return xmldsig.verify(document, trust=pools, at=at, policy=expected)


@pytest.mark.parametrize(
    ("days", "outcome", "reason"),
    [
        (0, Outcome.PASSED, None),
        (364, Outcome.PASSED, None),
        (366, Outcome.FAILED, Reason.EXPIRED),
        (-2, Outcome.FAILED, Reason.NOT_YET_VALID),
    ],
)
def test_validity(
    days: int,
    outcome: Outcome,
    reason: Reason | None,
    batch: bytes,
    signer: Signer,
    trust: Trust,
    at: datetime.datetime,
) -> None:
    verdict = verified(xmldsig.sign(batch, signer), trust, at + days * DAY)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert verdict.octets, "the mathematics fit; only the moment does not"


def test_an_expired_authority(batch: bytes, pki: DemoPki, trust: Trust, at: datetime.datetime) -> None:
    long = pki.issue(PERSON, Use(ends=11 * 365))
    verdict = verified(xmldsig.sign(batch, long), trust, at + 10 * 365 * DAY + DAY)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, Reason.EXPIRED)


def test_another_root(batch: bytes, signer: Signer, at: datetime.datetime) -> None:
    stranger = demo_pki.make(at)
    verdict = verified(xmldsig.sign(batch, signer), Trust(tests=(stranger.root,)), at)
    assert (verdict.outcome, verdict.reason) == (Outcome.INDETERMINATE, Reason.NO_CERTIFICATE_CHAIN_FOUND)


def test_a_false_root_of_the_same_name(batch: bytes, signer: Signer, at: datetime.datetime) -> None:
    """Names are copied easily; only the key counts."""
    twin = demo_pki.make(at)
    verdict = verified(xmldsig.sign(batch, signer), Trust(tests=(twin.root,), intermediates=(twin.authority,)), at)
    assert verdict.outcome is not Outcome.PASSED


def test_no_trust_at_all(batch: bytes, signer: Signer, at: datetime.datetime) -> None:
    verdict = verified(xmldsig.sign(batch, signer), Trust(), at)
    assert verdict.outcome is Outcome.INDETERMINATE
    assert verdict.as_problem().code == "signature.trust.none"


def test_the_intermediate_comes_from_the_pool(
    batch: bytes, pki: DemoPki, signer: Signer, at: datetime.datetime
) -> None:
    alone = dataclasses.replace(signer, chain=())
    signed = xmldsig.sign(batch, alone)
    assert verified(signed, Trust(tests=(pki.root,)), at).outcome is Outcome.INDETERMINATE
    pools = Trust(tests=(pki.root,), intermediates=(pki.authority,))
    assert verified(signed, pools, at).outcome is Outcome.PASSED


def test_a_root_inside_the_signature_is_not_trusted(
    batch: bytes, pki: DemoPki, signer: Signer, at: datetime.datetime
) -> None:
    from signatures import writing

    parsed, place = writing.document_to_sign(batch)
    everything = [c.public_bytes(Encoding.DER) for c in (signer.certificate, pki.authority, pki.root)]
    assert place is not None
    signed = writing.sign_document(parsed, place, signer, certificates=everything)
    stranger = Trust(tests=(demo_pki.make(at, label="Outra").root,))
    assert verified(signed, stranger, at).outcome is Outcome.INDETERMINATE
    assert verified(signed, Trust(), at).outcome is Outcome.INDETERMINATE


def test_wrong_use(batch: bytes, pki: DemoPki, trust: Trust, at: datetime.datetime) -> None:
    other = pki.issue(PERSON, Use(signs=False))
    verdict = verified(xmldsig.sign(batch, other), trust, at)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, Reason.CHAIN_CONSTRAINTS_FAILURE)


def test_a_final_certificate_issues_nothing(
    batch: bytes, pki: DemoPki, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    assert isinstance(signer.key, rsa.RSAPrivateKey)
    false = dataclasses.replace(pki, authority=signer.certificate, authority_key=signer.key).issue(PERSON)
    chained = dataclasses.replace(false, chain=(signer.certificate, pki.authority, pki.root))
    verdict = verified(xmldsig.sign(batch, chained), trust, at)
    assert verdict.outcome is not Outcome.PASSED


@pytest.mark.parametrize("revoked_after", [-1, 0])
def test_revoked(revoked_after: int, batch: bytes, pki: DemoPki, signer: Signer, at: datetime.datetime) -> None:
    listed = pki.revocation_list([signer.certificate], at + revoked_after * DAY)
    pools = Trust(tests=(pki.root,), lists=(listed,))
    verdict = verified(xmldsig.sign(batch, signer), pools, at)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAILED, Reason.REVOKED)


def test_revoked_later(batch: bytes, pki: DemoPki, signer: Signer, at: datetime.datetime) -> None:
    """A signature of before the revocation stands; one judged for after it does not, though the list has aged."""
    pools = Trust(tests=(pki.root,), lists=(pki.revocation_list([signer.certificate], at + 10 * DAY),))
    signed = xmldsig.sign(batch, signer)
    assert verified(signed, pools, at + 9 * DAY).outcome is Outcome.PASSED
    assert verified(signed, pools, at + 11 * DAY).reason is Reason.REVOKED
    assert verified(signed, pools, at + 200 * DAY).reason is Reason.REVOKED


def test_revocation_must_be_known_when_it_is_asked_for(
    batch: bytes, pki: DemoPki, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    signed = xmldsig.sign(batch, signer)
    verdict = verified(signed, trust, at, STRICT)
    assert (verdict.outcome, verdict.reason) == (Outcome.INDETERMINATE, Reason.TRY_LATER)
    lists = (pki.revocation_list([], at - DAY), root_list(pki, at - DAY))
    pools = Trust(tests=(pki.root,), lists=lists)
    assert verified(signed, pools, at, STRICT).outcome is Outcome.PASSED
    assert verified(signed, pools, at + 60 * DAY, STRICT).reason is Reason.TRY_LATER
    assert verified(signed, Trust(tests=(pki.root,), lists=lists[:1]), at, STRICT).reason is Reason.TRY_LATER


def root_list(pki: DemoPki, at: datetime.datetime) -> x509.CertificateRevocationList:
    as_root = dataclasses.replace(pki, authority=pki.root, authority_key=pki.root_key)
    return as_root.revocation_list([], at)


def test_a_list_signed_by_a_stranger_says_nothing(
    batch: bytes, pki: DemoPki, signer: Signer, at: datetime.datetime
) -> None:
    stranger = demo_pki.make(at)  # same names, other keys
    listed = stranger.revocation_list([signer.certificate], at - DAY)
    pools = Trust(tests=(pki.root,), lists=(listed,))
    assert verified(xmldsig.sign(batch, signer), pools, at).outcome is Outcome.PASSED


def test_a_revoked_authority(batch: bytes, pki: DemoPki, signer: Signer, at: datetime.datetime) -> None:
    as_root = dataclasses.replace(pki, authority=pki.root, authority_key=pki.root_key)
    pools = Trust(tests=(pki.root,), lists=(as_root.revocation_list([pki.authority], at - DAY),))
    assert verified(xmldsig.sign(batch, signer), pools, at).reason is Reason.REVOKED


def test_files_of_a_folder(pki: DemoPki, signer: Signer, at: datetime.datetime) -> None:
    pem = pki.root.public_bytes(Encoding.PEM) + b"\nsome words\n" + pki.authority.public_bytes(Encoding.PEM)
    listed = pki.revocation_list([], at)
    files = [
        ("bundle.pem", pem),
        ("list.crl", listed.public_bytes(Encoding.DER)),
        ("list.pem", listed.public_bytes(Encoding.PEM)),
        ("leaf.der", signer.der),
        ("README", b"not a certificate"),
        ("broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ]
    pools = trust.from_files(files)
    assert (pools.roots, pools.tests) == ((), (pki.root,))
    assert pools.intermediates == (pki.authority, signer.certificate)
    assert len(pools.lists) == 2
    assert [(w.code, w.where) for w in pools.warnings] == [
        ("signature.trust.skipped", "README"),
        ("signature.trust.skipped", "broken.pem"),
    ]


def test_a_root_for_other_uses_is_left_out(pki: DemoPki, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"name": "AC Raiz de servidores", "use": "tls", "sha256": trust.fingerprint(pki.root), "until": ""}
    monkeypatch.setattr(trust, "known_roots", lambda: {row["sha256"]: row})
    pools = trust.from_files([("tls.der", pki.root.public_bytes(Encoding.DER))])
    assert (pools.roots, pools.tests) == ((), ())
    assert pools.warnings[0].code == "signature.trust.other-use"


def test_the_table_of_roots() -> None:
    rows = trust.known_roots()
    assert all(len(key) == 64 and int(key, 16) for key in rows)
    assert {row["name"][-3:].strip() for row in rows.values() if row["use"] == "signature"} == {"v2", "v5", "v12"}
    names = {row["name"] for row in rows.values()}
    assert all(set(found.roots) <= names for found in policy.table())


@pytest.mark.parametrize(
    ("root", "when", "version"),
    [
        ("AC Raiz Brasileira v5", "2026-11-03", "2.5"),
        ("AC Raiz Brasileira v12", "2026-11-03", "2.5"),
        ("AC Raiz Brasileira v5", "2024-01-01", "2.4"),
        ("AC Raiz Brasileira v12", "2024-01-01", ""),
        ("AC Raiz Brasileira v10", "2026-11-03", ""),
    ],
)
def test_the_policy_follows_from_the_root(root: str, when: str, version: str) -> None:
    at = datetime.datetime.fromisoformat(when).replace(tzinfo=datetime.UTC)
    if version:
        assert policy.for_root("xades-ad-rb", root, at).version == version
    else:
        with pytest.raises(Refused):
            policy.for_root("xades-ad-rb", root, at)


def test_a_policy_that_does_not_allow_the_root(
    batch: bytes, pki: DemoPki, signer: Signer, trust: Trust, at: datetime.datetime
) -> None:
    signed = xades.sign(batch, signer, trust=trust, at=at)
    outside = verified(signed, trust, at)
    assert (outside.outcome, [p.code for p in outside.problems]) == (Outcome.PASSED, ["signature.policy.outside"])
    verdict = verified(signed, Trust(roots=(pki.root,), intermediates=(pki.authority,)), at)
    assert (verdict.outcome, verdict.as_problem().code) == (Outcome.FAILED, "signature.policy.root")


def test_a_profile_that_is_asked_for(batch: bytes, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    asked = Expected(policies=("xades-ad-rb",))
    assert verified(xmldsig.sign(batch, signer), trust, at, asked).as_problem().code == "signature.policy.missing"
    assert verified(xades.sign(batch, signer, trust=trust, at=at), trust, at, asked).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("old", "new", "code", "outcome"),
    [
        ("2.16.76.1.7.1.6.2.5<", "2.16.76.1.7.1.6.9.9<", "signature.policy.unknown", Outcome.INDETERMINATE),
        ("68MGt+PxAOyh6mLwiAgyBsbsWsQMOuGNQmlR9lbh7hg=", "Oaap52JRcSljCNjfHyKOHeh5BFNCpLeoQjq5iD3WYig=",
         "signature.policy.digest", Outcome.FAILED),
    ],
)  # fmt: skip
def test_policies_that_are_not_ours(
    old: str, new: str, code: str, outcome: Outcome, batch: bytes, signer: Signer, trust: Trust, at: datetime.datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Rightly signed, but under an unknown policy, or with the digest of the policy's file."""
    written = xades._signed_properties
    monkeypatch.setattr(xades, "_signed_properties", lambda *given: written(*given).replace(old, new))
    signed = xades.sign(batch, signer, trust=trust, at=at)
    verdict = verified(signed, trust, at)
    assert (verdict.outcome, verdict.as_problem().code) == (outcome, code)


def test_signing_without_a_chain_is_refused(batch: bytes, signer: Signer, at: datetime.datetime) -> None:
    with pytest.raises(Refused):
        xades.sign(batch, dataclasses.replace(signer, chain=()), trust=Trust(), at=at)


def test_chains_are_built_once(batch: bytes, signer: Signer, trust: Trust, at: datetime.datetime) -> None:
    pools = Trust(tests=trust.tests)
    signed = xmldsig.sign(batch, signer)
    for _ in range(3):
        assert verified(signed, pools, at).outcome is Outcome.PASSED
    assert len(pools._built) == 1
    assert signer.certificate.fingerprint(hashes.SHA256()) in {key for key, _ in pools._built}
