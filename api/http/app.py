"""The HTTP application: all surfaces over one world."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import cache

from fastapi import APIRouter, FastAPI

from api.console import (
    access,
    account,
    billing_page,
    channels_page,
    federated,
    files_page,
    login,
    message_page,
    messages_page,
    partners_page,
    persons_page,
    reference_page,
    requests_page,
    retention_page,
    trail_page,
    users,
    visit,
)
from api.console import routes as console
from api.http import description, failures
from api.http.echoes import Echoes
from api.http.headers import OwnHeaders
from api.http.origins import CrossOrigin
from api.http.packing import Packed
from api.http.slashes import Unslashed
from api.http.state import State
from api.http.whence import Whence
from api.routes import (
    alarms,
    channel_trials,
    channels,
    clients,
    fhir,
    health,
    hl7,
    messages,
    metrics,
    oauth,
    partners,
    payers,
    persons,
    retention,
    rnds,
    schedules,
    tiss,
    tiss_acts,
    tiss_files,
    tiss_prices,
    tiss_requests,
    tiss_returns,
)
from api.routes import users as user_routes
from hub.exchange.door.keep import Keeper
from hub.guard.limits import Limits
from hub.guard.reading import ReadAudit
from hub.guard.tokens import Verifier
from hub.world import World

_ROUTERS = (
    health.router,
    oauth.router,
    hl7.router,
    alarms.router,
    metrics.router,
    channels.router,
    channel_trials.router,
    messages.router,
    clients.router,
    partners.router,
    user_routes.router,
    retention.router,
    persons.router,
    rnds.router,
    schedules.router,
    tiss_files.router,
    tiss_prices.router,
    tiss_requests.router,  # before the lists, whose last route takes any name
    tiss_returns.router,
    tiss_acts.router,
    payers.router,
    tiss.router,
    access.router,
    files_page.router,
    messages_page.router,
    message_page.router,
    billing_page.router,
    channels_page.router,
    partners_page.router,
    retention_page.router,
    persons_page.router,
    reference_page.router,
    requests_page.router,
    trail_page.router,
    account.router,
    users.router,
    login.router,
    federated.router,
    console.router,
)


@cache
def _served() -> APIRouter:
    """All routes but those of FHIR, which every application of the process shares.

    The framework makes an included route ready when it is first looked at, and all of them take a tenth of a second.
    """
    found = APIRouter()
    for router in _ROUTERS:
        found.include_router(router)
    return found


def create_app(world: World, keeper: Keeper) -> FastAPI:
    """The application; `keeper` is shared with the other doors of the process so that commits are shared too."""
    state = State(world, Verifier(world), keeper, ReadAudit(world), limits=Limits(world.settings.redis_url))

    @contextlib.asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await state.reading.flush()
        await state.limits.close()

    app = FastAPI(title="Ponte", version="0.1.0", docs_url=None, redoc_url=None, lifespan=life)
    app.state.ponte = state
    app.add_middleware(Packed)
    app.add_middleware(Unslashed)
    app.add_middleware(OwnHeaders)
    app.add_middleware(CrossOrigin)
    app.add_middleware(Echoes)
    app.add_middleware(Whence, trusted=world.settings.proxies)
    failures.install(app)
    visit.install(app)
    app.router.routes += _served().routes
    fhir.install(app)
    generated = app.openapi
    app.openapi = lambda: description.described(generated())  # type: ignore[method-assign]  # the framework's own way
    return app
