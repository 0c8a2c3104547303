"""A provider's units as this process spends them: told to the others while it works, written down each minute, and
held back before the provider would refuse (FACTS §4). What is told is a hint; what is written is the ledger's."""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

import structlog

from domain.errors import Slowed
from domain.ids import MailboxId
from domain.quota import (
    ALWAYS_ASKS,
    NEAR,
    PROJECT,
    QUANTUM,
    SHARES,
    SHARES_OF_DAY,
    SLOT,
    Purpose,
    Quota,
    slots_to_wait,
)

log = structlog.get_logger()

AT_ONCE = 1_000
"""Mailboxes written down in one transaction (W11)."""


class Others(Protocol):
    """The way to the other processes (`Queue`)."""

    def spend(self, slot: int, spent: Mapping[MailboxId, int]) -> Mapping[MailboxId, tuple[int, ...]]: ...
    def say_once(self, what: str, seconds: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Units that are written down together, once however often that is tried: `key` tells."""

    key: str
    owner: str
    day: date
    rows: Mapping[MailboxId, Mapping[Purpose, int]]


class Tally:
    """What this process has spent. For many threads."""

    def __init__(self, quota: Quota, owner: str = "") -> None:
        self.quota = quota
        self._owner = owner
        self._lock = threading.Lock()
        self._untold: Counter[MailboxId] = Counter()
        self._told: dict[MailboxId, tuple[int, tuple[int, ...]]] = {}
        self._unwritten: dict[date, dict[MailboxId, Counter[Purpose]]] = {}
        self._batches: list[Batch] = []
        self._of_day = 0

    def add(self, mailbox_id: MailboxId, purpose: Purpose, units: int) -> None:
        """They have been spent."""
        day = self.quota.day(datetime.now(UTC))
        with self._lock:
            self._untold[mailbox_id] += units
            self._untold[PROJECT] += units
            self._unwritten.setdefault(day, {}).setdefault(mailbox_id, Counter())[purpose] += units

    @contextmanager
    def reserved(
        self, mailbox_id: MailboxId, purpose: Purpose, expected: int, others: Others
    ) -> Iterator[None]:
        """So many units are about to be spent. Raises Slowed when they have to wait for the next minute."""
        self._expect(mailbox_id, expected)
        try:
            self._check(mailbox_id, purpose, expected, others)
            yield
        finally:
            self._expect(mailbox_id, -expected)

    def _expect(self, mailbox_id: MailboxId, units: int) -> None:
        with self._lock:
            self._untold[mailbox_id] += units
            self._untold[PROJECT] += units

    def _check(self, mailbox_id: MailboxId, purpose: Purpose, expected: int, others: Others) -> None:
        most = SHARES[purpose]
        if not self._is_worth_asking(mailbox_id, purpose):
            return
        self.tell(others, {mailbox_id})
        for name, of, minute in (
            ("quota_of_mailbox", mailbox_id, self.quota.mailbox_minute),
            ("quota_of_project", PROJECT, self.quota.project_minute),
        ):
            slot, spent = self._last(of)
            before = (*spent[:-1], spent[-1] - expected)  # what is asked for has been told with the rest
            if number := slots_to_wait(before, expected, most * minute):
                seconds = max((slot + number) * SLOT - time.time(), 1) + random.random()  # noqa: S311 - jitter
                log.info(
                    "mailbox.slowed",
                    mailbox_id=mailbox_id,
                    purpose=purpose.value,
                    reason=name,
                    seconds=round(seconds, 1),
                )
                raise Slowed(name, after=timedelta(seconds=seconds))

    def _is_worth_asking(self, mailbox_id: MailboxId, purpose: Purpose) -> bool:
        """Whether so much has been spent since the others were last asked that what they said may be wrong."""
        if purpose in ALWAYS_ASKS:
            return True
        with self._lock:
            untold = self._untold[mailbox_id]
        known = sum(self._last(mailbox_id)[1]), sum(self._last(PROJECT)[1])
        limits = self.quota.mailbox_minute, self.quota.project_minute
        near = any(spent >= most / 2 for spent, most in zip(known, limits, strict=True))
        return near or untold * QUANTUM >= self.quota.mailbox_minute

    def _last(self, mailbox_id: MailboxId) -> tuple[int, tuple[int, ...]]:
        with self._lock:
            return self._told.get(mailbox_id, (0, (0,)))

    def tell(self, others: Others, mailbox_ids: Collection[MailboxId] | None = None) -> None:
        """The others hear what was spent, in these mailboxes or in all, and say what they have."""
        slot = int(time.time()) // SLOT
        with self._lock:
            if mailbox_ids is None:
                mailbox_ids = {one for one, units in self._untold.items() if units}
                self._untold = Counter({one: self._untold[one] for one in mailbox_ids})
                self._told = {one: told for one, told in self._told.items() if told[0] >= slot - 1}
            spent = {one: self._untold.pop(one, 0) for one in {*mailbox_ids, PROJECT}}
        for mailbox_id, slots in others.spend(slot, spent).items():
            with self._lock:
                self._told[mailbox_id] = slot, slots
            self._warn(mailbox_id, sum(slots), others)

    def _warn(self, mailbox_id: MailboxId, units: int, others: Others) -> None:
        if mailbox_id != PROJECT:
            most = self.quota.mailbox_minute
            if units >= NEAR * most and others.say_once(f"quota:{mailbox_id}", 60):
                log.warning("quota.mailbox_used", mailbox_id=mailbox_id, units=units, of=most)
            return
        for what, spent, limit in (
            ("minute", units, self.quota.project_minute),
            ("day", self._of_day, self.quota.project_day),
        ):
            if limit is not None and spent >= NEAR * limit and others.say_once(f"quota:{what}", 3600):
                log.warning("quota.project_used", span=what, units=spent, of=limit)

    def runs_short(self, purpose: Purpose, others: Others) -> bool:
        """Whether the project has too few units left to begin this in any mailbox."""
        self.tell(others, ())
        minute = sum(self._last(PROJECT)[1]) > SHARES[purpose] * self.quota.project_minute
        most = self.quota.project_day
        return minute or (most is not None and self._of_day > SHARES_OF_DAY.get(purpose, 1) * most)

    def batches(self) -> list[Batch]:
        """What is to be written down, in the order of its mailboxes; again and again until it is `written`."""
        with self._lock:
            for day, mailboxes in self._unwritten.items():
                ids = sorted(mailboxes)
                for some in (ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE)):
                    rows = {one: dict(mailboxes[one]) for one in some}
                    self._batches.append(Batch(uuid.uuid4().hex, self._owner, day, rows))
            self._unwritten.clear()
            return list(self._batches)

    def written(self, batch: Batch) -> None:
        with self._lock:
            self._batches.remove(batch)

    def know_day(self, units: int) -> None:
        """What all processes have written down for today."""
        self._of_day = units
