"""what comes back from payers: history --payer ANS --table T --code C"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from api import running
from api.cli import output


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    told = verbs.add_parser("history", help="how often a payer denied items like one, from the tenant's statements")
    told.add_argument("--payer", required=True, help="registro ANS")
    told.add_argument("--table", required=True, help="18, 19, 20, 22, 00, 90, 98")
    told.add_argument("--code", required=True)
    told.add_argument("--professional", default="", help="council and number, such as 'crm-sp 123456'")
    told.add_argument("--json", action="store_true", help="one JSON object")
    running.options(told)


def run(given: argparse.Namespace) -> int:
    """0 good, 1 when nothing was judged yet."""
    found = asyncio.run(_history(given))
    if given.json:
        output.line(found)
        return 0 if found["cases"] else 1
    output.say(f"{found['table']}/{found['code']} na operadora {found['payer']}, desde {found['since']}:")
    output.say(f"  {found['denied']} de {found['cases']} itens glosados, R$ {_money(found['denied_cents'])}")
    if found["professional"]:
        own = f"{found['professional_denied']} de {found['professional_cases']}"
        output.say(f"  {found['professional']}: {own} itens glosados")
    for glosa in found["glosas"]:
        won = f", R$ {_money(glosa['granted_cents'])} recuperados" if glosa["granted_cents"] else ""
        output.say(f"  {glosa['times']:>6} × {glosa['code']} {glosa['name']}: R$ {_money(glosa['cents'])}{won}")
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


def _money(cents: int) -> str:
    """Cents as reais in Portuguese writing."""
    return f"{cents / 100:,.2f}".translate(str.maketrans(",.", ".,"))
