"""A mailbox's push registration: does it stand, and does it bring what it should (E82, E85)?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

NEWEST = 50
"""Push recall is counted over this many mails at most. Beyond that all count half, so that older ones fade."""

ENOUGH = 10
"""Push recall means nothing with fewer mails."""

RENEWED_EVERY = timedelta(days=3)
"""How often a watch is renewed that brings what comes. Any other is renewed at each daily look (E85)."""

RENEWED_WITHIN = timedelta(days=3, hours=14)
"""A watch that was not renewed for this long is late: the daily look nearest to three days has passed."""

PUSH_INTERVAL = timedelta(seconds=1)
"""A provider may push once in this time for a mailbox, and drop all pushes between."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A push registration. `answered_at` is the provider's clock, by the Date header (W14)."""

    cursor: str
    expires_at: datetime
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Unwatched:
    """Where a mailbox begins for which no push can be had, and why, in the provider's word: the sweep finds its mail
    (E82)."""

    cursor: str
    answered_at: datetime
    trouble: str


@dataclass(frozen=True, slots=True)
class Recall:
    """Push recall: of the new mail since the watch was last restarted, how much push has brought, and how much only a
    sweep has found."""

    pushed: int = 0
    missed: int = 0

    @property
    def share(self) -> float | None:
        """The share that push has brought, from 0 to 1; None without a mail."""
        return self.pushed / (self.pushed + self.missed) if self.pushed + self.missed else None

    def after(self, mails: int, *, pushed: bool) -> "Recall":
        """The recall with these mails counted. Old mails fade, or a year of good push would hide a week without."""
        got, lost = (self.pushed + mails, self.missed) if pushed else (self.pushed, self.missed + mails)
        if got + lost <= NEWEST:
            return Recall(got, lost)
        faded = NEWEST / 2 / (got + lost)
        return Recall(round(got * faded), round(lost * faded))

    def is_low(self, threshold: float) -> bool:
        """Whether push fails, by enough mail to say so."""
        return self.share is not None and self.pushed + self.missed >= ENOUGH and self.share < threshold

    def is_good(self, threshold: float) -> bool:
        """Whether push has brought what came. True when nothing came."""
        return self.share is None or self.share >= threshold


@dataclass(frozen=True, slots=True)
class WalkEnd:
    """The end of a walk through history: when it began, how many seconds after that the next one is due, and push
    recall before and after it, None where it has not changed."""

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

        None when push cannot be judged: the watch has not stood since then, or the last look was less than a sweep ago,
        as after a push behind which another one may have been dropped (FACTS §1).
        """
        if synced_at is None:
            return None
        if self.pushed_at is not None and self.pushed_at > synced_at:
            return True
        began_before = self.renewed_at is not None and self.renewed_at <= synced_at
        stands = self.until is not None and now < self.until
        return False if began_before and stands and now - synced_at >= sweep_after else None

    def is_to_be_renewed(self, threshold: float, now: datetime, daily: timedelta) -> bool:
        """Whether a daily look renews the watch: the one nearest to three days after the last renewal; every one, where
        push misses mail or the last renewal failed; and in time before the watch ends."""
        if (
            self.renewed_at is None
            or self.until is None
            or self.trouble
            or not self.recall.is_good(threshold)
        ):
            return True
        return now + daily / 2 >= self.renewed_at + RENEWED_EVERY or self.until <= now + 2 * daily

    def is_deaf(self, threshold: float, now: datetime, rest: timedelta) -> bool:
        """Whether to restart the watch. Not within `rest` of the last renewal."""
        rested = self.renewed_at is None or now - self.renewed_at >= rest
        return rested and self.recall.is_low(threshold)
