"""Names the wrong recipe behind a hash while a file goes by: every recipe's digest is kept running, piece by piece.

Of the recipes in `hashes` only those that write the XML anew cannot be kept so.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable, Iterable

from canonical.identity import unaccented
from tiss.rules.hashes import blanked, kind_of

_ENCODINGS = {"utf-8": "utf-8", "iso-8859-1": "iso-8859-1", "windows-1252": "windows-1252", "utf-16-le": "utf-16"}
_PLAIN = str.maketrans({chr(c): unaccented(chr(c)) for c in range(160, 256)})
_CHANGES: dict[str, Callable[[str], str]] = {
    "upper-case": str.upper,
    "lower-case": str.lower,
    "no-accents": lambda text: text.translate(_PLAIN),
    "no-blanks": lambda text: "".join(text.split()),
}
_PLACE_HOLDER = "0" * 32


def of_text(stated: str, bulk: hashlib._Hash, tail: bytes) -> str:
    """`xml-text` when the file's bytes without the hash, or with a place holder, give `stated`; `tail` are the last."""
    for end in (tail, *blanked(tail)):
        digest = bulk.copy()
        digest.update(end)
        if digest.hexdigest() == stated.lower():
            return "xml-text"
    return ""


def _known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True


class Running:
    """The digests of one file, by the name of the recipe and the encoding it is taken in."""

    def __init__(self, encoding: str) -> None:
        self._own = encoding if _known(encoding) else "utf-8"
        self._digests: dict[tuple[str, str], hashlib._Hash] = {}

    def add(self, parts: Iterable[str], *, header: bool = False) -> None:
        """The next leaf texts; `header`: they are of the header, which some leave out."""
        found = list(parts)
        text = "".join(found)
        for charset in dict.fromkeys((*_ENCODINGS, self._own)):
            self._take("", charset, text)
        changed = {name: change(text) for name, change in _CHANGES.items()}
        changed["trimmed"] = "".join(map(str.strip, found))
        if not header:
            changed["body-only"] = text
        for name, content in changed.items():
            for charset in dict.fromkeys((self._own, "utf-8")):
                self._take(name, charset, content)

    def _take(self, name: str, charset: str, text: str) -> None:
        digest = self._digests.get((name, charset))
        if digest is None:
            digest = self._digests[name, charset] = hashlib.md5(usedforsecurity=False)
        digest.update(text.encode(charset, "replace"))

    def digest(self, charset: str) -> str:
        """The digest of the texts as they are, in one of the encodings."""
        found = self._digests.get(("", charset))
        return found.hexdigest() if found is not None else ""

    def name(self, stated: str) -> str:
        """The name of the wrong recipe that gives `stated`, as `hashes.name_recipe` has it; empty when none does."""
        wanted = stated.lower()
        known = kind_of(stated)
        if known:
            return known
        for (name, charset), digest in self._digests.items():
            if digest.hexdigest() == wanted:
                return name or _ENCODINGS.get(charset, "")
        for charset in (self._own, "utf-8"):
            for name, end in (("with-hash", stated), ("with-hash", _PLACE_HOLDER), ("line-end", "\n")):
                digest = self._digests["", charset].copy()
                digest.update(end.encode(charset))
                if digest.hexdigest() == wanted:
                    return name
        return ""
