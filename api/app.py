"""The HTTP application: all surfaces over one world."""

from __future__ import annotations

from fastapi import FastAPI

from api import failures
from api.routes import fhir, health, hl7, oauth
from api.state import State
from hub.exchange.keep import Keeper
from hub.guard.tokens import Verifier
from hub.world import World


def create_app(world: World, keeper: Keeper) -> FastAPI:
    """The application; `keeper` is shared with the other doors of the process so that commits are shared too."""
    app = FastAPI(title="Ponte", version="0.1.0", docs_url="/docs", redoc_url=None)
    app.state.ponte = State(world, Verifier(world), keeper)
    failures.install(app)
    for router in (health.router, oauth.router, hl7.router, fhir.router):
        app.include_router(router)
    return app
