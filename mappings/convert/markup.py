"""Texts with marks of HTML (OBX-5 of TX, FT and ST, NTE-3), as systems with a text editor send them: read as text.

Only marks that HTML knows are taken away (`< 3 mm` and `<LSD>` stay), and nothing they say is lost with them: an
exponent keeps a caret (`10<sup>6</sup>` is no 106), what was struck out is said to be so, a picture is named.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

from mappings.convert.registry import Context, Value

_LINES = "p|div|tr|li|ul|ol|dl|dt|dd|table|tbody|thead|h[1-6]|hr|pre|blockquote|section|article|center|body"
_INLINE = "b|i|u|em|strong|span|font|small|big|tt|code|sub|label|mark|html|o:p|a|th|td|colgroup|col|tfoot|caption|meta"
_SAID = "br|sup|s|del|strike|img"
_TAG = re.compile(rf"<(/?)({_LINES}|{_INLINE}|{_SAID})(?:\s+[a-z:-]+\s*=[^<>]*)?\s*/?>", re.IGNORECASE)
_HIDES = re.compile(r"<(!--|!doctype\b|style\b|script\b|head\b|title\b)", re.IGNORECASE)
_ENDS = {
    "!--": re.compile("-->"), "!doctype": re.compile(">"),
    **{name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("style", "script", "head", "title")},
}  # fmt: skip
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_BREAK = re.compile(rf"(?:{_LINES})\Z", re.IGNORECASE)
_MEANS = {"br": ("\n", "\n"), "sup": ("^", ""), "img": ("[imagem]", ""), "td": ("", "\t"), "th": ("", "\t")}
_STRUCK = ("[riscado: ", "]")
_BREAK_SENT = re.compile(r"(<br\b[^<>]*>)[ \t]*\r?\n", re.IGNORECASE)


def unmarked(text: str, value: Value, context: Context) -> str:
    """The text without marks and entities of HTML, which is told once for a field; any other text as it is."""
    if "<" not in text and "&" not in text:
        return text
    plain = _without(text) if marked(text) else _spelled(text)
    if plain != text:
        told = value.problem("field.markup")
        context.problems += [] if told in context.problems[-3:] else [told]
    return plain


def marked(text: str) -> bool:
    """Whether a text has marks of HTML."""
    return "<" in text and _TAG.search(text) is not None


def _without(text: str) -> str:
    seen = _BREAK_SENT.sub(r"\1", _shown(text))
    lines = _spelled(_TAG.sub(_meant, seen)).split("\n")
    kept = "\n".join(line.strip(" \t\r") for line in lines)
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


def _shown(text: str) -> str:
    """`text` without comments, styles and scripts; one that never ends hides nothing."""
    pieces, at, endless = [], 0, set[str]()
    for start in _HIDES.finditer(text):
        name = start[1].lower()
        if start.start() < at or name in endless:
            continue
        end = _ENDS[name].search(text, start.end())
        if end is None:
            endless.add(name)
        else:
            pieces.append(text[at : start.start()])
            at = end.end()
    return "".join([*pieces, text[at:]])


def _meant(tag: re.Match[str]) -> str:
    """What a mark says in words or lines."""
    end, name = bool(tag[1]), tag[2].lower()
    if name in ("s", "del", "strike"):
        return _STRUCK[end]
    if name == "li" and not end:
        return "\n- "
    if _BREAK.match(name):
        return "\n"
    return _MEANS.get(name, ("", ""))[end]


def _spelled(text: str) -> str:
    """`text` with its entities as the signs they stand for; an unknown one stays as it is."""
    return _ENTITY.sub(lambda found: _sign(found[0], found[1]), text) if "&" in text else text


def _sign(whole: str, name: str) -> str:
    if not name.startswith("#") and f"{name};" not in html5:
        return whole
    sign = html.unescape(whole)
    return " " if sign == "\N{NO-BREAK SPACE}" else sign if sign.isprintable() else ""
