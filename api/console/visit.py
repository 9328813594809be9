"""A look at a page by who has a session. Who has none, or must do something else first, is turned to where to go.

Every page but the first asks for a `Visit`, and every form of ours goes through here: what another site sends is
refused before anything of it is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Request
from starlette.responses import RedirectResponse, Response

from api.console import pages, session
from api.console.words import Words, language_of
from api.http.rejected import Rejected
from api.http.state import State, state_of
from api.routes.fhir.exchange import body_of, pairs_of
from canonical.problem import Problem
from hub.users import roles
from hub.users.sessions import Session
from hub.world import Tenant

ACCOUNT = "/console/account"
ALARMS = "/console/alarms"  # sent from the first page, and no page itself
HOUSE = "ponte_house"  # where a browser remembers whose pages it showed last
_MOST_FORM = 32 * 1024
_PLACE = re.compile(r"/(console/[a-z0-9/\-]{1,100})?(\?[A-Za-z0-9_.=&%:+\-]{0,300})?\Z", re.ASCII)


class Turned(Exception):
    """The request goes elsewhere: `response` says where."""

    def __init__(self, response: Response) -> None:
        super().__init__("turned")
        self.response = response


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at a page, or one change by it."""

    request: Request
    state: State
    session: Session

    @property
    def tenant(self) -> Tenant:
        """Whose pages are shown."""
        return self.session.tenant

    @property
    def actor(self) -> str:
        """Who looks, as the audit trail names them."""
        return self.session.subject

    @property
    def words(self) -> Words:
        """The words of the page."""
        return words_of(self.request, self.state, self.tenant)

    @property
    def language(self) -> Literal["pt", "en"]:
        """The language of the page."""
        return "en" if self.words.language == "en" else "pt"

    def may(self, *scopes: str) -> bool:
        """Whether one of the scopes is held."""
        return roles.may(self.session.scopes, *scopes)

    def require(self, *scopes: str) -> None:
        """Raise Denied unless one of the scopes is held."""
        roles.require(self.session.scopes, *scopes)

    def told(self, code: str) -> str:
        """A problem in words, with its remedy; empty for none."""
        language = self.words.language
        return f"{Problem(code).text(language)} {Problem(code).remedy(language)}" if code else ""

    def page(self, name: str, *, status: int = 200, **values: object) -> Response:
        """A page of this visit."""
        return pages.page(name, self.words, status=status, **{"tenant": self.tenant, "visit": self, **values})


async def visit_of(request: Request) -> Visit:
    """The visit of a session that may see pages; raises Turned."""
    visit = await any_visit(request)
    if visit.session.must:
        place = f"{ACCOUNT}?lang={visit.words.language}"
        raise Turned(RedirectResponse(place, 303, pages.HEADERS))
    if not visit.may("console/read"):
        raise Turned(way_in(request, status=403, error="login.scope"))
    return visit


async def any_visit(request: Request) -> Visit:
    """The visit of a session, also of one that must do something first; raises Turned."""
    own_form(request)
    state = state_of(request)
    found = await session.found(request, state)
    if found is None:
        raise Turned(_ended(request))
    return Visit(request, state, found)


def _ended(request: Request) -> Response:
    """The way in for somebody without a session: whether one ended, and whether something sent was not done."""
    if request.method in ("GET", "HEAD"):
        return way_in(request, status=401, error="login.ended" if session.COOKIE in request.cookies else "")
    page = "/".join(request.url.path.split("/")[:3])
    return way_in(request, status=401, error="login.unsent", to=place_of("/" if page == ALARMS else page))


def own_form(request: Request) -> None:
    """Raise Turned for what changes something and was not sent from our own page."""
    if request.method not in ("GET", "HEAD") and not session.is_same_site(request):
        raise Turned(way_in(request, status=403, error="login.foreign"))


VisitDep = Annotated[Visit, Depends(visit_of)]
AnyVisitDep = Annotated[Visit, Depends(any_visit)]
OwnForm = Depends(own_form)


def install(app: FastAPI) -> None:
    """Answer who is turned elsewhere."""
    app.add_exception_handler(Turned, _turned)


async def _turned(request: Request, error: Exception) -> Response:
    if not isinstance(error, Turned):
        raise error
    return error.response


def way_in(request: Request, *, status: int = 200, error: str = "", **values: object) -> Response:
    """The page to sign in by, with what was wrong; a form there leads back to the page that was wanted."""
    state = state_of(request)
    known = {
        "house": request.query_params.get("house", "")[:60] or request.cookies.get(HOUSE, "")[:60],
        "to": place_of(f"{request.url.path}?{request.url.query}") if request.method == "GET" else "",
        "login": "",
        "ticket": "",
        "minutes": 0,
        "other": False,
    }
    return pages.page("login.html", words_of(request, state, None), status=status, error=error, **{**known, **values})


def place_of(text: str) -> str:
    """A place of ours that somebody wanted to see; empty for anything else, and for the way in itself."""
    found = _PLACE.match(text.removesuffix("?"))
    return text if found and not text.startswith(("/console/login", "/console/logout")) else ""


async def form_of(request: Request) -> dict[str, str]:
    """The form's fields; what is too long or no form is an empty one."""
    return dict(await fields_of(request))


async def fields_of(request: Request) -> list[tuple[str, str]]:
    """The same, where a name may stand more than once."""
    try:
        body = await body_of(request, _MOST_FORM)
        return pairs_of(body.decode("utf-8", "replace"))
    except Rejected:
        return []


def words_of(request: Request, state: State, tenant: Tenant | None) -> Words:
    """The words of the page in the language asked for, in the tenant's zone."""
    language = language_of(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))
    zone = tenant.zone if tenant is not None else "America/Sao_Paulo"
    return Words(language=language, zone=zone, at=state.world.now())


def from_where(request: Request) -> Mapping[str, str]:
    """The address and the program a request came from."""
    address = request.client.host if request.client is not None else ""
    return {"address": address, "agent": request.headers.get("user-agent", "")}
