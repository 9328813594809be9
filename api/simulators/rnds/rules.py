"""What the simulated RNDS finds wrong in a document: R4 first, then its own reading of the published rules.

`constraints.csv`: by profile, how often an element stands in each parent that is there, and which form its value has.
"""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fhir.validation.validator import validate

_PROFILE = "http://www.saude.gov.br/fhir/r4/StructureDefinition/"
_REQUESTER = "http://www.saude.gov.br/fhir/r4/NamingSystem/BRRNDS-"
_TRANSIENT = re.compile(r"urn:uuid:(?:transient-(\d+)|[0-9a-f-]{36})\Z")
DOCUMENTS = {
    "REL": ("BRResultadoExameLaboratorial-3.2.1",),
    "RIA": ("BRRegistroImunobiologicoAdministradoRotina-2.0", "BRRegistroImunobiologicoAdministradoCampanha-2.0"),
    "RAC": ("BRRegistroAtendimentoClinico",),
    "SA": ("BRSumarioAlta",),
    "RA": ("BRRegulacaoAssistencial",),
}


@dataclass(frozen=True, slots=True)
class Error:
    """An error of the catalogue with its text in the national form."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class _Constraint:
    profile: str
    path: tuple[str, ...]
    least: int
    most: int | None
    value: str


@cache
def constraints() -> dict[str, list[_Constraint]]:
    """The table by profile."""
    found: dict[str, list[_Constraint]] = {}
    with Path(__file__).with_name("constraints.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            most = None if row["most"] == "*" else int(row["most"])
            one = _Constraint(row["profile"], tuple(row["path"].split(".")), int(row["least"]), most, row["value"])
            found.setdefault(one.profile, []).append(one)
    return found


def structure(bundle: Any, requesters: frozenset[str]) -> Iterator[Error]:
    """What is wrong with the Bundle itself, before any profile is looked at."""
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        yield Error("ERR814", "O documento possui um tipo de documento FHIR inválido e não pode ser processado.")
        return
    if wrong := [problem.where for problem in validate(bundle) if problem.blocks]:
        yield from (Error("ERR814", f"{where}: não é FHIR R4 válido.") for where in wrong)
        return
    if bundle.get("type") != "document":
        yield Error("ERR923", "Ao enviar um documento é obrigatório utilizar o Bundle type: document")
    identifier = bundle.get("identifier") or {}
    system = str(identifier.get("system", ""))
    if not identifier.get("value"):
        yield Error("ERR917", "Ao enviar um documento é obrigatório informar o identificador no sistema de origem")
    if not system.startswith(_REQUESTER):
        yield Error("ERR916", "O identificador do sistema de origem é inválido")
    elif system.removeprefix(_REQUESTER) not in requesters:
        yield Error("ERR881", "Você não possui autorização para utilizar esse sistema de origem.")
    yield from _entries(bundle.get("entry"))


def _entries(entries: Any) -> Iterator[Error]:
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
        yield Error("ERR813", 'O documento deve ter pelo menos um Composition "raiz".')
        return
    if (entries[0].get("resource") or {}).get("resourceType") != "Composition":
        yield Error(
            "ERR922", "Ao enviar um documento é obrigatório utilizar um Composition como primeiro item da lista"
        )
    urls = [str(entry.get("fullUrl", "")) for entry in entries]
    for position, url in enumerate(urls):
        found = _TRANSIENT.match(url)
        if found is None:
            yield Error("ERR920", f"Referência transitória inválida: {position}")
        elif found[1] is not None and int(found[1]) != position:
            yield Error("ERR921", f"Referência transitória não corresponde à ordem estabelecida: {position}")
    missing = {r for entry in entries for r in _references(entry.get("resource")) if r.startswith("urn:")} - set(urls)
    if missing:
        yield Error("ERR919", f"Referência transitória não encontrada: {len(missing)}")


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def clock(bundle: dict[str, Any], now: datetime.datetime) -> Iterator[Error]:
    """Whether the document is of today, in its own zone."""
    try:
        made = datetime.datetime.fromisoformat(str(bundle.get("timestamp")))
    except ValueError:
        return
    today = now.astimezone(made.tzinfo).date()
    if made.date() != today:
        code, side = ("ERR807", "anterior") if made.date() < today else ("ERR808", "posterior")
        yield Error(code, f'O campo "timestamp" do "Bundle" não pode ter data {side} à data atual.')


def profiles(bundle: dict[str, Any], today: datetime.date) -> Iterator[Error]:
    """What the constraints and the catalogue's rules find in the entries."""
    resources = [entry.get("resource") or {} for entry in bundle["entry"]]
    kind = _first(resources[0], "type.coding.code")
    if kind not in DOCUMENTS:
        yield Error("MSG015", f'Tipo de documento "{kind or ""}" não suportado.')
        return
    for resource in resources:
        named = [str(url).removeprefix(_PROFILE) for url in (resource.get("meta") or {}).get("profile", ())]
        if not named:
            yield Error("ERR887", "É obrigatório informar o profile ao enviar um documento.")
        for name in named:
            yield from _profile(resource, name)
    if not any(name in str(resources[0].get("meta")) for name in DOCUMENTS[kind]):
        yield Error("ERR862", "O documento possui um perfil inválido e não pode ser processado")
    yield from _rules(resources, today)


def _profile(resource: dict[str, Any], name: str) -> Iterator[Error]:
    if name not in constraints():
        yield Error("ERR862", f"O documento possui um perfil inválido e não pode ser processado: {name}")
    for one in constraints().get(name, ()):
        for parent in _at(resource, one.path[:-1]):
            found = list(_step(parent, one.path[-1]))
            where = f"{resource.get('resourceType')}.{'.'.join(one.path)}"
            if len(found) < one.least or (one.most is not None and len(found) > one.most):
                yield Error("ERR814", f"{where}: ocorrências {len(found)}, perfil {name}")
            elif one.value and any(not re.fullmatch(one.value, str(value)) for value in found):
                yield Error("ERR814", f"{where}: valor fora do perfil {name}")


def _rules(resources: list[dict[str, Any]], today: datetime.date) -> Iterator[Error]:
    """The rules of the catalogue that go beyond one element."""
    subjects = {_first(one, "subject.identifier.value") or _first(one, "patient.identifier.value") for one in resources}
    if len(subjects - {None}) > 1:
        yield Error("ERR814", "O identificador do indivíduo não é o mesmo em todo o documento")
    yield from _persons(resources)
    for one in resources:
        kind = one.get("resourceType")
        if kind == "Immunization" and str(one.get("occurrenceDateTime", ""))[:10] > today.isoformat():
            yield Error("ERR830", f"A data deve ser igual ou menor que a data atual ({today.isoformat()}).")
        if kind == "Encounter":
            yield from _contact(one)
        if kind == "MedicationRequest":
            yield from _prescription(one)
    yield from _procedures(resources)


def _persons(resources: list[dict[str, Any]]) -> Iterator[Error]:
    """Who is meant: a number, or why there is none (BRIndividuoNaoIdentificado-1.0), the same way everywhere."""
    ways = set()
    for one in resources:
        subject = one.get("subject")
        if one.get("resourceType") not in ("Composition", "Encounter", "Condition", "Procedure") or not subject:
            continue
        told = [e for e in subject.get("extension", ()) if e.get("url") == f"{_PROFILE}BRIndividuoNaoIdentificado-1.0"]
        ways.add("identifier" if "identifier" in subject else "extension" if told else "")
        parts = [str(part.get("url")) for each in told for part in each.get("extension", ())]
        if told and sorted(parts) != ["birthYear", "gender", "reason"]:
            yield Error("ERR814", f"{one.get('resourceType')}.subject: indivíduo não identificado incompleto")
    if "" in ways or len(ways) > 1:
        yield Error("ERR814", "Composition.subject: o indivíduo não é identificado da mesma forma em todo o documento")


def _contact(encounter: dict[str, Any]) -> Iterator[Error]:
    if _first(encounter, "class.code") == "06" and _first(encounter, "priority.coding.code") == "01":
        yield Error("ERR784", 'A modalidade "Atenção à Urgência/Emergência" não pode ter caráter "Eletivo".')
    ranks = _at(encounter, ("diagnosis", "rank"))
    if ranks and 1 not in ranks:
        yield Error("ERR914", "Problema(s)/Diagnóstico(s) Secundário(s) sem existir um Principal.")
    if ranks.count(1) > 1:
        yield Error("ERR915", "Não pode existir mais de um Problema/Diagnóstico Principal.")


def _prescription(request: dict[str, Any]) -> Iterator[Error]:
    if "medicationCodeableConcept" in request and not request.get("note"):
        yield Error("ERR779", 'O medicamento deve ser informado em texto livre no campo "MedicationRequest.note"')
    for dosage in request.get("dosageInstruction", ()):
        repeat = (dosage.get("timing") or {}).get("repeat") or {}
        named = {str(one.get("url")).removeprefix(_PROFILE): one for one in repeat.get("extension", ())}
        whole = len(named.get("BRIntervaloDoses", {}).get("extension", ())) == 2
        if repeat.get("countMax", 1) > 1 and not whole:
            yield Error("ERR780", "Os campos de periodicidade devem ser preenchidos em caso de dose periódica.")
        if repeat.get("countMax", 2) == 1 and {"BRIntervaloDoses", "BRTurno"} & set(named):
            yield Error("ERR781", "Os campos de periodicidade não devem ser preenchidos em caso de dose única.")
        if any(
            name.startswith("asNeeded") and value is not False for name, value in dosage.items()
        ) and not request.get("note"):
            yield Error("ERR782", 'A descrição sobre o uso deve ser preenchida no campo "MedicationRequest.note".')


def _procedures(resources: list[dict[str, Any]]) -> Iterator[Error]:
    """Procedures among each other and against the visit they belong to."""
    visit = next((one for one in resources if one.get("resourceType") == "Encounter"), {})
    begin, end = (str((visit.get("period") or {}).get(name, ""))[:10] for name in ("start", "end"))
    ambulatory = _first(visit, "class.code") in ("01", "07")
    if ambulatory and begin != end:
        yield Error("ERR793", "As datas de admissão e desfecho devem ser iguais para a modalidade.")
    seen: set[tuple[str, str]] = set()
    for one in resources:
        if one.get("resourceType") != "Procedure":
            continue
        code, day = str(_first(one, "code.coding.code")), str(one.get("performedDateTime", ""))[:10]
        if (code, day) in seen:
            yield Error("ERR789", "Não podem existir vários procedimentos com o mesmo código e data de realização.")
        seen.add((code, day))
        if ambulatory and day != begin:
            yield Error("ERR794", "A data de realização do procedimento deve ser igual à data de admissão.")
        elif visit and not begin <= day <= end:
            yield Error("ERR796" if day > end else "ERR797", "O procedimento está fora do período do atendimento.")


def _at(node: Any, path: tuple[str, ...]) -> list[Any]:
    found = [node]
    for step in path:
        found = [inner for one in found for inner in _step(one, step)]
    return found


def _step(node: Any, step: str) -> Iterator[Any]:
    if isinstance(node, dict) and step in node:
        value = node[step]
        yield from value if isinstance(value, list) else (value,)


def _first(node: Any, path: str) -> Any:
    return next(iter(_at(node, tuple(path.split(".")))), None)
