"""/metrics: the hub's figures in the text format of Prometheus (0.0.4), for a monitor with the scope `metrics/read`.

Who asks at this machine itself, without a token, gets the sums over all tenants and what concerns the machine,
nameless. Figures are gauges, counted in the database: any process of the hub answers the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.console import session
from api.http.state import caller_of, state_of
from hub.watch import gauges
from hub.watch.gauges import Gauge

router = APIRouter(include_in_schema=False)
_MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The figures of the caller's tenant, or the hub's sums for somebody at this machine."""
    state = state_of(request)
    if "authorization" not in request.headers and session.is_local(request):
        found = await gauges.of_hub(state.world)
    else:
        caller = await caller_of(request)
        caller.require("metrics/read", "admin/*")
        found = await gauges.of_tenant(state.world, caller.tenant)
    return Response(text(found), 200, {"Cache-Control": "no-store"}, _MEDIA)


def text(found: Iterable[Gauge]) -> str:
    """Gauges as the format wants them: those of one name together, under their help and type."""
    by_name: dict[str, list[Gauge]] = {}
    for gauge in found:
        by_name.setdefault(gauge.name, []).append(gauge)
    lines: list[str] = []
    for name, group in sorted(by_name.items()):
        lines += [f"# HELP {name} {group[0].help}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels(gauge)} {gauge.value:g}" for gauge in group]
    return "\n".join(lines) + "\n"


def _labels(gauge: Gauge) -> str:
    inside = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in gauge.labels)
    return f"{{{inside}}}" if inside else ""
