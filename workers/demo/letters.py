"""Writing the demo's mails: what each is to show, what is expected of it, and the canaries in all of them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.header import Header
from itertools import count

from domain.crm.categories import Category
from domain.sorting.label_names import LABEL_NAMES
from workers.demo.canary import Canaries
from workers.demo.people import BY_ID, UWE

CRM_LABELS = {
    "label.ctm": LABEL_NAMES[Category.CTM],
    "label.open": LABEL_NAMES[Category.OPEN],
    "label.customer": LABEL_NAMES[Category.CUSTOMER],
}
ARRIVING = frozenset({"INBOX", "UNREAD"})
NOTIFIED, AUTOMATED, NOT_ADDRESSED = "magnet.notified", "magnet.automated", "magnet.not_addressed"
CTM, OPEN, CUSTOMER, NONE = "label.ctm", "label.open", "label.customer", "label.none"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, the rule it shows in one sentence, and how it must end.

    `labels` are those it is delivered with, None for a new mail; `after` the names of those it must have in
    the end, None where they follow from the outcome (D10). `alone`: it is delivered on an idle queue.
    """

    rule: str
    who: str
    says: str
    raw: bytes
    outcomes: tuple[str, ...]
    mailbox: str = UWE
    contact: str | None = None
    labels: tuple[str, ...] | None = None
    after: frozenset[str] | None = None
    hours_old: float = 0
    alone: bool = False

    @property
    def expected_labels(self) -> frozenset[str]:
        """By name, system labels by id."""
        if self.after is not None:
            return self.after
        before = ARRIVING if self.labels is None else frozenset(self.labels)
        label = CRM_LABELS.get(self.outcomes[-1]) if self.outcomes else None
        return before if label is None else (before | {label}) - {"INBOX"}


@dataclass(slots=True)
class Pen:
    """Writes mails of which every one carries every canary that fits, and a Message-ID of its own."""

    canaries: Canaries
    _number: "count[int]" = field(default_factory=lambda: count(1))

    def mail(
        self,
        sender: str,
        to: str = UWE,
        *headers: str,
        third: bool = True,
        content: tuple[str, str] | None = None,
    ) -> bytes:
        """From, To (empty: none), further header lines, and a third party in Cc unless the rule forbids one.

        `content` is a Content-Type with a whole body in place of text and attachment.
        """
        number = next(self._number)
        lines = [f"From: {sender}"] if sender else []
        lines += [f"To: {to}"] if to else []
        if third and not any(header.lower().startswith("cc:") for header in headers):
            lines.append(f'Cc: "{self.canaries.name}" <{self.canaries.third_party()}>')
        lines += headers
        if not any(header.lower().startswith("message-id:") for header in headers):
            lines.append(f"Message-ID: <{number}.{self.canaries.token}@mail.example>")
        if not any(header.lower().startswith("subject:") for header in headers):
            lines.append(f"Subject: {self.subject(number)}")
        lines.append("MIME-Version: 1.0")
        kind, body = content or self._content(number)
        return "\r\n".join([*lines, f"Content-Type: {kind}", "", body, ""]).encode()

    def of(self, contact: str, to: str = UWE, *headers: str) -> bytes:
        """A contact's mail from his first address."""
        person = BY_ID[contact]
        return self.mail(f"{person.name} <{person.address}>", to, *headers)

    def subject(self, number: int) -> str:
        """Plain and encoded subjects in turn."""
        text = f"{self.canaries.subject} {number}"
        return text if number % 2 else Header(text, "utf-8").encode()

    def _content(self, number: int) -> tuple[str, str]:
        text = f"Guten Tag,\r\n\r\n{self.canaries.body}, Nummer {number}.\r\n"
        if number % 3:
            return "text/plain; charset=utf-8", text
        file = base64.encodebytes(f"%PDF {self.canaries.body} {number}".encode()).decode()
        edge = f"edge-{number}"
        head = (
            "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
            f'Content-Disposition: attachment; filename="{self.canaries.attachment}"'
        )
        parts = [
            f"--{edge}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}",
            f"--{edge}\r\n{head}\r\n\r\n{file}",
            f"--{edge}--",
        ]
        return f"multipart/mixed; boundary={edge}", "\r\n".join(parts)


def parts(kind: str, *children: tuple[str, str]) -> tuple[str, str]:
    """A multipart's Content-Type and body from its children's."""
    body = "".join(f"--edge\r\nContent-Type: {of}\r\n\r\n{text}\r\n" for of, text in children)
    return f"{kind}; boundary=edge", f"{body}--edge--"


def written(
    rule: str,
    contact: str,
    says: str,
    raw: bytes,
    *outcomes: str,
    mailbox: str = UWE,
    labels: Sequence[str] | None = None,
    after: Sequence[str] | None = None,
    alone: bool = False,
) -> Letter:
    """A mail that is matched to the contact."""
    person = BY_ID[contact]
    return Letter(
        rule=rule,
        who=person.name,
        says=says,
        raw=raw,
        outcomes=outcomes,
        mailbox=mailbox,
        contact=contact,
        labels=None if labels is None else tuple(labels),
        after=None if after is None else frozenset(after),
        alone=alone,
    )


def skipped(
    rule: str,
    who: str,
    says: str,
    raw: bytes,
    outcome: str,
    *,
    mailbox: str = UWE,
    labels: Sequence[str] | None = None,
    hours_old: float = 0,
) -> Letter:
    """A mail that ends at the gate, or that belongs to nobody in the CRM: nothing happens to it."""
    labelled = None if labels is None else tuple(labels)
    return Letter(rule, who, says, raw, (outcome,), mailbox, labels=labelled, hours_old=hours_old)
