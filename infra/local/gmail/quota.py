"""Quota units: what each method costs, what was spent, and the limit when it is on (FACTS §4)."""

import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime, timedelta

from infra.local.gmail.errors import Json, rate_limited

OLD = {
    "getProfile": 1,
    "history.list": 2,
    "labels.create": 5,
    "labels.delete": 5,
    "labels.get": 1,
    "labels.list": 1,
    "labels.patch": 5,
    "labels.update": 5,
    "messages.batchModify": 50,
    "messages.delete": 10,
    "messages.get": 5,
    "messages.list": 5,
    "messages.modify": 5,
    "messages.trash": 5,
    "messages.untrash": 5,
    "settings.sendAs.list": 1,
    "stop": 50,
    "watch": 100,
}
NEW = {**OLD, "messages.get": 20, "messages.trash": 20, "messages.untrash": 20, "messages.delete": 20}
"""Since 2026-05-01. untrash and delete are not in our sources; taken to cost what trash does."""

TABLES = {"new": NEW, "old": OLD}
WINDOW = 60.0


class Meter:
    """Counts always; refuses only when `enforced`. Safe for many threads."""

    def __init__(self) -> None:
        self.table = "new"
        self.enforced = False
        self.per_minute = 6_000
        self.refusal = 403
        self._guard = threading.Lock()
        self._spent: dict[str, deque[tuple[float, int]]] = {}
        self.reset()

    def reset(self) -> None:
        """All counters to zero; the window of the limit is emptied too."""
        with self._guard:
            self._totals: Counter[str] = Counter()
            self._by_mailbox: dict[str, Counter[str]] = {}
            self._by_method: dict[str, Counter[str]] = {}
            self._statuses: Counter[str] = Counter()
            self._spent.clear()

    def note(self, what: str, amount: int = 1) -> None:
        """Count something that costs no units: HTTP requests, token refreshes, pushes."""
        with self._guard:
            self._totals[what] += amount

    def charge(self, address: str, method: str) -> None:
        """Count a call and its units. Raises 403 or 429 when the limit is on and used up.

        A refused call is counted as a call, but costs nothing.
        """
        cost = TABLES[self.table][method]
        with self._guard:
            self._totals["calls"] += 1
            counters = (
                self._totals,
                self._by_mailbox.setdefault(address, Counter()),
                self._by_method.setdefault(method, Counter()),
            )
            for counter in counters[1:]:
                counter["calls"] += 1
            if self.enforced:
                self._spend(address, cost)
            for counter in counters:
                counter["units"] += cost

    def answered(self, status: int) -> None:
        """Count a call's answer."""
        with self._guard:
            self._statuses[str(status)] += 1

    def _spend(self, address: str, cost: int) -> None:
        now = time.monotonic()
        spent = self._spent.setdefault(address, deque())
        while spent and spent[0][0] <= now - WINDOW:
            spent.popleft()
        excess = sum(units for _, units in spent) + cost - self.per_minute
        if excess <= 0:
            spent.append((now, cost))
            return
        wait = WINDOW
        for moment, units in spent:
            excess -= units
            if excess <= 0:
                wait = moment + WINDOW - now
                break
        raise rate_limited(self.refusal, retry_text(wait))

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
                "statuses": dict(self._statuses),
            }


def retry_text(seconds: float) -> str:
    """A time from now as Google writes it: 2026-01-01T00:00:00.000Z."""
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
