"""The simulators as one process: the lab by MLLP, RNDS by TLS, payers and controls on one loopback HTTP port."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from api.simulators import lab, payer
from api.simulators.config import Config
from api.simulators.lab import Lab
from api.simulators.rnds import keys
from api.simulators.rnds import network as rnds
from api.simulators.rnds.network import FAULTS, Network

HOST = "127.0.0.1"


def run() -> int:
    """Serve the simulators until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_serve(Config.read(os.environ)))
    return 0


async def _serve(config: Config) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wanted = lab.Config(
        port=config.lab_port,
        results_host=config.results_host,
        results_port=config.results_port,
        delay_s=config.lab_delay_s,
    )
    simulated = Lab(wanted)
    await simulated.start()
    network = Network(rnds.Config())
    try:
        if config.rnds_folder:
            auth, ehr = keys.contexts(Path(config.rnds_folder))
            await network.start(auth, ehr, (config.rnds_auth_port, config.rnds_ehr_port))
        await _http(create_app(simulated, network), config.http_port, stop)
    finally:
        await network.stop()
        await simulated.stop()


async def _http(app: Any, port: int, stop: asyncio.Event) -> None:
    settings = uvicorn.Config(
        app, host=HOST, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(settings)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours end both servers together
    task = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    waiting.cancel()
    await task


def create_app(simulated: Lab, network: Network | None = None) -> Starlette:
    """The HTTP side: the payers at their own paths, the controls of lab and RNDS under `/lab` and `/rnds`."""
    routes = [Route("/health", _health), Mount("/lab", control(simulated))]
    if network is not None:
        routes.append(Mount("/rnds", network_control(network)))
    return Starlette(routes=[*routes, Mount("/", payer.create_app())])


def control(simulated: Lab) -> Starlette:
    """The lab's control: GET tells what it received and sent, POST /fault switches a fault."""

    async def report(request: Request) -> Response:
        return JSONResponse(simulated.report())

    async def fault(request: Request) -> Response:
        try:
            wanted = await request.json()
            simulated.set_fault(str(wanted["fault"]), int(wanted.get("times", -1)))
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": f"fault must be one of {', '.join(lab.FAULTS)}"}, status_code=422)
        return JSONResponse(simulated.report())

    return Starlette(routes=[Route("/control", report), Route("/control/fault", fault, methods=["POST"])])


def network_control(network: Network) -> Starlette:
    """RNDS's control: GET tells what it holds by id and kind, POST /fault switches a fault."""

    async def report(request: Request) -> Response:
        return JSONResponse(network.book.report())

    async def fault(request: Request) -> Response:
        try:
            wanted = await request.json()
            code = str(wanted.get("code", "ERR905"))
            network.switch(str(wanted["fault"]), times=int(wanted.get("times", -1)), code=code)
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": f"fault must be one of {', '.join(FAULTS)}"}, status_code=422)
        return JSONResponse(network.book.report())

    return Starlette(routes=[Route("/control", report), Route("/control/fault", fault, methods=["POST"])])


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})
