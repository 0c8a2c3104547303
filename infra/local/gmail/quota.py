"""Quota units: the cost of each method, the spending, and the limits, if they are on (FACTS §4)."""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from infra.local.gmail.http.errors import Json, project_limited, rate_limited, sending_limited

OLD = {
    "drafts.create": 10,
    "drafts.delete": 10,
    "drafts.get": 5,
    "drafts.list": 5,
    "drafts.send": 100,
    "drafts.update": 15,
    "getProfile": 1,
    "history.list": 2,
    "labels.create": 5,
    "labels.delete": 5,
    "labels.get": 1,
    "labels.list": 1,
    "labels.patch": 5,
    "labels.update": 5,
    "messages.attachments.get": 5,
    "messages.batchModify": 50,
    "messages.delete": 10,
    "messages.get": 5,
    "messages.import": 25,
    "messages.insert": 25,
    "messages.list": 5,
    "messages.modify": 5,
    "messages.send": 100,
    "messages.trash": 5,
    "messages.untrash": 5,
    "settings.sendAs.get": 1,
    "settings.sendAs.list": 1,
    "stop": 50,
    "threads.get": 10,
    "watch": 100,
}
NEW = {
    **OLD,
    "drafts.get": 20,
    "messages.attachments.get": 20,
    "messages.delete": 20,
    "messages.get": 20,
    "messages.trash": 20,
    "messages.untrash": 20,
    "threads.get": 40,
}
"""Since 2026-05-01. untrash and delete are not in our sources; taken to cost what trash does. Nor are drafts.list,
drafts.update and drafts.delete; taken to cost what they did."""

TABLES = {"new": NEW, "old": OLD}
PER_MINUTE = {"new": 6_000, "old": 15_000}
PER_PROJECT = 1_200_000
MINUTE = 60.0
DAY = 24 * 3600.0


class Window:
    """The units of the last minute."""

    __slots__ = ("_spent", "_total")

    def __init__(self) -> None:
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, now: float, cost: int) -> None:
        """Spend units."""
        self._spent.append((now, cost))
        self._total += cost

    def wait(self, now: float, cost: int, most: int, minute: float) -> float:
        """Seconds until `cost` fits under `most`, 0 when it does now."""
        while self._spent and self._spent[0][0] <= now - minute:
            self._total -= self._spent.popleft()[1]
        excess = self._total + cost - most
        if excess <= 0:
            return 0.0
        for moment, units in self._spent:
            excess -= units
            if excess <= 0:
                return moment + minute - now
        return minute


@dataclass(slots=True)
class Sending:
    """The limit of mails sent within a day: Workspace's 2,000 unless another one is set (FACTS §3)."""

    most: int = 2_000
    _left: deque[float] = field(default_factory=deque)

    def note(self, now: float) -> None:
        """Count a mail. Raises 429, with the time from which on the next may be sent."""
        while self._left and self._left[0] <= now - DAY:
            self._left.popleft()
        if len(self._left) >= self.most:
            wait = self._left[0] + DAY - now if self._left else DAY
            raise sending_limited(retry_text(wait))
        self._left.append(now)


class Meter:
    """Counts every call; refuses calls only when `enforced`. Safe for many threads.

    All mailboxes here are of one project: their calls share `per_project` units a minute.
    """

    def __init__(self) -> None:
        self.table = "new"
        self.enforced = False
        self.per_minute = PER_MINUTE[self.table]
        self.per_project = PER_PROJECT
        self.refusal = 403
        self.minute = MINUTE
        self._guard = threading.Lock()
        self._spent: dict[str, Window] = {}
        self._project = Window()
        self.reset()

    def set(
        self,
        *,
        table: str | None = None,
        enforced: bool | None = None,
        per_minute: int | None = None,
        per_project: int | None = None,
        refusal: int | None = None,
        window: float | None = None,
    ) -> None:
        """Change the given settings. A cost table brings its own limits. Raises ValueError for an unknown value."""
        if (table or self.table) not in TABLES or (refusal or self.refusal) not in (403, 429):
            raise ValueError("table is new or old, refusal is 403 or 429")
        with self._guard:
            if table is not None:
                self.table, self.per_minute, self.per_project = table, PER_MINUTE[table], PER_PROJECT
            self.enforced = self.enforced if enforced is None else bool(enforced)
            self.per_minute = self.per_minute if per_minute is None else int(per_minute)
            self.per_project = self.per_project if per_project is None else int(per_project)
            self.refusal = refusal or self.refusal
            self.minute = self.minute if window is None else float(window)

    def reset(self) -> None:
        """Set all counters to zero, and empty the minutes of the limits."""
        with self._guard:
            self._totals: Counter[str] = Counter()
            self._by_mailbox: dict[str, Counter[str]] = {}
            self._by_method: dict[str, Counter[str]] = {}
            self._by_quota_user: dict[str, Counter[str]] = {}
            self._statuses: Counter[str] = Counter()
            self._spent.clear()
            self._project = Window()

    def note(self, what: str, amount: int = 1) -> None:
        """Count something that costs no units: HTTP requests, token refreshes, pushes."""
        with self._guard:
            self._totals[what] += amount

    def charge(self, address: str, method: str, user: str = "") -> None:
        """Count a call and its units, those of a service account by `user` too, whose minute is then used. Raises
        403 or 429 when the limit is on and used up.

        A refused call is counted as a call, but costs nothing.
        """
        cost = TABLES[self.table][method]
        with self._guard:
            self._totals["calls"] += 1
            counters = (
                self._totals,
                self._by_mailbox.setdefault(address, Counter()),
                self._by_method.setdefault(method, Counter()),
                *((self._by_quota_user.setdefault(user, Counter()),) if user else ()),
            )
            for counter in counters[1:]:
                counter["calls"] += 1
            if self.enforced:
                self._spend(user or address, cost)
            for counter in counters:
                counter["units"] += cost

    def answered(self, status: int) -> None:
        """Count a call's answer."""
        with self._guard:
            self._statuses[str(status)] += 1

    def _spend(self, address: str, cost: int) -> None:
        now = time.monotonic()
        mine = self._spent.setdefault(address, Window())
        if wait := mine.wait(now, cost, self.per_minute, self.minute):
            raise rate_limited(self.refusal, retry_text(wait))
        if self._project.wait(now, cost, self.per_project, self.minute):
            raise project_limited(self.refusal)
        mine.add(now, cost)
        self._project.add(now, cost)

    def snapshot(self) -> Json:
        """Everything counted since the start or the last reset."""
        with self._guard:
            names = ("http_requests", "token_requests", "calls", "units")
            pushes = ("published", "throttled", "lost", "failed")
            return {
                **{name: self._totals[name] for name in names},
                "pushes": {name: self._totals[f"pushes_{name}"] for name in pushes},
                "by_mailbox": {key: dict(counter) for key, counter in self._by_mailbox.items()},
                "by_method": {key: dict(counter) for key, counter in self._by_method.items()},
                "by_quota_user": {key: dict(counter) for key, counter in self._by_quota_user.items()},
                "statuses": dict(self._statuses),
            }


def retry_text(seconds: float) -> str:
    """A time from now as Google writes it: 2026-01-01T00:00:00.000Z."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
