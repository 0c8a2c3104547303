"""Which conversation a mail belongs to: by reply headers, and by thread id (D7's note, E44 to E46, E51 to E53, E101 to
E104, H47).

Two mails of a location belong together when one names the other in its reply headers, or when they have the same thread
id in the same mailbox and also the same subject or somebody from outside in common. A conversation is what hangs
together by such pairs. That says nothing of order, so mails may arrive in any (E103): a mail that links two
conversations makes them one, and which mail is the root follows from headers first and from times where headers are
silent.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from domain.conversations.standings import JOINABLE, Standing, first
from domain.ids import MailboxId
from domain.mail.headers import Fields, rfc_message_ids
from domain.mail.subjects import is_same

MOST_NAMED: Final = 20
"""Mails that a mail's reply headers are read for: enough where some between are missing, few enough to keep a row of
each (E102)."""

_MOST_ANSWERED: Final = 5


@dataclass(frozen=True, slots=True)
class ReplyIds:
    """The Message-IDs that a mail's reply headers name, the nearest first. The `answered` mails are the first ones of
    them: what In-Reply-To names, without it the last of References."""

    named: tuple[str, ...] = ()
    answered: frozenset[str] = frozenset()


def reply_ids(fields: Fields) -> ReplyIds:
    """In-Reply-To, then References from its end (E101). Of a long chain the nearest and the very first are read: the
    first is the root. A mail never names itself."""
    own = set(_ids(fields, "message-id"))
    answered = [one for one in _ids(fields, "in-reply-to") if one not in own][:_MOST_ANSWERED]
    chain = [one for one in reversed(_ids(fields, "references")) if one not in own]
    named = list(dict.fromkeys((*answered, *chain)))
    if len(named) > MOST_NAMED:
        named = [*named[: MOST_NAMED - 1], named[-1]]
    return ReplyIds(tuple(named), frozenset(answered or chain[:1]))


def own_id(fields: Fields) -> str | None:
    """The mail's Message-ID; None where it is missing, malformed or not one (E104)."""
    found = _ids(fields, "message-id")
    return found[0] if len(found) == 1 else None


def identity(
    rfc_message_id: str | None,
    author: str | None,
    sent_at: datetime | None,
    mailbox_id: MailboxId,
    message_id: str,
) -> str:
    """What makes two copies one mail (H47), 64 hexadecimal digits: Message-ID, author and the moment in Date. Without a
    Message-ID the mailbox and the provider's id do."""
    parts = ["copy", str(mailbox_id), message_id]
    if rfc_message_id is not None:
        parts = ["mail", rfc_message_id, author or "", sent_at.astimezone(UTC).isoformat() if sent_at else ""]
    return hashlib.sha256(
        "".join(f"{len(one)}:{one}" for one in parts).encode("utf-8", "replace")
    ).hexdigest()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as far as membership asks. `root_at`: when its root mail was received. `written`: a user has
    written in it from the CRM, so that its owner stays (D6 row 1)."""

    id: str
    standing: Standing
    root_id: str
    root_at: datetime
    written: bool = False


class How(StrEnum):
    """How a mail and a conversation were found to touch. `ITSELF`: the mail is in it already, by another copy (E52).
    `NAMES`: the mail names one of its mails. `NAMED_BY`: one of its mails names this one. `THREAD`: one of its mails
    has the same thread id in the same mailbox, which is not yet enough (note b)."""

    ITSELF = "itself"
    NAMES = "names"
    NAMED_BY = "named_by"
    THREAD = "thread"


@dataclass(frozen=True, slots=True)
class Known:
    """A conversation that a look by a mail's ids has found.

    `mail_id` is our id of the mail that is named or names, `rfc_message_id` its Message-ID. Of a thread id these are
    the `subjects` of the conversation's mails with it, and the `people` on them (`addresses.loose`).
    """

    conversation: Conversation
    how: How
    mail_id: str = ""
    rfc_message_id: str | None = None
    subjects: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Arriving:
    """A mail that is to be placed. `received_at` is the provider's moment (E93). `outside` are the people from outside
    (`correspondents.outside_people`)."""

    mail_id: str
    received_at: datetime
    subject: str
    outside: frozenset[str]
    replies: ReplyIds = ReplyIds()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a mail goes. The conversations `merged` become part of `conversation_id`.

    `root_id` is the mail that is the root from now on. It may be this mail, and the mail that was it before. With
    `climbs` it is what reply headers lead up to from there (`top`). With `owner_anew` the root decides the owner by D6
    rows 2 to 6; else the conversation keeps the one it has.
    """

    conversation_id: str
    merged: tuple[str, ...]
    root_id: str
    climbs: bool = False
    owner_anew: bool = False


def linked(mail: Arriving, found: Iterable[Known]) -> tuple[Known, ...]:
    """Those that the mail is part of: a thread id alone is not enough (note b)."""
    return tuple(one for one in found if one.how is not How.THREAD or _belongs(mail, one))


def standing(those: Iterable[Known]) -> Standing:
    """What D7 rows 2 to 4 see of a mail that is `linked` to these."""
    return first(one.conversation.standing for one in those)


def answers_kept(mail: Arriving, those: Iterable[Known]) -> bool:
    """Whether the very mail that it answers is in one of the conversations that it is `linked` to (D7 row 1c)."""
    return any(one.how is How.NAMES and one.rfc_message_id in mail.replies.answered for one in those)


def place(mail: Arriving, those: Sequence[Known]) -> Placed | None:
    """Where an admitted mail goes that is `linked` to these; None where it starts a conversation.

    The root is a mail that names no other of the conversation, and the earliest of several. So the mail takes the place
    of a root that names it, and of one that came later than itself and has nothing to do with it. When it stands
    between the root and a mail above, that one's top is the root. A mail that is there already (E52) keeps its id.
    """
    open_ones = {
        one.conversation.id: one.conversation for one in those if one.conversation.standing in JOINABLE
    }
    if not open_ones:
        return None
    those = [one for one in those if one.conversation.id in open_ones]
    mail_id = next((one.mail_id for one in those if one.how is How.ITSELF), mail.mail_id)
    above = [one for one in those if one.how is How.NAMES]
    roots_below = {one.mail_id for one in those if one.how is How.NAMED_BY}
    tops = [one for one in open_ones.values() if one.root_id not in roots_below]
    oldest = min(tops or open_ones.values(), key=_age)
    if tops and (above or _age(oldest) <= (mail.received_at, mail_id)):
        root_id, climbs = oldest.root_id, False
    elif above:
        root_id, climbs = min(one.mail_id for one in above), True
    else:
        root_id, climbs = mail_id, False
    stays = min((one for one in open_ones.values() if one.written), key=_age, default=oldest)
    anew = not stays.written and root_id != oldest.root_id
    return Placed(stays.id, tuple(sorted(open_ones.keys() - {stays.id})), root_id, climbs, anew)


def top(mail_id: str, names: Mapping[str, Collection[str]]) -> str:
    """The mail that reply headers lead up to from this one. `names` has the mails of the conversation which each of its
    mails names, by our ids. Headers that lead round in circles end somewhere on the circle."""
    seen = {mail_id}
    while further := sorted(one for one in names.get(mail_id, ()) if one not in seen):
        mail_id = further[0]
        seen.add(mail_id)
    return mail_id


def _age(conversation: Conversation) -> tuple[datetime, str]:
    return conversation.root_at, conversation.root_id


def _belongs(mail: Arriving, known: Known) -> bool:
    """Note (b). Everybody on the conversation's mails may be asked for: only people from outside can be shared."""
    if not mail.outside.isdisjoint(known.people):
        return True
    return any(is_same(mail.subject, subject) for subject in known.subjects)


def _ids(fields: Fields, name: str) -> list[str]:
    return list(dict.fromkeys(one for value in fields.get(name, ()) for one in rfc_message_ids(value)))
