"""The simulated RNDS: EHR-auth behind mutual TLS, EHR-services behind its token, errors in the national form, faults.

Both are listeners of their own, as in the real network. It judges documents by rules of its own (`rules`), never by the
hub's builder, and keeps them in memory.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import secrets
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from api.simulators.rnds import register, rules
from api.simulators.rnds.book import Book, Stored
from api.simulators.rnds.rules import Error
from api.simulators.rnds.wire import Asked, Listener, Reply
from canonical import identifiers

BASE = "/api"
FHIR = "application/fhir+json"
FAULTS = ("", "slow", "503", "500", "lost", "dropped", "expired", "401", "html", "auth-503", "auth-401", "refuse")
_MOST_FINDINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Whom it knows: requesters, establishments, and professionals without an allowed link (`unlinked`)."""

    requesters: frozenset[str] = frozenset(("9999",))
    cnes: frozenset[str] = frozenset(("2337991",))
    unlinked: frozenset[str] = frozenset()
    token_seconds: float = 1800.0


@dataclass(slots=True)
class Fault:
    """A switched fault: what goes wrong, how many times yet (-1: until switched off), with which error or delay."""

    kind: str = ""
    times: int = -1
    code: str = "ERR905"
    seconds: float = 5.0

    def take(self, *kinds: str) -> str:
        """The fault, counted down, when it is one of `kinds`."""
        if self.kind not in kinds or not self.kind or self.times == 0:
            return ""
        if self.times > 0:
            self.times -= 1
        return self.kind


@dataclass(slots=True)
class Network:
    """The running simulator: two listeners, the tokens it gave, its book and its fault."""

    config: Config
    book: Book = field(default_factory=Book)
    fault: Fault = field(default_factory=Fault)
    contexts: set[tuple[str, str]] = field(default_factory=set)  # who may read of whom
    tokens: dict[str, float] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)

    async def start(
        self, auth: ssl.SSLContext, ehr: ssl.SSLContext, ports: tuple[int, int] = (0, 0)
    ) -> tuple[int, int]:
        """Listen on both ports and return them."""
        self.listeners = [Listener(self.token, auth), Listener(self.service, ehr)]
        for listener, port in zip(self.listeners, ports, strict=True):
            await listener.start(port)
        return self.listeners[0].port, self.listeners[1].port

    async def stop(self) -> None:
        """Close both."""
        for listener in self.listeners:
            await listener.stop()

    def switch(self, kind: str, *, times: int = -1, code: str = "ERR905", seconds: float = 5.0) -> None:
        """Switch a fault; raises ValueError for one that does not exist."""
        if kind not in FAULTS:
            raise ValueError(kind)
        self.fault = Fault(kind, times, code, seconds)

    async def token(self, asked: Asked) -> Reply:
        """`GET /api/token` with a client certificate: a token, its life in milliseconds."""
        self.book.requests["token"] += 1
        failing = self.fault.take("auth-503", "auth-401")
        if failing or not asked.client or (asked.method, asked.path) != ("GET", f"{BASE}/token"):
            return Reply(status=503 if failing == "auth-503" else 401)
        text = secrets.token_urlsafe(24)
        self.tokens[text] = time.monotonic() + self.config.token_seconds
        milliseconds = int(self.config.token_seconds * 1000)
        document = {"access_token": text, "scope": "read write", "token_type": "jwt", "expires_in": milliseconds}
        return Reply(status=200, body=json.dumps(document).encode(), headers={"content-type": "application/json"})

    async def service(self, asked: Asked) -> Reply:
        """A call of EHR-services: who calls is checked first, then the path."""
        if self.fault.take("slow"):
            await asyncio.sleep(self.fault.seconds)
        if failing := self.fault.take("dropped", "503", "html"):
            return _failing(failing)
        if wrong := self._caller(asked):
            return self._refuse(401 if wrong.code == "ERR882" else 422, [wrong], "security")
        path = asked.path.removeprefix(BASE)
        self.book.requests[f"{asked.method} {path.split('/')[-2 if asked.method == 'DELETE' else -1]}"] += 1
        if (asked.method, path) == ("POST", "/fhir/r4/Bundle"):
            return self._post(asked)
        if asked.method == "DELETE" and path.startswith("/fhir/r4/Bundle/"):
            return self._delete(path.rpartition("/")[2])
        if (asked.method, path) == ("POST", "/contexto-atendimento"):
            return self._context(asked)
        if (asked.method, path) == ("GET", "/identifier"):
            return self._find(asked)
        if asked.method == "GET" and path.endswith("/$document"):
            return self._document(path.split("/")[-2], asked.headers["authorization"])
        if asked.method == "GET" and path.startswith("/fhir/r4/"):
            return self._look(path.removeprefix("/fhir/r4/"), asked)
        return self._refuse(404, [Error("ERR861", "Operação inexistente ou não suportada.")])

    def _look(self, place: str, asked: Asked) -> Reply:
        """People and places: by id, or by one identifier as a search."""
        kind, _, number = place.partition("/")
        if kind not in ("Patient", "Practitioner", "Organization", "PractitionerRole"):
            return self._refuse(404, [Error("ERR861", "Operação inexistente ou não suportada.")])
        wanted = number or asked.query.get("identifier", "").rpartition("|")[2]
        found = register.found(kind, wanted, self.config.cnes, self.config.unlinked)
        if number and found is None:
            return self._refuse(404, [Error("MSG005", "O documento não foi encontrado na base.")])
        if number and found is not None:
            return _json(found)
        entries = [{"resource": found}] if found else []
        return _json({"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries})

    def _caller(self, asked: Asked) -> Error | None:
        """What is wrong with token or professional; None when both hold."""
        token = asked.headers.get("x-authorization-server", "").removeprefix("Bearer ")
        expired = self.fault.take("expired", "401") or self.tokens.get(token, 0.0) <= time.monotonic()
        if expired:
            self.tokens.pop(token, None)
            text = "O token de certificado usado para autorizar o acesso não é válido. JWT expired."
            return Error("ERR882", f"{text} Allowed clock skew: 0 milliseconds.")
        professional = asked.headers.get("authorization", "")
        if not identifiers.is_cns(professional):
            return Error("ERR901", "Profissional não encontrado")
        if professional in self.config.unlinked:
            text = "não autorizado, pois não possui vínculo CBO autorizado em nenhum dos estabelecimentos autorizados"
            return Error("ERR906", f"Profissional {text} para a credencial.")
        return None

    def _post(self, asked: Asked) -> Reply:
        if self.fault.take("refuse"):
            return self._refuse(422, [Error(self.fault.code, "Falha simulada.")])
        if not asked.headers.get("content-type", "").startswith(FHIR):
            return self._refuse(415, [Error("ERR861", "Operação inexistente ou não suportada.")])
        try:
            bundle = json.loads(asked.body)
        except ValueError:
            return self._refuse(422, [Error("ERR814", "O documento não pode ser lido.")])
        found = list(rules.structure(bundle, self.config.requesters))
        now = datetime.datetime.now(datetime.UTC)
        if not found:
            found = [*rules.clock(bundle, now), *rules.profiles(bundle, now.astimezone().date())]
        if not found:
            found = [*self._author(bundle), *([clash] if (clash := self.book.clash(bundle)) else [])]
        if found:
            return self._refuse(422, found)
        stored = self.book.take(bundle, asked.headers["authorization"])
        place = f"{BASE}/fhir/r4/Bundle/{stored.id}"
        headers = {"location": place, "content-location": place, "date": _now()}
        if self.fault.take("500"):
            return self._refuse(500, [])
        return Reply(status=201, headers=headers, lost=bool(self.fault.take("lost")))

    def _author(self, bundle: dict[str, object]) -> Iterable[Error]:
        """Whether the certificate may send for the establishment that signs."""
        head = bundle["entry"][0]["resource"]  # type: ignore[index]  # the structure was judged before
        author = head["author"][0]["identifier"]["value"]
        if author not in self.config.cnes:
            text = "Você não possui autorização para cadastrar documentos para os seguintes autores/estabelecimentos"
            yield Error("ERR897", f"{text}: {author}.")

    def _delete(self, identity: str) -> Reply:
        found = self.book.by_id(identity)
        if found is None or found.deleted:
            return self._refuse(404, [Error("ERR827", f'Documento com o ID "{identity}" não encontrado.')])
        if found.replaced_by:
            return self._refuse(422, [Error("ERR825", 'Para realizar a exclusão, o status deve ser "final".')])
        found.deleted = True
        return Reply(status=204, lost=bool(self.fault.take("lost")))

    def _find(self, asked: Asked) -> Reply:
        found = self.book.current(asked.query.get("system", ""), asked.query.get("value", ""))
        if found is None or found.kind != asked.query.get("docType", found.kind):
            return self._refuse(404, [Error("MSG005", "O documento não foi encontrado na base.")])
        return _json({"resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{"resource": _head(found)}]})

    def _context(self, asked: Asked) -> Reply:
        """A professional sees a patient here: from now on the professional may read that patient's documents."""
        try:
            said = json.loads(asked.body)
            cnes, professional, patient = (str(said[key]) for key in ("cnes", "cnsProfissional", "cnsPaciente"))
        except (ValueError, KeyError, TypeError):
            return self._refuse(422, [Error("ERR814", "O contexto de atendimento não pode ser lido.")])
        if cnes not in self.config.cnes:
            return self._refuse(422, [Error("ERR899", "Contexto de atendimento de outro estabelecimento.")], "security")
        if not identifiers.is_cns(professional) or professional != asked.headers["authorization"]:
            return self._refuse(422, [Error("ERR901", "Profissional não encontrado")], "security")
        if not identifiers.is_cns(patient):
            return self._refuse(422, [Error("ERR895", "Paciente não encontrado")])
        self.contexts.add((professional, patient))
        return _json({"accessToken": secrets.token_urlsafe(24)})

    def _document(self, identity: str, professional: str) -> Reply:
        found = self.book.by_id(identity)
        if found is None or found.deleted:
            return self._refuse(404, [Error("MSG005", "O documento não foi encontrado na base.")])
        if (professional, found.person) not in self.contexts:
            return self._refuse(403, [Error("", "O documento só é lido num contexto de atendimento.")], "security")
        return _json({**found.bundle, "id": found.id})

    def _refuse(self, status: int, found: list[Error], kind: str = "processing") -> Reply:
        self.book.refused.update(error.code for error in found)
        issues = [
            {
                "severity": "error",
                "code": kind,
                "diagnostics": _said(error),
            }
            for error in found[:_MOST_FINDINGS]
        ]
        return _json({"resourceType": "OperationOutcome", "issue": issues}, status)


def _said(error: Error) -> str:
    room = "EDS" if error.code.startswith("MSG") else "EHR"
    return f"({room}-{error.code}) {error.text}" if error.code else error.text


def _failing(kind: str) -> Reply:
    if kind == "dropped":
        return Reply(status=0, lost=True)
    body = b"<html><body>Servico indisponivel</body></html>"
    return Reply(status=503 if kind == "503" else 502, body=body, headers={"content-type": "text/html"})


def _head(found: Stored) -> dict[str, object]:
    return {**found.bundle["entry"][0]["resource"], "id": found.id}


def _json(document: dict[str, object], status: int = 200) -> Reply:
    headers = {"content-type": FHIR, "date": _now()}
    return Reply(status=status, body=json.dumps(document, ensure_ascii=False).encode(), headers=headers)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
