"""Any order of things: hypothesis plays Gmail, the users, the clock and the queue; the chaos's oracle judges."""

import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from redis import Redis
from sqlalchemy import delete, update

from domain.connections.connections import Sharing, Wishes
from domain.events import Event, MailboxChanged
from domain.ids import MailboxId
from handlers.connections import connecting
from handlers.context import Context
from handlers.mailboxes import pushes
from handlers.ports.store import Transaction
from handlers.timing import Timing
from handlers.units import Tally
from infra.db.store import Store
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, notifications
from infra.db.tables.mailboxes import mailboxes
from infra.gmail.costs import NEW_QUOTA
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from infra.objects.folder import FolderStore
from infra.queue import RedisQueue
from infra.secrets import Cipher
from tests import sweep
from tests.chaos.books import Books
from tests.chaos.boxes import box_of
from tests.chaos.crm import AS_OF, write_crm, write_deals
from tests.chaos.judge import Judge
from tests.chaos.letters import KINDS, Letter, write
from tests.chaos.oracle import Case, Sent, arrives
from tests.chaos.people import AUTHORS, CATEGORIES, CHANGING, FILED, FILED_UNDER
from tests.chaos.places import MAIN
from tests.chaos.plan import HANDS, LABELS, TALKERS, Hand, Upheaval
from tests.chaos.user import User
from tests.handlers.conftest import LONG_AGO
from tests.providers import TOPIC, granted
from workers.demo.canary import Canaries
from workers.jobs import woken_by

EXAMPLES = os.environ.get("EXAMPLES")
"""How many lives are lived; set, they are others every time. Left out, it is twenty, and always the same."""

ROUNDS = 12
"""Of looking after what waits, until all that can end has ended."""

FAULTS = (
    "401",
    "403.userRateLimitExceeded",
    "429",
    "500",
    "503",
    "cut",
    "batch_part",
    "empty_page",
    "repeat_page",
)
HERE = tuple(contact for place, contact in CHANGING if place == MAIN)
METHODS = ((), ("history.list",), ("messages.get",), ("messages.modify", "messages.batchModify"), ("batch",))


class Died(BaseException):
    """The process is gone: nobody catches this."""


@dataclass(slots=True)
class Mortal:
    """A store in which a process dies at the so-manieth commit: just before it, or just after."""

    store: Store
    commits: int
    after: bool

    @contextmanager
    def begin(self, name: str, *, reads_only: bool = False) -> Iterator[Transaction]:
        self.commits -= 1
        with self.store.begin(name, reads_only=reads_only) as tx:
            if self.commits < 0:
                raise Died
            yield tx
            if self.commits == 0 and not self.after:
                raise Died
        if self.commits == 0:
            raise Died

    def scrub(self, within: float | None = None) -> None:
        self.store.scrub(within)


@dataclass(slots=True)
class Parts:
    """What all examples share."""

    gmail: GmailServer
    redis: Redis
    template: Path
    folder: Path
    cipher: Cipher
    objects: FolderStore
    numbers: Iterator[int] = field(default_factory=itertools.count)


class Life(RuleBasedStateMachine):
    """One mailbox with MailMagnet and sorting, from its connection to the moment when nothing waits any more."""

    parts: Parts

    def __init__(self) -> None:
        super().__init__()
        number = next(self.parts.numbers)
        file = self.parts.folder / f"{number}.db"
        shutil.copyfile(self.parts.template, file)
        self.url = f"sqlite:///{file}"
        self.store = Store(self.url, self.parts.cipher, redrive_after=0)
        write_crm(self.store.engine)
        self.box = box_of(f"user{number}", MAIN)
        self.parts.redis.flushall()
        self.events: list[Event] = []
        self.api = Gmail(endpoint=self.parts.gmail.url, topic=TOPIC)
        self.gmail = GmailControl(self.parts.gmail.url)
        self.context = Context(
            self.store,
            {NAME: self.api},
            RedisQueue(self.parts.redis, self.events.append),
            self.parts.objects,
            owner="test",
            tally=Tally(NEW_QUOTA),
            timing=Timing(redrive_after=0),
            as_of=datetime.fromisoformat(AS_OF),
        )
        self.connect(magnet=True, sorting=True, dry_run=False)
        self.gmail.add_filter(self.box.address, FILED, FILED_UNDER, archive=True)
        self.case = Case((self.box,))
        self.user = User(self.case, self.url, self.gmail)
        self.letters = itertools.count(1)
        self.thread: tuple[str, str] | None = None
        self.sorting = True

    def connect(self, *, magnet: bool | None, sorting: bool | None, dry_run: bool | None) -> None:
        """The user sees a failure at once and tries again until it works."""
        self.gmail.clear_faults()
        made = self.gmail.create_mailbox(self.box.address, [self.box.alias])
        grant = granted(made)
        wishes = Wishes(magnet, sorting, dry_run, Sharing.PRIVATE)
        connecting.save(self.box.name, grant, wishes, context=self.context)

    @rule(kind=st.sampled_from(sorted(KINDS)), author=st.sampled_from(sorted(AUTHORS)))
    def a_mail_arrives(self, kind: str, author: str) -> None:
        self.deliver(kind, author, "")

    @rule(author=st.sampled_from(TALKERS), new=st.integers(0, 4).map(lambda n: n == 0))
    def a_mail_arrives_in_a_conversation(self, author: str, *, new: bool) -> None:
        if new:
            self.thread = None
        self.deliver("plain", author, "t")

    def deliver(self, kind: str, author: str, thread: str) -> None:
        letter = Letter(next(self.letters), self.box, kind, author, author, thread)
        thread_id, answers = self.thread if thread and self.thread else (None, "")
        raw = write(letter, Canaries("token"), answers)
        where = self.gmail.deliver(self.box.address, raw, letter.labels, thread_id=thread_id)
        sent = Sent(letter, where.id, where.thread_id, time.monotonic(), *arrives(letter))
        sent.sorting_switched = not self.sorting
        self.case.sent.append(sent)
        if thread:
            self.thread = where.thread_id, letter.message_id

    @rule()
    def gmail_pushes(self) -> None:
        pushes.take(
            json.dumps({"emailAddress": self.box.address, "historyId": 1}).encode(),
            "gmail",
            self.context,
        )

    @rule()
    def the_sweep_looks_in(self) -> None:
        self.context.queue.emit(MailboxChanged(MailboxId(1), "sweep"))
        sweep.redrive(self.context)

    @precondition(lambda self: self.events)
    @rule(which=st.integers(0, 9))
    def a_job_runs(self, which: int) -> None:
        self.run(self.events.pop(which % len(self.events)), self.context)

    @precondition(lambda self: self.events)
    @rule()
    def the_queue_brings_a_job_twice(self) -> None:
        self.events.append(self.events[0])

    @precondition(lambda self: self.events)
    @rule(commits=st.integers(1, 4), after=st.booleans())
    def a_job_dies(self, commits: int, *, after: bool) -> None:
        """What it had emitted by then is in the queue."""
        store = Mortal(self.store, commits, after)
        with suppress(Died):
            self.run(self.events.pop(0), replace(self.context, store=store))

    @rule()
    def redis_loses_everything(self) -> None:
        self.events.clear()
        self.parts.redis.flushall()

    @rule()
    def time_passes(self) -> None:
        """Every wait and lease is over."""
        with self.store.engine.begin() as db:
            db.execute(update(steps).values(ready_at=LONG_AGO))
            db.execute(update(mailboxes).values(resting_until=None))
            asked_for = mailboxes.c.redrive_at.is_not(None)
            db.execute(update(mailboxes).where(asked_for).values(redrive_at=LONG_AGO))

    @rule(kind=st.sampled_from(FAULTS), methods=st.sampled_from(METHODS), seed=st.integers(0, 9))
    def gmail_will_have_trouble(self, kind: str, methods: tuple[str, ...], seed: int) -> None:
        self.gmail.fault(kind, methods, mailbox=self.box.address, times=1, seed=seed)

    @rule()
    def gmail_forgets_its_history(self) -> None:
        self.gmail.expire_history(self.box.address)
        self.case.forgetful.add(self.box.address)

    @rule(what=st.sampled_from(sorted(HANDS)), pick=st.floats(0, 0.99), label=st.sampled_from(LABELS))
    def the_user_does_something(self, what: str, pick: float, label: str) -> None:
        self.user.use(Hand(what, pick, label))

    @rule(what=st.sampled_from(["rename_label", "delete_label"]), label=st.sampled_from(LABELS))
    def the_user_changes_a_label(self, what: str, label: str) -> None:
        self.user.change_label(Upheaval(what, self.box, label))

    @rule(contact=st.sampled_from(HERE), category=st.sampled_from(CATEGORIES))
    def a_contacts_deals_change(self, contact: str, category: str) -> None:
        self.case.categories.change(MAIN, contact, category, time.monotonic())
        write_deals(self.store.engine, MAIN, contact, category)

    @rule()
    def the_grant_ends_and_the_user_signs_in_again(self) -> None:
        self.gmail.revoke(self.box.address)
        while self.events:
            self.run(self.events.pop(0), self.context)
        self.connect(magnet=None, sorting=None, dry_run=None)

    @rule()
    def sorting_is_switched(self) -> None:
        """Off or on; Gmail's clock shows whole seconds, so that who is in between may count as either."""
        self.sorting = not self.sorting
        self.connect(magnet=True, sorting=self.sorting, dry_run=None)
        for sent in self.case.sent:
            sent.sorting_switched = sent.sorting_switched or not self.user.is_settled(sent.id)

    def teardown(self) -> None:
        """Calm: everything that can happen still happens. Then every mail is as it must be."""
        try:
            self.gmail.clear_faults()
            self.go_on()
            assert self.judge() == []
        finally:
            self.api.close()
            self.store.engine.dispose()

    def go_on(self) -> None:
        for _ in range(ROUNDS):
            self.time_passes()
            self.the_sweep_looks_in()
            while self.events:
                self.run(self.events.pop(0), self.context)

    def judge(self) -> list[str]:
        books = Books.read(self.case, self.url, self.gmail)
        return [one.what for one in Judge(self.case, books).judge()]

    def run(self, event: Event, context: Context) -> None:
        for job in woken_by(event):
            job.handler(**asdict(event), context=context)


@pytest.fixture
def life(
    sqlite_template: Path,
    redis: Redis,
    gmail_server: GmailServer,
    tmp_path: Path,
    cipher: Cipher,
    objects: FolderStore,
) -> type[Life]:
    class Here(Life):
        parts = Parts(gmail_server, redis, sqlite_template, tmp_path, cipher, objects)

    return Here


@pytest.mark.rule("I1", "I2", "I4", "I5", "I6", "I9", "E47", "E80", "E81", "E82", "E83", "E84", "E87", "E90")
def test_whatever_the_order_every_mail_ends_as_it_must(life: type[Life]) -> None:
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=int(EXAMPLES or 15),
            stateful_step_count=30,
            deadline=None,
            derandomize=EXAMPLES is None,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _forget_the_notification(life: Life, _: str) -> None:
    with life.store.engine.begin() as db:
        db.execute(delete(notifications))


def _forget_the_outcome(life: Life, _: str) -> None:
    with life.store.engine.begin() as db:
        db.execute(update(decisions).values(outcome=None))


def _leave_a_step_open(life: Life, _: str) -> None:
    with life.store.engine.begin() as db:
        db.execute(update(steps).where(steps.c.step == "sort").values(state="waiting"))


def _change(life: Life, message_id: str, add: str, remove: str) -> None:
    life.gmail.change_labels(
        life.box.address, message_id, add=[add] if add else [], remove=[remove] if remove else []
    )


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        pytest.param(lambda *_: None, None, id="nothing"),
        pytest.param(_forget_the_notification, "0 notifications", id="no notification"),
        pytest.param(_forget_the_outcome, "has no outcome", id="no outcome"),
        pytest.param(_leave_a_step_open, "waits: sort", id="a step that waits"),
        pytest.param(lambda life, i: _change(life, i, "Open Deals", ""), "carries", id="a second label"),
        pytest.param(lambda life, i: _change(life, i, "", "Customers"), "carries none", id="no label"),
        pytest.param(lambda life, i: _change(life, i, "INBOX", ""), "is in the Inbox", id="the Inbox"),
        pytest.param(lambda life, i: _change(life, i, "", "UNREAD"), "other labels", id="read"),
        pytest.param(lambda life, i: life.gmail.delete(life.box.address, i), "is gone", id="deleted"),
        pytest.param(
            lambda life, _: life.gmail.deliver(life.box.address, b"From: x@example.com\r\n\r\n"),
            "nobody has sent it",
            id="a mail from nowhere",
        ),
    ],
)
def test_the_judge_sees_what_is_wrong(
    life: type[Life], spoil: Callable[[Life, str], object], found: str | None
) -> None:
    one = life()
    one.deliver("plain", "cid@example.com", "")
    one.go_on()
    spoil(one, one.case.sent[0].id)
    faults = one.judge()
    one.store.engine.dispose()
    one.api.close()
    assert (found is None and not faults) or (found is not None and any(found in what for what in faults))
