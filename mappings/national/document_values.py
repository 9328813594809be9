"""The closed list of conversions to elements of national documents: logical references, national codes, quantities.

Each takes all values found at a row's source, an argument and the view of the document, and returns what is put; what
has no national form raises Lacking with the finding's code.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canonical import codes as systems
from canonical import identifiers
from mappings.national.document_codes import LIST, NATIONAL, address, national

PROFILE = f"{NATIONAL}/StructureDefinition/"
UNIDENTIFIED = f"{PROFILE}BRIndividuoNaoIdentificado-1.0"
_NUMBERED = frozenset("12345")  # the codes of BRDose that are the number of the dose
_REASONS = "BRJustificativaIndividuoNaoIdentificado"
REQUESTER = f"{NATIONAL}/NamingSystem/BRRNDS-"
_NUMBERS = {"cns": (systems.CNS, identifiers.is_cns), "cpf": (systems.CPF, identifiers.is_cpf)}
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})\Z")


class Lacking(Exception):
    """A record has no value the document could take; `code` is the finding, `args_named` what its text names."""

    def __init__(self, code: str, *args_named: tuple[str, str]) -> None:
        super().__init__(code)
        self.code = code
        self.args_named = args_named


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What conversions need besides the records.

    `people` are professionals by reference (`Practitioner/1`) with `cns` and `cbo`; `codes` are the tenant's own
    translations by national list (`system|code`, or `text|` and the folded text); `prefer` is the order in which the
    individual's numbers are looked for; `links` and `groups` are the entries by record and by name.
    """

    now: datetime.datetime
    cnes: str
    people: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prefer: Sequence[str] = ("cns", "cpf")
    links: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


Conversion = Callable[[Sequence[Any], str, View], Sequence[Any]]
CONVERSIONS: dict[str, Conversion] = {}


def conversion(name: str) -> Callable[[Conversion], Conversion]:
    """Register a function under the name tables use."""

    def register(function: Conversion) -> Conversion:
        CONVERSIONS[name] = function
        return function

    return register


def valued(record: Any, path: str) -> list[Any]:
    """All values at a dotted path; lists are walked through, empty values are none. A number picks one entry."""
    found = [record]
    for step in path.split(".") if path else ():
        found = [inner for node in found for inner in _step(node, step)]
    return [value for node in found for value in (node if isinstance(node, list) else [node]) if not _empty(value)]


def _step(node: Any, step: str) -> Iterator[Any]:
    if isinstance(node, list):
        if step.isdigit():
            yield from node[int(step) : int(step) + 1]
        else:
            for one in node:
                yield from _step(one, step)
    elif isinstance(node, Mapping) and step in node:
        yield node[step]


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | Mapping) and not value)


@conversion("text")
def text(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """The first value as text, single blanks."""
    return [" ".join(str(values[0]).split())]


@conversion("same")
def same(values: Sequence[Any], argument: str, view: View) -> Sequence[Any]:
    """Every value as it stands in the record."""
    return values


@conversion("constant")
def constant(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """`argument`, because the source is there."""
    return [argument]


@conversion("prefixed")
def prefixed(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """The text behind `argument`."""
    return [f"{argument}{values[0]}"]


@conversion("number")
def number(values: Sequence[Any], argument: str, view: View) -> Sequence[int]:
    """A whole number."""
    try:
        return [int(str(values[0]))]
    except ValueError:
        raise Lacking("rnds.value") from None


@conversion("date")
def date(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """AAAA-MM-DD; with `past` not later than today (ERR830)."""
    day = str(values[0])[:10]
    try:
        when = datetime.date.fromisoformat(day)
    except ValueError:
        raise Lacking("rnds.date") from None
    if argument == "past" and when > view.now.date():
        raise Lacking("rnds.future")
    return [day]


@conversion("moment")
def moment(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """A dateTime as the record has it; `past`: not in the future; `time`: with its hour."""
    said = str(values[0])
    asked = argument.split(",")
    if "time" in asked and _INSTANT.match(said) is None:
        raise Lacking("rnds.time")
    if "past" in asked and _moment(said, view) > view.now:
        raise Lacking("rnds.future")
    return [said]


def _moment(said: str, view: View) -> datetime.datetime:
    """The begin of what a dateTime says; raises Lacking."""
    try:
        found = datetime.datetime.fromisoformat(said if len(said) >= 10 else f"{said}-01-01"[:10])
    except ValueError:
        raise Lacking("rnds.date") from None
    return found if found.tzinfo else found.replace(tzinfo=view.now.tzinfo)


@conversion("individual")
def individual(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """BRIndividuo-1.0: the person's CNS (the definitive one first) or CPF, of their identifiers; check digits hold."""
    for name in view.prefer:
        system, valid = _NUMBERS[name]
        known = systems.aliases(system)
        stated = [i for person in values for i in person.get("identifier", ()) if i.get("system") in known]
        numbers = [identifiers.compact(str(i.get("value", ""))) for i in stated]
        good = sorted((n for n in numbers if valid(n)), key=lambda n: n[0] not in "12")
        if good:
            return [{"system": f"{PROFILE}BRIndividuo-1.0", "value": good[0]}]
    raise Lacking("rnds.individual")


@conversion("person")
def subject(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, Any]]:
    """The same as a whole reference; who could not be identified is told by BRIndividuoNaoIdentificado-1.0 instead."""
    try:
        return [{"identifier": individual(values, "", view)[0]}]
    except Lacking:
        found = next((person["unidentified"] for person in values if person.get("unidentified")), None)
    if found is None:
        raise Lacking("rnds.individual")
    year = str(found.get("birthYear") or "")[:4]
    if not year.isdigit():
        raise Lacking("rnds.unidentified")
    gender = found.get("gender")
    parts = [
        {"url": "gender", "valueCode": gender if gender in ("male", "female") else "unknown"},
        {"url": "birthYear", "valueDate": year},
        {"url": "reason", "valueCodeableConcept": concept([found["reason"]], _REASONS, view)[0]},
    ]
    return [{"extension": [{"url": UNIDENTIFIED, "extension": parts}]}]


@conversion("establishment")
def establishment(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """BREstabelecimentoSaude-1.0: a CNES."""
    cnes = str(values[0])
    if not identifiers.is_cnes(cnes):
        raise Lacking("rnds.establishment")
    return [{"system": f"{PROFILE}BREstabelecimentoSaude-1.0", "value": cnes}]


@conversion("assignment")
def assignment(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """BRLotacaoProfissional-1.0: CNS and CNES of the first professional whose CNS is known; `optional`: or nothing."""
    cns = person(values, "cns", view)
    if not cns and argument == "optional":
        return []
    if not cns:
        raise Lacking("rnds.professional")
    return [{"system": f"{PROFILE}BRLotacaoProfissional-1.0", "value": f"{cns}-{view.cnes}"}]


@conversion("practitioner")
def practitioner(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """`Practitioner/<CNS>`, as the profiles of vaccination want it."""
    cns = person(values, "cns", view)
    if not cns:
        raise Lacking("rnds.professional")
    return [f"Practitioner/{cns}"]


@conversion("occupation")
def occupation(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, Any]]:
    """The professional's CBO as a coding of BRCBO; `optional`: or nothing."""
    cbo = person(values, "cbo", view)
    if not cbo and argument == "optional":
        return []
    if not cbo:
        raise Lacking("rnds.occupation")
    return [{"system": f"{LIST}BRCBO", "code": cbo}]


def person(values: Sequence[Any], name: str, view: View) -> str:
    """The first known number of the professionals referred to."""
    found = (view.people.get(str(value.get("reference")), {}).get(name, "") for value in values)
    return next((number for number in found if number), "")


@conversion("coding")
def coding(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """A coding of the first national list of `argument` (`A,B`) that has the concept, without display."""
    for value in values:
        for name in argument.split(","):
            if code := national(value, name, view.codes):
                return [{"system": address(name), "code": code}]
    raise Lacking("rnds.code", ("list", argument.replace(",", ", ")))


@conversion("known-coding")
def known_coding(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """The same, or nothing when no list has the concept."""
    try:
        return coding(values, argument, view)
    except Lacking:
        return []


@conversion("concept")
def concept(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, Any]]:
    """The same as a whole CodeableConcept."""
    return [{"coding": list(coding(values, argument, view))}]


@conversion("code")
def code(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """The code alone."""
    return [coding(values, argument, view)[0]["code"]]


@conversion("numbered-code")
def numbered_code(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """The code of a number (the dose in its series) in a list that names numbers only at its beginning.

    Of BRDose the codes 1 to 5 are doses by their number; `6` is `1º Reforço` there and no sixth dose. What the tenant
    says of its own numbers goes before.
    """
    for value in values:
        own = view.codes.get(argument, {}).get(str(value))
        if own or str(value) in _NUMBERED:
            return [own or national(value, argument, view.codes)]
    raise Lacking("rnds.code", ("list", argument))


@conversion("extended")
def extended(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, Any]]:
    """An extension `NAME,LIST`: of an extension of that address, a concept or a code."""
    name, _, lists = argument.partition(",")
    url = f"{PROFILE}{name}"
    named = [value for value in values if isinstance(value, Mapping) and value.get("url") == url]
    own = [value["valueCodeableConcept"] for value in named if isinstance(value.get("valueCodeableConcept"), Mapping)]
    plain = [value for value in values if not (isinstance(value, Mapping) and "url" in value)]
    if not (own or plain):
        raise Lacking("rnds.missing")
    return [{"url": url, "valueCodeableConcept": concept([*own, *plain], lists, view)[0]}]


@conversion("counted")
def counted(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, Any]]:
    """An extension with a count (`valuePositiveInt`)."""
    return [{"url": f"{PROFILE}{argument}", "valuePositiveInt": number(values, "", view)[0]}]


@conversion("link")
def link(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """References to entries of the document."""
    found = [view.links[r] for value in values if (r := str(value.get("reference"))) in view.links]
    if not found:
        raise Lacking("rnds.link")
    return [{"reference": url} for url in found]


@conversion("entries")
def entries(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """References to all entries of that name."""
    return [{"reference": url} for url in view.groups.get(argument, ())]


@conversion("entry")
def entry(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """A reference to the entry of the record itself."""
    own = [f"{value.get('resourceType')}/{value.get('id')}" for value in values]
    return link([{"reference": name} for name in own], argument, view)


@conversion("quantity")
def quantity(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, Any]]:
    """A Quantity with a value; comparator, unit, system and code as they stand."""
    names = ("value", "comparator", "unit", "system", "code")
    found = {name: values[0][name] for name in names if name in values[0]}
    if "value" not in found:
        raise Lacking("rnds.value")
    return [found]


@conversion("limits")
def limits(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """Reference ranges as one text: the sender's own, else both limits with their unit."""
    return ["; ".join(_limits(value) for value in values)]


def _limits(value: Mapping[str, Any]) -> str:
    if value.get("text"):
        return str(value["text"])
    low, high = value.get("low", {}), value.get("high", {})
    if "value" not in low and "value" not in high:
        raise Lacking("rnds.value")
    unit = low.get("unit") or high.get("unit") or ""
    if "value" in low and "value" in high:
        return f"{_number(low)} a {_number(high)} {unit}".strip()
    return f"{'≥' if 'value' in low else '≤'} {_number(low if 'value' in low else high)} {unit}".strip()


def _number(value: Mapping[str, Any]) -> str:
    return plain_number(value["value"])


def plain_number(value: Any) -> str:
    """A number of a record as it is written there."""
    return bytes(value).decode() if hasattr(value, "__bytes__") else str(value)


@conversion("wording")
def wording(values: Sequence[Any], argument: str, view: View) -> Sequence[str]:
    """How a concept is called: its text, else a display, else its code."""
    value = values[0]
    first = (value.get("coding") or [{}])[0]
    found = value.get("text") or first.get("display") or first.get("code")
    if not found:
        raise Lacking("rnds.value")
    return [" ".join(str(found).split())]


@conversion("note")
def note(values: Sequence[Any], argument: str, view: View) -> Sequence[dict[str, str]]:
    """Annotations or texts as one Annotation without author and time."""
    texts = [str(value.get("text", "")) if isinstance(value, Mapping) else str(value) for value in values]
    return [{"text": "\n".join(one for one in texts if one)}]
