"""RNDS on the wire: the table of errors, answers kept with their headers, tokens shared and renewed, addresses as data."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rnds import answers, errors
from adapters.rnds.addresses import STATES, addresses, environments
from adapters.transports.national import judge, token_in
from adapters.transports.tokens import Token, Tokens
from canonical.errors import Misconfigured, Refused, TryLater
from canonical.problem import wording


def outcome(*diagnostics: str) -> bytes:
    issues = ", ".join(
        f'{{"severity": "error", "code": "processing", "diagnostics": "{text}"}}' for text in diagnostics
    )
    return f'{{"resourceType": "OperationOutcome", "issue": [{issues}]}}'.encode()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    return answers.kept(status, "X", [(name.replace("_", "-"), value) for name, value in headers.items()], body)


def test_the_id_is_read_from_the_header_or_the_error() -> None:
    made = answer(201, location="https://ehr/api/fhir/r4/Bundle/0a1b-sim", set_cookie="secret", date="x")
    assert answers.read(made) == answers.Said(status=201, document="0a1b-sim") and b"secret" not in made
    assert answers.read(answer(201, content_location="/api/fhir/r4/Composition/77-x")).document == "77-x"
    words = "(EHR-ERR866) O identifier informado já foi utilizado. O id existente é 1f-2e-sim-1."
    used = answers.read(answer(422, outcome(words)))
    assert used == answers.Said(status=422, document="1f-2e-sim-1", codes=("ERR866",), words=(words,))
    both = answer(422, outcome("(EDS-MSG009) já foi substituído.", "(EHR-ERR905) x", "ERR905 y"))
    assert answers.read(both).codes == ("MSG009", "ERR905")
    found = b'{"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Composition", "id": "9"}}]}'
    assert answers.read(answer(200, found)).document == "9"


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(content: bytes) -> None:
    answers.read(content)
    answers.read(answer(200, content))


def test_every_error_of_the_table_has_words_for_its_reaction() -> None:
    assert len(errors.known()) > 100
    for one in errors.known().values():
        assert wording(f"rnds.{one.reaction}.{one.code}").text["pt"] != one.code
        if one.reaction not in ("wait", "renew"):
            assert wording(f"rnds.{one.reaction}.{one.code}").remedy["pt"]


WORST = [
    (("ERR905",), False, ("wait", "ERR905")),
    (("ERR905", "ERR895"), False, ("repair", "ERR895")),
    (("ERR906", "ERR905"), False, ("register", "ERR906")),
    (("ERR866",), False, ("stop", "ERR866")),
    (("ERR866", "ERR905"), True, ("accepted", "ERR866")),
    (("ERR882",), False, ("renew", "ERR882")),
    (("ERR700",), False, ("", "ERR700")),
    (("ERR807", "ERR905"), False, ("remake", "ERR807")),
    (("ERR807", "ERR780"), False, ("repair", "ERR780")),
    ((), True, ("", "")),
]


@pytest.mark.parametrize(("codes", "repeated", "decided"), WORST)
def test_what_forbids_sending_again_decides(codes: tuple[str, ...], repeated: bool, decided: tuple[str, str]) -> None:
    assert errors.worst(codes, repeated=repeated) == decided


JUDGED = [
    (201, b"", False, ("accepted", "", False)),
    (422, outcome("(EHR-ERR895) x"), False, ("refused", "rnds.repair.ERR895", False)),
    (422, outcome("(EHR-ERR866) O id existente é 12345678-s."), True, ("accepted", "rnds.accepted", False)),
    (422, outcome("(EHR-ERR905) x"), False, ("later", "rnds.wait.ERR905", True)),
    (422, b"what", False, ("refused", "rnds.unknown.HTTP422", False)),
    (500, b"", False, ("later", "transport.http-500", True)),
    (503, b"<html>", False, ("later", "transport.http-503", False)),
    (429, b"", False, ("later", "transport.http-429", False)),
    (404, outcome("(EHR-ERR827) x"), True, ("accepted", "rnds.accepted", False)),
]


@pytest.mark.parametrize(("status", "body", "repeated", "expected"), JUDGED)
def test_answers_are_judged(status: int, body: bytes, repeated: bool, expected: tuple[str, str, bool]) -> None:
    content = answer(status, body)
    found = judge(status, content, errors.worst(answers.read(content).codes, repeated=repeated))
    assert (found.verdict, found.code, found.doubt) == expected and found.content == content


def test_a_question_is_answered_by_nothing_too() -> None:
    assert judge(404, answer(404), ("", ""), get=True).verdict == "accepted"
    with pytest.raises(Misconfigured):
        judge(302, answer(302), ("", ""))
    with pytest.raises(Refused):
        judge(400, answer(400), ("", ""), get=True)


def test_tokens_live_milliseconds_and_bad_ones_are_told() -> None:
    assert token_in(b'{"access_token": "a", "expires_in": 1800000}') == Token("a", 1800.0)
    assert token_in(b'{"access_token": "a", "expires_in": 1800}').seconds == 1800.0
    assert token_in(b'{"access_token": "a", "expires_in": "soon"}').seconds == 1800.0
    for bad in (b"", b"[]", b'{"access_token": ""}', b'{"access_token": "\xc3\xa9"}', b"<html>"):
        with pytest.raises(TryLater):
            token_in(bad)


async def test_many_that_ask_at_once_cause_one_request() -> None:
    tokens, fetched = Tokens(), 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        return Token(f"t{fetched}", 1800)

    assert set(await asyncio.gather(*(tokens.get("k", fetch) for _ in range(20)))) == {"t1"}
    tokens.drop("k", "other")
    assert await tokens.get("k", fetch) == "t1"
    tokens.drop("k", "t1")
    assert await tokens.get("k", fetch) == "t2" and fetched == 2

    async def ended() -> Token:
        return Token("short", 0)

    assert await tokens.get("z", ended) == "short" and await tokens.get("z", fetch) == "t3"


def test_addresses_are_rows() -> None:
    assert {"homologacao", "producao"} <= set(environments()) and len(STATES) == 27
    assert addresses("producao", "GO")[1] == "https://go-ehr-services.saude.gov.br/api"
    for wrong in (("producao", "XX"), ("teste", "SP")):
        with pytest.raises(Misconfigured):
            addresses(*wrong)
