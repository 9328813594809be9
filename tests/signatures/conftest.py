"""A demonstration chain for the whole run, a signer under it, the trust that knows its root, and the cases."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from signatures import demo_pki
from signatures.demo_pki import DemoPki, Subject
from signatures.keys import Signer
from signatures.trust import Trust

CASES = Path(__file__).resolve().parents[1] / "cases" / "signatures"
AT = datetime.datetime(2026, 11, 3, 12, 0, tzinfo=datetime.UTC)
COMPANY = Subject(
    name="Clínica Três Corações de Teste", cnpj="12ABC34501DE35", cpf="52998224725", responsible="Conceição Araújo"
)


@pytest.fixture
def at() -> datetime.datetime:
    return AT


@pytest.fixture(scope="session")
def pki() -> DemoPki:
    return demo_pki.make(AT)


@pytest.fixture(scope="session")
def signer(pki: DemoPki) -> Signer:
    return pki.issue(COMPANY)


@pytest.fixture(scope="session")
def trust(pki: DemoPki) -> Trust:
    return Trust(tests=(pki.root,), intermediates=(pki.authority,))


@pytest.fixture(params=["lote.xml", "lote-ws.xml", "resposta-ws.xml", "documento.xml"])
def document(request: pytest.FixtureRequest) -> bytes:
    return (CASES / request.param).read_bytes()


@pytest.fixture
def batch() -> bytes:
    return (CASES / "lote.xml").read_bytes()


@pytest.fixture
def service_batch() -> bytes:
    return (CASES / "lote-ws.xml").read_bytes()
