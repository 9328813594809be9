"""Health for operators and orchestrators: live (the process), ready (it can keep messages)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from api.http.state import StateDep
from canonical.errors import TryLater

router = APIRouter(prefix="/health")
READY_SECONDS = 3.0
# on: a standby, or a server that was told so
_WRITES = "SELECT current_setting('transaction_read_only') AS only"


@router.get("/live")
async def live() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
async def ready(state: StateDep) -> JSONResponse:
    """The database answers soon and takes what is written; raises TryLater (503) when it does not."""
    said = await state.world.database.probe(_WRITES, READY_SECONDS)
    if said[0]["only"] != "off":
        raise TryLater("the database takes nothing that is written", code="store.busy")
    return JSONResponse({"status": "ok"})
