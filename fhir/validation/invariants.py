"""The constraints of R4 (FHIRPath invariants of its definitions), walked along the types of a resource.

Only parts of a resource that have rules are looked at; each rule is compiled once. A rule that is not true is a
finding: of severity error it blocks, else it informs. `_ERRATA` are the rules whose published text cannot mean what it
says, with why, `_VOID` those that nothing can satisfy; `_PASSES` are quick answers for the commonest rules, which a
test compares with the rules themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from canonical.problem import Problem, Severity
from fhir import definitions
from fhir.definitions.table import resource_types, type_named
from fhir.fhirpath import items
from fhir.fhirpath.engine import compiled
from fhir.fhirpath.evaluation import MOST_SECONDS, Budget, PathError, Scope, Step, TooCostly, boolean, deadline
from fhir.fhirpath.items import Item
from fhir.validation.compiling import keys
from fhir.validation.validator import expression

MAXIMUM_FINDINGS = 100
MOST_SECONDS_OF_ALL = 3.0  # of processor, for all resources of a Bundle or of a transaction
_LOWEST: dict[str, Severity] = {"dom-6": "information"}
_UNTOLD = "where($this).empty()"  # where precision or units leave an order open, nothing is wrong
_ERRATA = {
    # nothing to look at gives nothing, and nothing is not true
    "fullUrl.contains('/_history/').not()": "fullUrl.empty() or fullUrl.contains('/_history/').not()",
    "probability is decimal implies (probability as decimal) <= 100": "probability.ofType(decimal).all($this <= 100)",
    "reference.startsWith('#').not() or "
    "(reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))": (
        "reference.empty() or reference = '#' or reference.startsWith('#').not() "
        "or (reference.substring(1) in %rootResource.contained.id)"
    ),
    # a concept is never equal to a word: as written, every category would be the problem list
    "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/"
    "condition-ver-status' and code = 'entered-in-error').exists() or category.select($this='problem-list-item')"
    ".empty()": (
        "clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/"
        "condition-ver-status' and code = 'entered-in-error').exists() "
        "or category.coding.where(code = 'problem-list-item').empty()"
    ),
    # by its key, being long: what only the narrative shows is referred to as well (R4 §2.6.9.3)
    "dom-3": (
        "contained.where(('#' + id in (%resource.descendants().reference | %resource.descendants().as(canonical) "
        "| %resource.descendants().as(uri) | %resource.descendants().as(url)) or descendants().where(reference = '#')"
        ".exists() or descendants().where(as(canonical) = '#').exists() "
        "or (%resource.descendants().div | '').join('').contains('#' + id)).not()).empty()"
    ),
    # `in` asks one item; what is meant is that the offset is to something else than the meals themselves
    "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))": (
        "offset.empty() or (when.exists() and when.all($this in ('C' | 'CM' | 'CD' | 'CV')).not())"
    ),
    # a FHIR boolean is no System.Boolean
    "operator = 'exists' implies (answer is Boolean)": "operator = 'exists' implies (answer is boolean)",
    "start.hasValue().not() or end.hasValue().not() or (start <= end)": f"(start > end).{_UNTOLD}",
    "low.empty() or high.empty() or (low <= high)": f"(low > high).{_UNTOLD}",
    "whenHandedOver.empty() or whenPrepared.empty() or whenHandedOver >= whenPrepared": (
        f"(whenHandedOver < whenPrepared).{_UNTOLD}"
    ),
    "lastModified.exists().not() or authoredOn.exists().not() or lastModified >= authoredOn": (
        f"(lastModified < authoredOn).{_UNTOLD}"
    ),
}
_SHOWN = re.compile(
    r"""(?:src|href)\s*=\s*["'](#[^"']+)"""
)  # what a narrative shows of the resource itself (R4 §2.6.9.3)
_VOID = frozenset(("cid-0",))  # asks for ChargeItemDefinition.name, which R4 does not have
_PASSES: dict[str, Callable[[dict[str, Any]], bool]] = {
    **dict.fromkeys(("dom-2", "dom-4", "dom-5"), lambda v: "contained" not in v),
    "dom-3": lambda v: "contained" not in v or _all_mentioned(v),
    "dom-6": lambda v: "div" in v.get("text", ()),
    "ref-1": lambda v: not v.get("reference", "").startswith("#"),
    "per-1": lambda v: (
        not ("start" in v and "end" in v) or (len(v["start"]) == 10 == len(v["end"]) and v["start"] <= v["end"])
    ),
    "qty-3": lambda v: "system" in v or not ("code" in v or "_code" in v),
    "sqty-1": lambda v: "comparator" not in v and "_comparator" not in v,
    "cpt-2": lambda v: "system" in v,
    "att-1": lambda v: "contentType" in v or not ("data" in v or "_data" in v),
    "obs-3": lambda v: "low" in v or "high" in v or "text" in v,
    "obs-6": lambda v: "dataAbsentReason" not in v,
    "obs-7": lambda v: "component" not in v,
    "pat-1": lambda v: "name" in v or "telecom" in v or "address" in v or "organization" in v,
}


def _all_mentioned(resource: dict[str, Any]) -> bool:
    """Whether every contained resource has an id that some `reference` in the resource names, or a narrative shows."""
    named: set[str] = set()
    stack: list[Any] = [resource]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(literal := node.get("reference"), str):
                named.add(literal)
            if isinstance(div := node.get("div"), str):
                named.update(_SHOWN.findall(div))
            stack += [each for each in node.values() if isinstance(each, (dict, list))]
        else:
            stack += [each for each in node if isinstance(each, (dict, list))]
    return all("#" + each.get("id", "") in named for each in resource["contained"])


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint, compiled; `passes` is a quick yes over the JSON, None when there is none."""

    key: str
    severity: Severity
    text: str
    step: Step
    passes: Callable[[Any], bool] | None = None


@dataclass(slots=True)
class Plan:
    """What to look at in values of one type: its own rules, and by JSON key what holds for the values there."""

    type: str
    rules: tuple[Rule, ...] = ()
    below: dict[str, tuple[Plan, tuple[Rule, ...]]] = field(default_factory=dict)
    matters: bool = False


@cache
def table() -> dict[str, list[list[str]]]:
    """By element path: key, severity and expression of each constraint, as published."""
    path = Path(definitions.__file__).with_name("_constraints.json")
    return orjson.loads(path.read_bytes())  # type: ignore[no-any-return]


@cache
def rule(key: str, severity: str, text: str) -> Rule:
    """A constraint compiled; raises BadExpression, PathError for one this engine cannot run."""
    level: Severity = _LOWEST.get(key) or ("error" if severity == "error" else "warning")
    return Rule(key, level, text, compiled(_ERRATA.get(text, _ERRATA.get(key, text))), _PASSES.get(key))


def _rules(path: str) -> tuple[Rule, ...]:
    """The rules of an element; a question that two keys ask is asked once."""
    rows = {row[2]: row for row in reversed(table().get(path, [])) if row[0] not in _VOID}
    return tuple(rule(*row) for row in reversed(rows.values()))


@cache
def plan_of(type_name: str) -> Plan:
    """The plan of a type and of all below it, without what has no rules."""
    plans: dict[str, Plan] = {}
    found = _plan(type_name, plans)
    _prune(plans)
    return found


def _plan(type_name: str, plans: dict[str, Plan]) -> Plan:
    if type_name in plans:
        return plans[type_name]
    found = type_named(type_name)
    kind = found.kind if found is not None else ""
    common = _rules("DomainResource") if "DomainResource" in items.lineage(type_name)[1:] else ()
    plan = plans[type_name] = Plan(type_name, (*_rules(type_name), *common) if kind != "primitive" else ())
    for element in found.elements.values() if found is not None else ():
        for key, inner in keys(element):
            path = f"{type_name}.{element.name}"
            own = _rules(path) if path != inner else ()
            below = _plan(inner, plans) if inner != "Resource" else Plan(inner, matters=True)
            plan.below[key] = (below, own)
    return plan


def _prune(plans: dict[str, Plan]) -> None:
    """Keep only keys that lead to a rule."""
    for plan in plans.values():
        plan.matters = bool(plan.rules)
    changed = True
    while changed:
        changed = False
        for plan in plans.values():
            if not plan.matters and any(own or below.matters for below, own in plan.below.values()):
                plan.matters = changed = True
    for plan in plans.values():
        plan.below = {key: (below, own) for key, (below, own) in plan.below.items() if own or below.matters}


def check(resource: dict[str, Any], *, blocking: bool = False, until: float | None = None) -> list[Problem]:
    """The findings of a resource that is valid in structure; empty when every constraint holds.

    `blocking`: only of the constraints of severity error, and no others are run. `until` (`all_until`): when those that
    are checked together have cost enough; what then still needs long is too costly.
    """
    walk = _Walk(blocking=blocking, until=all_until() if until is None else until)
    walk.resource(resource, str(resource["resourceType"]), None, None)
    return walk.found[:MAXIMUM_FINDINGS]


def all_until() -> float:
    """Until when resources that come together may be checked, as this thread's processor time."""
    return deadline(MOST_SECONDS_OF_ALL)


class _Walk:
    """One resource under way; `places` is the path as JSON keys and positions."""

    def __init__(self, *, blocking: bool, until: float) -> None:
        self.found: list[Problem] = []
        self.blocking = blocking
        self.places: list[str | int] = []
        self.type = ""
        self.until = until
        self.budget = Budget(until=until)

    def resource(self, body: dict[str, Any], name: str, root: Item | None, bundle: Item | None) -> None:
        """A resource and all in it; `root` is the one it is contained in, `bundle` the Bundle it is an entry of."""
        if not self.type:
            self.type = name
        if root is None:
            # Each resource may cost what one may cost by itself, until all have cost what a Bundle may.
            self.budget = Budget(until=self.until, own=MOST_SECONDS)
        own = Item(name, body)
        self.node(body, plan_of(name), (own, root or own, bundle if name != "Bundle" else own))

    def node(self, body: Any, plan: Plan, around: tuple[Item, Item, Item | None]) -> None:
        """The rules of an object, then those below."""
        for each in plan.rules:
            if each.passes is None or not each.passes(body):
                self.judge(each, Item(plan.type, body), around)
        below = plan.below
        for key in body:
            if key not in below:
                continue
            inner, own = below[key]
            content = body[key]
            self.places.append(key)
            if isinstance(content, list):
                for place, value in enumerate(content):
                    self.places.append(place)
                    self.value(value, inner, own, around)
                    self.places.pop()
            else:
                self.value(content, inner, own, around)
            self.places.pop()

    def value(self, value: Any, plan: Plan, own: tuple[Rule, ...], around: tuple[Item, Item, Item | None]) -> None:
        """One value of an element: the element's rules, then those of its type."""
        for each in own:
            if each.passes is None or not each.passes(value):
                self.judge(each, Item(plan.type, value), around)
        if not isinstance(value, dict):
            return
        if plan.type != "Resource":
            self.node(value, plan, around)
            return
        name = value.get("resourceType")
        if name in resource_types():
            contained = self.places and "contained" in self.places[-2:]
            self.resource(value, str(name), around[1] if contained else None, around[2])

    def judge(self, rule_: Rule, item: Item, around: tuple[Item, Item, Item | None]) -> None:
        """A finding unless the rule is true."""
        if len(self.found) >= MAXIMUM_FINDINGS or (self.blocking and rule_.severity != "error"):
            return
        resource, root, bundle = around
        scope = Scope(item, resource, root, resolver=resolver(root, bundle), budget=self.budget)
        code = "fhir.invariant"
        try:
            held = boolean(rule_.step(scope, scope.this))
        except TooCostly:
            held, code = None, "fhir.invariant.too-costly"
        except PathError:
            held = None
        if not held:
            args = (("key", rule_.key), ("rule", rule_.text[:300]))
            place = expression(self.type, list(self.places))
            self.found.append(Problem(code, place, level=rule_.severity, args=args))


def resolver(root: Item, bundle: Item | None) -> Callable[[Item], Item | None]:
    """Follows references inside a resource (`#id`) and inside its Bundle."""

    def resolve(item: Item) -> Item | None:
        literal = item.value.get("reference") if isinstance(item.value, dict) else item.value
        if not isinstance(literal, str):
            return None
        if literal.startswith("#"):
            found = (r for r in root.value.get("contained", ()) if r.get("id") == literal[1:])
            return next((items.resource(r) for r in found), root if literal == "#" else None)
        return next((items.resource(r) for url, r in _entries(bundle) if url == literal or _named(r) == literal), None)

    return resolve


def _entries(bundle: Item | None) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in bundle.value.get("entry", ()) if bundle is not None else ():
        if isinstance(entry.get("resource"), dict):
            yield str(entry.get("fullUrl", "")), entry["resource"]


def _named(resource: dict[str, Any]) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"
