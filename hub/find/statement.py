"""One SQL statement under way: its arguments, how it names the tenant, and where it runs."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Protocol

from canonical.errors import TryLater
from canonical.problem import Problem
from fhir.search.conditions import BadQuery
from hub.store.database import Row, Transaction
from hub.world import Tenant, World

SECONDS = 10.0
COLUMNS = "r.rid, r.type, r.id, r.version, r.updated_at, r.body"  # of `resource r`: what a found record is read by


class Statement:
    """The arguments of one statement; `$1` is the tenant. `tenant` is how the statement names it.

    `planned`: its best plan depends on the values, so a plan kept for any values would not do.
    """

    __slots__ = ("arguments", "planned", "tenant")

    def __init__(self, tenant: str = "$1", *, planned: bool = False) -> None:
        self.arguments: list[Any] = []
        self.tenant = tenant
        self.planned = planned

    def argument(self, value: Any) -> str:
        """The placeholder of a new argument."""
        self.arguments.append(value)
        return f"${len(self.arguments) + 1}"

    @staticmethod
    def literal(value: int | float | datetime.datetime) -> str:
        """A value written into the statement, so that a prepared plan knows it: keys, and ends of open ranges.

        How much an open range finds decides the plan; a plan made without the value would walk all rows in order.
        """
        if isinstance(value, datetime.datetime):
            return f"timestamptz '{value.astimezone(datetime.UTC).isoformat()}'"
        return f"float8 '{value!r}'" if isinstance(value, float) else f"{int(value)}::bigint"

    def of_tenant(self, alias: str) -> str:
        """The tenant condition of a table."""
        return f"{alias}.tenant_id = {self.tenant}"


class Source(Protocol):
    """Where a search runs: by itself in one trip, or inside a transaction."""

    def statement(self, *, planned: bool = False) -> Statement:
        """A new statement that names the tenant as this source needs it."""

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        """Its rows."""


@dataclass(frozen=True, slots=True)
class OneTrip:
    """Each statement by itself; a statement over its time is refused as too costly."""

    world: World
    tenant: Tenant

    def statement(self, *, planned: bool = False) -> Statement:
        """The tenant comes from the wrapping row."""
        return Statement("c.tenant", planned=planned)

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        """Its rows; raises BadQuery when it takes too long."""
        try:
            return await self.world.database.ask(
                self.tenant.id, sql, *statement.arguments, seconds=SECONDS, planned=statement.planned
            )
        except TryLater as error:
            if error.code == "store.too-long":
                raise BadQuery(Problem("fhir.search.too-costly")) from None
            raise


@dataclass(frozen=True, slots=True)
class Within:
    """Inside an open transaction."""

    tx: Transaction

    def statement(self, *, planned: bool = False) -> Statement:
        """The tenant is `$1`."""
        return Statement(planned=planned)

    async def rows(self, statement: Statement, sql: str) -> list[Row]:
        """Its rows."""
        return await self.tx.rows(sql, *statement.arguments)
