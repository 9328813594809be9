"""`ponte tiss prices import|find`: price lists of payers' contracts, with their days, in the running hub's database."""

from __future__ import annotations

import argparse
import asyncio
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api import running
from api.cli import output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The two verbs."""
    verbs = parser.add_subparsers(dest="price_verb", required=True)
    take = _verb(verbs, "import", "importa uma lista de preços (CSV) do contrato com uma operadora")
    take.add_argument("file", type=Path)
    take.add_argument("--list", default="", metavar="NOME", help="nome da lista, como brasindice-2026-11")
    take.add_argument("--table", default="", help="tabela dos códigos, onde nenhuma coluna diz")
    take.add_argument(
        "--since", type=date.fromisoformat, default=None, metavar="AAAA-MM-DD",
        help="início de vigência, onde nenhuma coluna diz; sem ele, hoje",
    )  # fmt: skip
    find = _verb(verbs, "find", "preços por código (ou seu começo) e dia")
    find.add_argument("code", nargs="?", default="")
    find.add_argument("--on", type=date.fromisoformat, default=None, metavar="AAAA-MM-DD", help="em vigor nesse dia")
    find.add_argument("--most", type=int, default=50)


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    parser.add_argument("--payer", required=True, metavar="ANS", help="registro ANS da operadora")
    parser.add_argument("--json", action="store_true", help="um objeto JSON por linha")
    running.options(parser)
    return parser


def run(given: argparse.Namespace) -> int:
    """0 good, 1 nothing found or a wrong file, 2 unreadable."""
    try:
        return asyncio.run(_run(given))
    except OSError as error:
        output.complain(f"{error.filename}: {error.strerror}")
        return 2


async def _run(given: argparse.Namespace) -> int:
    from hub.billing import listing
    from hub.billing.visit import prices
    from hub.billing.visit.price_files import Defaults
    from hub.world import opened

    raw = given.file.read_bytes() if given.price_verb == "import" else b""
    async with opened(running.located(given.data), size=2) as world:
        tenant = await world.tenant(given.tenant)
        async with world.transaction(tenant) as tx:
            payer = await listing.payer_id(tx, given.payer)
            if given.price_verb == "find":
                return _show(await prices.listed(tx, payer, given.code, given.on, "", given.most), given)
            today = datetime.now(ZoneInfo(tenant.zone)).date()
            wanted = prices.Import(
                payer_id=payer,
                name=given.list or given.file.stem,
                defaults=Defaults(table=given.table, since=given.since or today),
                actor="operator",
            )
            count, problems = await prices.take_in(tx, wanted, raw, world.now())
    for problem in problems:
        if given.json:
            output.line(problem.as_json())
        else:
            output.complain(f"{problem.where}: {problem.text()} {problem.remedy()}")
    if problems:
        return 1
    if given.json:
        output.line({"payer": given.payer, "list": wanted.name, "prices": count})
    else:
        output.say(f"{count} preços da operadora {given.payer} na lista {wanted.name}")
    return 0


def _show(rows: list[dict[str, Any]], given: argparse.Namespace) -> int:
    for row in rows:
        if given.json:
            output.line(row)
            continue
        days = f"{row['valid_from']} a {row['valid_until'] or '…'}"
        shown = f"{row['unit_cents'] // 100}.{row['unit_cents'] % 100:02d}"
        billed = f"{row['billed_table']} {row['billed_code']}"
        own = f"{row['item_table']} {row['item_code']}"
        output.say(
            f"{own:<14} R$ {shown:>10}  {days}  {'' if billed == own else f'na guia {billed}  '}{row['description']}"
        )
    if not rows and not given.json:
        output.complain("nenhum preço encontrado")
    return 0 if rows else 1
