"""Includes over canonicals (R4 §2.3): a canonical names records by their `url`, and by their `version` where it
states one; without a version all that have the address are meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from fhir.definitions.table import resource_types
from fhir.search.entries import canonical_codes
from fhir.search.options import Include
from fhir.search.parameters import VERSION, parameters_of, reference_types
from hub.find.statement import Statement
from hub.records.index import key_of


def named(statement: Statement, include: Include, kind: str, rids: Callable[[], str]) -> list[str]:
    """The subquery of the records that the canonicals of rows of type `kind` name; none where there can be none."""
    pairs = [(kind, code) for code in sorted(canonical_codes(kind)) if include.code in ("*", code)]
    types = {name for pair in pairs for name in reference_types(*pair) if include.target in ("", name)}
    places = [key_of(name, "url") for name in sorted(types) if _has_url(name)]
    if not places:
        return []
    where = [
        statement.of_tenant("t"),
        f"t.rid = ANY({rids()})",
        f"t.key = ANY({_keys(statement, pairs)})",
        "t.target_type = ''",
        _of_version(statement, pairs),
    ]
    return [
        f"SELECT u.rid FROM idx_reference t JOIN idx_uri u ON {statement.of_tenant('u')} "
        f"AND u.key = ANY({statement.argument(places)}::bigint[]) AND u.value = t.target_id WHERE {' AND '.join(where)}"
    ]


def naming(statement: Statement, include: Include, kind: str, rids: Callable[[], str]) -> list[str]:
    """The subquery of the records whose canonicals name rows of type `kind`; none where there can be none."""
    if not _has_url(kind):
        return []
    types = resource_types() if include.type_name == "*" else (include.type_name,)
    pairs = [
        (name, code)
        for name in types
        for code in sorted(canonical_codes(name))
        if include.code in ("*", code) and kind in reference_types(name, code)
    ]
    if not pairs:
        return []
    where = [
        statement.of_tenant("u"),
        f"u.rid = ANY({rids()})",
        f"u.key = {statement.literal(key_of(kind, 'url'))}",
        _of_version(statement, pairs),
    ]
    return [
        f"SELECT t.rid FROM idx_uri u JOIN idx_reference t ON {statement.of_tenant('t')} "
        f"AND t.key = ANY({_keys(statement, pairs)}) AND t.target_type = '' "
        f'AND t.target_id = u.value COLLATE "default" '  # that of the index, which would not be used else
        f"WHERE {' AND '.join(where)}"
    ]


def _has_url(type_name: str) -> bool:
    return "url" in parameters_of(type_name)


@cache
def _versions() -> list[int]:
    """The keys of the versions of all types that have one."""
    return [key_of(name, "version") for name in resource_types() if "version" in parameters_of(name)]


def _keys(statement: Statement, pairs: Iterable[tuple[str, str]], suffix: str = "") -> str:
    return f"{statement.argument([key_of(name, code + suffix) for name, code in pairs])}::bigint[]"


def _of_version(statement: Statement, pairs: Iterable[tuple[str, str]]) -> str:
    """A test that the record `u` is of the version that the reference `t` states, or that it states none."""
    stated = (
        f"FROM idx_reference v WHERE {statement.of_tenant('v')} AND v.rid = t.rid "
        f"AND v.key = ANY({_keys(statement, pairs, VERSION)})"
    )
    alike = (
        f"SELECT 1 FROM idx_token k WHERE {statement.of_tenant('k')} AND k.rid = u.rid "
        f"AND k.key = ANY({statement.argument(_versions())}::bigint[]) AND v.target_id = t.target_id || '|' || k.code"
    )
    return (
        f"(NOT EXISTS (SELECT 1 {stated} AND left(v.target_id, length(t.target_id) + 1) = t.target_id || '|') "
        f"OR EXISTS (SELECT 1 {stated} AND EXISTS ({alike})))"
    )
