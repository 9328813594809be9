"""Which messages a command means: the options that `messages find` and `replay` share, as a query."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from hub.operate.messages.selection import Query
    from hub.world import Tenant, World

STATUSES = "RECEIVED, TRANSFORMED, ERROR, PENDING (a part that waits); QUEUED, SENT outgoing"


def options(parser: argparse.ArgumentParser, *, status: str = STATUSES) -> None:
    """Conditions; several must hold together."""
    parser.add_argument("--status", default="", help=status)
    parser.add_argument(
        "--code", default="", help="a finding's code, or its beginning up to a dot: code.unmapped, code"
    )
    parser.add_argument("--type", default="", help="ADT^A01, ORU^R01 …")
    parser.add_argument("--channel", default="", help="the channel it came in by")
    parser.add_argument("--partner", default="", help="the code of the partner it goes to")
    parser.add_argument("--since", default="", help="2026-11-01, 2026-11-01T08:00, or 90m, 24h, 7d ago")
    parser.add_argument("--until", default="", help="the same; before that moment")


def query_of(
    given: argparse.Namespace, world: World, tenant: Tenant, limit: int, control_id: str = "", direction: str = ""
) -> Query:
    """The query of the options; raises Refused for a moment that cannot be read."""
    from hub.channels.compare import moment
    from hub.operate.messages.selection import Query

    now, zone = world.now(), ZoneInfo(tenant.zone)
    return Query(
        status=given.status,
        code=given.code,
        type=given.type,
        channel=given.channel,
        partner=given.partner,
        since=moment(given.since, now, zone) if given.since else None,
        until=moment(given.until, now, zone) if given.until else None,
        limit=limit,
        control_id=control_id,
        direction=direction,
    )
