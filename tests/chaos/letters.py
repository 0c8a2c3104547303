"""The mails of the chaos: what each kind looks like on the wire. A canary stands in all that table D2 forbids."""

from collections.abc import Collection
from dataclasses import dataclass
from email.message import EmailMessage

from tests.chaos.boxes import Box
from workers.demo.canary import Canaries

# How often each kind is written, of a hundred or so.
KINDS = {
    "plain": 42,
    "cc": 5,
    "alias": 3,
    "group": 5,
    "auto_reply": 3,
    "bulk": 3,
    "list": 3,
    "calendar": 3,
    "receipt": 2,
    "colleague": 2,
    "colleague_out": 2,
    "own": 4,
    "self": 2,
    "spam": 5,
    "trash": 2,
    "draft": 2,
    "chat": 1,
}
FROM_US = frozenset({"own", "self", "draft"})
_LABELS = {
    "own": ("SENT",),
    "self": ("SENT", "INBOX"),
    "spam": ("SPAM", "UNREAD"),
    "trash": ("TRASH",),
    "draft": ("DRAFT",),
    "chat": ("CHAT",),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail that is to be delivered. `author` is whose address it is, `address` how it is spelled here; `thread`
    names those that belong together."""

    number: int
    box: Box
    kind: str
    author: str
    address: str
    thread: str = ""

    @property
    def labels(self) -> Collection[str] | None:
        """Those it arrives with, None for Inbox and unread and what the user's filters make of it."""
        return _LABELS.get(self.kind)

    @property
    def message_id(self) -> str:
        return f"{self.number}.{self.box.name}"


def write(letter: Letter, canaries: Canaries, answers: str = "") -> bytes:
    """As it goes over the wire; `answers` is the number-and-mailbox of the mail it answers."""
    mail = EmailMessage()
    mail["From"] = _sender(letter, canaries)
    for field, value in zip(("To", "Cc"), _recipients(letter, canaries), strict=True):
        if value:
            mail[field] = value
    mail["Subject"] = f"{canaries.subject} {letter.thread or letter.number}"
    mail["Message-ID"] = f"<{letter.message_id}@{canaries.token}.example>"
    if answers:
        mail["In-Reply-To"] = f"<{answers}@{canaries.token}.example>"
    for name, value in _HEADERS.get(letter.kind, {}).items():
        mail[name] = value
    mail.set_content(f"{canaries.body}\n")
    if letter.kind == "calendar":
        mail.add_attachment(f"SUMMARY:{canaries.subject}", subtype="calendar", params={"method": "REQUEST"})
    elif letter.kind == "receipt":
        mail.add_attachment(b"Disposition: displayed", maintype="message", subtype="disposition-notification")
    elif letter.number % 5 == 0:
        mail.add_attachment(
            canaries.body.encode(), maintype="application", subtype="pdf", filename=canaries.attachment
        )
    return mail.as_bytes()


_HEADERS = {
    "auto_reply": {"Auto-Submitted": "auto-replied"},
    "bulk": {"Precedence": "bulk"},
    "list": {"List-Id": "<news.example.com>"},
}


def _sender(letter: Letter, canaries: Canaries) -> str:
    if letter.kind in FROM_US:
        return letter.box.address
    if letter.kind.startswith("colleague"):
        return f"Kim {canaries.name} <{letter.box.colleague}>"
    return f'"{letter.author.partition("@")[0].title()} {canaries.name}" <{letter.address}>'


def _recipients(letter: Letter, canaries: Canaries) -> tuple[str, str]:
    me = letter.box.address
    third = f"{canaries.name} <{canaries.third_party()}>"
    return {
        "cc": (third, me),
        "alias": (letter.box.alias, third),
        "group": ("sales@firm.example", third),
        "colleague": (me, ""),
        "colleague_out": (letter.address, me),
        "own": (letter.address, third),
        "draft": (letter.address, ""),
        "self": (me, ""),
    }.get(letter.kind, (me, third))
