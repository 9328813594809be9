"""Conditions that no b-tree answers: words of a text and distances, judged record by record.

They never lead a search that has another condition: they test what that one finds. Alone they read the records of a
type in order until a page is full, within the time a search has. Words are read here only of records that the index of
words (`hub.find.conditions.words`) does not hold yet, and where it cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir.search.conditions import Near, Words
from hub.find.statement import Statement

LANGUAGE = "portuguese"  # of PostgreSQL's text search: its endings and its stop words
MOST_CHARACTERS = 150_000  # of a record: what always fits a text search vector, with and without accents
_BODY = "nullif(t.body, '')"  # a deleted record has none, and no order of tests is promised
_ASCII = "octet_length({0}) = length({0})"
_BARE = "regexp_replace(normalize({0}, NFD), '[\u0300-\u036f]', '', 'g')"  # letters taken apart, their marks dropped
_EARTH = 6_371_008.8  # mean radius in metres
_DEGREES = "^-?[0-9]{1,3}([.][0-9]{1,30})?$"


def found(statement: Statement, condition: Words | Near) -> str:
    """A subquery that yields the rids of the records that say the words or lie near."""
    if isinstance(condition, Near):
        return _near(statement, condition)
    where = f"{_current(statement, condition.type_name)} AND {says(statement, condition)}"
    return f"SELECT t.rid FROM resource t WHERE {where}"


def says(statement: Statement, condition: Words) -> str:
    """A test of a row `t` of `resource`: that it says the words, in its narrative or anywhere."""
    vector = _told() if condition.narrative else said()
    return f"({vector} @@ {asked(statement, condition)})"


def asked(statement: Statement, condition: Words) -> str:
    """The question; one with accents is also asked without."""
    text = statement.argument(condition.text) + "::text"
    query = f"websearch_to_tsquery('{LANGUAGE}', {text})"
    if condition.text.isascii():
        return query
    return f"({query} || websearch_to_tsquery('{LANGUAGE}', {_BARE.format(text)}))"


def said() -> str:
    """The vector of a row `t`: the words of all its elements, as they stand and without accents, so that "internações"
    is found by "internação" and by "internacoes". Of a record that is too large, those of its first part."""
    return (
        f"CASE WHEN length(t.body) <= {MOST_CHARACTERS} THEN "
        + _both(_BODY, lambda text: f"json_to_tsvector('{LANGUAGE}', ({text})::json, '[\"string\", \"numeric\"]')")
        + f" ELSE {_both(f'left({_BODY}, {MOST_CHARACTERS})', _plain)} END"
    )


def _told() -> str:
    """The words of the narrative."""
    text = "regexp_replace(nullif(t.body, '')::json #>> '{text,div}', '<[^>]*>', ' ', 'g')"
    return _both(f"left({text}, {MOST_CHARACTERS})", _plain)


def _plain(text: str) -> str:
    return f"to_tsvector('{LANGUAGE}', {text})"


def _both(text: str, vector: Callable[[str], str]) -> str:
    """The vector of a text as it stands and, where it has more than ASCII, without accents too."""
    bare = vector(_BARE.format(text))
    return f"(CASE WHEN {_ASCII.format(text)} THEN {vector(text)} ELSE {vector(text)} || {bare} END)"


def _near(statement: Statement, condition: Near) -> str:
    """The way along the surface, by half versed sines."""
    latitude, longitude = statement.argument(condition.latitude), statement.argument(condition.longitude)
    angle = (
        f"power(sin(radians(p.latitude - {latitude}::float8) / 2), 2) + cos(radians(p.latitude)) "
        f"* cos(radians({latitude}::float8)) * power(sin(radians(p.longitude - {longitude}::float8) / 2), 2)"
    )
    return (
        f"SELECT t.rid FROM resource t CROSS JOIN LATERAL (SELECT {_degrees('latitude')} AS latitude, "
        f"{_degrees('longitude')} AS longitude) p WHERE {_current(statement, condition.type_name)} "
        f"AND {2 * _EARTH} * asin(least(1, sqrt({angle}))) <= {statement.argument(condition.metres)}::float8"
    )


def _degrees(name: str) -> str:
    stated = f"t.body::json #>> '{{position,{name}}}'"
    return f"CASE WHEN {stated} ~ '{_DEGREES}' THEN ({stated})::float8 END"


def _current(statement: Statement, type_name: str) -> str:
    kind = statement.argument(type_name)
    return f"{statement.of_tenant('t')} AND t.type = {kind} AND NOT t.deleted"
