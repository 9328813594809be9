"""A tenant's partners by their documents: strict reading, a payer that comes without a profile and bills, a trial."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path
from typing import Any

import peers
import pytest
from billing_day import CONSULTATION, JACARANDA, LOGIN, PASSWORD, Visit, certificate, happen, many
from hypothesis import given
from hypothesis import strategies as st
from payer_server import payer_server, settle
from tls_keys import Authority

from canonical.errors import NotFound
from hub.billing import jobs
from hub.exchange import partners
from hub.exchange.out import delivery
from hub.exchange.work import usual
from hub.guard import vault
from hub.operate import agenda
from hub.partners import desk, document, probe
from hub.partners.document import Faulty
from hub.partners.keys import keys
from hub.world import Tenant, World
from tests.hub.exchange.test_enhanced_sender import queue

ME = "user/tester"
PAYER: dict[str, Any] = {
    "kind": "payer",
    "code": JACARANDA,
    "name": "Operadora sem perfil",
    "speaks": "tiss 4.03.00",
    "plan": "tiss/lote",
    "allow_private": True,
    "transport": {"kind": "soap", "url": "http://127.0.0.1:9/"},
    "retry": {"attempts": 3, "first_s": 0.01, "most_s": 0.02},
    "secrets": {"login": "login-da-operadora"},
    "provider": {
        "code": "HOSP0001",
        "cnpj": "HTESTE01000159",
        "cnes": "9999999",
        "name": "Hospital de Teste",
        "state": "SP",
        "cbo": "225125",
    },
    "billing": {"provider_key": "code", "password": "clear", "poll_minutes": 0},
}
LAB: dict[str, Any] = {
    "kind": "lab",
    "code": "apoio",
    "name": "Laboratório de apoio",
    "speaks": "hl7 2.5.1",
    "plan": "out/order",
    "allow_private": True,
    "transport": {"kind": "mllp", "host": "127.0.0.1", "port": 2575, "connect_timeout_s": 1},
    "orders": {"message": "OML^O21^OML_O21", "application": "LAB", "categories": ["LAB"]},
}


def changed(base: dict[str, Any], **places: Any) -> dict[str, Any]:
    """A copy with values at places (`provider__cnpj`); None takes a key away."""
    made = copy.deepcopy(base)
    for place, value in places.items():
        *tables, key = place.split("__")
        at = made
        for table in tables:
            at = at.setdefault(table, {})
        if value is None:
            at.pop(key)
        else:
            at[key] = value
    return made


def found(stated: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Faulty) as faulty:
        document.read(stated)
    return [(problem.code, problem.where) for problem in faulty.value.problems]


def test_sound_documents_read_and_come_back_as_they_were_put() -> None:
    for stated in (PAYER, LAB, changed(LAB, kind="subscriber", orders=None, adt__events=["A01", "A40"])):
        assert document.read(stated).as_json() == {"profile": "", "active": True} | stated
    by_profile = {"kind": "payer", "code": "999814", "name": "Jacarandá", "profile": "demo_jacaranda"}
    read = document.read(
        {
            **by_profile,
            "transport": {"url": "https://operadora.example/"},
            "provider": {"cnpj": "HTESTE01000159", "code": "1"},
        }
    )
    assert read.secrets == {"secrets.login": "payer-999814-login"}


@pytest.mark.parametrize(
    ("stated", "code", "where"),
    [
        (changed(PAYER, kind="bank"), "partner.value", "kind"),
        (changed(PAYER, code="999815"), "partner.registro", "code"),
        (changed(PAYER, code=None), "partner.missing", "code"),
        (changed(PAYER, name=" "), "partner.missing", "name"),
        (changed(PAYER, nome="X"), "partner.key", "nome"),
        (changed(PAYER, provider__cpnj="1"), "partner.key", "provider.cpnj"),
        (changed(PAYER, provider__cnpj="11222333000182"), "partner.value", "provider.cnpj"),
        (changed(PAYER, provider__code=None), "partner.table", "provider"),
        (changed(PAYER, billing__guides_per_batch=101), "partner.value", "billing.guides_per_batch"),
        (changed(PAYER, billing__announce_stays="yes"), "partner.value", "billing.announce_stays"),
        (changed(PAYER, billing__fees="apart"), "partner.value", "billing.fees"),
        (changed(PAYER, speaks="tiss 2.02.03"), "partner.value", "speaks"),
        (changed(PAYER, speaks=None), "partner.table", "speaks"),
        (changed(PAYER, transport__kind="mllp"), "partner.table", "transport"),
        (changed(PAYER, transport__kind="webhook"), "partner.value", "transport.kind"),
        (changed(PAYER, transport__url=None), "partner.missing", "transport.url"),
        (changed(PAYER, transport__ulr="x"), "partner.table", "transport"),
        (changed(PAYER, transport=None), "partner.table", "transport"),
        (changed(PAYER, levels__nonsense="off"), "partner.table", "levels.nonsense"),
        (changed(PAYER, appeals__days=-1), "partner.table", "appeals.days"),
        (changed(PAYER, retry__attempts="many"), "partner.table", "retry"),
        (changed(PAYER, profile="nobody"), "partner.profile", "profile"),
        (changed(PAYER, profile="demo_lab"), "partner.profile", "profile"),
        (changed(PAYER, profile="demo_ipe"), "partner.other-payer", "code"),
        (changed(PAYER, orders__categories=[]), "partner.key", "orders.categories"),
        (changed(LAB, code="Apoio 1"), "partner.code", "code"),
        (changed(LAB, transport__port=None), "partner.missing", "transport.port"),
        (changed(LAB, transport__port={"a": 1}), "partner.value", "transport.port"),
        (changed(PAYER, transport__url=["a"]), "partner.value", "transport.url"),
        (changed(PAYER, quirks=["loud"]), "partner.value", "quirks"),
        (changed(LAB, acknowledge__mode="loud"), "partner.table", "acknowledge"),
        (changed(LAB, history__months=3), "partner.key", "history"),
        (changed(LAB, speaks="tiss 4.03.00"), "partner.missing", "speaks"),
        (changed(LAB, orders=5), "partner.key", "orders"),
    ],
)
def test_every_fault_is_named_by_its_place(stated: dict[str, Any], code: str, where: str) -> None:
    assert (code, where) in found(stated)


def test_all_faults_are_told_at_once() -> None:
    told = found(changed(PAYER, code="999815", provider__cnpj="1", billing__fees="apart", nome="X"))
    assert {where for _, where in told} >= {"code", "provider.cnpj", "billing.fees", "nome"}


def test_each_key_is_said_in_two_languages() -> None:
    assert all(key.pt and key.en for key in keys().values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
PLACES = sorted(
    {
        *PAYER,
        *LAB,
        "profile",
        "active",
        "levels",
        "until",
        "contract",
        "history",
        "appeals",
        "statements",
        "replies",
        "quirks",
    }
    | {
        f"{table}__{key}"
        for one in (PAYER, LAB)
        for table, keys in one.items()
        if isinstance(keys, dict)
        for key in keys
    }
)


@given(st.sampled_from([PAYER, LAB]), st.sampled_from(PLACES), JSON)
def test_whatever_stands_at_a_key_is_read_or_told(base: dict[str, Any], place: str, value: Any) -> None:
    table = place.partition("__")[0]
    stated = changed(base, **{table: {}}) if "__" in place and table not in base else base
    try:
        document.read(changed(stated, **{place: value}) if value is not None else changed(stated, **{place: {}}))
    except Faulty as faulty:
        assert all(problem.code.startswith("partner.") for problem in faulty.problems)


async def test_a_payer_without_a_profile_bills_from_its_document(world: World, tenant: Tenant) -> None:
    async with payer_server() as server:
        done = await desk.put(world, tenant, ME, changed(PAYER, transport__url=server.url(JACARANDA)), by_operator=True)
        assert [problem.code for problem in done.problems] == ["partner.secret"]
        assert "close-batches" in done.schedules and done.standing.stated["name"] == "Operadora sem perfil"
        async with world.transaction(tenant) as tx:
            login = {"login": LOGIN, "password": PASSWORD}
            await vault.put(tx, world.settings, "login-da-operadora", login, kind="login")
            assert not (await agenda.one(tx, "close-batches")).active
        tried = await probe.tried(world, tenant, ME, "payer", JACARANDA)
        assert tried.problems == [] and [place.place for place in tried.reached] == ["url"]
        await happen(world, tenant, many(Visit(payer=JACARANDA, charges=(CONSULTATION,)), 2))
        assert await jobs.close_batches(world, tenant, {}) == "2 guias prontas, 0 pendentes; 1 lotes, 0 bloqueados"
        assert (await standing(world, tenant, "payer", JACARANDA)).waiting == 1
        await settle(world, tenant)
        book = (await server.received())[JACARANDA]
        assert len(book["batches"]) == 1 and (await standing(world, tenant, "payer", JACARANDA)).waiting == 0
    again = await desk.put(world, tenant, ME, changed(PAYER, name="Outro nome"), by_operator=True)
    assert again.schedules == [] and again.standing.stated["name"] == "Outro nome"


async def standing(world: World, tenant: Tenant, kind: str, code: str) -> desk.Standing:
    async with world.transaction(tenant) as tx:
        return await desk.one(tx, kind, code)


async def test_switched_off_what_goes_to_it_waits_and_each_change_is_audited(world: World, tenant: Tenant) -> None:
    await desk.put(world, tenant, ME, LAB, by_operator=True)
    assert not (await desk.switch(world, tenant, ME, "lab", "apoio", active=False)).stated["active"]
    assert (await desk.switch(world, tenant, ME, "lab", "apoio", active=True)).stated["active"]
    await desk.put(world, tenant, ME, changed(LAB, active=False), by_operator=True)
    async with world.transaction(tenant) as tx:
        rows = await tx.rows("SELECT action FROM audit_event WHERE tenant_id = $1 AND entity = 'Partner/lab/apoio'")
    assert sorted(row["action"] for row in rows) == ["partner-change", "partner-create", "partner-off", "partner-on"]
    with pytest.raises(NotFound):
        await desk.switch(world, tenant, ME, "lab", "outro", active=False)


async def test_what_is_wrong_stores_nothing(world: World, tenant: Tenant) -> None:
    with pytest.raises(Faulty):
        await desk.put(world, tenant, ME, changed(PAYER, code="999815"), by_operator=True)
    async with world.transaction(tenant) as tx:
        assert await desk.listed(tx) == []
        assert {entry.name for entry in await agenda.listed(tx)}.isdisjoint(one.name for one in usual.kit(usual.PAYER))


# --- a trial ------------------------------------------------------------------------------------------------------------


async def tried(world: World, tenant: Tenant, stated: dict[str, Any]) -> probe.Tried:
    await desk.put(world, tenant, ME, stated, by_operator=True)
    return await probe.tried(world, tenant, ME, stated["kind"], stated["code"])


async def test_a_laboratory_that_listens_and_one_that_does_not(world: World, tenant: Tenant) -> None:
    async with peers.mllp() as peer:
        told = await tried(world, tenant, changed(LAB, transport__port=peer.port))
        assert told.problems == [] and told.reached[0].place == "host" and peer.received == []
    told = await tried(world, tenant, changed(LAB, transport__port=peers.dead_port()))
    assert [problem.code for problem in told.problems] == ["transport.connect"] and told.reached == []


async def test_an_address_of_the_house_needs_to_be_allowed(world: World, tenant: Tenant) -> None:
    told = await tried(world, tenant, changed(LAB, allow_private=False))
    assert [problem.code for problem in told.problems] == ["transport.private"]


async def test_a_folder_is_listed(world: World, tenant: Tenant) -> None:
    stated = changed(LAB, transport={"kind": "folder", "path": "pedidos"})
    assert [problem.code for problem in (await tried(world, tenant, stated)).problems] == ["transport.path"]
    (world.settings.folders / tenant.slug / "pedidos").mkdir(parents=True)
    told = await tried(world, tenant, stated)
    assert told.problems == [] and told.reached[0].said == "0 files"


async def test_missing_and_expired_secrets_are_told(world: World, tenant: Tenant) -> None:
    stated = changed(PAYER, secrets__certificate="assina", transport__url=f"http://127.0.0.1:{peers.dead_port()}/")
    async with world.transaction(tenant) as tx:
        past = world.now() - datetime.timedelta(days=3)
        await vault.put(tx, world.settings, "assina", certificate(world.now()), kind="pkcs12", expires_at=past)
    told = await tried(world, tenant, stated)
    assert {problem.code for problem in told.problems} == {"partner.secret", "partner.expired", "transport.connect"}
    assert told.days["secrets.certificate"] < 0


@pytest.mark.parametrize("how", ["put", "switch"])
async def test_what_waits_for_a_partner_is_tried_at_once_when_it_is_mended(
    world: World, tenant: Tenant, how: str
) -> None:
    async with peers.mllp() as peer:
        lab = changed(LAB, transport__port=peers.dead_port(), retry={"first_s": 600}, allow_private=True)
        await desk.put(world, tenant, "ana", lab, by_operator=True)
        async with world.transaction(tenant) as tx:
            to = (await partners.partners_called(tx, {lab["code"]}))[lab["code"]]
        await queue(world, tenant, to, "a", "b")
        await delivery.work(world, tenant)
        assert await delivery.work(world, tenant) == 0, "it waits ten minutes"
        if how == "put":
            mended = changed(lab, transport__port=peer.port)
            await desk.put(world, tenant, "ana", mended, by_operator=True)
        else:
            async with world.transaction(tenant) as tx:
                port = "jsonb_set(settings::jsonb, '{transport,port}', to_jsonb($2::int))::text"
                await tx.run(f"UPDATE partner SET settings = {port} WHERE tenant_id = $1", peer.port)
            await desk.switch(world, tenant, "ana", "lab", lab["code"], active=True)
        assert await delivery.work(world, tenant) == 2
    assert peer.ids == ["a", "b"]


async def test_a_certificate_nobody_trusts_is_told(world: World, tenant: Tenant, tmp_path: Path) -> None:
    context = Authority().server(tmp_path, clients=False)
    async with peers.mllp(tls=context) as peer:
        told = await tried(world, tenant, changed(LAB, transport__port=peer.port, transport__tls=True))
    assert [problem.code for problem in told.problems] == ["transport.certificate-issuer"]
