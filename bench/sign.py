"""Signing and verifying a TISS batch of 100 guides, beside the bare work: C14N, SHA-256 and RSA-2048.

Floor of signing: canonicalise the parsed batch, digest, one RSA signature. Floor of verifying: parse, canonicalise,
digest, one RSA check. Rounds of ours and of the floor alternate, and the best round of each counts.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from bench.measure import Measure
from signatures import demo_pki, xmldsig
from signatures.keys import Signer
from signatures.trust import Trust
from signatures.verdict import Outcome
from tiss.wire import build, versions

GUIDES = 100
ROUNDS = 40
AT = datetime.datetime(2026, 11, 3, 12, 0, tzinfo=datetime.UTC)


def measure_offline() -> list[Measure]:
    """Batches signed and verified per second."""
    pki = demo_pki.make(AT)
    signer = pki.issue(demo_pki.Subject(name="Hospital de Medida", cnpj="11222333000181", cpf="52998224725"))
    trust = Trust(tests=(pki.root,), intermediates=(pki.authority,))
    raw = batch(versions.installed()[0])
    signed = xmldsig.sign(raw, signer)
    if xmldsig.verify(signed, trust=trust, at=AT).outcome is not Outcome.PASSED:
        raise RuntimeError("the signed batch does not verify")
    root = etree.fromstring(raw)
    sign, sign_floor = _best(lambda: xmldsig.sign(raw, signer), lambda: _bare_sign(root, signer))
    value = signer.sign(b"floor")
    verify, verify_floor = _best(
        lambda: xmldsig.verify(signed, trust=trust, at=AT), lambda: _bare_verify(raw, signer, value)
    )
    size = f"{len(raw) // 1024} KB"
    return [
        _figure(f"sign batch of {GUIDES} guides ({size})", sign, sign_floor, "C14N + SHA-256 + RSA"),
        _figure(f"verify batch of {GUIDES} guides ({size})", verify, verify_floor, "parse + C14N + SHA-256 + RSA"),
    ]


def batch(version: str) -> bytes:
    """A web-service batch of 100 consultation guides, hash included."""
    header = {
        "identificacaoTransacao": {
            "tipoTransacao": "ENVIO_LOTE_GUIAS",
            "sequencialTransacao": "1",
            "dataRegistroTransacao": "2026-11-03",
            "horaRegistroTransacao": "12:00:00",
        },
        "origem": {"identificacaoPrestador": {"codigoPrestadorNaOperadora": "12345"}},
        "destino": {"registroANS": "999999"},
        "Padrao": version,
    }
    guides = {"guiaConsulta": [_guide(number) for number in range(1, GUIDES + 1)]}
    tree = {"cabecalho": header, "loteGuias": {"numeroLote": "1", "guiasTISS": guides}, "hash": ""}
    return build.build("loteGuiasWS", tree, version, service=True)


def _guide(number: int) -> dict[str, Any]:
    return {
        "cabecalhoConsulta": {"registroANS": "999999", "numeroGuiaPrestador": str(number)},
        "dadosBeneficiario": {"numeroCarteira": f"{number:017d}", "atendimentoRN": "N"},
        "contratadoExecutante": {"codigoPrestadorNaOperadora": "12345", "CNES": "9999999"},
        "profissionalExecutante": {
            "nomeProfissional": "Médica de Ensaio",
            "conselhoProfissional": "06",
            "numeroConselhoProfissional": "1",
            "UF": "35",
            "CBOS": "225125",
        },
        "indicacaoAcidente": "9",
        "dadosAtendimento": {
            "regimeAtendimento": "01",
            "dataAtendimento": "2026-11-03",
            "tipoConsulta": "1",
            "procedimento": {"codigoTabela": "22", "codigoProcedimento": "10101012", "valorProcedimento": "123.45"},
        },
        "observacao": "Retorno em trinta dias, se necessário.",
    }


def _bare_sign(root: etree._Element, signer: Signer) -> None:
    octets: bytes = etree.tostring(root.getroottree(), method="c14n", exclusive=True)
    signer.sign(hashlib.sha256(octets).digest())


def _bare_verify(raw: bytes, signer: Signer, value: bytes) -> None:
    octets: bytes = etree.tostring(etree.fromstring(raw).getroottree(), method="c14n", exclusive=True)
    hashlib.sha256(octets).digest()
    signer.certificate.public_key().verify(value, b"floor", padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]


def _best(ours: Callable[[], object], floor: Callable[[], object]) -> tuple[float, float]:
    """The shortest time of each, in seconds."""
    times: dict[int, float] = {0: float("inf"), 1: float("inf")}
    for _ in range(ROUNDS):
        for which, work in enumerate((ours, floor)):
            start = time.perf_counter()
            work()
            times[which] = min(times[which], time.perf_counter() - start)
    return times[0], times[1]


def _figure(name: str, seconds: float, floor_seconds: float, floor_name: str) -> Measure:
    return Measure(name=name, value=1 / seconds, unit="batches/s", floor=1 / floor_seconds, floor_name=floor_name)
