"""The one list of what the FHIR door offers: routes, CapabilityStatement and API description all come from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from api.routes.fhir import (
    bulk,
    bundle,
    closure,
    convert,
    docref,
    document,
    everything,
    graph,
    history,
    imports,
    match,
    read,
    search,
    subscriptions,
    validate,
    views,
    write,
)
from api.routes.fhir import operations as records
from api.routes.fhir import terminology as terms
from api.routes.fhir.exchange import Exchange

Level = Literal["system", "type", "instance"]
Handler = Callable[[Exchange], Awaitable[Response]]
# Shapes instead of any text: no address can match two of the paths, so the busiest may stand first.
TYPE = "/{type_name:fhir_type}"
INSTANCE = TYPE + "/{record_id:fhir_id}"
RELEASED = "2026-11-27"  # of what is offered here; change it with the list


_UNSTORED = "What R4 brings is read by id and found by url, _id and name, behind the tenant's own records."
NOTES = {
    "CodeSystem": _UNSTORED,
    "ValueSet": _UNSTORED,
    "Binary": "Content goes in and out in its own media type unless JSON or XML of FHIR is stated.",
    "ConceptMap": _UNSTORED + " So are the hub's code tables, as ponte-…",
    "AuditEvent": "The hub's own audit trail is here as audit-…, read-only, before the records that clients store.",
    "Provenance": "Who and what message made each version is here as lineage-…, read-only, before stored records. "
    "The header X-Provenance of a write is stored with what it tells of.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One method at one address; `codes` are its R4 interaction codes, `conditional` the form it adds to one.

    `any_form`: its answer is neither a resource in JSON nor in XML, whatever Accept says.
    """

    method: str
    path: str
    handler: Handler
    level: Level
    codes: tuple[str, ...] = ()
    conditional: str = ""
    operation: str = ""
    any_form: bool = False


def _type(method: str, handler: Handler, *codes: str, path: str = "", conditional: str = "") -> Interaction:
    return Interaction(
        method=method, path=TYPE + path, handler=handler, level="type", codes=codes, conditional=conditional
    )


def _instance(method: str, handler: Handler, *codes: str, path: str = "", conditional: str = "") -> Interaction:
    whole = INSTANCE + path
    return Interaction(
        method=method, path=whole, handler=handler, level="instance", codes=codes, conditional=conditional
    )


def _operation(method: str, handler: Handler, name: str, *, path: str) -> Interaction:
    level: Level = "instance" if path == INSTANCE else "type" if path == TYPE else "system"
    return Interaction(method=method, path=f"{path}/${name}", handler=handler, level=level, operation=name)


_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"
# The types an operation works on and the definition it follows; the others work on all types.
DEFINITIONS = {
    "validate": ((), "http://hl7.org/fhir/OperationDefinition/Resource-validate"),
    "meta": ((), "http://hl7.org/fhir/OperationDefinition/Resource-meta"),
    "meta-add": ((), "http://hl7.org/fhir/OperationDefinition/Resource-meta-add"),
    "meta-delete": ((), "http://hl7.org/fhir/OperationDefinition/Resource-meta-delete"),
    "everything": (("Patient", "Encounter"), "http://hl7.org/fhir/OperationDefinition/{type}-everything"),
    "lastn": (("Observation",), "http://hl7.org/fhir/OperationDefinition/Observation-lastn"),
    "reindex": ((), "urn:ponte:OperationDefinition:reindex"),
    "export": (("Patient", "Group"), "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/{lower}-export"),
    "lookup": (("CodeSystem",), "http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
    "subsumes": (("CodeSystem",), "http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes"),
    "validate-code": (("CodeSystem", "ValueSet"), "http://hl7.org/fhir/OperationDefinition/{type}-validate-code"),
    "expand": (("ValueSet",), "http://hl7.org/fhir/OperationDefinition/ValueSet-expand"),
    "translate": (("ConceptMap",), "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
    "closure": ((), "http://hl7.org/fhir/OperationDefinition/ConceptMap-closure"),
    "import": ((), "urn:ponte:OperationDefinition:import"),
    "graphql": ((), "http://hl7.org/fhir/OperationDefinition/Resource-graphql"),
    "viewdefinition-run": ((), "http://sql-on-fhir.org/OperationDefinition/$viewdefinition-run"),
    "match": (("Patient",), "http://hl7.org/fhir/OperationDefinition/Patient-match"),
    "status": (("Subscription",), f"{_BACKPORT}/backport-subscription-status"),
    "events": (("Subscription",), f"{_BACKPORT}/backport-subscription-events"),
    "convert": ((), "http://hl7.org/fhir/OperationDefinition/Resource-convert"),
    "versions": ((), "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-versions"),
    "docref": ((docref.TYPE,), "http://hl7.org/fhir/us/core/OperationDefinition/docref"),
    "document": (("Composition",), "http://hl7.org/fhir/OperationDefinition/Composition-document"),
}
# Where an operation of the system follows another definition than the one of types.
OF_SYSTEM = {"export": "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"}
JOB = "/bulk/{job}"
TERMS: tuple[tuple[str, Handler], ...] = (
    ("lookup", terms.lookup),
    ("subsumes", terms.subsumes),
    ("validate-code", terms.validate_code),
    ("expand", terms.expand),
    ("translate", terms.translate),
)
_GRAPHS: tuple[tuple[str, Handler, Level], ...] = (
    ("", graph.of_system, "system"),
    (INSTANCE, graph.of_record, "instance"),
)
INTERACTIONS: tuple[Interaction, ...] = (
    _instance("GET", read.read, "read", conditional="read"),
    _instance("PUT", write.update, "update"),
    _instance("PATCH", write.patch, "patch"),
    _instance("DELETE", write.delete, "delete"),
    Interaction(method="POST", path="", handler=bundle.bundle, level="system", codes=("transaction", "batch")),
    Interaction(method="POST", path="/$validate", handler=validate.validate_any, level="system", operation="validate"),
    Interaction(
        method="POST",
        path=TYPE + "/$validate",
        handler=validate.validate_type,
        level="type",
        operation="validate",
    ),
    Interaction(method="GET", path="", handler=search.search_system, level="system", codes=("search-system",)),
    Interaction(
        method="POST",
        path="/_search",
        handler=search.search_system_by_post,
        level="system",
        codes=("search-system",),
    ),
    Interaction(method="GET", path="/_search", handler=search.search_system, level="system", codes=("search-system",)),
    _instance("GET", search.search_compartment, "search-type", path="/{member:fhir_type}"),
    _instance("GET", search.search_compartment, "search-type", path="/{member:fhir_type}/_search"),
    _instance("POST", search.search_compartment_by_post, "search-type", path="/{member:fhir_type}/_search"),
    _instance("GET", search.search_compartment_all, "search-type", path="/*"),
    _instance("GET", search.search_compartment_all, "search-type", path="/_search"),
    _instance("POST", search.search_compartment_all_by_post, "search-type", path="/_search"),
    _operation("GET", validate.validate_stored, "validate", path=INSTANCE),
    _operation("POST", validate.validate_instance, "validate", path=INSTANCE),
    *(_operation(method, everything.everything, "everything", path=INSTANCE) for method in ("GET", "POST")),
    *(_operation(method, everything.everything_of_all, "everything", path=TYPE) for method in ("GET", "POST")),
    _operation("GET", records.meta, "meta", path=INSTANCE),
    _operation("GET", records.meta_of_type, "meta", path=TYPE),
    _operation("GET", records.meta_of_all, "meta", path=""),
    _operation("POST", records.meta_add, "meta-add", path=INSTANCE),
    _operation("POST", records.meta_delete, "meta-delete", path=INSTANCE),
    *(_operation(method, records.lastn, "lastn", path=TYPE) for method in ("GET", "POST")),
    _operation("POST", records.reindex, "reindex", path=""),
    *(_operation(method, bulk.export_system, "export", path="") for method in ("GET", "POST")),
    *(_operation(method, bulk.export_patients, "export", path=TYPE) for method in ("GET", "POST")),
    *(_operation(method, bulk.export_group, "export", path=INSTANCE) for method in ("GET", "POST")),
    _operation("POST", imports.import_, "import", path=""),
    _operation("POST", closure.close, "closure", path=""),
    _operation("POST", convert.convert, "convert", path=""),
    *(_operation(method, convert.versions, "versions", path="") for method in ("GET", "POST")),
    *(_operation(method, docref.docref, "docref", path=TYPE) for method in ("GET", "POST")),
    *(
        Interaction(
            method=method, path=f"{path}/$graphql", handler=handler, level=level, operation="graphql", any_form=True
        )
        for path, handler, level in _GRAPHS
        for method in ("GET", "POST")
    ),
    *(
        Interaction(
            method="POST", path=path, handler=views.run, level="system", operation="viewdefinition-run", any_form=True
        )
        for path in ("/$viewdefinition-run", "/ViewDefinition/$viewdefinition-run", "/ViewDefinition/$run")
    ),
    _operation("POST", match.match, "match", path=TYPE),
    _operation("GET", subscriptions.status, "status", path=INSTANCE),
    *(_operation(method, subscriptions.statuses, "status", path=TYPE) for method in ("GET", "POST")),
    _operation("GET", subscriptions.events, "events", path=INSTANCE),
    *(_operation(method, document.document, "document", path=INSTANCE) for method in ("GET", "POST")),
    *(_operation(method, document.document_named, "document", path=TYPE) for method in ("GET", "POST")),
    Interaction(method="GET", path=JOB, handler=bulk.status, level="system", operation="export", any_form=True),
    Interaction(method="DELETE", path=JOB, handler=bulk.cancel, level="system", operation="export", any_form=True),
    Interaction(
        method="GET", path=JOB + "/{file}", handler=bulk.file, level="system", operation="export", any_form=True
    ),
    *(
        _operation(method, handler, name, path=path)
        for name, handler in TERMS
        for path in (TYPE, INSTANCE)
        for method in ("GET", "POST")
    ),
    _type("POST", search.search_by_post, "search-type", path="/_search"),
    _type("GET", search.search, "search-type", path="/_search"),
    _type("GET", search.search, "search-type"),
    _type("POST", write.create, "create", conditional="create"),
    _type("PUT", write.update_conditional, conditional="update"),
    _type("PATCH", write.patch_conditional, conditional="patch"),
    _type("DELETE", write.delete_conditional, conditional="delete"),
    _instance("GET", read.vread, "vread", path="/_history/{version}"),
    _instance("GET", history.history, "history-instance", path="/_history"),
    _type("GET", history.history_type, "history-type", path="/_history"),
    Interaction(
        method="GET", path="/_history", handler=history.history_system, level="system", codes=("history-system",)
    ),
)


def codes(*levels: str) -> list[str]:
    """The interaction codes offered on `levels`, each once."""
    return list(dict.fromkeys(code for item in INTERACTIONS if item.level in levels for code in item.codes))


def conditional() -> list[str]:
    """The interactions that have a conditional form."""
    return [item.conditional for item in INTERACTIONS if item.conditional]


def operations(*levels: str) -> list[tuple[str, tuple[str, ...], str]]:
    """The operations of `levels`: name, the types it works on (none: all), and its definition."""
    names = dict.fromkeys(i.operation for i in INTERACTIONS if i.operation and i.level in levels)
    own = OF_SYSTEM if levels == ("system",) else {}
    return [(name, DEFINITIONS[name][0], own.get(name, DEFINITIONS[name][1])) for name in names]
