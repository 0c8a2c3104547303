"""What the operator sees, and what is forgotten."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Protocol

from domain.crm.records import RecordKind
from domain.quota import Purpose, Spending
from domain.reports import MailboxReport, Totals
from domain.retention import After, Forgotten


class RetentionRepository(Protocol):
    def take_turn(self, duty: str, seconds: float) -> bool:
        """Whether the duty is due; if so it is ours, and due again after so many seconds."""

    def keep_turn(self, duty: str, seconds: float) -> None:
        """It is due again in so many seconds."""

    def mails(self, days: int, limit: int, after: After) -> Forgotten:
        """Mail seen longer ago and done with. Of what sorting has labelled id and category stay while it is on."""

    def deliveries(self, days: int, limit: int, after: After) -> Forgotten:
        """What has waited so long for a channel, or was set aside there, and is not being sent right now."""

    def notifications(self, days: int, limit: int, after: After) -> Forgotten:
        """Those put on a list longer ago, unless they wait for a channel. Ids grow with time: no other index."""

    def sent(self, days: int, limit: int, after: After) -> Forgotten:
        """Mail that users asked to be sent longer ago."""

    def versions(self, days: int, limit: int, after: After) -> Forgotten:
        """Those of records that were deleted longer ago, unless they are back. One that others were merged into tells
        that these are over with it, and stays as long as the merges."""

    def merges(self, days: int, limit: int) -> Forgotten:
        """What the CRM has merged longer ago, of one location: the records of which nothing counts any more, as if the
        CRM had deleted them, and the merges that nobody asks for any more."""

    def sign_ins(self) -> None:
        """Those that nobody came back for."""


class ReportRepository(Protocol):
    def zones(self, limit: int) -> Mapping[int, str | None]:
        """The time zones of the first so many organisations; None where none was set."""

    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        """All mailboxes together, or one; each is due so many seconds after it was looked at, or has rested."""

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        """One mailbox, or all of them, those in trouble first."""

    def changed_by_hand(
        self, since: datetime, mailbox_id: int | None = None
    ) -> Mapping[int, tuple[str, ...]]:
        """By mailbox: mail that sorting has changed since and the user after it, as far as history has told (I6)."""

    def count_outdated(self) -> Mapping[RecordKind, int]:
        """How many records of each kind are out of date, whosever they are."""

    def uncategorised_stages(self, limit: int) -> tuple[Mapping[str, int], int]:
        """Stages that count as OPEN because they have no category, with the number of their deals, those with the most
        first; and how many such stages there are (E9)."""


class UnitRepository(Protocol):
    def add(self, batch: str, owner: str, day: date, rows: Mapping[int, Mapping[Purpose, int]]) -> None:
        """What a process has spent on a day. The batch it has written last is not counted again: nobody knows whether
        a commit without an answer was done. `rows` are in the order of their key, as all take them."""

    def of_day(self, day: date) -> Spending:
        """What all mailboxes have cost."""

    def costliest(self, day: date, limit: int) -> Mapping[int, tuple[str | None, Spending]]:
        """Address and costs by mailbox, the costliest first; no address where it is disconnected by now."""

    def of_mailboxes(
        self, day: date, mailbox_ids: Collection[int]
    ) -> Mapping[int, tuple[str | None, Spending]]:
        """The same of these."""

    def forget(self, days: int, limit: int) -> Forgotten:
        """What was spent longer ago, day by day: never more rows than that of one table."""
