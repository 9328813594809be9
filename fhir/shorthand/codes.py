"""Value sets and code systems of FHIR Shorthand (FSH 3.0 §3.6.8, §3.6.3) as ValueSet and CodeSystem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir.shorthand import values
from fhir.shorthand.entities import Rule
from fhir.shorthand.tokens import Token, Unreadable, unescaped
from fhir.shorthand.values import Body, Names, Unfit


def value_set(rules: Sequence[Rule], head: dict[str, Any], names: Names) -> dict[str, Any]:
    """The ValueSet of an item's rules; raises Unreadable at the rule it does not take."""
    body = Body("ValueSet", names)
    body.value = head
    compose: dict[str, list[dict[str, Any]]] = {"include": [], "exclude": []}
    for rule in rules:
        words = list(rule.words)
        try:
            if words[0].text.startswith("^"):
                _caret(body, words)
            elif not (len(words) > 1 and words[1].text.startswith("^")):  # a caret on a code is about its words only
                _component(compose, words, names)
        except (Unfit, IndexError):
            raise _refused(rule) from None
    body.value["compose"] = {name: parts for name, parts in compose.items() if parts}
    if not body.value["compose"]:
        del body.value["compose"]
    return body.value


def _refused(rule: Rule) -> Unreadable:
    return Unreadable(rule.line, "rule", rule=" ".join(word.text for word in rule.words)[:100])


def _caret(body: Body, words: Sequence[Token]) -> None:
    if len(words) < 3 or words[1].text != "=":
        raise Unfit
    body.put(words[0].text[1:], words[2:])


def _component(compose: dict[str, list[dict[str, Any]]], words: list[Token], names: Names) -> None:
    target = compose["include"]
    if words[0].text in ("include", "exclude"):
        target = compose[words.pop(0).text]
    if (code := values.code_of(words[0].text, names)) is not None and words[0].kind == "word":
        if not code[0] or len(words) > 2:
            raise Unfit
        _add_code(target, code, words[1].text if len(words) > 1 else "")
        return
    if [word.text for word in words[:2]] != ["codes", "from"]:
        raise Unfit
    target.append(_from(words[2:], names))


def _add_code(target: list[dict[str, Any]], code: tuple[str, str, str], display: str) -> None:
    head = {"system": code[0], **({"version": code[1]} if code[1] else {})}
    found = next(
        (part for part in target if "concept" in part and {k: part[k] for k in part if k != "concept"} == head), None
    )
    if found is None:
        target.append(found := {**head, "concept": []})
    found["concept"].append({"code": code[2], **({"display": display} if display else {})})


def _from(words: Sequence[Token], names: Names) -> dict[str, Any]:
    """`system X where concept is-a #y and valueset Z`; raises Unfit."""
    made: dict[str, Any] = {}
    place = 0
    while place < len(words):
        verb = words[place].text
        if verb == "system":
            name, _, version = words[place + 1].text.partition("|")
            made |= {"system": names(name), **({"version": version} if version else {})}
            place += 2
        elif verb == "valueset" or (verb == "and" and made.get("valueSet")):
            made.setdefault("valueSet", []).append(names(words[place + 1].text))
            place += 2
        elif verb in ("where", "and") and "system" in made:
            if verb == "and" and words[place + 1].text == "valueset":
                place += 1
                continue
            made.setdefault("filter", []).append(_filter(words[place + 1 : place + 4], names))
            place += 4
        else:
            raise Unfit
    return made


def _filter(words: Sequence[Token], names: Names) -> dict[str, str]:
    if len(words) != 3:
        raise Unfit
    code = values.code_of(words[2].text, names) if words[2].kind == "word" else None
    return {"property": words[0].text, "op": words[1].text, "value": code[2] if code else words[2].text}


def code_system(rules: Sequence[Rule], head: dict[str, Any], names: Names) -> dict[str, Any]:
    """The CodeSystem of an item's rules; raises Unreadable at the rule it does not take."""
    body = Body("CodeSystem", names)
    body.value = {"content": "complete", **head}
    roots: list[dict[str, Any]] = []
    known: dict[str, dict[str, Any]] = {}
    for rule in rules:
        words = list(rule.words)
        try:
            if words[0].text.startswith("^") and not rule.path:
                _caret(body, words)
            else:
                _concept(rule, roots, known)
        except (Unfit, IndexError):
            raise _refused(rule) from None
    if roots:
        body.value["concept"] = roots
    return body.value


def _concept(rule: Rule, roots: list[dict[str, Any]], known: dict[str, dict[str, Any]]) -> None:
    """`#parent #code "display" "definition"`; a caret on a concept tells of its words only and is passed over."""
    words = list(rule.words)
    codes = [_code(word) for word in words if word.kind == "word" and word.text.startswith("#")]
    above = [unescaped(part.strip('"')) for part in rule.path.split("#") if part.strip(".")]
    rest = words[len(codes) :]
    if any(word.text.startswith("^") for word in rest[:1]) or (not codes and rest and rest[0].text.startswith("^")):
        return
    if not codes or len(rest) > 2 or any(word.kind != "string" for word in rest):
        raise Unfit
    code, parents = codes[-1], [*(one.rstrip(".") for one in above), *codes[:-1]]
    made = known.setdefault(code, {"code": code})
    made |= {name: word.text for name, word in zip(("display", "definition"), rest, strict=False)}
    if parents and parents[-1] not in known:
        raise Unfit
    siblings = known[parents[-1]].setdefault("concept", []) if parents else roots
    if not any(one is made for one in siblings):
        siblings.append(made)


def _code(word: Token) -> str:
    text = word.text[1:]
    return unescaped(text[1:-1]) if text.startswith('"') else text
