"""The simulated payers: a real SOAP server for trials, one operator per path, that checks what it gets and judges it.

`POST /payer/<registro ANS>` takes each of the twelve operations. Faults can be switched on, and what was really
received can be asked for, under `/control`. It never trusts the hub's own checks: the hash is computed by own code.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree import ElementTree

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.simulators import payer_decisions, payer_faults, payer_payments
from api.simulators.payer_appeals import Appeal, appealed, text
from api.simulators.payer_book import Batch, Book, Side
from api.simulators.payer_replies import Replies
from canonical.problem import Problem
from signatures import xmldsig
from signatures.trust import Trust
from signatures.verdict import Outcome, Reason
from tiss.schema.check import schema_problems
from tiss.wire import message, soap
from tiss.wire.message import Tiss
from tiss.wire.versions import NAMESPACE

FAULTS = (
    "", "slow", "400", "401", "403", "404", "500", "503", "html", "lost", "fault", "garbage", "refuse", "error",
    "duplicate", "empty", "half", "other", "twice", "wrong-hash", "wrong-version",
)  # fmt: skip
LARGEST = 64 * 1024 * 1024
XML = "text/xml; charset=ISO-8859-1"
_SAID_NO = ("error", "duplicate")
# password `demo` in MD5, as operator Ipê wants it, and in clear, as Jacarandá does
DEMO = (
    Side(
        ans="999806",
        version="4.02.00",
        name="Operadora Demonstração Ipê",
        cnpj="11444777000161",
        logins=(("hospital", hashlib.md5(b"demo", usedforsecurity=False).hexdigest()),),
        signed=True,
    ),
    Side(
        ans="999814",
        version="4.03.00",
        name="Operadora Demonstração Jacarandá",
        cnpj="J4C4R4NDA00121",
        logins=(("hospital", "demo"),),
        deny_every=9,
        glosas=(("3169", 100), ("1705", 25), ("1801", 100)),
        already="3268",
        unknown="3291",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Which operators are simulated, and whose certificates they trust (None: any chain, the signature must hold)."""

    sides: tuple[Side, ...] = DEMO
    trust: Trust | None = None


@dataclass(slots=True)
class Fault:
    """A switched fault: what goes wrong, how many times yet (-1: until switched off), at which request root.

    With `each` every kind of request meets these faults one after the other, then none.
    """

    kind: str = ""
    times: int = -1
    seconds: float = 5.0
    root: str = ""
    each: tuple[str, ...] = ()
    met: Counter[str] = field(default_factory=Counter)

    def take(self, root: str) -> str:
        """The fault for a request with this root, counted down."""
        if self.each:
            self.met[root] += 1
            return self.each[self.met[root] - 1] if self.met[root] <= len(self.each) else ""
        if not self.kind or self.times == 0 or (self.root and self.root != root):
            return ""
        if self.times > 0:
            self.times -= 1
        return self.kind


@dataclass(slots=True)
class Payers:
    """All simulated operators by registro ANS, with their faults."""

    config: Config
    books: dict[str, Book] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    turns: dict[str, asyncio.Lock] = field(default_factory=dict)


def create_app(config: Config | None = None) -> Starlette:
    """The payers and their control as one ASGI application."""
    payers = Payers(config or Config())
    for side in payers.config.sides:
        payers.books[side.ans] = Book(side)
        payers.faults[side.ans] = Fault()
        payers.turns[side.ans] = asyncio.Lock()

    async def service(request: Request) -> Response:
        return await _serve(payers, request)

    async def received(request: Request) -> Response:
        return JSONResponse({"payers": [book.report() for book in payers.books.values()]})

    async def fault(request: Request) -> Response:
        return await _switch(payers, request)

    async def paid(request: Request) -> Response:
        book = payers.books.get(request.path_params["ans"])
        if book is None:
            return Response("no such operator", 404)
        if request.query_params.get("form") == "csv":
            return Response(payer_payments.sheet(book), media_type="text/csv; charset=windows-1252")
        return Response(payer_payments.document(book), media_type=XML)

    routes = [
        Route("/control/payment/{ans}", paid),
        Route("/payer/{ans}", service, methods=["POST"]),
        Route("/payer/{ans}/{service:path}", service, methods=["POST"]),
        Route("/control/received", received),
        Route("/control/fault", fault, methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    app.state.payers = payers
    return app


async def _switch(payers: Payers, request: Request) -> Response:
    """Switch a fault (ans; kind, times, seconds, root, or each: a list of kinds).

    Or what a statement shows (ans; revise, foreign, glosa, or reject: a protocol denied as a whole under `glosa`).
    """
    try:
        wanted = json.loads(await request.body())
        ans, kind = str(wanted["ans"]), str(wanted.get("kind", ""))
        book = payers.books[ans]
        each = tuple(map(str, wanted.get("each", ())))
        if not {kind, *each} <= set(FAULTS):
            raise ValueError(kind)
        times, seconds, root = (
            int(wanted.get("times", -1)),
            float(wanted.get("seconds", 5)),
            str(wanted.get("root", "")),
        )
        fault = Fault(kind, times, seconds, root, each)
    except (ValueError, KeyError, TypeError, AttributeError):
        return JSONResponse({"error": f"ans must be known, kind one of {', '.join(FAULTS)}"}, status_code=422)
    payers.faults[ans] = fault
    if "foreign" in wanted:
        book.foreign = bool(wanted["foreign"])
    if "glosa" in wanted and "reject" not in wanted:
        book.strange_glosa = str(wanted["glosa"])
    if "reject" in wanted and not book.reject(str(wanted["reject"]), str(wanted.get("glosa", "1101"))):
        return JSONResponse({"error": "there is no such protocol"}, status_code=404)
    if "revise" in wanted and not book.revise(str(wanted["revise"])):
        return JSONResponse({"error": "there is no such protocol"}, status_code=404)
    return JSONResponse(book.report())


async def _serve(payers: Payers, request: Request) -> Response:
    book = payers.books.get(request.path_params["ans"])
    if book is None:
        return Response("no such operator", 404)
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST:
            return Response("too large", 413)
    content = bytes(raw)
    body = soap.read(content, request.headers.get("content-type", ""))
    if not isinstance(body, soap.Body):
        return _fault(book, "SchemaInvalido", "envelope")
    root = _root_name(body.content)
    book.requests[root or "unreadable"] += 1
    switch = payers.faults[book.side.ans]
    kind = switch.take(root)
    if early := await _early(book, kind, switch.seconds):
        return early
    async with payers.turns[book.side.ans]:  # the book knows no concurrency
        reply = await asyncio.to_thread(_answer, payers.config, book, body.content, kind)
    return _Lost() if kind == "lost" else payer_faults.spoilt(reply, kind)


async def _early(book: Book, kind: str, seconds: float) -> Response | None:
    """The answer of a fault that keeps the request from being worked on; a slow server only waits."""
    if kind == "slow":
        await asyncio.sleep(seconds)
    if kind.isdigit():
        return Response(f"HTTP {kind}", int(kind))
    if kind == "empty":
        return Response(b"", 200, media_type=XML)
    if kind == "html":
        return Response("<!DOCTYPE html><html><body>Portal em manutenção</body></html>", 200, media_type="text/html")
    if kind == "fault":
        return _fault(book, "ErroInesperadoServidor", "switched fault")
    if kind == "garbage":
        return Response(b'<?xml version="1.0"?><s:Envelope xmlns:s="' + soap.SOAP_11.encode() + b'"><s:Bo', 200)
    if kind == "refuse":
        return _fault(book, "LoginInvalido", "switched refusal")
    return None


class _Lost(Response):
    """A reply that never arrives: the connection is closed before it is complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", XML.encode()), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<", "more_body": True})
        raise ConnectionResetError("the simulated connection is lost")


def _fault(book: Book, kind: str, why: str) -> Response:
    book.refused[f"{kind}: {why}"] += 1
    return Response(soap.fault(kind, why), 500, media_type=XML)


def _root_name(raw: bytes) -> str:
    found = message.read(raw)
    return "" if isinstance(found, Problem) else str(found.root.tag).rpartition("}")[2]


def _answer(config: Config, book: Book, raw: bytes, kind: str = "") -> Response:
    """Check a request as a strict operator does, then answer it; `kind` may be a switched refusal of the business."""
    found = message.read(raw)
    if isinstance(found, Problem):
        return _fault(book, "SchemaInvalido", found.code)
    refusal = _refusal(book.side, found, raw)
    if refusal is not None:
        return _fault(book, *refusal)
    root = str(found.root.tag).rpartition("}")[2]
    handler = HANDLERS.get(root)
    if handler is None:
        return _fault(book, "SchemaInvalido", root)
    signed, code = _signature(config, book.side, raw)
    replies = Replies(book, found.root)
    if kind == "other":
        handler(book, replies, raw, signed)
        answer = payer_faults.another(replies, root)
    elif kind in _SAID_NO:
        book.refused[kind] += 1
        answer = replies.refusal(root, book.side.already if kind == "duplicate" else payer_decisions.DENIED)
    elif code and root in ("loteGuiasWS", "loteRecursoGlosaWS"):
        book.refused[code] += 1
        answer = replies.error("protocoloRecebimentoWS", "PROTOCOLO_RECEBIMENTO", "recebimentoLote", code)
    else:
        answer = handler(book, replies, raw, signed)
    return Response(soap.envelope(answer), 200, media_type=XML)


def _refusal(side: Side, found: Tiss, raw: bytes) -> tuple[str, str] | None:
    """The tissFault of a request that is not acceptable, with what was wrong."""
    if found.version != side.version:
        return "VersaoInvalida", "Padrao"
    problems = schema_problems(found, side.version)
    if problems:
        return "SchemaInvalido", problems[0].where
    if own_hash(raw) != text(found.root, "hash").lower():
        return "HashInvalido", "hash"
    if found.text("cabecalho/destino/registroANS") != side.ans:
        return "DestinatarioInvalido", "destino"
    login = (
        found.text("cabecalho/loginSenhaPrestador/loginPrestador"),
        found.text("cabecalho/loginSenhaPrestador/senhaPrestador"),
    )
    if side.logins and login not in side.logins:
        return "LoginInvalido", "loginSenhaPrestador"
    return None


def own_hash(raw: bytes) -> str:
    """The epilogo hash by the published rule, computed without the hub's code: MD5 of the leaf texts in ISO-8859-1."""
    skipped = {f"{{{NAMESPACE}}}{name}" for name in ("hash", "Signature", "Signatures", "assinaturaDigitalGuia")}

    def leaves(node: ElementTree.Element) -> str:
        if node.tag in skipped:
            return ""
        return "".join(leaves(child) for child in node) if len(node) else (node.text or "")

    tree = ElementTree.fromstring(raw)  # noqa: S314  (message.read refused DTD, entities and depth before)
    return hashlib.md5(leaves(tree).encode("iso-8859-1", "replace"), usedforsecurity=False).hexdigest()


def _signature(config: Config, side: Side, raw: bytes) -> tuple[bool, str]:
    """Whether the request carries a signature that holds, and the message code when it lacks what is asked."""
    verdict = xmldsig.verify(raw, trust=config.trust or Trust(), at=datetime.datetime.now(datetime.UTC))
    if verdict.reason == Reason.NO_SIGNATURE:
        return False, "3168" if side.signed else ""
    held = verdict.outcome == Outcome.PASSED or (config.trust is None and verdict.outcome == Outcome.INDETERMINATE)
    return held, "" if held else "5022"


def _lote(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    number = text(replies.request, "loteGuias/numeroLote")
    known = book.batches.get(number)
    if known is not None:
        known.resent += 1
        if known.digest == hashlib.sha256(raw).hexdigest():
            return replies.protocol(known)
        book.refused[book.side.already] += 1
        root, transaction = "protocoloRecebimentoWS", "PROTOCOLO_RECEBIMENTO"
        return replies.error(root, transaction, "recebimentoLote", book.side.already)
    return replies.protocol(book.take(replies.request, raw, signed=signed))


def _status(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    wanted = text(replies.request, "solicitacaoStatusProtocolo/numeroProtocolo")
    batch = book.by_protocol(wanted)
    if batch is None and (annex := payer_decisions.annex_status(book, replies, wanted)):
        return annex
    if batch is None:
        return replies.error("situacaoProtocoloWS", "SITUACAO_PROTOCOLO", "situacaoProtocolo", book.side.unknown)
    return replies.status(batch)


def _statement(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    path = "{*}solicitacaoDemonstrativoRetorno/{*}demonstrativoAnalise/{*}protocolos/{*}numeroProtocolo"
    wanted = [(node.text or "").strip() for node in replies.request.findall(path)]
    found: list[Batch] = [batch for number in wanted if (batch := book.by_protocol(number)) is not None]
    if not found:
        root, transaction = "demonstrativoRetornoWS", "DEMONSTRATIVO_ANALISE_CONTA"
        return replies.error(root, transaction, "demonstrativoRetorno", book.side.unknown)
    waiting = [batch for batch in found if book.status(batch) == "2"]
    if waiting:
        return replies.pending(waiting[0].protocol, "2")
    for batch in found:
        batch.shown += 1
    return replies.statement(found)


def _appeal(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    node = appealed(replies.request)
    number, protocol = text(node, "numeroGuiaRecGlosaPrestador"), text(node, "numeroProtocolo")
    known: Appeal | None = book.appeals.get(number)
    root, transaction, child = "protocoloRecebimentoRecursoWS", "RECEBIMENTO_RECURSO_GLOSA", "recebimentoRecurso"
    if known is not None:
        known.resent += 1
        same = known.digest == hashlib.sha256(raw).hexdigest()
        return replies.appeal_protocol(known) if same else replies.error(root, transaction, child, "2904")
    if book.by_protocol(protocol) is None:
        return replies.error(root, transaction, child, book.side.unknown)
    return replies.appeal_protocol(book.appeal(replies.request, raw))


def _appeal_status(book: Book, replies: Replies, raw: bytes, signed: bool) -> bytes:
    wanted = text(replies.request, "solicitacaoStatusProtocoloRecurso/numeroProtocolo")
    found = next((appeal for appeal in book.appeals.values() if appeal.protocol == wanted), None)
    if found is None:
        root, transaction = "situacaoProtocoloRecursoWS", "RESPOSTA_RECURSO_GLOSA"
        return replies.error(root, transaction, "situacaoProtocoloRecurso", book.side.unknown)
    ready = book.clock() - found.at >= book.side.delay_s
    return replies.appeal_answer(found) if ready else replies.appeal_pending(found)


HANDLERS: dict[str, Callable[[Book, Replies, bytes, bool], bytes]] = {
    "loteGuiasWS": _lote,
    "solicitacaoStatusProtocoloWS": _status,
    "solicitacaoDemonstrativoRetornoWS": _statement,
    "loteRecursoGlosaWS": _appeal,
    "solicitacaoStatusRecursoGlosaWS": _appeal_status,
    **payer_decisions.HANDLERS,
}
