"""/api/v1/clients: the programs of partners that may call: register, list, rotate keys, scopes, rate, revoke."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import Caller, CallerDep, State, StateDep
from hub.guard import registration
from hub.guard.clients import Registration
from hub.guard.registration import Proof

router = APIRouter(prefix="/api/v1/clients", tags=["clients"])
_NAME = r"^[a-z0-9][a-z0-9\-]{0,62}$"
_SCOPES = ["system/Patient.rs", "system/Observation.rs?category=laboratory"]
Scopes = Annotated[list[Annotated[str, Field(max_length=700)]], Field(max_length=100, examples=[_SCOPES])]
Rate = Annotated[int | None, Field(ge=1, le=registration.MOST_RATE, examples=[600])]


class Keys(BaseModel):
    """How a client proves itself: exactly one of the three."""

    model_config = ConfigDict(extra="forbid")
    jwks: dict[str, Any] | None = Field(default=None, description="a JWK Set with public keys")
    jwks_url: str = Field(default="", max_length=500, examples=["https://partner.example/jwks.json"])
    secret: bool = Field(default=False, description="make a secret and show it once")

    @property
    def proof(self) -> Proof:
        """The same as the hub reads it."""
        return Proof(jwks=self.jwks, jwks_url=self.jwks_url, secret=self.secret)


class NewClient(Keys):
    """A client to be registered."""

    name: str = Field(pattern=_NAME, examples=["lab-app"])
    scopes: Scopes
    rate: Rate = None


class Change(BaseModel):
    """What changes; what is left out stays. A `rate` of null leaves the tenant's."""

    model_config = ConfigDict(extra="forbid")
    scopes: Scopes = Field(default_factory=list)
    rate: Rate = None


def _json(document: Any, status: int = 200) -> Response:
    return json_answer(document, status, {"Cache-Control": "no-store"})


async def _writer(state: State, caller: Caller, name: str) -> None:
    """Raise unless the caller may change the client: whoever gives it new keys can act as it."""
    caller.require("clients/write", "admin/*")
    async with state.world.transaction(caller.tenant) as tx:
        found = await registration.read(tx, name)
    registration.check_grantable(caller.identity.scopes, found.scopes)


async def _one(state: State, caller: Caller, name: str, secret: str = "", status: int = 200) -> Response:
    async with state.world.transaction(caller.tenant) as tx:
        found = (await registration.read(tx, name)).as_json()
    return _json({**found, **({"client_secret": secret} if secret else {})}, status)


@router.get("")
async def listed(state: StateDep, caller: CallerDep) -> Response:
    """Every client of the tenant; never a secret."""
    caller.require("clients/read", "clients/write", "admin/*")
    async with state.world.transaction(caller.tenant) as tx:
        return _json({"clients": [client.as_json() for client in await registration.listed(tx)]})


@router.get("/{name}")
async def read(name: str, state: StateDep, caller: CallerDep) -> Response:
    """One client."""
    caller.require("clients/read", "clients/write", "admin/*")
    return await _one(state, caller, name)


@router.post("", status_code=201)
async def register(wish: NewClient, state: StateDep, caller: CallerDep) -> Response:
    """Register a client. A secret is in this answer and never shown again."""
    caller.require("clients/write", "admin/*")
    registration.check_grantable(caller.identity.scopes, wish.scopes)
    wanted = Registration(scopes=tuple(wish.scopes), rate=wish.rate)
    actor = caller.identity.subject
    _, secret = await registration.register(state.world, caller.tenant, wish.name, wanted, wish.proof, actor=actor)
    return await _one(state, caller, wish.name, secret, 201)


@router.put("/{name}/keys")
async def rotate(name: str, wish: Keys, state: StateDep, caller: CallerDep) -> Response:
    """Replace the client's keys, their address, or its secret. Tokens it holds stay valid until they end."""
    await _writer(state, caller, name)
    secret = await registration.prove(state.world, caller.tenant, name, wish.proof, actor=caller.identity.subject)
    return await _one(state, caller, name, secret)


@router.patch("/{name}")
async def change(name: str, wish: Change, state: StateDep, caller: CallerDep) -> Response:
    """Change scopes, rate or both."""
    await _writer(state, caller, name)
    actor = caller.identity.subject
    if "scopes" in wish.model_fields_set:
        registration.check_grantable(caller.identity.scopes, wish.scopes)
        await registration.permit(state.world, caller.tenant, name, wish.scopes, actor=actor)
    if "rate" in wish.model_fields_set:
        await registration.pace(state.world, caller.tenant, name, wish.rate, actor=actor)
    return await _one(state, caller, name)


@router.delete("/{name}")
async def revoke(name: str, state: StateDep, caller: CallerDep) -> Response:
    """Refuse the client and every token it holds, at once."""
    await _writer(state, caller, name)
    await registration.revoke(state.world, caller.tenant, name, actor=caller.identity.subject)
    state.verifier.forget_client(f"{caller.tenant.slug}.{name}")
    return await _one(state, caller, name)
