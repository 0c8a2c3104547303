"""A believable day: who gets how much mail and when, and what Gmail's history leaves out meanwhile."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

DAY = 86_400.0
NIGHT = 6 * 3_600.0
"""Seconds from midnight in which no mail comes."""

HOURS = (0, 0, 0, 0, 0, 0, 1, 3, 7, 10, 9, 8, 6, 7, 9, 8, 7, 5, 3, 2, 2, 1, 1, 1)
"""How much of the mail comes in each hour."""

WITH_MAIL = 0.3
"""Share of the mailboxes that get any mail today; the others are idle."""

MAILS = 8.0
"""So many come to one of them on average; to a few many more, to most fewer."""

MOST_MAILS = 120
TOGETHER = 0.15
"""Share of the mail with which another one comes within a minute or two."""

SENDERS = {"ann": 2, "cid": 1, "lea": 1, "nora": 6}
"""Most mail comes from nobody whom the CRM knows."""

LAG = (20.0, 110.0)
"""Seconds for which history leaves a record out: always less than those in which it is said to settle."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that comes at this second of the day to the mailbox of this number."""

    at: float
    mailbox: int
    sender: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault of Gmail's from this second of the day on. `share` is one of records, or of pushes."""

    at: float
    seconds: float
    kind: str
    share: float
    delay: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that happens, in order."""

    letters: tuple[Letter, ...]
    troubles: tuple[Trouble, ...]

    @property
    def busy(self) -> frozenset[int]:
        """The numbers of the mailboxes that mail comes to; all others are idle."""
        return frozenset(letter.mailbox for letter in self.letters)


def make(seed: int, mailboxes: int) -> Plan:
    """The same seed gives the same day."""
    rng = random.Random(f"{seed} letters")
    letters = [letter for number in range(mailboxes) for letter in _letters(rng, number)]
    return Plan(
        tuple(sorted(letters, key=lambda one: one.at)),
        tuple(_troubles(random.Random(f"{seed} troubles"))),
    )


def _letters(rng: random.Random, mailbox: int) -> Iterator[Letter]:
    if rng.random() >= WITH_MAIL:
        return
    for _ in range(min(MOST_MAILS, 1 + int(rng.expovariate(1 / MAILS)))):
        [hour] = rng.choices(range(24), HOURS)
        at = (hour + rng.random()) * 3_600
        yield Letter(at, mailbox, _sender(rng))
        if rng.random() < TOGETHER:
            yield Letter(min(at + 120 * rng.random(), DAY), mailbox, _sender(rng))


def _sender(rng: random.Random) -> str:
    return rng.choices(list(SENDERS), list(SENDERS.values()))[0]


def _troubles(rng: random.Random) -> Iterator[Trouble]:
    """Something is wrong half of the time: mostly records that come late, now and then some that never do, or
    pushes that are lost."""
    at = NIGHT
    while at < DAY:
        kind = rng.choices(("history_lag", "history_drop", "lose_push"), (4, 1, 1))[0]
        share = rng.choice((0.2, 0.5, 1.0)) if kind == "history_lag" else rng.choice((0.02, 0.1))
        seconds = rng.uniform(600, 3_600)
        yield Trouble(at, seconds, kind, share, rng.uniform(*LAG), rng.randrange(1_000))
        at += seconds + rng.uniform(600, 3_600)
