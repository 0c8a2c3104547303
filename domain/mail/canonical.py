"""The exact form of a bare address (D5 step 1)."""

import re
import unicodedata
from typing import Final

MAX_ADDRESS: Final = 320

_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
_IGNORED = dict.fromkeys([0xAD, 0x34F, 0x200B, 0x2060, 0x2064, 0xFEFF, *range(0xFE00, 0xFE10)])
"""What UTS 46 maps to nothing: soft hyphens, zero-width spaces, variation selectors."""

_UNDECODED = "\ufffd"
"""What stands where bytes were no text: any of several addresses, hence none."""

_KEPT = frozenset("\u00df\u03c2")
_JOINERS = str.maketrans("", "", "\u200c\u200d")
_UNQUOTED_LOCAL = re.compile(r'[^\s()<>\[\]:;@\\,"]+')
_QUOTED_LOCAL = re.compile(r'"((?:[^"\\]|\\.)*+)"')
_ASCII_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_LITERAL = re.compile(r"\[[0-9a-z:.-]+\]")
_FORBIDDEN_IN_UNICODE_LABEL = re.compile(r"[\x00-,./:-@\[-^`{-\x7f]")


def canonical(raw: str) -> str | None:
    """The exact form of one bare address, None when it is no usable one.

    Two spellings that any mail system must treat alike have one form: letter case, surrounding space,
    needless quotes, a closing dot, and an international domain written in Unicode, in full-width or as
    `xn--`. The local part is lower-cased although RFC 5321 leaves its case to the receiver: D5 says so.
    Odd dots in it are allowed, because some Japanese carriers gave such addresses out.
    """
    text = raw.strip()
    if not 3 <= len(text) <= MAX_ADDRESS or _UNDECODED in text:
        return None
    local, _, domain = text.rpartition("@")
    exact_local, exact_domain = _local(local), _domain(domain)
    if not exact_local or not exact_domain:
        return None
    address = f"{exact_local}@{exact_domain}"
    return address if len(address) <= MAX_ADDRESS else None


def _local(local: str) -> str | None:
    if not local.isprintable():
        return None
    exact = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())
    if quoted := _QUOTED_LOCAL.fullmatch(exact):
        content = re.sub(r"\\(.)", r"\1", quoted[1])
        if not content or _UNQUOTED_LOCAL.fullmatch(content):
            return content
        escaped = re.sub(r'(["\\])', r"\\\1", content)
        return f'"{escaped}"'
    return exact if _UNQUOTED_LOCAL.fullmatch(exact) else None


def _domain(domain: str) -> str | None:
    """As UTS 46 without transitional processing (`faß.example` is not `fass.example`).

    The standard library's `idna` codec is the 2003 standard, which makes those two one domain.
    """
    if domain.isascii():
        text = domain.lower()
        if _LITERAL.fullmatch(text):
            return text
    else:
        lowered = unicodedata.normalize("NFKC", domain.translate(_IGNORED)).lower()
        folded = "".join(char if char in _KEPT else char.casefold() for char in lowered)
        text = unicodedata.normalize("NFKC", folded).translate(_DOTS)
    labels = [_label(label) for label in text.removesuffix(".").split(".")]
    exact = ".".join(label for label in labels if label)
    return exact if all(labels) and len(exact) <= 253 else None


def _label(label: str) -> str | None:
    if not label.isascii():
        if not label.translate(_JOINERS).isprintable() or _FORBIDDEN_IN_UNICODE_LABEL.search(label):
            return None
        if label.startswith(("xn--", "-")) or label.endswith("-"):
            return None
        label = f"xn--{label.encode('punycode').decode('ascii')}"
    return label if len(label) <= 63 and _ASCII_LABEL.fullmatch(label) else None
