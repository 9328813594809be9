"""Valid messages at random, straight from the official schema: any optional element, any branch, any value a type takes."""

from __future__ import annotations

import random
import re
from functools import cache
from typing import Any

import clean
import xmlschema
from lxml import etree

from tiss.wire import build, transactions, versions

MOST = 2  # of what may repeat without end
# what the schema leaves open and the header must say all the same
_LETTERS = "ABCXYZabcxyz0123456789 áàãçéêíóõúÁÇÉÕº§-.,;:/()&<>'\""
_DEEP = 3  # a rarely taken option below this many optional ones


@cache
def schema(version: str, *, service: bool) -> xmlschema.XMLSchema:
    """The official schema as xmlschema reads it: with the choices that the shape table flattens."""
    found = versions.at(version)
    entry = found.folder / (found.service_entry if service else found.entry)
    return xmlschema.XMLSchema(str(entry), validation="lax", defuse="never", allow="sandbox")


def message(transaction: str, version: str, dice: random.Random, *, service: bool = False) -> bytes:
    """A message of a transaction with a body at random, its header and hash right."""
    row = transactions.of(transaction)
    name = row.root if service else "mensagemTISS"
    head = clean.header(transaction, version)
    if not row.requests:
        head["origem"], head["destino"] = head["destino"], head["origem"]
    wanted = {row.child} if service else {row.wrapper, row.body}
    wanted.add(dice.choice(row.branch or ("",)))
    root = etree.Element(f"{{{versions.NAMESPACE}}}{name}", nsmap={"ans": versions.NAMESPACE})
    kind = schema(version, service=service).elements[name].type
    _Maker(dice, wanted, head).fill(root, kind.content, 0)
    build.seal(root)
    return build.serialize(root)


class _Maker:
    def __init__(self, dice: random.Random, wanted: set[str], head: dict[str, Any]) -> None:
        self.dice, self.wanted, self.head = dice, wanted, head

    def fill(self, node: etree._Element, group: Any, depth: int) -> None:
        for _ in range(self.times(group, depth)):
            for part in [self.chosen(group)] if group.model == "choice" else group:
                if getattr(part, "model", None):
                    self.fill(node, part, depth)
                else:
                    self.element(node, part, depth)

    def chosen(self, group: Any) -> Any:
        parts = [part for part in group if getattr(part, "target_namespace", "") != versions.SIGNATURE]
        asked = [part for part in parts if getattr(part, "local_name", "") in self.wanted]
        return asked[0] if asked else self.dice.choice(parts)

    def times(self, part: Any, depth: int) -> int:
        if getattr(part, "local_name", None) in self.wanted:
            return 1
        most = MOST + part.min_occurs if part.max_occurs is None else min(part.max_occurs, MOST + part.min_occurs)
        if not part.min_occurs and self.dice.random() < (0.4 if depth < _DEEP else 0.6):
            return 0
        return self.dice.randint(max(part.min_occurs, min(1, most)), most)

    def element(self, node: etree._Element, part: Any, depth: int) -> None:
        if part.target_namespace == versions.SIGNATURE or part.local_name in (
            "assinaturaDigitalGuia", "Signature", "Signatures",
        ):  # fmt: skip
            return
        if part.local_name == "cabecalho" and node.getparent() is None:
            return self.put(node, "cabecalho", self.head)
        for _ in range(self.times(part, depth)):
            child = etree.SubElement(node, f"{{{versions.NAMESPACE}}}{part.local_name}")
            if part.type.is_simple() or part.type.has_simple_content():
                child.text = self.text(part.type if part.type.is_simple() else part.type.content)
            else:
                self.fill(child, part.type.content, depth + (part.min_occurs == 0))
        return None

    def put(self, node: etree._Element, name: str, value: Any) -> None:
        child = etree.SubElement(node, f"{{{versions.NAMESPACE}}}{name}")
        if isinstance(value, str):
            child.text = value
        for key, inner in value.items() if isinstance(value, dict) else ():
            self.put(child, key, inner)

    def text(self, kind: Any) -> str:
        dice = self.dice
        if kind.enumeration:
            return str(dice.choice([code for code in kind.enumeration if str(code)]))
        if kind.patterns:
            found = written(re._parser.parse(kind.patterns.regexps[0]), dice)  # type: ignore[attr-defined]
            return found[: kind.max_length or None]
        base = str(getattr(kind, "root_type", kind).local_name)
        if base == "decimal":
            return self.number(kind)
        if base in ("string", "token", "normalizedString"):
            least, most = kind.min_length or 1, min(kind.max_length or 30, 60)
            length = dice.randint(max(least, 1), max(most, least, 1))
            return "".join(dice.choice(_LETTERS) for _ in range(length)).strip() or "x"
        return {"date": f"20{dice.randint(10, 30)}-0{dice.randint(1, 9)}-{dice.randint(10, 28)}", "boolean": "true",
                "time": f"1{dice.randint(0, 9)}:30:00", "base64Binary": "JVBERi0xLjcKJQ=="}.get(base, "1")  # fmt: skip

    def number(self, kind: Any) -> str:
        facets = {name.rpartition("}")[2]: facet for name, facet in kind.facets.items() if name}
        places = 0 if builtin(kind) != "decimal" else getattr(facets.get("fractionDigits"), "value", 2)
        digits = getattr(facets.get("totalDigits"), "value", 6) - places
        whole = self.dice.randint(1, 10 ** max(1, min(digits, 8)) - 1)
        return f"{whole}.{self.dice.randint(0, 10**places - 1):0{places}d}" if places else str(whole)


def builtin(kind: Any) -> str:
    """The type of XML Schema itself that a type stands on: `integer` where `root_type` says decimal."""
    while kind.target_namespace == versions.NAMESPACE and kind.base_type is not None:
        kind = kind.base_type
    return str(kind.local_name)


def written(parsed: Any, dice: random.Random) -> str:
    """A text that a regular expression of the schema takes."""
    made = ""
    for kind, what in parsed:
        name = str(kind)
        if name == "LITERAL":
            made += chr(what)
        elif name == "IN":
            low, high = next((w if str(k) == "RANGE" else (w, w)) for k, w in [dice.choice(what)])
            made += chr(dice.randint(low, high))
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            made += "".join(written(what[2], dice) for _ in range(dice.randint(what[0], min(what[1], what[0] + 5))))
        elif name == "SUBPATTERN":
            made += written(what[3], dice)
        elif name == "BRANCH":
            made += written(dice.choice(what[1]), dice)
        elif name != "AT":
            raise AssertionError(name)
    return made
