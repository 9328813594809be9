"""How the orders and results of a message hang together, and with those of earlier messages (2.5.1 §4.2, §7.1.2).

An order replaces others (RP, RO), is the child of one (PA, CH, ORC-8, OBR-29); a susceptibility belongs to the organism
that OBR-26 and OBR-29 name. A parent that this message does not tell is named by its number: known records are linked
at once, an organism that is still to come gets a record that its own message will complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from canonical.codes import coding_system
from canonical.extensions import EXTENSIONS
from canonical.problem import Problem
from canonical.records import DRAFT, FILLER, Draft, Key
from hl7.er7 import NULL, Segment
from mappings.convert import Value
from mappings.convert.keys import ei_key
from mappings.convert.misplaced.parents import no_parent
from mappings.convert.misplaced.results import late_result, other_for_parent
from mappings.convert.registry import Context, clean
from mappings.reading.grouping import Occurrence
from mappings.tables.table import Source

_ORDERS = ("ServiceRequest", "MedicationRequest")
_NUMBERED = ("ServiceRequest", "DiagnosticReport")
_PARENT = 8  # ORC-8
_REPLACED = ("RP", "RQ", "RU")
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
UNKNOWN_CODE = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}


def join(occurrences: Sequence[Occurrence], drafts: Sequence[Draft], context: Context) -> list[Draft]:
    """Link `drafts` with their kin; returns drafts of records this message only names."""
    kin = _Kin(occurrences, {draft.local: draft for draft in drafts}, context)
    orders = [o for o in occurrences if o.plan.type in _ORDERS and o.local in kin.drafts and not o.plan.fill]
    for common in context.message.named("ORC"):  # also where the order makes no record of its own (RAS)
        if common.raw_field(_PARENT) and no_parent(common):
            context.problems.append(Problem("field.misplaced", f"ORC#{common.index}-{_PARENT}"))
    for occurrence in occurrences:
        if occurrence.plan.type in _NUMBERED and occurrence.anchor.name == "OBR":
            _compare_numbers(occurrence, context)
    _drop_shared(drafts)
    kin.replacements(orders)
    for order in orders:
        kin.parent_order(order)
    for report in (o for o in occurrences if o.plan.type == "DiagnosticReport" and o.local in kin.drafts):
        kin.parent_result(report)
    return kin.named


class _Kin:
    """The drafts of one message by local name, and those named besides."""

    def __init__(self, occurrences: Sequence[Occurrence], drafts: dict[str, Draft], context: Context) -> None:
        self.drafts = drafts
        self.context = context
        self.named: list[Draft] = []
        self._group: Occurrence | None = None
        self._bearers: dict[Key, list[Occurrence]] = {}
        self._results: dict[str, list[Occurrence]] = {}
        for occurrence in occurrences:
            if occurrence.local not in drafts:
                continue
            if occurrence.plan.type in _ORDERS and not occurrence.plan.fill:
                for key in drafts[occurrence.local].keys:
                    self._bearers.setdefault(key, []).append(occurrence)
            elif occurrence.plan.type == "Observation":
                self._results.setdefault(occurrence.anchor.text(3), []).append(occurrence)

    def replacements(self, orders: Sequence[Occurrence]) -> None:
        """RO replaces the orders that the RP, RQ or RU before it name."""
        replaced: list[Occurrence] = []
        told = False
        for order in orders:
            control = _orc(order, 1)
            if control in _REPLACED:
                replaced = [order] if told else [*replaced, order]
                told = False
            elif control == "RO" and replaced:
                told = True
                for old in replaced:
                    self._link(order, "replaces", "priorPrescription", self._reference(old))
            else:
                replaced, told = [], False

    def parent_order(self, order: Occurrence) -> None:
        """ORC-8 or OBR-29 names the parent; a CH without them follows its PA. To be called in the message's order."""
        if _orc(order, 1) == "PA":
            self._group = order
        segment, number = next(_parents_named(order), (None, 0))
        if segment is not None:
            if no_parent(segment) if number == _PARENT else self._is_examination(segment):  # told elsewhere
                return
            own = self.drafts[order.local].keys
            keys = tuple(key for key in self._numbers(segment, number) if key not in own)  # a child shares its placer's
            if keys:
                self._link(order, "basedOn", "basedOn", self._named_order(keys, order))
        elif _orc(order, 1) == "CH" and self._group is not None:
            self._link(order, "basedOn", "basedOn", self._reference(self._group))

    def parent_result(self, report: Occurrence) -> None:
        """OBR-26 (with OBR-29) names the result this report examines further: an organism and its susceptibilities."""
        obr = report.anchor
        raw = (obr.repetitions(26) or [""])[0]
        code, sub = Value(raw, Source("OBR", 26), obr).text(1), obr.ask(26, 2)
        children = [c.local for c in report.children.get("observation", ()) if c.local in self.drafts]
        no_number = other_for_parent(obr) or self._is_examination(obr)
        for number, wrong in ((26, late_result(obr)), (29, no_number)):
            self.context.problems += [Problem("field.misplaced", f"OBR#{obr.index}-{number}")] if wrong else []
        if not code or late_result(obr):
            return
        keys = () if no_number else self._numbers(obr, 29)
        _tell_apart(self.drafts[report.local], keys, f"{code}|{sub}".rstrip("|"))
        if not children:
            return
        parent = self._told_here(report, code, sub, set(keys)) or self._told_elsewhere(report, keys, f"{code}|{sub}")
        if parent is None:
            return
        parent.body.setdefault("hasMember", [])
        for child in children:
            parent.body["hasMember"].append({"reference": DRAFT + child})
            self.drafts[child].body["derivedFrom"] = [{"reference": DRAFT + parent.local, **self._awaited(parent)}]

    def _is_examination(self, order: Segment) -> bool:
        """Whether OBR-29, the number of the parent, is the code of an examination of this message (OBR-4), in letters:
        the results of all patients on that examination would hang on one."""
        said = [text for part in (1, 2) if (text := order.ask(29, part))]
        if len(said) != 1 or any(map(str.isdigit, said[0])):
            return False
        message = self.context.message
        return said[0] in self.context.once("examinations", lambda: {obr.ask(4) for obr in message.named("OBR")})

    def _told_here(self, report: Occurrence, code: str, sub: str, keys: set[Key]) -> Draft | None:
        """The result of this message with that code and sub-id, in the report of those numbers if any is named.

        Where no report has them, it is the only such result whose report has one of them as another house's, or of
        another kind: `^F1&LAB` and `F1` for the OBR-3 `F1^LIS` of the very same message.
        """
        written: list[Draft] = []
        for other in self._results.get(code, ()):
            above = other.parents.get("report")
            held = self.drafts.get(above.local) if above is not None and above is not report else None
            if held is None or (sub and other.anchor.ask(4) != sub):
                continue
            if not keys or keys & set(held.keys):
                return self.drafts[other.local]
            if {key.value for key in keys} & {key.value for key in held.keys}:
                written.append(self.drafts[other.local])
        return written[0] if len(written) == 1 else None

    def _told_elsewhere(self, report: Occurrence, keys: tuple[Key, ...], part: str) -> Draft | None:
        """A result of another message; its own message, earlier or later, tells the rest."""
        child = self.drafts[report.local]
        keys = _of_others(child, keys)
        if not keys:
            return self._told_beside(report, part)
        shared: dict[str, Any] = {name: child.body[name] for name in ("subject", "encounter") if name in child.body}
        number = len(self.named) + 1
        above = Draft(
            local=f"{self.context.prefix}parent-report/{number}",
            type="DiagnosticReport",
            body={},
            initial={"status": "registered", "code": UNKNOWN_CODE, **shared, "identifier": _identifiers(keys)},
            keys=keys,
        )
        found = Draft(
            local=f"{self.context.prefix}parent-result/{number}",
            type="Observation",
            body={},
            initial={"status": "registered", "code": _parent_code(report.anchor), **shared},
            under=(above.local,),
            part=part.rstrip("|"),
        )
        if text := clean(report.anchor.ask(26, 3)).strip():
            found.initial["valueString"] = text
        self.named += [above, found]
        return found

    def _told_beside(self, report: Occurrence, part: str) -> Draft | None:
        """A result of another panel of the same accession, which the number does not tell: whichever panel holds it.

        Until one does, the child names it by that number and by what it is.
        """
        child = self.drafts[report.local]
        numbered = any(key.system.endswith(FILLER) for key in child.keys)
        if not numbered or part.endswith("|"):  # without OBR-26.2 any result of that test might be meant
            return None
        found = Draft(
            local=f"{self.context.prefix}parent-beside/{len(self.named) + 1}",
            type="Observation",
            body={},
            beside=child.local,
            part=part,
            partial=True,
        )
        self.named.append(found)
        return found

    def _awaited(self, parent: Draft) -> dict[str, Any]:
        """What a child says of a parent that may still be to come."""
        child = self.drafts.get(parent.beside)
        if child is None:
            return {}
        key = next(key for key in child.keys if key.system.endswith(FILLER))
        return {"type": "Observation", "identifier": {"system": key.system, "value": f"{key.value}|{parent.part}"}}

    def _named_order(self, keys: tuple[Key, ...], order: Occurrence) -> dict[str, Any]:
        """A reference to the order with one of these numbers, told here or elsewhere."""
        others = [other for key in keys for other in self._bearers.get(key, ())[:2] if other is not order]
        if others:
            return self._reference(min(others, key=lambda other: other.anchor.index))
        local = f"{self.context.prefix}named-order/{len(self.named) + 1}"
        kind = order.plan.type
        self.named.append(Draft(local=local, type=kind, body={}, keys=keys, partial=True))
        return {"reference": DRAFT + local, "type": kind, "identifier": _identifiers(keys)[0]}

    def _reference(self, order: Occurrence) -> dict[str, Any]:
        draft = self.drafts[order.local]
        found: dict[str, Any] = {"reference": DRAFT + draft.local, "type": draft.type}
        return {**found, "identifier": _identifiers(draft.keys)[0]} if draft.keys else found

    def _link(self, order: Occurrence, name: str, drug: str, reference: dict[str, Any]) -> None:
        body = self.drafts[order.local].body
        if order.plan.type == "MedicationRequest" and drug == "priorPrescription":
            body.setdefault(drug, reference)
        elif reference not in body.setdefault(name, []):
            body[name].append(reference)

    def _numbers(self, segment: Segment, number: int) -> tuple[Key, ...]:
        """The keys of an EIP: placer's number, filler's number, each an EI in subcomponents."""
        raw = (segment.repetitions(number) or [""])[0]
        return tuple(key for key in self._keys_of(raw, segment, number) if key is not None)

    def _keys_of(self, raw: str, segment: Segment, number: int) -> Iterator[Key | None]:
        delimiters = segment.delimiters
        parts = raw.split(delimiters.component)
        if _one_number(parts, delimiters.sub):
            parts = [delimiters.sub.join(part.split(delimiters.sub)[0] for part in parts[:2])]
        for part, kind in ((parts[1:2], "FILL"), (parts[0:1], "PLAC")):
            text = part[0].replace(delimiters.sub, delimiters.component) if part else ""
            yield ei_key(Value(text, Source(segment.name, number), segment), self.context, kind)


def _tell_apart(report: Draft, keys: Sequence[Key], part: str) -> None:
    """A report on a result of its own accession: the number, and often the code too, are those of the report that has
    this result, and of the reports on its other ones (the susceptibilities of each isolate). What it examines tells it
    from them, here and where it is met again (`agrees` of the store)."""
    if report.distinct and not _of_others(report, keys):
        report.distinct += f"|{part}"
        report.body.setdefault("extension", []).append({"url": EXTENSIONS["examined-result"], "valueString": part})


def _of_others(report: Draft, keys: Sequence[Key]) -> tuple[Key, ...]:
    """The numbers that are not the report's own, which may be written with another authority beside it."""
    own = {(key.value, key.system.endswith(FILLER)) for key in report.keys}
    return tuple(key for key in keys if (key.value, key.system.endswith(FILLER)) not in own)


def _one_number(parts: list[str], sub: str) -> bool:
    """Whether what should be two numbers is one with who gave it (`77^LAB`): a number has digits. As the filler's
    number, `LAB` would be the parent of all orders of that house."""
    if len(parts) < 2:
        return False
    (number, *place), (giver, *beside) = parts[0].split(sub), parts[1].split(sub)
    if not number or any(place[:2]) or any(beside[:2]):  # each says itself who gave it
        return False
    return bool(giver) and not any(c.isdigit() for c in giver)


def _parents_named(order: Occurrence) -> Iterator[tuple[Segment, int]]:
    """The places of an order that name its parent."""
    for name, number in (("ORC", 8), ("OBR", 29)):
        for segment in order.ordered(name):
            if (segment.ask(number, 1) or segment.ask(number, 2)) and not (number == 29 and other_for_parent(segment)):
                yield segment, number


def _compare_numbers(order: Occurrence, context: Context) -> None:
    """ORC-2 and OBR-2, ORC-3 and OBR-3 are one number (2.5.1 §4.5.1.2, §4.5.3.2): others are told, and both kept."""
    for segment in order.own.get("ORC", ()):
        for number in (2, 3):
            said, beside = segment.ask(number), order.anchor.ask(number)
            if said and beside and said != beside and NULL not in (said, beside):
                found = Problem(
                    "field.number-differs", f"ORC#{segment.index}-{number}", args=(("other", f"OBR-{number}"),)
                )
                context.problems.append(found)


def _drop_shared(drafts: Sequence[Draft]) -> None:
    """A number of ORC above orders of one examination whose numbers in OBR differ is a requisition's: each keeps it as
    identifier, but is found by its own, or two blood cultures would be one."""
    owners: dict[tuple[str, str, Key], set[Key]] = {}
    for draft in (each for each in drafts if each.type in _NUMBERED):
        for key in draft.keys:
            owners.setdefault((draft.type, draft.distinct, key), set()).add(_own(draft, key))
    for draft in (each for each in drafts if each.type in _NUMBERED):
        shared = [k for k in draft.keys if len(owners[(draft.type, draft.distinct, k)]) > 1 and _own(draft, k) != k]
        draft.keys = tuple(key for key in draft.keys if key not in shared)


def _own(draft: Draft, key: Key) -> Key:
    """The first number of the same kind: the one of OBR."""
    return next(each for each in draft.keys if each.system == key.system)


def _orc(order: Occurrence, number: int) -> str:
    return next((clean(segment.ask(number)) for segment in order.ordered("ORC")), "")


def _identifiers(keys: Sequence[Key]) -> list[dict[str, Any]]:
    return [{"system": key.system, "value": key.value} for key in keys]


def _parent_code(obr: Segment) -> dict[str, Any]:
    """OBR-26.1, the observation identifier of the parent, in subcomponents."""
    code, text, system = (clean(obr.ask(26, 1, n)).strip() for n in (1, 2, 3))
    coding = {"code": " ".join(code.split()), "system": coding_system(system, code), "display": text}
    return {"coding": [{name: value for name, value in coding.items() if value}]}
