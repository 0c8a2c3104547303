"""HTML as text. What a mail hides from its reader, or would run, is left out.

The standard library's HTMLParser is not used: it takes minutes for some texts of 100 kB, and raises at others
(E102). This one looks at each character a bounded number of times and never raises.
"""

import html
import re
from collections.abc import Iterator
from typing import Final

MAX_HTML: Final = 500_000
"""Characters that are read: a longer text is cut."""

_TAG = re.compile(r"<(?:(?P<comment>!--)|(?P<close>/)?(?P<name>[a-zA-Z][a-zA-Z0-9]{0,20})|[/!?])")
_UNSEEN_END = {
    name: re.compile(rf"</{name}\b", re.IGNORECASE) for name in ("script", "style", "template", "title")
}
_BREAKS = frozenset({
    "address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "footer", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul",
})  # fmt: skip
_CELLS = frozenset({"td", "th"})
_LONG_NUMBER = re.compile(r"&#[0-9]{8,}+;?")


def html_text(text: str) -> str:
    """Its words, a line for each block, blank lines at most one at a time."""
    lines = (" ".join(line.split()) for line in "".join(_said(text[:MAX_HTML])).split("\n"))
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip()


def _said(text: str) -> Iterator[str]:
    at = 0
    while tag := _TAG.search(text, at):
        yield _words(text[at : tag.start()])
        if tag["comment"]:
            end, length = text.find("-->", tag.end()), 3
        else:
            end, length = text.find(">", tag.end()), 1
        name = (tag["name"] or "").lower()
        if end >= 0 and name in _UNSEEN_END and not tag["close"]:
            hidden = _UNSEEN_END[name].search(text, end)
            end = hidden.start() - 1 if hidden else -1
        if end < 0:
            return
        at = end + length
        if name in _BREAKS:
            yield "\n"
        elif name in _CELLS:
            yield " "
    yield _words(text[at:])


def _words(text: str) -> str:
    plain = text.replace("\n", " ").replace("\r", " ")
    return html.unescape(_LONG_NUMBER.sub("\N{REPLACEMENT CHARACTER}", plain))
