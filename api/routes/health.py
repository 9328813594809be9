"""Health for operators and orchestrators: live (the process), ready (it can keep messages)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from api.http.state import StateDep

router = APIRouter(prefix="/health")


@router.get("/live")
async def live() -> JSONResponse:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/ready")
async def ready(state: StateDep) -> JSONResponse:
    """The database answers; raises TryLater (503) when it does not."""
    await state.world.database.global_rows("SELECT 1")
    return JSONResponse({"status": "ok"})
