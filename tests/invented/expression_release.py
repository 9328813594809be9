"""A small release of invented concepts, made by chance, with all that expression constraints can ask about."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from release_packages import ACCEPTABLE, FSN, HEAD, INFERRED, ISA, MODEL, PREFERRED, SYNONYM, US, table

_D = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043",
      "8765932104", "9876543210")  # fmt: skip
_P = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258")
_INVERSE = "0432156789"
GB = "900000000000508004"
DATE, LATER = "20260301", "20260601"
SAME, REPLACED, ASSOCIATIONS = "900000000000527005", "900000000000526001", "900000000000522004"
PRIMITIVE, DEFINED = "900000000000074008", "900000000000073002"


def sctid(item: int, partition: str = "10") -> str:
    """The identifier of an invented item: namespace 9999999, which is nobody's, and its Verhoeff check digit."""
    stem, check = f"{item}9999999{partition}", 0
    for place, digit in enumerate(reversed(stem), start=1):
        check = int(_D[check][int(_P[place % 8][int(digit)])])
    return stem + _INVERSE[check]


ROOT = "138875005"
MODULES = (sctid(901), sctid(902))
ATTRIBUTES = tuple(sctid(100 + n) for n in range(3))
STRENGTH, NOTE, FLAG = (sctid(110 + n) for n in range(3))
VALUES = tuple(sctid(200 + n) for n in range(8))
FINDINGS = tuple(sctid(300 + n) for n in range(16))
OLD = tuple(sctid(400 + n) for n in range(4))
SIMPLE, MAPS = sctid(500), sctid(501)
WORDS = ("lua", "cheia", "nova", "maré", "alta", "Baixa", "crescente")


@dataclass(slots=True)
class Made:
    """The release as it is: concepts (active, module, time, defined), is-a, relationships, descriptions, members."""

    concepts: dict[str, tuple[bool, str, str, bool]] = field(default_factory=dict)
    parents: dict[str, set[str]] = field(default_factory=dict)
    relations: list[tuple[str, int, str, str, str]] = field(default_factory=list)  # source, group, kind, target, value
    names: list[dict[str, Any]] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)


def made(seed: int = 7) -> Made:
    """The release of a seed."""
    chance = random.Random(seed)
    found = Made()
    for code in (ROOT, *ATTRIBUTES, STRENGTH, NOTE, FLAG, *VALUES, *FINDINGS, *OLD, SIMPLE, MAPS, SAME, REPLACED,
                 ASSOCIATIONS):  # fmt: skip
        told = chance.choice(MODULES), chance.choice((DATE, LATER)), chance.random() < 0.4
        found.concepts[code] = (code not in OLD, *told)
    for group in (ATTRIBUTES, (STRENGTH,), (NOTE,), (FLAG,), VALUES, FINDINGS, (SIMPLE,), (MAPS,), (ASSOCIATIONS,)):
        for place, code in enumerate(group):
            above = group[:place]
            found.parents[code] = set(chance.sample(above, min(len(above), chance.choice((1, 1, 2))))) or {ROOT}
    found.parents |= {SAME: {ASSOCIATIONS}, REPLACED: {ASSOCIATIONS}}
    _relate(found, chance)
    _name(found, chance)
    _list(found, chance)
    return found


def _relate(found: Made, chance: random.Random) -> None:
    for code in FINDINGS:
        for group in chance.choice(((), (0,), (1,), (0, 1), (1, 2), (0, 1, 2))):
            for kind in chance.sample(ATTRIBUTES, chance.choice((1, 2, 2, 3))):
                target = chance.choice((*VALUES, *VALUES, *FINDINGS))
                found.relations.append((code, group, kind, target, ""))
        if chance.random() < 0.6:
            found.relations.append(
                (code, chance.choice((0, 1)), STRENGTH, "", f"#{chance.choice(('1', '5', '7.50', '-2'))}")
            )
        if chance.random() < 0.4:
            found.relations.append((code, 0, NOTE, "", f'"{chance.choice(("lua 5", "maré"))}"'))
        if chance.random() < 0.4:
            found.relations.append((code, 1, FLAG, "", chance.choice(("true", "false"))))


def _name(found: Made, chance: random.Random) -> None:
    for number, code in enumerate((*FINDINGS, *VALUES, *OLD, *ATTRIBUTES, ROOT)):
        for place in range(chance.choice((1, 2, 3))):
            found.names.append({
                "id": sctid(1000 + 10 * number + place, "11"), "concept": code, "time": chance.choice((DATE, LATER)),
                "active": chance.random() < 0.85, "module": chance.choice(MODULES), "kind": chance.choice((FSN, SYNONYM)),
                "language": chance.choice(("en", "pt")), "term": " ".join(chance.sample(WORDS, chance.choice((1, 2, 3)))),
                "ranks": {d: chance.choice((PREFERRED, ACCEPTABLE)) for d in (US, GB) if chance.random() < 0.6},
            })  # fmt: skip


def _list(found: Made, chance: random.Random) -> None:
    def add(group: str, code: str, **fields: str) -> None:
        found.members.append({
            "list": group, "code": code, "active": chance.random() < 0.8, "module": chance.choice(MODULES),
            "time": chance.choice((DATE, LATER)), "fields": fields,
        })  # fmt: skip

    for code in chance.sample((*FINDINGS, *VALUES), 9):
        add(SIMPLE, code)
    for code in chance.sample(FINDINGS, 8):
        add(MAPS, code, mapGroup=chance.choice("12"), mapPriority="1", mapTarget=chance.choice(("A00", "A00.1", "B")))
    for code in OLD:
        for group in (SAME, REPLACED):
            if chance.random() < 0.7:
                add(group, code, targetComponentId=chance.choice(FINDINGS))


def files(made: Made) -> dict[str, str]:
    """The release as the files of RF2."""
    told = DATE, "1", MODULES[0]
    state = {True: "1", False: "0"}
    concepts = [(c, t, state[a], m, DEFINED if d else PRIMITIVE) for c, (a, m, t, d) in made.concepts.items()]
    edges = [(c, p, "0", ISA) for c, above in made.parents.items() for p in sorted(above)]
    edges += [(s, t, str(g), k) for s, g, k, t, _ in made.relations if t]
    values = [(s, v, str(g), k) for s, g, k, t, v in made.relations if not t]
    rows = {
        number: (sctid(5000 + number, "12"), *told, *row, INFERRED, MODEL)
        for number, row in enumerate([*edges, *values])
    }
    names = [(n["id"], n["time"], state[n["active"]], n["module"], n["concept"], n["language"], n["kind"], n["term"],
              "900000000000448009") for n in made.names]  # fmt: skip
    ranks = [(f"r{n['id']}{d}", *told, d, n["id"], rank) for n in made.names for d, rank in n["ranks"].items()]
    related = ("relationshipGroup", "typeId", "characteristicTypeId", "modifierId")
    found = {
        "sct2_Concept": table((*HEAD, "definitionStatusId"), concepts),
        "sct2_Description": table((*HEAD, "conceptId", "languageCode", "typeId", "term", "caseSignificanceId"), names),
        "sct2_Relationship": table(
            (*HEAD, "sourceId", "destinationId", *related), [rows[n] for n in range(len(edges))]
        ),
        "sct2_RelationshipConcreteValues": table(
            (*HEAD, "sourceId", "value", *related), [rows[len(edges) + n] for n in range(len(values))]
        ),
        "der2_cRefset_Language": table((*HEAD, "refsetId", "referencedComponentId", "acceptabilityId"), ranks),
    }
    for group, kind in ((SIMPLE, "Simple"), (MAPS, "Maps"), (SAME, "Same"), (REPLACED, "Replaced")):
        own = [m for m in made.members if m["list"] == group]
        columns = list(own[0]["fields"]) if own else []
        found[f"der2_Refset_{kind}"] = table(
            (*HEAD, "refsetId", "referencedComponentId", *columns),
            [(f"m{kind}{n}", m["time"], state[m["active"]], m["module"], group, m["code"], *m["fields"].values())
             for n, m in enumerate(own)],
        )  # fmt: skip
    return {f"SnomedCT_Chance/Snapshot/{name}_Snapshot_INT_{DATE}.txt": text for name, text in found.items()}
