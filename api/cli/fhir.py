"""FHIR: `fhir validate FILE…` offline, `fhir package import PATH`, `fhir terms …`, `fhir reindex`"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api import running, terms
from api.cli import output

_LARGEST = 512 * 1024 * 1024
GOOD, FINDINGS, UNREADABLE = 0, 1, 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """`validate` with files, `package import` into a tenant, `reindex` of its records."""
    actions = parser.add_subparsers(dest="action", required=True)
    validate = actions.add_parser(
        "validate", help="an OperationOutcome per resource; exit 0 clean, 1 findings, 2 unreadable"
    )
    validate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    validate.add_argument("--profile", help="canonical address of a profile found in the packages")
    validate.add_argument(
        "--package", action="append", type=Path, default=[], help="package: .tgz, .zip, a folder or a file"
    )
    validate.add_argument("--canonical", default="", help="root of the addresses of FSH sources without settings")
    validate.add_argument("--json", action="store_true", help="one JSON object per resource: file, ok, outcome")
    package = actions.add_parser(
        "package", help="`package import PATH`: profiles and terminology as records of a tenant"
    )
    package.add_argument("what", choices=["import"])
    package.add_argument("path", type=Path)
    package.add_argument(
        "--canonical", default="", help="root of the addresses of FSH sources without sushi-config.yaml"
    )
    terms.arguments(actions)
    reindex = actions.add_parser("reindex", help="index the records of a tenant anew, while the hub runs")
    for action in (package, reindex):
        running.options(action)


def run(given: argparse.Namespace) -> int:
    """The worst of the files' exit codes; for a package 1 when something was not taken."""
    if given.action == "package":
        return asyncio.run(_import(given))
    if given.action == "terms":
        return asyncio.run(terms.run(given))
    if given.action == "reindex":
        return asyncio.run(_reindex(given))
    rules = Rules.of(given.package, given.profile or "", given.canonical)
    if given.profile and given.profile.partition("|")[0] not in rules.definitions:
        output.complain(f"profile not installed, name its package with --package: {given.profile[:200]}")
        return UNREADABLE
    return max(_file(path, rules, as_json=given.json) for path in given.files)


async def _import(given: argparse.Namespace) -> int:
    from hub.operate import packages
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        taken = await packages.take_in(world, tenant, given.path, "operator", given.canonical)
    for name, problem in taken.notes:
        output.say(f"{name}: {problem.text('pt')} {problem.remedy('pt')}")
    for name, problem in taken.refused:
        output.say(f"not taken: {name}: {problem.where} {problem.text('pt')} {problem.remedy('pt')}")
    output.say(f"{taken.count} resources taken, {len(taken.refused)} not")
    return FINDINGS if taken.refused else GOOD


async def _reindex(given: argparse.Namespace) -> int:
    from fhir.definitions.table import resource_types
    from hub.records.reindex import reindex, settle
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        done = await reindex(world, tenant, resource_types())
        await settle(world, tenant)
        output.say(f"{done} records indexed")
    return GOOD


@dataclass(frozen=True, slots=True)
class Rules:
    """What a file is checked against beyond R4: definitions and code lists of packages, the profile asked for."""

    profile: str
    definitions: dict[str, dict[str, Any]]
    member: Callable[[str, str, str], bool | None]

    @classmethod
    def of(cls, paths: Sequence[Path], profile: str, canonical: str = "") -> Rules:
        """The rules of packages; those without an address cannot be named and are left out."""
        from fhir.terminology.bodies import Bodies, membership
        from fhir.terminology.sets import Reader
        from fhir.validation import profiles
        from hub.operate import packages

        found = [body for path in paths for body in packages.resources(path, canonical)]
        named = {str(body["url"]): body for body in found if isinstance(body.get("url"), str)}
        definitions = {url: body for url, body in named.items() if body["resourceType"] == "StructureDefinition"}
        return cls(profile, profiles.by_spelling(definitions), membership(Reader(Bodies(named.values()), steps=10**8)))

    def check(self, document: Any) -> list[Any]:
        """The findings of a document: R4 first, then the profile asked for and those it names, when they are known."""
        from fhir.validation import invariants, profiles
        from fhir.validation.validator import validate

        problems = validate(document)
        if not isinstance(document, dict) or any(problem.blocks for problem in problems):
            return problems
        problems += invariants.check(document)
        if not self.definitions:
            return problems
        claimed = profiles.claims(document, self.profile)
        return problems + profiles.judged(document, claimed, self.definitions, self.member)


def _file(path: Path, rules: Rules, *, as_json: bool) -> int:
    from canonical.problem import Problem

    try:
        documents = list(_documents(path))
    except OSError as error:
        _show(path, [Problem("fhir.file.unreadable", args=(("reason", error.strerror or "?"),))], as_json=as_json)
        return UNREADABLE
    worst = GOOD
    for number, document in documents:
        unreadable = isinstance(document, Problem)
        problems = [document] if isinstance(document, Problem) else rules.check(document)
        _show(path, problems, as_json=as_json, line=number)
        worst = max(worst, UNREADABLE if unreadable else FINDINGS if any(p.blocks for p in problems) else GOOD)
    return worst


def _documents(path: Path) -> Iterator[tuple[int, Any]]:
    """The resources of a file with their line (0: the file is one document); a Problem for what cannot be read."""
    from canonical.problem import Problem
    from fhir import jsontext, xmltext

    if path.stat().st_size > _LARGEST:
        yield 0, Problem("fhir.file.unreadable", args=(("reason", "too large"),))
        return
    raw = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if raw.lstrip().startswith(b"<"):
        yield 0, xmltext.parse(raw)
        return
    whole = jsontext.parse(raw)
    lines = [line for line in enumerate(raw.split(b"\n"), start=1) if line[1].strip()]
    if not isinstance(whole, Problem) or len(lines) < 2 or not lines[0][1].strip().endswith(b"}"):
        yield 0, whole
        return
    for number, line in lines:
        yield number, jsontext.parse(line)


def _show(path: Path, problems: list[Any], *, as_json: bool, line: int = 0) -> None:
    from fhir.outcome import outcome

    ok = not any(problem.blocks for problem in problems)
    if as_json:
        output.line({"file": str(path), "ok": ok, "outcome": outcome(problems)})
        return
    place = f"{path}:{line}" if line else str(path)
    output.say(f"{place}: {'ok' if ok else 'com erros / has errors'}")
    for problem in problems:
        output.say(f"  {problem.severity:<11} {problem.where:<40} {problem.text('pt')} {problem.remedy('pt')}".rstrip())
