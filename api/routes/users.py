"""/api/v1/users: the people of a house, added, changed, closed, reset; /api/v1/sign-in: how they sign in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from api.http.answering import json_answer
from api.http.state import Caller, CallerDep, State, StateDep
from hub.users import accounts, federation, own_tokens, roles, rules
from hub.users.rules import House

router = APIRouter(prefix="/api/v1", tags=["users"])
Roles = Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=20, examples=[["billing"]])]
Name = Annotated[str, Field(max_length=accounts.LONGEST_NAME, examples=["Joana Prado"])]


class NewUser(BaseModel):
    """A person who is to have an account."""

    model_config = ConfigDict(extra="forbid")
    login: str = Field(max_length=100, examples=["joana.prado"])
    name: Name
    roles: Roles


class Change(BaseModel):
    """What changes; what is left out stays."""

    model_config = ConfigDict(extra="forbid")
    name: Name = ""
    roles: Roles = Field(default_factory=list)
    active: bool | None = Field(default=None, description="false closes the account, true opens it again")


class Reset(BaseModel):
    """A new first password; `second_factor`: forget that too."""

    model_config = ConfigDict(extra="forbid")
    second_factor: bool = False


class SignIn(BaseModel):
    """What the house decides about signing in."""

    model_config = ConfigDict(extra="forbid")
    second_factor: bool = Field(description="demand one of who comes in by password")
    idle_minutes: int = Field(ge=rules.LEAST_IDLE, le=30)
    hours: int = Field(ge=1, le=12)


class Service(BaseModel):
    """A sign-in service by OpenID Connect; `roles` says which role each of its groups means."""

    model_config = ConfigDict(extra="forbid")
    title: str = Field(max_length=80, examples=["Entra ID"])
    issuer: str = Field(max_length=300, examples=["https://login.hospital.example/realms/house"])
    client_id: str = Field(max_length=200, examples=["ponte"])
    credential: str = Field(default="", max_length=100, description="where the vault keeps our secret; empty for none")
    scopes: str = Field(default="openid profile email", max_length=300)
    login_claim: str = Field(default="preferred_username", max_length=120)
    name_claim: str = Field(default="name", max_length=120)
    groups_claim: str = Field(default="groups", max_length=120, examples=["realm_access.roles"])
    roles: dict[str, str] = Field(max_length=200, examples=[{"ponte-admins": "administrator"}])


def _json(document: Any, status: int = 200) -> Response:
    return json_answer(document, status, {"Cache-Control": "no-store"})


async def _one(state: State, caller: Caller, login: str, password: str = "", status: int = 200) -> Response:
    async with state.world.transaction(caller.tenant) as tx:
        found = (await accounts.read(tx, login)).as_json()
    return _json({**found, **({"first_password": password} if password else {})}, status)


async def _writer(state: State, caller: Caller, login: str) -> None:
    """Raise unless the caller may touch the account: whoever gives it a new password can act as it."""
    caller.require("users/write", "admin/*")
    async with state.world.transaction(caller.tenant) as tx:
        found = await accounts.read(tx, login)
    roles.check_grantable(caller.identity.scopes, found.roles)


@router.get("/users")
async def listed(state: StateDep, caller: CallerDep) -> Response:
    """Every account of the house; never a password."""
    caller.require("users/read", "users/write", "admin/*")
    async with state.world.transaction(caller.tenant) as tx:
        return _json({"users": [one.as_json() for one in await accounts.listed(tx)]})


@router.get("/users/{login}")
async def read(login: str, state: StateDep, caller: CallerDep) -> Response:
    """One account."""
    caller.require("users/read", "users/write", "admin/*")
    return await _one(state, caller, login)


@router.post("/users", status_code=201)
async def add(wish: NewUser, state: StateDep, caller: CallerDep) -> Response:
    """Make an account. Its first password is in this answer and never shown again."""
    caller.require("users/write", "admin/*")
    person = accounts.checked(wish.login, wish.name, wish.roles)
    roles.check_grantable(caller.identity.scopes, person.roles)
    first = await accounts.add(state.world, caller.tenant, person, actor=caller.identity.subject)
    return await _one(state, caller, person.login, first, 201)


@router.patch("/users/{login}")
async def change(login: str, wish: Change, state: StateDep, caller: CallerDep) -> Response:
    """Change name or roles, close or open the account."""
    await _writer(state, caller, login)
    world, tenant, actor = state.world, caller.tenant, caller.identity.subject
    if wish.name or wish.roles:
        roles.check_grantable(caller.identity.scopes, wish.roles)
        await accounts.change(world, tenant, login, name=wish.name, roles=wish.roles, actor=actor)
    if wish.active is not None:
        await (accounts.reopen if wish.active else accounts.close)(world, tenant, login, actor=actor)
    return await _one(state, caller, login)


@router.delete("/users/{login}")
async def close(login: str, state: StateDep, caller: CallerDep) -> Response:
    """Close the account and end its sessions, at once."""
    await _writer(state, caller, login)
    await accounts.close(state.world, caller.tenant, login, actor=caller.identity.subject)
    return await _one(state, caller, login)


@router.post("/users/{login}/reset")
async def reset(login: str, wish: Reset, state: StateDep, caller: CallerDep) -> Response:
    """A new first password, in this answer only; ends the sessions."""
    await _writer(state, caller, login)
    actor = caller.identity.subject
    first = await accounts.reset(state.world, caller.tenant, login, second_factor=wish.second_factor, actor=actor)
    return await _one(state, caller, login, first)


@router.get("/users/{login}/tokens")
async def own_tokens_of(login: str, state: StateDep, caller: CallerDep) -> Response:
    """The tokens a person has made that have not ended: what for, scopes, end; never the token."""
    caller.require("users/read", "users/write", "admin/*")
    async with state.world.transaction(caller.tenant) as tx:
        person = await accounts.read(tx, login)
        found = await own_tokens.listed(tx, person.login, state.world.now())
    return _json({"tokens": [one.as_json() for one in found]})


@router.delete("/users/{login}/tokens/{token_id}", status_code=204)
async def end_token(login: str, token_id: str, state: StateDep, caller: CallerDep) -> Response:
    """Refuse one of them from now on."""
    await _writer(state, caller, login)
    await own_tokens.end(state.world, caller.tenant, login, token_id[:40], actor=caller.identity.subject)
    return Response(status_code=204)


@router.get("/sign-in")
async def sign_in(state: StateDep, caller: CallerDep) -> Response:
    """What the house decides about signing in, and the roles there are."""
    caller.require("users/read", "users/write", "admin/*")
    known = {key: sorted(role.scopes) for key, role in roles.roles().items()}
    house = rules.house_of(await state.world.tenant(caller.tenant.slug))
    return _json({**house.as_json(), "roles": known})


@router.put("/sign-in")
async def decide(wish: SignIn, state: StateDep, caller: CallerDep) -> Response:
    """Set it."""
    caller.require("users/write", "admin/*")
    wanted = House(**wish.model_dump())
    await rules.decide(state.world, caller.tenant, wanted, actor=caller.identity.subject)
    return _json(wanted.as_json())


@router.get("/sign-in/oidc")
async def service(state: StateDep, caller: CallerDep) -> Response:
    """The house's own sign-in service, and the address it must know us by; an empty object where there is none."""
    caller.require("users/read", "users/write", "admin/*")
    found = federation.service_of(await state.world.tenant(caller.tenant.slug))
    told = found.as_json() | {"redirect_uri": federation.back(state.world)} if found is not None else {}
    return _json(told)


@router.put("/sign-in/oidc")
async def trust(wish: Service, state: StateDep, caller: CallerDep) -> Response:
    """Set it: whoever is in one of its groups comes in with the group's role."""
    caller.require("admin/*")
    found = federation.checked(state.world, wish.model_dump(exclude_unset=True))
    await federation.decide(state.world, caller.tenant, found, actor=caller.identity.subject)
    return _json(found.as_json() | {"redirect_uri": federation.back(state.world)})


@router.delete("/sign-in/oidc", status_code=204)
async def distrust(state: StateDep, caller: CallerDep) -> Response:
    """Take it away; sessions it began go on until they end."""
    caller.require("admin/*")
    await federation.decide(state.world, caller.tenant, None, actor=caller.identity.subject)
    return Response(status_code=204)
