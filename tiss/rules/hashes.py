"""hash.*: the stated hash against the right one; a wrong one is tried against every known wrong recipe and named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from canonical.identity import unaccented
from canonical.problem import Problem
from tiss.rules.case import Findings, Given
from tiss.wire import epilogo
from tiss.wire.message import Tiss, place

_PLACE_HOLDER = "0" * 32
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
LARGEST_SEARCHED = 8 * 1024 * 1024
_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_FAMILIES = {"sha1": "sha-1", "sha256": "sha-2", "sha512": "sha-2"}
_ELEMENT = re.compile(rb"(<(?:[\w.\-]+:)?hash(?:\s[^<>]*+)?>)[^<]*+(</)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hash:
    """The hash the message states, the right one, and the encoding it was computed in."""

    stated: str = ""
    computed: str = ""
    encoding: str = ""


def check(message: Tiss, raw: bytes, text: str, given: Given, found: Findings) -> Hash:
    """The message's hash; `text` is its leaf text."""
    stamp, fault = _judged(message, raw, text, given.contract.hash_encoding)
    if fault:
        found.add(f"hash.{fault}", _where(message), computed=stamp.computed, encoding=stamp.encoding)
    return stamp


def of_a_reply(message: Tiss, raw: bytes, agreed: str) -> Problem | None:
    """hash.reply.*: what is wrong with the hash an operator put on its own message; `agreed` as in a Contract."""
    stamp, fault = _judged(message, raw, epilogo.leaf_text(message.root), agreed)
    if not fault:
        return None
    code = "hash.reply" + fault.removeprefix("wrong") if fault.startswith("wrong") else f"hash.reply.{fault}"
    return Problem(code, _where(message), args=(("computed", stamp.computed), ("encoding", stamp.encoding)))


def _judged(message: Tiss, raw: bytes, text: str, agreed: str) -> tuple[Hash, str]:
    """The hash, and what is wrong with it: nothing, `uncomputable`, `missing`, or `wrong` with the recipe's name."""
    encoding = message.encoding if agreed == "declared" else agreed
    stated = epilogo.stated(message.root)
    try:
        computed = epilogo.digest(text, encoding)
    except (UnicodeEncodeError, LookupError):
        return Hash(stated=stated, encoding=encoding), "uncomputable"
    stamp = Hash(stated=stated, computed=computed, encoding=encoding)
    if not stated:
        return stamp, "missing"
    if stated.lower() == computed:
        return stamp, ""
    recipe = name_recipe(message.root, raw, text, stated, encoding)
    return stamp, f"wrong.{recipe}" if recipe else "wrong"


def _where(message: Tiss) -> str:
    node = epilogo.last_hash(message.root)
    return place(node if node is not None else message.root)


def name_recipe(root: etree._Element, raw: bytes, text: str, stated: str, encoding: str) -> str:
    """The name of the wrong recipe that gives `stated`; empty when none does. `shape` when it is no MD5 at all."""
    wanted = stated.lower()
    algorithm = _algorithm(stated)
    if not algorithm:
        return "shape"
    if len(raw) > LARGEST_SEARCHED:
        return "not-searched"
    for name, content in _contents(root, raw, text, encoding):
        if hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() == wanted:
            return name if algorithm == "md5" else _FAMILIES[algorithm]
    return "" if algorithm == "md5" else _FAMILIES[algorithm]


def _algorithm(stated: str) -> str:
    """The algorithm whose digests are as long as `stated`; empty when it is no digest."""
    return _ALGORITHMS.get(len(stated), "") if _HEX.match(stated) else ""


def kind_of(stated: str) -> str:
    """What is wrong with a stated hash by its look: `shape`, `sha-1`, `sha-2`; empty for an MD5."""
    algorithm = _algorithm(stated)
    return _FAMILIES.get(algorithm, "") if algorithm else "shape"


def _contents(root: etree._Element, raw: bytes, text: str, encoding: str) -> Iterator[tuple[str, bytes]]:
    """What generators are known to hash instead of (or, with another algorithm, as) the leaf text."""
    yield "", text.encode(encoding, "replace")
    for other in ("utf-8", "iso-8859-1", "windows-1252", "utf-16-le", "utf-16"):
        if other != encoding:
            yield other.removesuffix("-le"), text.encode(other, "replace")
    for name, change in _CHANGES.items():
        changed = change(root, text)
        for charset in (encoding, "utf-8"):
            yield name, changed.encode(charset, "replace")
    for charset in (encoding, "utf-8"):  # a place holder was hashed along
        yield "with-hash", (text + _PLACE_HOLDER).encode(charset, "replace")
    yield "xml-text", raw
    yield from (("xml-text", text) for text in blanked(raw))
    yield "xml-text", etree.tostring(root, encoding="UTF-8", xml_declaration=False)
    yield "xml-text", b"".join(line.strip() for line in _ELEMENT.sub(rb"\1\2", raw).splitlines())


def blanked(raw: bytes) -> tuple[bytes, bytes]:
    """The XML text with an empty hash, and with a place holder in it."""
    return _ELEMENT.sub(rb"\1\2", raw), _ELEMENT.sub(rb"\g<1>" + _PLACE_HOLDER.encode() + rb"\2", raw)


def _with_hash(root: etree._Element, _text: str) -> str:
    """The leaf text with the hash element's own text."""
    return "".join(epilogo.own_text(node) for node in root.iter() if isinstance(node.tag, str) and not _children(node))


def _children(node: etree._Element) -> bool:
    return any(isinstance(child.tag, str) for child in node)


def _trimmed(root: etree._Element, _text: str) -> str:
    return "".join(part.strip() for part in epilogo.leaf_texts(root))


def _without_login(root: etree._Element, text: str) -> str:
    """The leaf text without loginSenhaPrestador."""
    parts = [node.text or "" for node in root.iter("{*}loginPrestador", "{*}senhaPrestador")]
    return text.replace("".join(parts), "", 1) if parts else text


def _body_only(root: etree._Element, _text: str) -> str:
    """The leaf text without the header."""
    body = [child for child in root if isinstance(child.tag, str) and not child.tag.endswith("}cabecalho")]
    return "".join(part for child in body for part in epilogo.leaf_texts(child))


def _plain(_root: etree._Element, text: str) -> str:
    return unaccented(text)


_CHANGES: dict[str, Callable[[etree._Element, str], str]] = {
    "trimmed": _trimmed,
    "all-text": lambda root, _text: str(etree.tostring(root, method="text", encoding="unicode")).replace(
        epilogo.stated(root), "", 1
    ),
    "with-hash": _with_hash,
    "upper-case": lambda _root, text: text.upper(),
    "lower-case": lambda _root, text: text.lower(),
    "no-accents": _plain,
    "no-blanks": lambda _root, text: "".join(text.split()),
    "line-end": lambda _root, text: text + "\n",
    "no-login": _without_login,
    "body-only": _body_only,
}
