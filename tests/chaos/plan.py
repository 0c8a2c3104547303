"""What will happen, from one seed: the same seed and minutes give the same deeds at the same seconds."""

import itertools
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.local.gmail.control.faults import BY_METHOD, PASSIVE
from infra.local.gmail.control.faults import KINDS as FAILING
from infra.local.pubsub.faults import KINDS as PUBSUB_KINDS
from tests.chaos.boxes import BOXES, Box
from tests.chaos.letters import KINDS, Letter
from tests.chaos.people import ANN, AUTHORS, CATEGORIES, CHANGING, CTM, CUSTOMER, OPEN
from tests.chaos.places import Place

EVERY = {"mail": 0.35, "kill": 4.5, "trouble": 4.0, "hand": 1.0, "upheaval": 8.0, "deals": 6.0}
"""Seconds from one deed of its kind to the next, on average."""

BURSTS, IN_THREADS = 0.02, 0.35
THREADS, THREAD_LIFE = 8, 150
"""Conversations that go on at the same time, and after how many mails they are others."""

TALKERS = (
    *(["hal@example.com", "hedi@example.com"] * 4),
    *(ANN, "olga@example.com", "cid@example.com", "bob@example.com", "lea@example.com"),
)
"""Those whose deals change write in conversations more than others (E47)."""

REDIS, FLUSH, PUBSUB, DATABASE, RECEIVER = "redis", "redis flushed", "pubsub", "database", "receiver"
OURS = ("worker", "worker 2", "dispatcher", "sweep", "notifier")
VICTIMS = {
    "worker": 4,
    "worker 2": 2,
    "dispatcher": 2,
    "sweep": 2,
    "notifier": 2,
    REDIS: 2,
    FLUSH: 1,
    PUBSUB: 2,
    DATABASE: 2,
    RECEIVER: 2,
}
"""Who is killed, or refuses, and how often compared with the others."""

NOT_HERE = {
    "404": "three of them are taken for a mail's end (W7), and rightly",
    "403.dailyLimitExceeded": "rests until midnight in California",
    "403.domainPolicy": "rests for an hour",
    "400.notEnabled": "rests for an hour",
    "400.failedPrecondition": "rests for 1, 5, 15 minutes and more",
}
"""Faults whose end nobody would wait for; every other one that the local Gmail knows is used."""

OFTEN = ("history_lag", "history_drop") * 4
"""Such as only matter where something happens in the same few seconds are drawn more often."""

HANDS = {
    "star": 3,
    "read": 3,
    "file": 3,
    "archive": 3,
    "back": 3,
    "unlabel": 2,
    "relabel": 2,
    "label": 3,
    "trash": 2,
    "delete": 2,
    "rescue": 3,
    "restore": 1,
}
"""What users do with single mails."""

UPHEAVALS = ("revoke", "expire_history", "expire_history", "expire_tokens", "rename_label", "delete_label")
LABELS = (CTM, OPEN, CUSTOMER)
METHODS: Sequence[tuple[str, ...]] = (
    (),
    (),
    ("history.list",),
    ("messages.get",),
    ("messages.modify", "messages.batchModify"),
    ("batch",),
    ("token",),
)


@dataclass(frozen=True, slots=True)
class Deliver:
    """Mails that arrive together."""

    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL, and back after so many seconds."""

    victim: str
    away: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault of Gmail's for so many seconds."""

    kind: str
    methods: tuple[str, ...]
    box: str
    share: float
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Hand:
    """A user does something with one of his mails: `pick` chooses among those it can be done with."""

    what: str
    pick: float
    label: str


@dataclass(frozen=True, slots=True)
class Upheaval:
    """Something about a whole mailbox: its label renamed or deleted, its history, tokens or grant ended."""

    what: str
    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class DealsChange:
    """A contact of a location is of another category from now on; those of the same id elsewhere are not."""

    place: Place
    contact: str
    category: str


Deed = Deliver | Kill | Trouble | Hand | Upheaval | DealsChange


def make(seed: int, minutes: float, processes: Collection[str]) -> list[tuple[float, Deed]]:
    """Deeds with their seconds from the start, in order. Each kind draws from a generator of its own, so that
    one more kind of trouble changes nothing of the rest."""
    rngs = {name: random.Random(f"{seed} {name}") for name in EVERY}
    streams: Mapping[str, Iterator[Deed]] = {
        "mail": _mails(rngs["mail"]),
        "kill": _kills(rngs["kill"], processes),
        "trouble": _troubles(rngs["trouble"]),
        "hand": _hands(rngs["hand"]),
        "upheaval": _upheavals(rngs["upheaval"]),
        "deals": _deals(rngs["deals"]),
    }
    deeds = [
        one for name, stream in streams.items() for one in _timed(rngs[name], name, stream, minutes * 60)
    ]
    return sorted(deeds, key=lambda one: one[0])


def _timed(rng: random.Random, name: str, stream: Iterator[Deed], end: float) -> Iterator[tuple[float, Deed]]:
    at = rng.expovariate(1 / EVERY[name])
    while at < end:
        yield at, next(stream)
        at += rng.expovariate(1 / EVERY[name])


def _mails(rng: random.Random) -> Iterator[Deed]:
    """Trickle and bursts; a third of the mail in conversations, the users' own answers among it."""
    numbers = itertools.count(1)
    threads: dict[str, tuple[Box, str]] = {}
    talking = [box for box in BOXES if box.working and not any(seat.dry for seat in box.seats)]
    while True:
        number = next(numbers)
        if rng.random() < BURSTS:
            size = rng.randint(10, 50)
            yield Deliver(tuple(_letter(rng, next(numbers), rng.choice(BOXES)) for _ in range(size)))
        elif rng.random() < IN_THREADS:
            name = f"t{rng.randrange(THREADS)}.{number // THREAD_LIFE}"
            box, author = threads.setdefault(name, (rng.choice(talking), rng.choice(TALKERS)))
            kind = rng.choices(("plain", "cc", "own"), (6, 1, 2))[0]
            author = rng.choice(TALKERS) if rng.random() < 0.15 else author
            yield Deliver((Letter(number, box, kind, author, author, name),))
        else:
            yield Deliver((_letter(rng, number, rng.choice(BOXES)),))


def _letter(rng: random.Random, number: int, box: Box) -> Letter:
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    author = rng.choice(AUTHORS)
    local, _, domain = author.partition("@")
    spelled = rng.choices((author, f"{local}+tag@{domain}", f"{local.upper()}@{domain.title()}"), (8, 1, 1))
    return Letter(number, box, kind, author, spelled[0])


def _kills(rng: random.Random, processes: Collection[str]) -> Iterator[Deed]:
    there = {name: n for name, n in VICTIMS.items() if name not in OURS or name in processes}
    while True:
        yield Kill(rng.choices(list(there), list(there.values()))[0], rng.choice((0.0, 0.5, 1.0, 3.0, 5.0)))


def _troubles(rng: random.Random) -> Iterator[Deed]:
    kinds = sorted({*FAILING, *PASSIVE} - NOT_HERE.keys()) + [f"{PUBSUB} {kind}" for kind in PUBSUB_KINDS]
    kinds += OFTEN
    while True:
        kind = rng.choice(kinds)
        yield Trouble(
            kind,
            rng.choice(METHODS) if kind in BY_METHOD else (),
            rng.choice(("", rng.choice(BOXES).address)),
            rng.choice((0.2, 0.5, 1.0)),
            rng.choice((1.0, 3.0, 6.0)),
            rng.randrange(1_000),
        )


def _hands(rng: random.Random) -> Iterator[Deed]:
    while True:
        yield Hand(rng.choices(list(HANDS), list(HANDS.values()))[0], rng.random(), rng.choice(LABELS))


def _upheavals(rng: random.Random) -> Iterator[Deed]:
    boxes = [box for box in BOXES if box.working]
    while True:
        yield Upheaval(rng.choice(UPHEAVALS), rng.choice(boxes), rng.choice(LABELS))


def _deals(rng: random.Random) -> Iterator[Deed]:
    while True:
        yield DealsChange(*rng.choice(CHANGING), rng.choice(CATEGORIES))
