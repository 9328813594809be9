"""The HTTP doors as one process with a floor beside them: a bare route that reads one row by primary key.

The floor answers bytes of the same size through the same server and driver, without row-level security, token,
audit or FHIR; its connections come from the driver's own pool. Rows of the floor stand in `terminology`, a table
without tenants, under the system FLOOR.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import socket
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import uvicorn
import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.http.app import create_app
from hub.exchange.door.keep import Keeper
from hub.exchange.work import memory
from hub.settings import Settings, from_environment
from hub.world import World, opened

FLOOR = "urn:ponte:bench"
FLOOR_STORE = "urn:ponte:bench:stored"
INSERT_SQL = (
    "INSERT INTO terminology (system, code, valid_from, display, folded) "
    "SELECT $1, x.code, $3, x.body, '' FROM unnest($2::text[], $4::text[]) AS x(code, body)"
)
FLOOR_DAY = datetime.date(2024, 1, 1)
FLOOR_SQL = "SELECT display FROM terminology WHERE system = $1 AND code = $2 AND valid_from = $3"


async def add_floor_rows(world: World, count: int, body: str) -> None:
    """Rows for the floor, as many and as large as the records read."""
    await world.database.global_rows(
        "INSERT INTO terminology (system, code, valid_from, display, folded) "
        "SELECT $1, n::text, $2, $3, '' FROM generate_series(1, $4::int) n ON CONFLICT DO NOTHING",
        FLOOR,
        FLOOR_DAY,
        body,
        count,
    )


def bare_pool(settings: Settings) -> Any:
    """The driver's pool, of the product's size, which leaves out what it would send after each use."""

    async def as_it_is(connection: Any) -> None:
        pass

    return asyncpg.create_pool(settings.database_url, min_size=1, max_size=settings.pool_size, reset=as_it_is)


async def _serve() -> None:
    settings = from_environment(os.environ)
    async with opened(settings) as world, bare_pool(settings) as pool:
        app = create_app(world, Keeper(world.database))

        async def floor(request: Request) -> Response:
            rows = await pool.fetch(FLOOR_SQL, FLOOR, request.path_params["code"], FLOOR_DAY)
            return Response(rows[0]["display"], 200, None, "application/fhir+json")

        async def insert(request: Request) -> Response:
            """Parses the body and stores it, or each entry of a Bundle, in one statement and one transaction."""
            body = orjson.loads(await request.body())
            texts = [orjson.dumps(entry["resource"]).decode() for entry in body.get("entry", [{"resource": body}])]
            codes = [uuid.uuid4().hex for _ in texts]
            await pool.fetch(INSERT_SQL, FLOOR_STORE, codes, FLOOR_DAY, texts)
            return Response(status_code=201)

        app.router.routes.insert(0, Route("/floor/{code}", floor))
        app.router.routes.insert(0, Route("/floor", insert, methods=["POST"]))
        with socket.create_server(("127.0.0.1", 0)) as listening:
            sys.stdout.write(f"{listening.getsockname()[1]}\n")
            sys.stdout.flush()
            memory.settle_in(memory.AT_A_DOOR)
            config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
            await uvicorn.Server(config).serve(sockets=[listening])


@contextlib.asynccontextmanager
async def serving(world: World) -> AsyncIterator[int]:
    """The port of a server process over the database of `world`."""
    environment = {
        **os.environ,
        "PONTE_DATA": str(world.settings.data),
        "PONTE_DATABASE_URL": world.settings.database_url,
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
    }
    command = [sys.executable, "-X", "utf8", "-m", "bench.fhir_server"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
    try:
        line = await process.stdout.readline() if process.stdout else b""
        yield int(line)
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    uvloop.run(_serve())
