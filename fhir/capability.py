"""CapabilityStatement (R4 §3.1.0.12) from what is registered: nothing is claimed that the registry does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir.definitions.table import VERSION, Parameter, compartments, resource_types
from fhir.search import composites
from fhir.search.parameters import parameters_of, reference_types
from fhir.search.special import offered

_DEFINITION = "http://hl7.org/fhir/SearchParameter/"
_COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/"
_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_TOPIC = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
)
_SPECIAL = {
    "_content": "Resource-content", "_filter": "filter", "_text": "DomainResource-text", "near": "Location-near",
}  # fmt: skip
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"
_BULK = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"
_TERMS = "http://hl7.org/fhir/CapabilityStatement/terminology-server"
_TELLS = "http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4"
_OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"


# A guide, and the operations without which it does not hold.
_GUIDES = (
    (_BULK, {"export"}),
    (_TERMS, {"expand", "lookup", "validate-code", "translate", "subsumes", "closure"}),
    (_TELLS, {"status"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is registered: interaction codes of types and of the system, operations, conditional forms.

    `topics` are those a Subscription may name. The rest is one tenant's: whether PUT creates, whether a conditional
    delete removes several, its own parameters, the profiles it has by type and the guides they are of.
    """

    base: str
    root: str
    software: str
    released: str
    type_interactions: Sequence[str]
    system_interactions: Sequence[str]
    operations: Sequence[tuple[str, tuple[str, ...], str]]
    system_operations: Sequence[tuple[str, tuple[str, ...], str]]
    conditional: Sequence[str]
    description: str = "Ponte FHIR R4"
    update_creates: bool = True
    deletes_several: bool = False
    requires_match: bool = False
    own: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    topics: Sequence[str] = ()
    profiles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    guides: Sequence[str] = ()
    cors: bool = False


def statement(offer: Offer) -> dict[str, Any]:
    """The statement of `offer` for all R4 types."""
    incoming = _incoming()
    return {
        "resourceType": "CapabilityStatement",
        **_named(offer, "CapabilityStatement"),
        "status": "active",
        "date": offer.released,
        "publisher": "Ponte",
        "kind": "instance",
        **({"instantiates": list(guides)} if (guides := _guides(offer)) else {}),
        "software": {"name": "Ponte", "version": offer.software},
        "implementation": {"description": offer.description, "url": offer.base},
        "fhirVersion": VERSION,
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "patchFormat": [
            "application/json-patch+json",
            "application/xml-patch+xml",
            "application/merge-patch+json",
            "application/fhir+json",
            "application/fhir+xml",
        ],
        **({"implementationGuide": list(offer.guides)} if offer.guides else {}),
        "rest": [
            {
                "mode": "server",
                "documentation": (
                    "Unknown search parameters are ignored and named in an OperationOutcome entry of the result; "
                    "Prefer: handling=strict refuses them. Dates without a zone lie in the tenant's time zone. "
                    "_contained and _containedType find contained resources, in searches of one type."
                ),
                "security": _security(offer),
                "resource": [_resource(name, offer, incoming.get(name, [])) for name in resource_types()],
                "interaction": [{"code": code} for code in offer.system_interactions],
                "operation": [{"name": n, "definition": d} for n, _, d in offer.system_operations],
                "compartment": [_COMPARTMENT + name[0].lower() + name[1:] for name in compartments()],
            }
        ],
    }


def terminology(offer: Offer, expansion: Sequence[str], systems: Iterable[tuple[str, Sequence[str]]]) -> dict[str, Any]:
    """The TerminologyCapabilities of `offer` (R4 §3.1.0.12, mode `terminology`): the code systems that can be asked
    about, each with its versions, of which the first is the one that counts by itself; and the parameters that
    `$expand` heeds.
    """
    return {
        "resourceType": "TerminologyCapabilities",
        **_named(offer, "TerminologyCapabilities"),
        "status": "active",
        "date": offer.released,
        "publisher": "Ponte",
        "kind": "instance",
        "software": {"name": "Ponte", "version": offer.software},
        "implementation": {"description": offer.description, "url": offer.base},
        "codeSystem": [_system(url, versions) for url, versions in systems],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in sorted(expansion)],
            "textFilter": "The text stands anywhere in a code or display, accents and case apart.",
        },
        "codeSearch": "explicit",
        "validateCode": {"translations": True},
        "translation": {"needsMap": False},
        "closure": {"translation": False},
    }


def _system(url: str, versions: Sequence[str]) -> dict[str, Any]:
    """A code system; a version without name is told only as what counts by itself, since tcp-1 asks for names."""
    named = [{"code": each, "isDefault": place == 0} for place, each in enumerate(versions) if each]
    return {"uri": url, **({"version": named} if named else {})}


def _named(offer: Offer, kind: str) -> dict[str, str]:
    """What a statement is called: by the address it is read at, and as a name for programs."""
    mode = "?mode=terminology" if kind == "TerminologyCapabilities" else ""
    named = {"url": f"{offer.base}/metadata{mode}", "version": offer.software, "name": f"Ponte{kind}"}
    return {**named, "title": offer.description}


def _guides(offer: Offer) -> list[str]:
    """The capability statements of guides that hold here."""
    offered = {name for name, _, _ in (*offer.system_operations, *offer.operations)}
    return [guide for guide, needed in _GUIDES if needed <= offered]


def _profiles(name: str, offer: Offer) -> dict[str, Any]:
    """The profiles of a type that are known here; of subscriptions also the topics there are, and the profile of
    those that name one.
    """
    listed = list(offer.profiles.get(name, ()))
    if name != "Subscription" or not offer.topics:
        return {"supportedProfile": listed}
    topics = [{"url": _TOPIC, "valueCanonical": topic} for topic in offer.topics]
    return {"extension": topics, "supportedProfile": [_BACKPORT, *(each for each in listed if each != _BACKPORT)]}


def _security(offer: Offer) -> dict[str, Any]:
    return {
        "cors": offer.cors,
        "service": [
            {
                "coding": [{"system": _SECURITY, "code": "SMART-on-FHIR"}],
                "text": "OAuth 2.0 client credentials, SMART Backend Services",
            }
        ],
        "extension": [
            {
                "url": _OAUTH,
                "extension": [
                    {"url": "token", "valueUri": f"{offer.root}/oauth/token"},
                    {"url": "revoke", "valueUri": f"{offer.root}/oauth/revoke"},
                ],
            }
        ],
    }


def _resource(name: str, offer: Offer, incoming: list[str]) -> dict[str, Any]:
    own = offer.own.get(name, {})
    parameters = {**parameters_of(name), **composites.of(name), **own}
    references = [code for code, p in parameters.items() if p.type == "reference"]
    found: dict[str, Any] = {
        "type": name,
        **({"documentation": offer.notes[name]} if name in offer.notes else {}),
        "profile": f"http://hl7.org/fhir/StructureDefinition/{name}",
        **_profiles(name, offer),
        "interaction": [{"code": code} for code in offer.type_interactions],
        "versioning": "versioned-update" if offer.requires_match else "versioned",
        "readHistory": "vread" in offer.type_interactions,
        "updateCreate": "update" in offer.type_interactions and offer.update_creates,
        "conditionalCreate": "create" in offer.conditional,
        "conditionalRead": "full-support" if "read" in offer.conditional else "not-supported",
        "conditionalUpdate": "update" in offer.conditional,
        "conditionalDelete": _deletes(offer),
        "referencePolicy": ["literal", "logical"],
        "searchInclude": ["*", *(f"{name}:{code}" for code in references)] if references else [],
        "searchRevInclude": ["*", *incoming] if incoming else [],
        "searchParam": [
            {"name": code, "definition": p.url if code in own else _DEFINITION + p.url, "type": p.type}
            for code, p in sorted(parameters.items())
        ]
        + [{"name": code, "definition": _DEFINITION + _SPECIAL[code], "type": kind} for code, kind in offered(name)],
        "operation": [
            {"name": n, "definition": d.replace("{type}", name).replace("{lower}", name.lower())}
            for n, types, d in offer.operations
            if not types or name in types
        ],
    }
    return {key: value for key, value in found.items() if value != []}


def _deletes(offer: Offer) -> str:
    if "delete" not in offer.conditional:
        return "not-supported"
    return "multiple" if offer.deletes_several else "single"


def _incoming() -> dict[str, list[str]]:
    """Per type, the reference parameters that may point to it."""
    found: dict[str, list[str]] = {}
    for source in resource_types():
        for code, parameter in parameters_of(source).items():
            if parameter.type == "reference":
                for target in reference_types(source, code):
                    found.setdefault(target, []).append(f"{source}:{code}")
    return found
