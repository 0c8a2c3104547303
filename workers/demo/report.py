"""`lodestone demo --mbox`'s report: one JSON line per mail, in the order of the file."""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from infra.local.gmail import GmailControl

AT_ONCE = 1_000
"""Lines written together, since the labels come from one look at the whole mailbox; a tenth of it where that is
more, so that the looks cost the same in the end however many mails there are."""


@dataclass(slots=True)
class Row:
    """One mail on its way. What the ledger may not hold (D2) is known from the mail itself."""

    n: int
    rfc_message_id: str | None
    author: str | None
    message_id: str = ""
    thread_id: str = ""
    contact_id: str | None = None
    outcomes: tuple[str, ...] = ()
    ended: bool = False
    conversation_id: str | None = None
    owner: str | None = None

    def end(self, outcomes: tuple[str, ...], contact_id: str | None, author: str | None) -> None:
        """What the ledger says in the end; it knows the author of contacts' mail only."""
        self.outcomes, self.contact_id, self.ended = outcomes, contact_id, True
        self.author = author or self.author


class Report:
    """Rows are expected in the file's order and written in it, each when all before it have ended.

    With `sync` all are written at the end, for a late mail may change the conversations of earlier ones (E103); then
    `rows` are still to be told how that ended.
    """

    def __init__(self, file: TextIO, gmail: GmailControl, mailbox: str, *, sync: bool) -> None:
        self.sync = sync
        self._file = file
        self._gmail = gmail
        self._mailbox = mailbox
        self._waiting: deque[Row] = deque()
        self._ended: list[Row] = []
        self._written = 0

    @property
    def rows(self) -> Sequence[Row]:
        """Those that are not written yet."""
        return [*self._ended, *self._waiting]

    def expect(self, row: Row) -> None:
        """The next mail of the file."""
        self._waiting.append(row)

    def write(self) -> None:
        """What has ended, as soon as that is enough."""
        while self._waiting and self._waiting[0].ended:
            self._ended.append(self._waiting.popleft())
        if not self.sync and len(self._ended) >= max(AT_ONCE, self._written // 10):
            self._flush()

    def finish(self) -> None:
        """The rest."""
        self.write()
        self._flush()

    def _flush(self) -> None:
        if not self._ended:
            return
        wanted = {row.message_id for row in self._ended}
        labels = {m.id: m.labels for m in self._gmail.dump(self._mailbox).messages if m.id in wanted}
        for row in self._ended:
            self._file.write(json.dumps(self._line(row, sorted(labels.get(row.message_id, ())))) + "\n")
        self._file.flush()
        self._written += len(self._ended)
        self._ended = []

    def _line(self, row: Row, labels: Sequence[str]) -> dict[str, object]:
        line: dict[str, object] = {
            "n": row.n,
            "message_id": row.message_id,
            "thread_id": row.thread_id,
            "rfc_message_id": row.rfc_message_id,
            "from": row.author,
            "contact_id": row.contact_id,
            "outcomes": row.outcomes,
            "labels": labels,
            "in_inbox": "INBOX" in labels,
        }
        return line | {"conversation_id": row.conversation_id, "owner": row.owner} if self.sync else line
