"""Binary in its own form (R4 §2.42): content goes in and out as it is, unless JSON or XML of FHIR is spoken of.

What comes out may be anybody's page or script, so browsers are told to run none of it and to guess nothing.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.http.rejected import Rejected
from canonical.problem import Problem
from fhir import forms, jsontext

TYPE = "Binary"
_FHIR = forms.JSON | forms.XML
_MEDIA = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}(;[ \x21-\x7e]{0,200})?\Z", re.IGNORECASE)
_UNKNOWN = "application/octet-stream"
_GUARDS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


def wants_content(request: Request, query: Iterable[tuple[str, str]]) -> bool:
    """Whether a request reads a Binary and asks for no form of FHIR's."""
    if request.path_params.get("type_name") != TYPE or request.method not in ("GET", "HEAD"):
        return False
    path = request.scope["path"].rstrip("/")
    named = "record_id" in request.path_params and "$" not in path and not path.endswith("/_history")
    return (
        named and "member" not in request.path_params and not forms.stated_in(query) and not _accepted(request) & _FHIR
    )


def _accepted(request: Request) -> set[str]:
    accept = ",".join(request.headers.getlist("accept"))
    return {part.partition(";")[0].strip().lower() for part in accept.split(",") if part.strip()}


def content(request: Request, text: str, headers: dict[str, str]) -> Response:
    """The content of a stored Binary; raises Rejected (406) when its type is not acceptable."""
    body = jsontext.stored(text)
    stated = str(body.get("contentType", ""))
    media = stated if _MEDIA.match(stated) else _UNKNOWN
    kind = media.partition(";")[0].strip().lower()
    accepted = _accepted(request)
    if accepted and not accepted & {kind, kind.partition("/")[0] + "/*", "*/*"}:
        raise Rejected(406, [Problem("fhir.format.accept")])
    raw = base64.b64decode("".join(str(body.get("data", "")).split()))
    return Response(raw, 200, {**headers, **_GUARDS, "Content-Type": media, "Vary": "Accept"})


def is_content(request: Request, type_name: str) -> bool:
    """Whether a body is the content of a Binary rather than a resource."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return type_name == TYPE and bool(kind) and kind not in _FHIR


def resource(request: Request, raw: bytes, identity: str) -> dict[str, Any]:
    """The Binary of a content; `X-Security-Context` says what it belongs to."""
    media = request.headers.get("content-type", "")
    if not _MEDIA.match(media):
        raise Rejected(415, [Problem("fhir.format.content-type")])
    found: dict[str, Any] = {"resourceType": TYPE, **({"id": identity} if identity else {}), "contentType": media}
    if context := request.headers.get("x-security-context", ""):
        found["securityContext"] = {"reference": context}
    return {**found, **({"data": base64.b64encode(raw).decode("ascii")} if raw else {})}
