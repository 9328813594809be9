"""Faults of the message as a whole: hash, encoding, header."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import clean
from faults import HEAD, SADT, Fault, at

from tiss.rules.contract import Contract
from tiss.wire import epilogo, message


def recipe(content: Callable[[str], bytes], algorithm: str = "md5") -> Callable[[bytes], bytes]:
    """State the hash a wrong recipe gives."""

    def change(raw: bytes) -> bytes:
        root = message.read(raw).root  # type: ignore[union-attr]
        right = epilogo.compute(root)
        wrong = hashlib.new(algorithm, content(epilogo.leaf_text(root))).hexdigest()
        return raw.replace(right.encode(), wrong.encode())

    return change


def xml_recipe(raw: bytes) -> bytes:
    root = message.read(raw).root  # type: ignore[union-attr]
    right = epilogo.compute(root).encode()
    return raw.replace(right, hashlib.md5(raw.replace(right, b"")).hexdigest().encode())


HASH = "/mensagemTISS/epilogo/hash"
ENCODED = "iso-8859-1"
FAULTS = [
    Fault(
        "hash empty",
        "hash.missing",
        HASH,
        raw=lambda r: r[: r.index(b"<ans:hash>") + 10] + r[r.index(b"</ans:hash>") :],
        sealed=False,
    ),
    Fault(
        "changed after hashing",
        "hash.wrong",
        HASH,
        raw=lambda r: r.replace(b"<ans:numeroLote>4711<", b"<ans:numeroLote>4712<"),
        sealed=False,
    ),
    Fault("hash in UTF-8", "hash.wrong.utf-8", HASH, raw=recipe(lambda t: t.encode("utf-8")), sealed=False),
    Fault("hash in UTF-16", "hash.wrong.utf-16", HASH, raw=recipe(lambda t: t.encode("utf-16-le")), sealed=False),
    Fault("SHA-1", "hash.wrong.sha-1", HASH, raw=recipe(lambda t: t.encode(ENCODED), "sha1"), sealed=False),
    Fault("SHA-256", "hash.wrong.sha-2", HASH, raw=recipe(lambda t: t.encode(ENCODED), "sha256"), sealed=False),
    Fault("upper case", "hash.wrong.upper-case", HASH, raw=recipe(lambda t: t.upper().encode(ENCODED)), sealed=False),
    Fault("lower case", "hash.wrong.lower-case", HASH, raw=recipe(lambda t: t.lower().encode(ENCODED)), sealed=False),
    Fault(
        "no blanks",
        "hash.wrong.no-blanks",
        HASH,
        raw=recipe(lambda t: "".join(t.split()).encode(ENCODED)),
        sealed=False,
    ),
    Fault("a place holder", "hash.wrong.with-hash", HASH, raw=recipe(lambda t: (t + "0" * 32).encode()), sealed=False),
    Fault("line end", "hash.wrong.line-end", HASH, raw=recipe(lambda t: (t + "\n").encode(ENCODED)), sealed=False),
    Fault("XML text", "hash.wrong.xml-text", HASH, raw=xml_recipe, sealed=False),
    Fault(
        "no MD5",
        "hash.wrong.shape",
        HASH,
        raw=lambda r: r.replace(epilogo.compute(message.read(r).root).encode(), b"abc"),
        sealed=False,
    ),
    Fault(
        "UTF-8 under a Latin-1 header",
        "encoding.utf8-as-latin1",
        "line 2",
        raw=lambda r: r.decode("latin-1").encode("utf-8"),
        more=True,
        sealed=False,
    ),
    Fault(
        "UTF-8 declared",
        "encoding.declared",
        "",
        raw=lambda r: r.decode("latin-1").replace("ISO-8859-1", "UTF-8").encode("utf-8"),
        more=True,
        sealed=False,
    ),
    Fault(
        "Windows quotes",
        "encoding.cp1252",
        f"{SADT}/dadosSolicitante/nomeContratadoSolicitante",
        raw=lambda r: r.replace("Clínica".encode("latin-1"), b"\x93Clinica", 2),
        more=True,
    ),
    Fault(
        "a dash as reference",
        "encoding.not-latin1",
        f"{SADT}/dadosSolicitante/nomeContratadoSolicitante",
        raw=lambda r: r.replace("Clínica".encode("latin-1"), b"Clinica&#8211;"),
        sealed=False,
        more=True,
    ),
    Fault(
        "line break in a text",
        "encoding.control",
        f"{SADT}/dadosSolicitante/nomeContratadoSolicitante",
        raw=lambda r: r.replace("Clínica ".encode("latin-1"), b"Clinica\n"),
        more=True,
    ),
    Fault(
        "blank text",
        "encoding.blank",
        f"{SADT}/dadosSolicitante/nomeContratadoSolicitante",
        raw=lambda r: r.replace("Clínica Ação".encode("latin-1"), b" "),
        more=True,
    ),
    Fault(
        "hash beyond the encoding",
        "hash.uncomputable",
        HASH,
        raw=lambda r: r.replace("Clínica".encode("latin-1"), b"Clinica&#8211;"),
        sealed=False,
        more=True,
    ),
    Fault(
        "blank optional tag",
        "encoding.blank-optional",
        f"{SADT}/observacao",
        guide=at("observacao", " "),
    ),
    Fault(
        "blanks around a code",
        "encoding.padded",
        f"{SADT}/cabecalhoGuia/numeroGuiaPrestador",
        guide=at("cabecalhoGuia/numeroGuiaPrestador", "S2 "),
    ),
    Fault(
        "accents encoded twice",
        "encoding.twice",
        f"{SADT}/dadosSolicitante/nomeContratadoSolicitante",
        guide=at("dadosSolicitante/nomeContratadoSolicitante", "Cl\u00c3\u00adnica A\u00c3\u00a7\u00c3\u00a3o"),
    ),
    Fault(
        "all guides of another operator",
        "header.guide-operator.all",
        f"{HEAD}/destino/registroANS",
        head=at("destino/registroANS", "005711"),
    ),
    Fault(
        "contract of another version", "header.version-contract", f"{HEAD}/Padrao", contract=Contract(version="4.02.00")
    ),
    Fault("version nobody knows", "header.version", f"{HEAD}/Padrao", head=at("Padrao", "4.02.99"), more=True),
    Fault("version yet to come", "header.version.new", f"{HEAD}/Padrao", head=at("Padrao", "9.99.00")),
    Fault(
        "provider under another code",
        "payer.provider",
        f"{HEAD}/origem/identificacaoPrestador/codigoPrestadorNaOperadora",
        contract=Contract(provider={"codigoPrestadorNaOperadora": "54321"}),
    ),
    Fault(
        "no tipoTransacao",
        "header.transaction.missing",
        f"{HEAD}/identificacaoTransacao",
        head=lambda tree: tree["identificacaoTransacao"].pop("tipoTransacao"),
        more=True,
    ),
    Fault(
        "wrong tipoTransacao",
        "header.transaction",
        f"{HEAD}/identificacaoTransacao/tipoTransacao",
        head=at("identificacaoTransacao/tipoTransacao", "RECURSO_GLOSA"),
    ),
    Fault("operator as sender", "header.sender", f"{HEAD}/origem", head=at("origem", {"registroANS": clean.OPERATOR})),
    Fault(
        "provider as receiver",
        "header.receiver",
        f"{HEAD}/destino",
        head=at("destino", {"identificacaoPrestador": {"codigoPrestadorNaOperadora": "1"}}),
    ),
    Fault(
        "another contract's operator",
        "header.operator-contract",
        f"{HEAD}/destino/registroANS",
        contract=Contract(operator="005711"),
    ),
    Fault(
        "letters in sequencialTransacao",
        "header.sequence",
        f"{HEAD}/identificacaoTransacao/sequencialTransacao",
        head=at("identificacaoTransacao/sequencialTransacao", "A-1"),
    ),
    Fault(
        "odd numeroLote",
        "header.batch-number",
        "/mensagemTISS/prestadorParaOperadora/loteGuias/numeroLote",
        raw=lambda r: r.replace(b">4711<", b">47-11<"),
    ),
    Fault(
        "guide of another operator",
        "header.guide-operator",
        f"{SADT}/cabecalhoGuia/registroANS",
        guide=at("cabecalhoGuia/registroANS", "005711"),
    ),
    Fault(
        "transaction from tomorrow",
        "date.registration",
        f"{HEAD}/identificacaoTransacao/dataRegistroTransacao",
        head=at("identificacaoTransacao/dataRegistroTransacao", "2026-11-23"),
    ),
    Fault(
        "hour with a zone",
        "date.time-form",
        f"{HEAD}/identificacaoTransacao/horaRegistroTransacao",
        head=at("identificacaoTransacao/horaRegistroTransacao", "10:30:00-03:00"),
    ),
]
