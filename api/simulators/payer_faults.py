"""How a simulated payer spoils an answer it has worked out: cut, doubled, of another operation, wrong in its header."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.responses import Response

from api.simulators.payer_replies import Replies

_HASH = re.compile(rb"(hash>)[0-9a-f]{32}(<)")
_VERSION = re.compile(rb"(Padrao>)[0-9.]+(<)")
_INSIDE = re.compile(rb"(<soap:Body>)(.*)(</soap:Body>)", re.S)
_SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda content: content[: len(content) // 2],
    "twice": lambda content: _INSIDE.sub(rb"\1\2\2\3", content),
    "wrong-hash": lambda content: _HASH.sub(rb"\g<1>" + b"0" * 32 + rb"\2", content),
    "wrong-version": lambda content: _VERSION.sub(rb"\g<1>3.02.00\2", content),
}


def spoilt(reply: Response, kind: str) -> Response:
    """The reply as a fault of this kind leaves it; unchanged for one that spoils no answer."""
    if kind not in _SPOILERS:
        return reply
    content = _SPOILERS[kind](bytes(reply.body))
    return Response(content, reply.status_code, media_type=reply.media_type)


def another(replies: Replies, root: str) -> bytes:
    """A valid answer to another operation than the one that was asked."""
    if root == "pedidoElegibilidadeWS":
        return replies.pending("1", "2")
    receipt = {
        "registroANS": replies.book.side.ans,
        "numeroCarteira": "0",
        "nomeBeneficiario": "Beneficiário da Simulação",
        "respostaSolicitacao": "S",
    }
    body = {"reciboElegibilidade": receipt}
    return replies.message("respostaElegibilidadeWS", "SITUACAO_ELEGIBILIDADE", "respostaElegibilidade", body)
