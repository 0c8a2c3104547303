"""What control can say about the mail that the user writes in Gmail itself."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from urllib.parse import quote

from infra.local.gmail.control.shapes import Delivered, Json, delivered


class WritingControl(ABC):
    """The part of GmailControl that is the user's own pen. What is sent lies in Sent and reaches every local mailbox
    that it is for; its Message-ID is Gmail's."""

    def write(self, mailbox: str, raw: bytes) -> Delivered:
        """As the user: send a new mail to whom its To, Cc and Bcc name."""
        return self._written(mailbox, "write", raw=raw.decode("latin-1"))

    def answer(
        self,
        mailbox: str,
        message_id: str,
        text: str,
        *,
        everyone: bool = False,
        to: Collection[str] = (),
        cc: Collection[str] = (),
        bcc: Collection[str] = (),
        subject: str = "",
    ) -> Delivered:
        """As the user: answer a mail, quoted below; to its writer, unless `to` names others, or to everyone on it.
        With another subject it begins a thread of its own."""
        people = {"to": list(to), "cc": list(cc), "bcc": list(bcc), "everyone": everyone}
        return self._written(mailbox, "answer", id=message_id, text=text, subject=subject, **people)

    def forward(self, mailbox: str, message_id: str, *to: str, text: str = "") -> Delivered:
        """As the user: forward a mail with its files."""
        return self._written(mailbox, "forward", id=message_id, to=list(to), text=text)

    def save_draft(self, mailbox: str, raw: bytes) -> Delivered:
        """As the user: begin a mail, and leave it."""
        return self._written(mailbox, "save", raw=raw.decode("latin-1"))

    def schedule(self, mailbox: str, raw: bytes) -> Delivered:
        """As the user: have a mail sent later."""
        return self._written(mailbox, "schedule", raw=raw.decode("latin-1"))

    def send_saved(self, mailbox: str, message_id: str) -> Delivered:
        """A draft is sent, or the time of a scheduled mail has come: another message takes its place."""
        return self._written(mailbox, "send_saved", id=message_id)

    def report(
        self, mailbox: str, message_id: str, *recipients: str, status: str = "5.1.1", delayed: bool = False
    ) -> Delivered:
        """As Gmail: a sent mail was not delivered to these recipients, or to all, or is `delayed`."""
        people = list(recipients)
        return self._written(
            mailbox, "report", id=message_id, recipients=people, status=status, delayed=delayed
        )

    def _written(self, mailbox: str, how: str, **body: object) -> Delivered:
        return delivered(self._json("POST", f"mailboxes/{quote(mailbox, safe='@')}/{how}", dict(body)))

    @abstractmethod
    def _json(self, verb: str, path: str, body: Json | bytes | None = None) -> Json:
        """One command to /control, and its answer."""
