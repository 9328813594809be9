"""The API description (OpenAPI 3.1): who may call, which answers there are, and the FHIR door from its registry.

The framework knows of its own routes only the good answers; the others follow from how a route is called, and a test
asks every route for them with generated requests.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from api.routes.fhir.registry import INTERACTIONS, Interaction
from fhir.definitions.table import resource_types

PREFIX = "/fhir"
OPEN = frozenset((
    "/health/live", "/health/ready", "/.well-known/jwks.json", "/oauth/token", "/oauth/revoke",
    "/oauth/introspect", "/fhir/metadata", "/fhir/.well-known/smart-configuration",
))  # fmt: skip
_SHAPE = re.compile(r":\w+(?=})")
_NAME = re.compile(r"{(\w+)}")
_TEXTS = {
    200: "done", 201: "created", 202: "accepted, not done yet", 204: "done; nothing to show", 304: "not changed",
    400: "the request is not well formed", 401: "no valid token", 403: "the token does not reach that far",
    404: "not there, or not for this token", 405: "not offered, or not allowed by the tenant's policy",
    406: "neither JSON nor XML is acceptable", 409: "another writer was quicker", 410: "deleted",
    412: "a condition or the version does not hold", 413: "too large", 415: "another media type is needed",
    428: "the tenant asks for If-Match",
    422: "understood, and wrong or too costly", 429: "too many requests; see Retry-After",
    503: "not now; see Retry-After",
}  # fmt: skip
_ALWAYS = (400, 401, 403, 404, 429, 503)
_BODIES = (409, 413, 415, 422)
_FHIR_READS = (304, 400, 401, 403, 404, 406, 410, 422, 429, 503)
_FHIR_WRITES = (400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429, 503)
_FHIR_MEDIA = ("application/fhir+json", "application/fhir+xml")
_FORM = "application/x-www-form-urlencoded"
_HL7 = "application/hl7-v2"
_JSON_PATCH = "application/json-patch+json"
_PATIENT = {"resourceType": "Patient", "id": "example", "name": [{"family": "Araújo", "given": ["Dandara"]}]}
_PARAMETERS = {
    "resourceType": "Parameters",
    "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "example"}]}}],
}
_TRANSACTION = {
    "resourceType": "Bundle", "type": "transaction",
    "entry": [{"resource": _PATIENT, "request": {"method": "PUT", "url": "Patient/example"}}],
}  # fmt: skip
_PATCH = [{"op": "add", "path": "/active", "value": True}]
_QUERY = {
    "_count": "10", "_total": "accurate", "_sort": "-_lastUpdated", "_id": "example", "_lastUpdated": "ge2024-01-01",
    "_include": "*", "_revinclude": "Observation:subject", "_summary": "true", "_elements": "id", "_format": "json",
}  # fmt: skip


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The framework's description with the answers that are true, who may call, and the paths of the FHIR door."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= _schemas()
    document["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "POST /oauth/token"}
    }
    for path, methods in document.get("paths", {}).items():
        if path.startswith(PREFIX):  # described before
            continue
        for method, operation in methods.items():
            if path not in OPEN:
                operation["security"] = [{"token": []}]
                _answered(method, operation)
                if path.startswith("/hl7"):
                    _hl7(method, operation)
            elif path.startswith("/oauth"):
                _token_form(path, operation)
    document.setdefault("paths", {}).update(paths())
    return document


def _schemas() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "Problem": {
            "type": "object",
            "description": "RFC 9457",
            "required": ["type", "title", "status", "problems"],
            "properties": {
                "type": text, "title": text, "status": {"type": "integer"}, "detail": text,
                "problems": {"type": "array", "items": {"type": "object"}},
            },
        },
        "OperationOutcome": {
            "type": "object",
            "required": ["resourceType", "issue"],
            "properties": {"resourceType": {"const": "OperationOutcome"}, "issue": {"type": "array", "minItems": 1}},
        },
        "ResourceType": {"type": "string", "enum": list(resource_types())},
        "Id": {"type": "string", "pattern": "^[A-Za-z0-9\\-.]{1,64}$"},
    }  # fmt: skip


def _answered(method: str, operation: dict[str, Any]) -> None:
    """The answers of a route of the hub's own API: RFC 9457 for all that is wrong."""
    responses = operation.setdefault("responses", {})
    responses.pop("422", None)
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in (*_ALWAYS, *(_BODIES if method != "get" else (422,))):
        responses.setdefault(str(status), {"description": _TEXTS[status], "content": problem})


def _hl7(method: str, operation: dict[str, Any]) -> None:
    """Messages in and acknowledgements out; 202 while an answer of the application is still to come."""
    text = {"content": {_HL7: {"schema": {"type": "string"}}}}
    operation["responses"]["200"] = {"description": "an acknowledgement, whichever it is", **text}
    if method == "post":
        body = {media: {"schema": {"type": "string"}} for media in ("text/plain", _HL7)}
        operation["requestBody"] = {"required": True, "content": body}
        operation["responses"]["202"] = {"description": _TEXTS[202], **text}
    else:
        operation["responses"]["204"] = {"description": _TEXTS[204]}


def _token_form(path: str, operation: dict[str, Any]) -> None:
    """The forms of RFC 6749 and RFC 7009, which are read by hand since a repeated field is an error."""
    fields = ("grant_type", "scope", "patient") if path.endswith("token") else ("token",)
    proof = ("client_assertion_type", "client_assertion", "client_id", "client_secret")
    form = {"type": "object", "properties": {name: {"type": "string"} for name in (*fields, *proof)}}
    operation["requestBody"] = {"required": True, "content": {_FORM: {"schema": form}}}
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    for status in (400, 401, 413, 415, 429, 503):
        content = {"application/json": {"schema": error}, "application/problem+json": {"schema": {"type": "object"}}}
        operation["responses"][str(status)] = {"description": _TEXTS[status], "content": content}


def paths() -> dict[str, dict[str, Any]]:
    """The registry as paths of the API description."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for item in INTERACTIONS:
        path = PREFIX + _SHAPE.sub("", item.path)
        found[path][item.method.lower()] = {
            "tags": ["FHIR R4"],
            "summary": (item.handler.__doc__ or "").strip().splitlines()[0],
            "security": [{"token": []}],
            "parameters": [*(_place(name) for name in _NAME.findall(path)), *_options(item)],
            **_body(item),
            "responses": _responses(item),
        }
    return dict(found)


def _place(name: str) -> dict[str, Any]:
    kinds = {"type_name": ("ResourceType", "Patient"), "member": ("ResourceType", "Observation"), "version": ("", "1")}
    schema, example = kinds.get(name, ("Id", "example"))
    shape = {"$ref": f"#/components/schemas/{schema}"} if schema else {"type": "string", "pattern": "^[0-9]{1,17}$"}
    return {"name": name, "in": "path", "required": True, "schema": shape, "example": example}


def _options(item: Interaction) -> list[dict[str, Any]]:
    """Parameters that hold for every type; those of one type stand in the capability statement."""
    if item.method != "GET" or not {"search-type", "search-system"} & {*item.codes}:
        return []
    shape = {"type": "string", "maxLength": 200}
    return [{"name": name, "in": "query", "schema": shape, "example": value} for name, value in _QUERY.items()]


def _body(item: Interaction) -> dict[str, Any]:
    if item.method not in ("POST", "PUT", "PATCH"):
        return {}
    if item.path.endswith("_search"):
        content: dict[str, Any] = {_FORM: {"schema": {"type": "object"}, "example": {"_count": "1"}}}
    elif item.method == "PATCH":
        content = {_JSON_PATCH: {"schema": {"type": "array", "items": {"type": "object"}}, "example": _PATCH}}
    else:
        example = (
            _TRANSACTION if item.codes == ("transaction", "batch") else _PARAMETERS if item.operation else _PATIENT
        )
        content = {media: {"schema": {"type": "object"}} for media in _FHIR_MEDIA}
        content[_FHIR_MEDIA[0]]["example"] = example
    return {"requestBody": {"content": content, "required": not item.operation}}


_GOOD = {"create": (200, 201), "update": (200, 201), "patch": (200,), "delete": (204,)}


def _good(item: Interaction) -> tuple[int, ...]:
    if item.any_form:
        return (200, 202, 204)
    if item.operation == "export":
        return (202,)
    if item.operation == "document":
        return (200, 201)
    return _GOOD.get(item.conditional or (item.codes[0] if item.codes else ""), (200,))


def _responses(item: Interaction) -> dict[str, Any]:
    outcome = {media: {"schema": {"type": "object"}} for media in _FHIR_MEDIA}
    outcome[_FHIR_MEDIA[0]] = {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}
    resource: dict[str, Any] = {media: {"schema": {"type": "object"}} for media in _FHIR_MEDIA}
    if item.any_form:
        resource |= {"application/json": {"schema": {}}, "application/fhir+ndjson": {"schema": {}}}
    bad = _FHIR_READS if item.method == "GET" else _FHIR_WRITES
    found = {str(status): {"description": _TEXTS[status], "content": resource} for status in _good(item)}
    found |= {str(status): {"description": _TEXTS[status], "content": outcome} for status in bad}
    for status in ("204", "304"):
        if status in found:
            found[status] = {"description": _TEXTS[int(status)]}
    return found
