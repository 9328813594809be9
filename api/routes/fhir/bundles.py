"""Bundles as text: stored records are set in as they are, so that no digit changes and nothing is parsed again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote_plus


def bundle_text(kind: str, entries: Sequence[str], links: Sequence[tuple[str, str]], total: int | None) -> str:
    """A Bundle of entries that are JSON text already."""
    head = f'{{"resourceType":"Bundle","type":"{kind}"'
    if total is not None:
        head += f',"total":{total}'
    if links:
        head += ',"link":[' + ",".join(f'{{"relation":"{name}","url":{json.dumps(url)}}}' for name, url in links) + "]"
    if entries:
        head += ',"entry":[' + ",".join(entries) + "]"
    return head + "}"


def entry_text(full_url: str, resource: str, rest: str = "") -> str:
    """One entry; `rest` are further members as JSON text."""
    parts = []
    if full_url:
        parts.append(f'"fullUrl":{json.dumps(full_url)}')
    if resource:
        parts.append(f'"resource":{resource}')
    if rest:
        parts.append(rest)
    return "{" + ",".join(parts) + "}"


def link_text(address: str, pairs: Sequence[tuple[str, str]]) -> str:
    """An address with its parameters."""
    return f"{address}?{'&'.join([f'{_coded(name)}={_coded(value)}' for name, value in pairs])}" if pairs else address


_CODES = {n: quote_plus(chr(n)) for n in range(128)}


def _coded(text: str) -> str:
    """`text` as a part of a query: what `quote_plus` gives, by one pass over what is plain."""
    return text.translate(_CODES) if text.isascii() else quote_plus(text)
