"""Texts written another way: `encode`, `decode`, `escape` and `unescape` (FHIRPath §5.6)."""

from __future__ import annotations

import base64
import binascii
import html
import json
from collections.abc import Callable

from fhir.fhirpath.evaluation import PathError

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "urlbase64": base64.urlsafe_b64encode,
    "hex": binascii.hexlify,
}
_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "base64": lambda value: base64.b64decode(value, validate=True),
    "urlbase64": lambda value: base64.b64decode(value, altchars=b"-_", validate=True),
    "hex": binascii.unhexlify,
}


def encode(value: str, form: str) -> str | None:
    """The text in base64, urlbase64 or hex; None for another form."""
    work = _ENCODERS.get(form)
    return None if work is None else work(value.encode()).decode("ascii")


def decode(value: str, form: str) -> str | None:
    """The text that was encoded, None for another form; raises PathError for what is not of the form."""
    work = _DECODERS.get(form)
    try:
        return None if work is None else work(value.encode()).decode()
    except ValueError:
        raise PathError("not encoded that way") from None


def escape(value: str, form: str) -> str | None:
    """The text as it may stand in HTML or in a JSON string; None for another form."""
    if form == "html":
        return html.escape(value)
    return json.dumps(value, ensure_ascii=False)[1:-1] if form == "json" else None


def unescape(value: str, form: str) -> str | None:
    """The text that was escaped, None for another form; raises PathError for what is no JSON string."""
    if form == "html":
        return html.unescape(value)
    if form != "json":
        return None
    try:
        bare = '"' in value.replace('\\"', "")
        return value if bare else str(json.loads(f'"{value}"', strict=False)).encode().decode()
    except ValueError:
        raise PathError("not escaped that way") from None
