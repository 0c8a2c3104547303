"""An answer: who gets it, and what it quotes of the mail it answers (H45)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from domain.mail.address_lists import read_list
from domain.mail.addresses import is_one_of
from domain.mail.authors import list_addresses
from domain.mail.headers import Fields, filled, unbroken
from domain.mail.messages import Message

MAX_QUOTED: Final = 50_000
"""Characters of a mail that its answer repeats."""

_MAX_WHO = 200


@dataclass(frozen=True, slots=True)
class ReplyRecipients:
    """Who gets an answer, in their exact form."""

    to: tuple[str, ...] = field(repr=False)
    cc: tuple[str, ...] = field(default=(), repr=False)


def reply_recipients(
    message: Message, fields: Fields, own: frozenset[str], *, to_all: bool = False
) -> ReplyRecipients:
    """By the mail that is answered, its `fields`, and the mailbox's own addresses. Empty where it cannot be told.

    `to_all` adds To and Cc, never Bcc: a blind copy was meant to stay unseen.
    """
    to = message.to if _is_own(message, own) else _towards(message, fields, own)
    if not to_all:
        return ReplyRecipients(to)
    more = tuple(a for a in message.to if a not in to and not is_one_of(a, own))
    cc = tuple(a for a in message.cc if a not in {*to, *more} and not is_one_of(a, own))
    return ReplyRecipients(to + more, cc)


def _is_own(message: Message, own: frozenset[str]) -> bool:
    """Whether the owner wrote it, or somebody for him (D4)."""
    writers = (message.sender, message.author)
    return message.sent or any(one is not None and is_one_of(one, own) for one in writers)


def _towards(message: Message, fields: Fields, own: frozenset[str]) -> tuple[str, ...]:
    """Reply-To, less what leads to a list or back to the owner; else the author."""
    replies = [read_list(value) for value in filled(fields, "reply-to")]
    lists = list_addresses(fields, own)
    wanted = dict.fromkeys(address for one in replies for address in one.addresses)
    found = tuple(a for a in wanted if a not in lists and not is_one_of(a, own))
    if found and all(one.certain for one in replies):
        return found
    return (message.author,) if message.author else ()


def quoted(answer: str, text: str, who: str, received_at: datetime) -> str:
    """The answer above the text of the mail it answers, each line of which is marked. Where that is empty, the answer
    alone."""
    lines = [_plain(line) for line in text[:MAX_QUOTED].strip().splitlines()]
    if not lines:
        return answer
    if len(text.strip()) > MAX_QUOTED:
        lines.append("[…]")
    name = " ".join("".join(filter(str.isprintable, unbroken(who))).split())[:_MAX_WHO] or "somebody"
    said = f"On {received_at:%Y-%m-%d %H:%M %Z}, {name} wrote:"
    marked = (f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in lines)
    return "\n".join((answer.rstrip("\r\n"), "", said, *marked, ""))


def _plain(line: str) -> str:
    return unbroken(line.replace("\t", "    "))
