"""what comes back: load FILE… (XML, CSV, XLSX), read FILE --plan P, history --payer ANS --table T --code C"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from api import running
from api.cli import output
from canonical.billing import reais


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    told = verbs.add_parser(
        "history", help="quantas vezes a operadora glosou itens como este, nos demonstrativos do hospital"
    )
    told.add_argument("--payer", required=True, help="registro ANS")
    told.add_argument("--table", required=True, help="18, 19, 20, 22, 00, 90, 98")
    told.add_argument("--code", required=True)
    told.add_argument("--professional", default="", help="conselho e número, como 'crm-sp 123456'")
    told.add_argument("--json", action="store_true", help="um objeto JSON")
    running.options(told)
    load = verbs.add_parser(
        "load", help="recebe demonstrativos de análise e de pagamento: XML, ou CSV e XLSX por um plano"
    )
    load.add_argument("files", nargs="+", type=Path, metavar="ARQUIVO")
    load.add_argument("--payer", default="", help="registro ANS; preciso para planilhas")
    load.add_argument("--plan", default="", help="plano de colunas (sem ele, o da operadora)")
    load.add_argument("--number", default="", help="número do demonstrativo, onde a planilha não diz")
    load.add_argument("--json", action="store_true", help="um objeto JSON por arquivo e linha")
    running.options(load)
    late = verbs.add_parser("deadlines", help="glosas cujo prazo de recurso está para acabar")
    late.add_argument("--days", type=int, default=0, help="dentro de tantos dias (sem isso, o aviso de cada operadora)")
    late.add_argument("--json", action="store_true", help="um objeto JSON por protocolo e dia")
    running.options(late)
    read = verbs.add_parser("read", help="sem guardar nada: o que um plano de colunas lê de uma planilha")
    read.add_argument("file", type=Path)
    read.add_argument("--plan", required=True, help="um arquivo de mappings/statements, sem .toml")
    read.add_argument("--json", action="store_true", help="um objeto JSON: os demonstrativos e os achados")


def run(given: argparse.Namespace) -> int:
    """0 good, 1 when the data is wrong or nothing was found, 2 unreadable."""
    return {"history": _told, "load": _load, "read": _read, "deadlines": _late}[given.verb](given)


def _told(given: argparse.Namespace) -> int:
    found = asyncio.run(_history(given))
    if given.json:
        output.line(found)
        return 0 if found["cases"] else 1
    output.say(f"{found['table']}/{found['code']} na operadora {found['payer']}, desde {found['since']}:")
    output.say(f"  {found['denied']} de {found['cases']} itens glosados, R$ {reais(found['denied_cents'])}")
    if found["professional"]:
        own = f"{found['professional_denied']} de {found['professional_cases']}"
        output.say(f"  {found['professional']}: {own} itens glosados")
    for glosa in found["glosas"]:
        won = f", R$ {reais(glosa['granted_cents'])} recuperados" if glosa["granted_cents"] else ""
        output.say(f"  {glosa['times']:>6} × {glosa['code']} {glosa['name']}: R$ {reais(glosa['cents'])}{won}")
    for finding in found["findings"]:
        output.say(f"  aviso: {finding['text']} {finding['remedy']}")
    return 0 if found["cases"] else 1


async def _history(given: argparse.Namespace) -> dict[str, Any]:
    from hub.billing import listing, writing
    from hub.billing.profiles import payer
    from hub.billing.returns import history
    from hub.world import opened

    item = history.Item(table=given.table, code=given.code, professional=given.professional)
    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            profile = await payer(tx, await listing.payer_id(tx, given.payer))
            return await history.tell(tx, profile, item, writing.today(writing.origin(world, tenant)))


def _load(given: argparse.Namespace) -> int:
    worst = 0
    for path in given.files:
        try:
            raw = b"" if _is_large(path) else path.read_bytes()
        except OSError as error:
            output.complain(f"{path}: {error.strerror}")
            return 2
        found = asyncio.run(_take(given, path, raw))
        wrong = any(problem["severity"] == "error" for problem in found["problems"])
        worst = max(worst, int(wrong))
        if given.json:
            output.line({"file": path.name, **found})
            continue
        counts = f"{found['protocols']} protocolos ({found['new']} novos)"
        paid = f"{found['payments']} demonstrativos de pagamento ({found['new_payments']} novos)"
        output.say(f"{path.name}: " + ("nada foi lido" if wrong else f"{counts}, {paid}"))
        _say(found["problems"])
    return worst


def _is_large(path: Path) -> bool:
    from tiss.wire.message import LARGEST

    return path.suffix.lower() == ".xml" and path.stat().st_size > LARGEST


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1024 * 1024):
            yield piece


async def _take(given: argparse.Namespace, path: Path, raw: bytes) -> dict[str, Any]:
    from hub.billing.returns import intake, large
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        if _is_large(path):
            return (await large.take_file(world, tenant, _pieces(path), "cli")).as_json()
        if path.suffix.lower() == ".xml":
            return (await intake.take_file(world, tenant, raw, "cli")).as_json()
        sheet = intake.Sheet(raw=raw, payer=given.payer, plan=given.plan, number=given.number)
        return (await intake.take_sheet(world, tenant, sheet, "cli")).as_json()


def _read(given: argparse.Namespace) -> int:
    from canonical.problem import Problem
    from hub.billing.returns import intake
    from mappings.billing import sheet_plan
    from mappings.tables.table import TableError

    try:
        plan = sheet_plan.plan(given.plan)
        raw = given.file.read_bytes()
    except (TableError, OSError) as error:
        output.complain(str(error))
        return 2
    found = intake.read_sheet(intake.Sheet(raw=raw, payer=""), plan)
    if isinstance(found, Problem):
        output.complain(f"{given.file.name}: {found.text()} {found.remedy()}")
        return 2
    told, problems = found.told, found.problems
    if given.json:
        shown = [dataclasses.asdict(one) for one in told]
        output.line({"statements": shown, "problems": [problem.as_json() for problem in problems]})
        return 0
    for one in told:
        sums = f"informado {reais(one.billed_cents)}, liberado {reais(one.paid_cents)}"
        output.say(f"demonstrativo {one.number or 'sem número'} de {one.issued_on or 'data não dita'}: {sums}")
    _say([problem.as_json() for problem in problems])
    return 0


def _say(problems: list[dict[str, str]]) -> None:
    for problem in problems:
        output.say(f"  {problem['where']}: {problem['text']} {problem['remedy']}")


def _late(given: argparse.Namespace) -> int:
    found = asyncio.run(_deadlines(given))
    for row in found:
        if given.json:
            output.line(row)
            continue
        what = f"{row['denials']} glosas ({row['drafted']} em rascunho), R$ {reais(row['cents'])}"
        output.say(f"{row['appeal_until']} (em {row['days_left']} d)  {row['payer']}  {row['protocol']}: {what}")
    if not found and not given.json:
        output.say("nenhum prazo de recurso próximo")
    return 1 if found else 0


async def _deadlines(given: argparse.Namespace) -> list[dict[str, Any]]:
    from hub.billing import writing
    from hub.billing.returns import deadlines
    from hub.world import opened

    async with opened(running.located(given.data), size=1) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            return await deadlines.upcoming(tx, writing.today(writing.origin(world, tenant)), given.days)
