"""A mailbox's push registration: does it stand, and does it bring what it should (E82, E85)?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

NEWEST = 50
"""Push recall is of so many mails at most: beyond that all count half, so that older ones fade."""

ENOUGH = 10
"""With fewer mails push recall says nothing."""

RENEWED_EVERY = timedelta(days=3)
"""A watch that brings what comes; any other is renewed with each daily look (E85)."""

RENEWED_WITHIN = timedelta(days=3, hours=14)
"""The daily look nearest to three days has come by then; a watch that was not renewed for so long is late."""


PUSH_INTERVAL = timedelta(seconds=1)
"""A provider may push once in it and mailbox, and drop what comes between."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Push recall: of the new mail since the watch was last made anew, how much push has brought, and how much
    only a sweep."""

    pushed: int = 0
    missed: int = 0

    @property
    def share(self) -> float | None:
        """From 0 to 1, None without a mail."""
        return self.pushed / (self.pushed + self.missed) if self.pushed + self.missed else None

    def after(self, mails: int, *, pushed: bool) -> "Recall":
        """So many mails later. What is old fades, or a year of good push would hide a week of none."""
        got, lost = (self.pushed + mails, self.missed) if pushed else (self.pushed, self.missed + mails)
        if got + lost <= NEWEST:
            return Recall(got, lost)
        faded = NEWEST / 2 / (got + lost)
        return Recall(round(got * faded), round(lost * faded))

    def is_low(self, threshold: float) -> bool:
        """Whether enough mail was seen to say that push fails."""
        return self.share is not None and self.pushed + self.missed >= ENOUGH and self.share < threshold

    def is_good(self, threshold: float) -> bool:
        """Whether push has brought what came, as far as anything came."""
        return self.share is None or self.share >= threshold


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a walk through history: when it began, in how many seconds after that the next one is due, and what
    recall was when it began and is now, None where that stays."""

    began_at: datetime
    due_after: float
    recall: tuple[Recall, Recall] | None = None


@dataclass(frozen=True, slots=True)
class WatchState:
    """The watch as we know it. `trouble` is why the last renewal failed, None when it did not."""

    until: datetime | None = None
    renewed_at: datetime | None = None
    failed_at: datetime | None = None
    trouble: str | None = None
    pushed_at: datetime | None = None
    recall: Recall = Recall()

    def has_just_told(self, now: datetime) -> bool:
        """Whether a push came so lately that another one behind it may have been dropped (FACTS §1)."""
        return self.pushed_at is not None and now - self.pushed_at < PUSH_INTERVAL

    def has_told(self, synced_at: datetime | None, now: datetime, sweep_after: timedelta) -> bool | None:
        """Whether push has told of the mail that came since the last look.

        None when it need not have: the watch has not stood since then, or the last look was not a sweep ago, as
        after a push behind which another one may have been dropped (FACTS §1).
        """
        if synced_at is None:
            return None
        if self.pushed_at is not None and self.pushed_at > synced_at:
            return True
        began_before = self.renewed_at is not None and self.renewed_at <= synced_at
        stands = self.until is not None and now < self.until
        return False if began_before and stands and now - synced_at >= sweep_after else None

    def is_to_be_renewed(self, threshold: float, now: datetime, daily: timedelta) -> bool:
        """Whether it is time for that at one of the daily looks: the one nearest to three days after the last
        renewal; each one, where push does not bring what comes or the last renewal failed; in time before it ends.
        """
        if (
            self.renewed_at is None
            or self.until is None
            or self.trouble
            or not self.recall.is_good(threshold)
        ):
            return True
        return now + daily / 2 >= self.renewed_at + RENEWED_EVERY or self.until <= now + 2 * daily

    def is_deaf(self, threshold: float, now: datetime, rest: timedelta) -> bool:
        """Whether to stop and watch again; not while it was renewed within `rest`."""
        rested = self.renewed_at is None or now - self.renewed_at >= rest
        return rested and self.recall.is_low(threshold)
