"""Reports for the operator, spent units, and deleting what is kept no longer."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Protocol

from domain.crm.records import RecordKind
from domain.ids import MailboxId
from domain.quota import Purpose, Spending
from domain.reports import MailboxReport, Totals
from domain.retention import After, Forgotten


class RetentionRepository(Protocol):
    """Old rows, deleted in stretches.

    `days`: how long they are kept. `limit`: rows to look at. `after`: where the last stretch ended, empty at first.
    """

    def take_turn(self, duty: str, seconds: float) -> bool:
        """Whether the duty is due. If so it is the caller's, and due again in `seconds`."""

    def keep_turn(self, duty: str, seconds: float) -> None:
        """The duty is due again in `seconds`."""

    def mails(self, days: int, limit: int, after: After) -> Forgotten:
        """Forget mail seen more than `days` ago, unless a step of it waits or is blocked.

        While sorting is on, id and category of the mail that it has labelled stay.
        """

    def deliveries(self, days: int, limit: int, after: After) -> Forgotten:
        """Forget deliveries of notifications older than `days`, waiting or set aside, unless they are being sent
        now."""

    def event_deliveries(self, days: int, limit: int, after: After) -> Forgotten:
        """The same of events older than `days`."""

    def events(self, days: int, limit: int, after: After) -> Forgotten:
        """Forget events older than `days`, and their deliveries. Ids grow with time."""

    def notifications(self, days: int, limit: int, after: After) -> Forgotten:
        """Forget notifications older than `days`, unless they wait for a channel. Ids grow with time."""

    def sent(self, days: int, limit: int, after: After) -> Forgotten:
        """Forget mail that users asked to be sent more than `days` ago."""

    def versions(self, days: int, limit: int, after: After) -> Forgotten:
        """Forget versions of records that were deleted more than `days` ago and are not back.

        The version of a record that others were merged into stays as long as the merges.
        """

    def merges(self, days: int, limit: int) -> Forgotten:
        """Forget, in one location, what the CRM merged more than `days` ago: outlived records, as if the CRM had
        deleted them, and merges that are no longer needed."""

    def sign_ins(self) -> None:
        """Forget expired sign-ins."""


class ReportRepository(Protocol):
    """Reports over all organisations."""

    def zones(self, limit: int) -> Mapping[int, str | None]:
        """By organisation its time zone, of up to `limit`; None where none was set."""

    def totals(self, mailbox: str | None, due_after: float) -> Totals:
        """All mailboxes together, or one. A mailbox is due `due_after` seconds after its last look, or its rest."""

    def mailboxes(self, mailbox: str | None = None, limit: int | None = None) -> tuple[MailboxReport, ...]:
        """One mailbox, or up to `limit` of all, those in trouble first."""

    def changed_by_hand(
        self, since: datetime, mailbox_id: MailboxId | None = None
    ) -> Mapping[MailboxId, tuple[str, ...]]:
        """By mailbox the mail that sorting has changed since, and the user after it, as far as history tells (I6)."""

    def count_outdated(self) -> Mapping[RecordKind, int]:
        """How many records of each kind are out of date, in all locations."""

    def uncategorised_stages(self, limit: int) -> tuple[Mapping[str, int], int]:
        """Stages that count as OPEN because they have no category (E9), and how many such stages there are.

        Up to `limit`, each with the number of its deals, the largest first.
        """


class UnitRepository(Protocol):
    """The provider's units that mailboxes have cost, by day."""

    def add(self, batch: str, owner: str, day: date, rows: Mapping[MailboxId, Mapping[Purpose, int]]) -> None:
        """Add what a process has spent on a day.

        A batch that the owner has written last is not counted again, so that it may be repeated when the commit's
        answer was lost. `rows` have to be ordered by mailbox, so that two writers never wait for each other.
        """

    def of_day(self, day: date) -> Spending:
        """What all mailboxes have cost on the day."""

    def costliest(self, day: date, limit: int) -> Mapping[MailboxId, tuple[str | None, Spending]]:
        """By mailbox its address and costs, the costliest first; no address where it was disconnected."""

    def of_mailboxes(
        self, day: date, mailbox_ids: Collection[MailboxId]
    ) -> Mapping[MailboxId, tuple[str | None, Spending]]:
        """The same for these mailboxes."""

    def forget(self, before: date, limit: int) -> Forgotten:
        """Forget what was spent on days before this one, at most `limit` rows of one table."""
