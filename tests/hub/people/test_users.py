"""People of a house without a page: roles, passwords, codes, guessing, and how sessions end."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime
import hashlib
import uuid

import pytest

from canonical.errors import Conflict, NotFound, PonteError, Refused
from hub.guard import registration, rekeying, scopes, secrets
from hub.users import accounts, codes, entering, factors, guessing, passwords, picture, roles, rules, sessions
from hub.users.entering import Attempt, Halfway, Wrong
from hub.users.guessing import Locked
from hub.world import Tenant, World

START = datetime.datetime(2026, 11, 3, 8, 0, tzinfo=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime.datetime:
        return self.at

    def on(self, minutes: float) -> None:
        self.at += datetime.timedelta(minutes=minutes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(world: World, clock: Clock) -> World:
    return dataclasses.replace(world, now=clock)


pytestmark = pytest.mark.usefixtures("light_hashes")


async def person(world: World, tenant: Tenant, login: str = "ana", *titles: str) -> str:
    who = accounts.checked(login, "Ana Teste", titles or ["viewer"])
    return await accounts.add(world, tenant, who, actor="test")


async def attempt(world: World, tenant: Tenant, login: str, password: str, address: str = "10.0.0.9") -> str:
    """The session's word."""
    tried = Attempt(house=tenant.slug, login=login, password=password, address=address)
    begun = await entering.by_password(world, tried)
    assert not isinstance(begun, Halfway)
    return begun.word


# --- pure -------------------------------------------------------------------------------------------------------------


def test_roles_are_of_scopes_that_exist() -> None:
    for role in roles.roles().values():
        assert "console/read" in role.scopes and all(role.title.values()) and all(role.does.values())
        assert all(s in registration.OWN_SCOPES or scopes.grant_of(s) for s in role.scopes), role.key
        writes = any(s.endswith(("write", "*")) for s in role.scopes)
        assert writes == (role.key in ("administrator", "operator", "billing", "privacy")), role.key
    with pytest.raises(Refused):
        roles.chosen(["viewer", "king"])
    with pytest.raises(Refused):
        roles.chosen([])


# RFC 6238 appendix B, SHA-1; the last six of its eight digits.
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(seconds: int, expected: str) -> None:
    secret = base64.b32encode(b"12345678901234567890").decode()
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    assert codes.code(secret, codes.step_of(at)) == expected
    step = codes.matched(secret, f" {expected[:3]} {expected[3:]}", at, 0)
    assert step == codes.step_of(at)
    assert codes.matched(secret, expected, at, step) is None, "a code holds once"
    assert codes.matched(secret, expected, at + MINUTE, 0) is None
    assert codes.matched(secret, "", at, 0) is None


def test_recovery_codes_hold_once_however_typed() -> None:
    paper = codes.recovery()
    assert len(set(paper)) == 10
    kept = [codes.digest(each) for each in paper]
    left = codes.without(kept, f" {paper[3].upper().replace('-', ' ')} ")
    assert left is not None and len(left) == 9 and codes.without(left, paper[3]) is None
    assert codes.without(kept, "") is None


# Each was read by a reader that knows nothing of this code (zxing-cpp 3.1), as were all lengths' versions, 1 to 10.
@pytest.mark.parametrize(
    ("length", "size", "digest"),
    [
        (17, 21, "7e1531dcdd2d5434"),
        (100, 37, "c413c49ad775c5c2"),
        (154, 45, "a0b7ee1e370b4431"),
        (271, 57, "cfc86717b2cff1f2"),
    ],
)
def test_pictures_are_those_that_were_read(length: int, size: int, digest: str) -> None:
    drawn = picture.matrix(("otpauth://totp/" + "abcdefghij0123456789" * 20)[:length])
    modules = "".join(str(int(dark)) for line in drawn for dark in line)
    assert (len(drawn), hashlib.sha256(modules.encode()).hexdigest()[:16]) == (size, digest)
    assert picture.path(drawn).count("M") >= size
    with pytest.raises(Refused):
        picture.matrix("x" * 272)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("curta 1", "user.password-length"),
        ("x 1" * 100, "user.password-length"),
        ("somenteletras", "user.password-letters"),
        ("SENHA muito 77", "user.password-common"),
        ("Hospitál 7 azul", "user.password-common"),
        ("1111111111112", "user.password-common"),
        ("121212121212", "user.password-common"),
        ("prado no 3 lago", "user.password-common"),
        ("clara no 3 lago", "user.password-common"),
        ("vento lento 3", ""),
        ("çã êî ñø 9 longo", ""),
    ],
)
def test_passwords_that_are_guessed_first(password: str, code: str) -> None:
    try:
        passwords.check(password, "joana.p", "Joana Prado", "santa-clara")
    except Refused as error:
        assert error.code == code
    else:
        assert not code


@pytest.mark.parametrize("login", ["", "ab", "Ana", "ana ", "-ana", "ana/..", "á.b", "a" * 101, "ana\0x"])
def test_logins_that_are_none(login: str) -> None:
    with pytest.raises(Refused):
        accounts.checked(login, "Ana", ["viewer"])


def test_addresses_count_by_whom_they_belong_to() -> None:
    one, two = (set(guessing.keys_of("a", f"2001:db8:1:2::{n}")) for n in (1, 2))
    assert one == two and set(guessing.keys_of("A ", "2001:db8:1:2::1")) == one
    assert set(guessing.keys_of("a", "2001:db8:1:3::1")) != one
    assert set(guessing.keys_of("a", "::ffff:10.0.0.1")) == set(guessing.keys_of("a", "10.0.0.1"))


# --- accounts ---------------------------------------------------------------------------------------------------------


async def test_an_account_from_first_password_to_close(timed: World, tenant: Tenant, clock: Clock) -> None:
    first = await person(timed, tenant)
    with pytest.raises(Conflict):
        await person(timed, tenant)
    word = await attempt(timed, tenant, " Ana ", first)
    found = await sessions.find(timed, word)
    assert found and found.must == sessions.MUST_PASSWORD and found.subject == "user:ana" and found.name == "Ana Teste"
    await accounts.choose(timed, tenant, "ana", "vento lento 3", keep=found.id)
    found = await sessions.find(timed, word)
    assert found and not found.must and found.scopes == {"console/read"}
    with pytest.raises(Refused):
        await accounts.choose(timed, tenant, "ana", "vento lento 3", keep=found.id)
    await accounts.change(timed, tenant, "ana", roles=["administrator"], actor="test")
    found = await sessions.find(timed, word)
    assert found and "admin/*" in found.scopes, "other roles hold at the next click"
    for act in (accounts.close(timed, tenant, "ana", actor="user:ana"), accounts.change(timed, tenant, "ana", roles=["viewer"], actor="user:ana")):  # fmt: skip
        with pytest.raises(Conflict):
            await act
    await accounts.close(timed, tenant, "ana", actor="test")
    assert await sessions.find(timed, word) is None
    with pytest.raises(Wrong):
        await attempt(timed, tenant, "ana", "vento lento 3")
    await accounts.reopen(timed, tenant, "ana", actor="test")
    word = await attempt(timed, tenant, "ana", "vento lento 3")
    clock.on(366 * 24 * 60)
    again = await sessions.find(timed, await attempt(timed, tenant, "ana", "vento lento 3"))
    assert again and again.must == sessions.MUST_PASSWORD, "a year has gone"
    with pytest.raises(NotFound):
        await accounts.close(timed, tenant, "nobody", actor="test")


async def test_sessions_end(timed: World, tenant: Tenant, other_tenant: Tenant, clock: Clock) -> None:
    first = await person(timed, tenant)
    word = await attempt(timed, tenant, "ana", first)
    house, identity, secret = word.split(".")
    forged = (
        f"{other_tenant.id.hex}.{identity}.{secret}", f"{house}.{identity}.x", f"{house}.{uuid.uuid4().hex}.{secret}",
        f"{house}.{identity}.", "", "a.b.c", "." * 300, f"{house}.{identity}.ç",
    )  # fmt: skip
    for wrong in forged:
        assert await sessions.find(timed, wrong) is None, wrong
    clock.on(29)
    assert await sessions.find(timed, word, looked=False) is not None, "a page that renews itself"
    clock.on(2)
    assert await sessions.find(timed, word) is None, "31 minutes without a look"
    word = await attempt(timed, tenant, "ana", first)
    for _ in range(28):
        clock.on(24.9)
        assert await sessions.find(timed, word) is not None
    clock.on(24.9)
    assert await sessions.find(timed, word) is None, "12 hours in any case"
    await rules.decide(timed, tenant, rules.House(second_factor=False, idle_minutes=5, hours=1), actor="test")
    word = await attempt(timed, tenant, "ana", first)
    clock.on(6)
    assert await sessions.find(timed, word) is None, "the house says five minutes"
    with pytest.raises(Refused):
        await rules.decide(timed, tenant, rules.House(second_factor=False, idle_minutes=31, hours=1), actor="test")


# --- guessing ---------------------------------------------------------------------------------------------------------


async def test_guessing_has_to_wait_longer_and_longer(timed: World, tenant: Tenant, clock: Clock) -> None:
    """The same for a login that is somebody's, one that is nobody's, and a house that does not exist."""
    first = await person(timed, tenant)
    nowhere = dataclasses.replace(tenant, slug=f"no-{uuid.uuid4().hex[:8]}")
    waited: dict[str, list[str]] = {}
    for name, where, login in (("one", tenant, "ana"), ("none", tenant, "bea"), ("nowhere", nowhere, "ana")):
        clock.at, said = START, []
        for gap in (0, 0, 0, 0, 0, 0, 0.5, 0.6, 4, 1.1, 14.9, 0.2, 61):
            clock.on(gap)
            try:
                await attempt(timed, where, login, "wrong", f"10.9.{len(waited)}.{uuid.uuid4().int % 250}")
            except Wrong:
                said.append("wrong")
            except Locked as locked:
                said.append(str(locked.seconds // 60))
        waited[name] = said
    assert waited["one"] == ["wrong"] * 5 + ["1", "0", "wrong", "1", "wrong", "0", "wrong", "wrong"]
    assert waited["none"] == waited["one"] == waited["nowhere"]
    with pytest.raises(Locked):
        await attempt(timed, tenant, "ana", first, "10.7.7.7")
    other = await accounts.reset(timed, tenant, "ana", actor="test")
    assert await attempt(timed, tenant, "ana", other), "who keeps the accounts ends the wait"


async def test_a_clock_set_back_makes_nobody_wait_longer_nor_forgets_what_was_tried(
    timed: World, tenant: Tenant, clock: Clock
) -> None:
    first = await person(timed, tenant)
    clock.on(24 * 60)
    for number in range(6):
        with pytest.raises((Wrong, Locked)):
            await attempt(timed, tenant, "ana", "wrong", f"10.5.0.{number}")
    clock.at = START
    with pytest.raises(Wrong):
        await attempt(timed, tenant, "ana", "wrong", "10.5.0.7")
    with pytest.raises(Locked) as locked:
        await attempt(timed, tenant, "ana", first, "10.5.0.8")
    assert 60 < locked.value.seconds <= 301, "the sixth failure, and no longer"
    clock.on(5.1)
    word = await attempt(timed, tenant, "ana", first, "10.5.0.9")
    clock.on(-10)
    assert await sessions.find(timed, word) is not None
    clock.on(31)
    assert await sessions.find(timed, word) is None, "31 minutes without a look"


async def test_guesses_at_one_moment_see_each_other(timed: World, tenant: Tenant) -> None:
    await person(timed, tenant)
    tried = await asyncio.gather(
        *(attempt(timed, tenant, "ana", f"guess {n}", f"10.8.0.{n}") for n in range(12)), return_exceptions=True
    )
    assert sum(isinstance(one, Wrong) for one in tried) == 5
    assert sum(isinstance(one, Locked) for one in tried) == 7


async def test_an_address_waits_too(timed: World, tenant: Tenant, clock: Clock) -> None:
    keys = {"address:10.6.6.6": rules.waits("address")}
    for _ in range(60):
        async with timed.transaction(tenant) as tx:
            await guessing.count(tx, keys, clock.at)
    with pytest.raises(Locked):
        await attempt(timed, tenant, "somebody.else", "wrong", "10.6.6.6")
    clock.on(1.1)
    with pytest.raises(Wrong):
        await attempt(timed, tenant, "somebody.else", "wrong", "10.6.6.6")


# --- second factor ----------------------------------------------------------------------------------------------------


async def test_a_second_factor(timed: World, tenant: Tenant, clock: Clock) -> None:
    first = await person(timed, tenant)
    secret = codes.secret()
    with pytest.raises(Refused):
        await factors.enrol(timed, tenant, "ana", secret, "000 000")
    paper = await factors.enrol(timed, tenant, "ana", secret, codes.code(secret, codes.step_of(clock.at)))
    where = Attempt(house=tenant.slug, login="ana", password=first, address="10.0.0.9")
    halfway = await entering.by_password(timed, where)
    assert isinstance(halfway, Halfway)

    async def second(given: str, ticket: str = halfway.ticket) -> sessions.Session:
        begun = await entering.by_code(timed, ticket, given, where)
        found = await sessions.find(timed, begun.word)
        assert found
        return found

    with pytest.raises(Wrong):
        await second(codes.code(secret, codes.step_of(clock.at)))  # it was used when it was enrolled
    clock.on(0.6)
    assert (await second(codes.code(secret, codes.step_of(clock.at)))).means == "password+code"
    assert (await second(paper[0])).means == "password+recovery"
    with pytest.raises(Wrong):
        await second(paper[0])
    with pytest.raises(Wrong):
        await second(paper[1], halfway.ticket[:-8] + "AAAAAAA=")
    for _ in range(4):  # the fifth in a row begins the wait: nobody tries a million codes
        with pytest.raises(Wrong):
            await second("123")
    with pytest.raises(Locked):
        await second(paper[2])
    clock.on(2)
    assert await second(paper[2])
    await accounts.close(timed, tenant, "ana", actor="test")
    with pytest.raises(Wrong):
        await second(paper[3])
    await accounts.reopen(timed, tenant, "ana", actor="test")
    clock.on(6)
    with pytest.raises(Wrong):
        await second(paper[3])  # halfway is over
    reset = await accounts.reset(timed, tenant, "ana", second_factor=True, actor="test")
    assert await attempt(timed, tenant, "ana", reset)


async def test_a_house_may_demand_it_and_the_key_may_turn(timed: World, tenant: Tenant, clock: Clock) -> None:
    first = await person(timed, tenant)
    await accounts.choose(timed, tenant, "ana", "vento lento 3")
    await rules.decide(timed, tenant, rules.House(second_factor=True, idle_minutes=30, hours=12), actor="test")
    word = await attempt(timed, tenant, "ana", "vento lento 3")
    found = await sessions.find(timed, word)
    assert found and found.must == sessions.MUST_FACTOR and first
    secret = codes.secret()
    await factors.enrol(timed, tenant, "ana", secret, codes.code(secret, codes.step_of(clock.at)))
    found = await sessions.find(timed, word)
    assert found and not found.must
    async with timed.transaction(tenant) as tx:
        before = bytes(await tx.value("SELECT totp FROM user_account WHERE tenant_id = $1"))
    assert secret.encode() not in before
    counted = await rekeying.seal_anew(timed, "test")
    assert counted.already >= 1
    assert secrets.unseal(timed.settings, before, factors.purpose_of("ana")).decode() == secret
    with pytest.raises(PonteError):
        secrets.unseal(timed.settings, before, factors.purpose_of("bea"))


async def test_hashes_follow_the_parameters(timed: World, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await person(timed, tenant)
    monkeypatch.undo()  # the parameters of the rules again, while the stored hash has lighter ones
    await attempt(timed, tenant, "ana", first)
    async with timed.transaction(tenant) as tx:
        kept = await tx.value("SELECT password_hash FROM user_account WHERE tenant_id = $1")
    found = rules.rules()["hash"]
    assert kept.startswith(f"$argon2id$v=19$m={found['memory_kib']},t={found['time_cost']},p={found['lanes']}$")
    assert await attempt(timed, tenant, "ana", first)
