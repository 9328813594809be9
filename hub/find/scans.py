"""Conditions that no b-tree answers: words of a text and distances, judged record by record.

They never lead a search that has another condition: they test what that one finds. Alone they read the records of a
type in order until a page is full, within the time a search has.
"""

from __future__ import annotations

from fhir.search.conditions import Near, Words
from hub.find.statement import Statement

LANGUAGE = "portuguese"  # of PostgreSQL's text search: its endings and its stop words
MOST_CHARACTERS = 300_000  # of a record: what always fits a text search vector
# A text without accents: letters are taken apart and their marks dropped, where there is more than ASCII at all.
_BARE = (
    "CASE WHEN octet_length({0}) = length({0}) THEN {0} "
    "ELSE regexp_replace(normalize({0}, NFD), '[\u0300-\u036f]', '', 'g') END"
)
_EARTH = 6_371_008.8  # mean radius in metres
_DEGREES = "^-?[0-9]{1,3}([.][0-9]{1,30})?$"


def found(statement: Statement, condition: Words | Near) -> str:
    """A subquery that yields the rids of the records that say the words or lie near."""
    return _words(statement, condition) if isinstance(condition, Words) else _near(statement, condition)


def _words(statement: Statement, condition: Words) -> str:
    """Without accents on both sides; a question with accents also as it stands, so that Portuguese endings are known
    ("internações" is "internação").
    """
    forms = (_BARE,) if condition.text.isascii() else ("{0}", _BARE)
    asked = statement.argument(condition.text) + "::text"
    vector = _told if condition.narrative else _said
    tests = (f"{vector(form)} @@ websearch_to_tsquery('{LANGUAGE}', {form.format(asked)})" for form in forms)
    return f"SELECT t.rid FROM resource t WHERE {_current(statement, condition.type_name)} AND ({' OR '.join(tests)})"


def _told(form: str) -> str:
    """The words of the narrative."""
    plain = "regexp_replace(t.body::json #>> '{text,div}', '<[^>]*>', ' ', 'g')"
    return f"to_tsvector('{LANGUAGE}', {form.format(f'left({plain}, {MOST_CHARACTERS})')})"


def _said(form: str) -> str:
    """The words of all elements; of a record that is too large for a vector those of its first part, as it stands."""
    whole = f"json_to_tsvector('{LANGUAGE}', ({form.format('t.body')})::json, '[\"string\", \"numeric\"]')"
    part = f"to_tsvector('{LANGUAGE}', {form.format(f'left(t.body, {MOST_CHARACTERS})')})"
    return f"CASE WHEN length(t.body) <= {MOST_CHARACTERS} THEN {whole} ELSE {part} END"


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
