"""The syntax that header fields share: comments, parameters, encoded words, message ids.

Everything here is linear in its input and never raises (E102). The standard library's readers are not
used: they recurse on nested comments and differ between patch releases of Python.
"""

import binascii
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

Fields = Mapping[str, Sequence[str]]
"""A mail's header by lower-case field name, the occurrences of each name in written order."""

MAX_HEADER: Final = 250_000
"""Characters of a field that are read (E102): room for thousands of recipients, more than providers allow."""

_COMMENT_STEP = re.compile(r"[^()\\]*+(?:\\.[^()\\]*+)*+([()])", re.DOTALL)
_ENCODED_WORD = re.compile(r"=\?([^?\s]*+)\?([bBqQ])\?([^?\s]*+)\?=")
_BETWEEN_ENCODED_WORDS = re.compile(r"(?<=\?=)\s++(?==\?)")
_PARAMETER = re.compile(r'(?:[^;"]++|"(?:[^"\\]++|\\.)*+"?)++', re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9_-]++")
_ID_TOKEN = re.compile(
    r'<(?P<bracketed>[^<>]*+)>|"(?:[^"\\]|\\.)*+"?|(?P<open>\()|(?P<bare>[^\s,;<>()"]++)|.', re.DOTALL
)
_ID = re.compile(r'(?:[^\s<>()@"]++|"[^\s<>"]++")@[^\s<>()@"]++')
_FOLD = re.compile(r"\r?\n[ \t]++")
_MAX_ID = 998
"""Bytes: a line of a mail has no more (RFC 5322)."""
_NOT_ASCII = frozenset(
    (
        *("utf-8", "utf-7", "utf-16", "utf-16le", "utf-16be", "utf-32", "iso-2022-jp", "iso-2022-kr"),
        *("hz-gb-2312", "shift_jis", "cp932", "euc-jp", "gb2312", "gbk", "gb18030", "big5", "euc-kr"),
        *("cp949", "ks_c_5601-1987"),
    )
)
"""Charsets in which a byte below 128 need not be ASCII, and UTF-8. All others are read as Latin-1: enough to
see an address. A closed list, because Python imports and remembers for good whatever name a mail asks for."""


_BREAKS = frozenset({"Cc", "Zl", "Zp", "Cs"})
"""Controls, line and paragraph separators, lone surrogates: the ones end lines somewhere, nothing can encode the
others."""


def breaks(char: str) -> bool:
    """Whether no header may hold it."""
    return unicodedata.category(char) in _BREAKS


def unbroken(text: str) -> str:
    """With a space for each character that no header may hold."""
    return "".join(" " if breaks(char) else char for char in text)


def by_name(headers: Iterable[tuple[str, str]]) -> Fields:
    fields: dict[str, list[str]] = {}
    for name, value in headers:
        fields.setdefault(name.strip().lower(), []).append(value)
    return fields


def filled(fields: Fields, name: str) -> list[str]:
    """The occurrences that say anything: an empty field is as good as none."""
    return [value for value in fields.get(name, ()) if value and not value.isspace()]


def comment_end(text: str, start: int) -> int | None:
    """Where the comment that opens at `start` is over, None when it never is."""
    depth, at = 1, start + 1
    while depth:
        step = _COMMENT_STEP.match(text, at)
        if step is None:
            return None
        depth += 1 if step[1] == "(" else -1
        at = step.end()
    return at


def decoded(text: str) -> str:
    """What a reader sees of a display name. Undecodable characters are replaced (E42)."""
    if "=?" not in text:
        return text
    return _ENCODED_WORD.sub(_decoded_word, _BETWEEN_ENCODED_WORDS.sub("", text))


def _decoded_word(word: re.Match[str]) -> str:
    charset, encoding, payload = word[1].partition("*")[0].lower(), word[2].upper(), word[3]
    raw = payload.encode("ascii", "replace")
    try:
        raw = binascii.a2b_base64(raw + b"==") if encoding == "B" else binascii.a2b_qp(raw, header=True)
    except ValueError:
        return payload
    return raw.decode(charset if charset in _NOT_ASCII else "latin-1", "replace")


def without_comments(value: str) -> str:
    """A field such as Precedence as it counts. A comment that never ends is none."""
    text, kept, at = value[:MAX_HEADER], list[str](), 0
    while (start := text.find("(", at)) >= 0 and (end := comment_end(text, start)) is not None:
        kept += (text[at:start], " ")
        at = end
    return "".join((*kept, text[at:]))


def first_word(value: str) -> str:
    """The keyword of a field such as Auto-Submitted or Precedence, without parameters, comments and case."""
    word = _PLAIN.search(without_comments(value))
    return word[0].lower() if word else ""


def parameter(value: str, name: str) -> str:
    """A MIME parameter's value, "" when it is absent. Text in quotes never counts as a parameter's name.

    RFC 2231's `name*` and `name*0` count as `name`: the rules ask whether one is there, and for
    report-type, whose values no mailer has reason to encode.
    """
    for piece in _PARAMETER.findall(value[:MAX_HEADER])[1:]:
        key, _, content = piece.partition("=")
        if key.strip().lower().partition("*")[0] == name:
            plain = _PLAIN.search(content)
            return plain[0].lower() if plain else ""
    return ""


def rfc_message_ids(value: str) -> tuple[str, ...]:
    """The ids of Message-ID, In-Reply-To or References, without brackets, once each, in written order.

    E101: brackets, commas, folds and comments are optional or ignored; where brackets are used, what is
    outside them is prose ("your message of ..."). E104: what is no `left@right` is dropped, so that a
    malformed id is equal to nothing. Ids are not lower-cased: they are equal only as they stand.
    """
    text = _FOLD.sub("", value[:MAX_HEADER]) if "<" in value else value[:MAX_HEADER]
    bracketed: dict[str, None] = {}
    bare: dict[str, None] = {}
    at = 0
    while token := _ID_TOKEN.match(text, at):
        at = token.end()
        if token["open"]:
            end = comment_end(text, token.start())
            if end is None:
                text = text[at:].replace("(", " ")
                at = 0
            else:
                at = end
        elif found := token["bracketed"]:
            bracketed[found.strip()] = None
        elif found := token["bare"]:
            bare[found] = None
    return tuple(i for i in bracketed or bare if _is_storable(i) and _ID.fullmatch(i))


def _is_storable(rfc_message_id: str) -> bool:
    """A database takes it, and its index: anybody may write anything there (E102)."""
    return rfc_message_id.isprintable() and len(rfc_message_id.encode()) <= _MAX_ID
