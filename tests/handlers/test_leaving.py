"""What is switched off is shown nowhere from the first moment, and deleted stretch by stretch, whoever dies meanwhile
(D2, D12, W11)."""

import ast
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import structlog
from sqlalchemy import insert, select

from domain.channels import ChannelKind, Target
from domain.connections.connections import ConnectionState, Features, Wishes
from domain.crm.categories import Category
from domain.errors import Refused, TryAgain
from domain.ids import MailboxId
from domain.ledger import Planned, State, Step
from domain.mailboxes.history import Found
from domain.notifications import NotificationKind
from domain.outcomes import Outcome
from domain.reports import LedgerQuery
from domain.retention import FEWEST
from handlers import settings
from handlers.connections import connecting, disconnecting
from handlers.connections.disconnecting import IS_LEFT
from handlers.context import Context
from infra.db.store import Store, Transaction
from infra.db.tables.channels import deliveries
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.mail import decisions, messages, notifications
from tests.handlers.conftest import House
from tests.handlers.test_life_cycle import (
    ALL,
    MAIL,
    Killed,
    arrives,
    deactivated,
    is_signed_in,
    leave,
    profile,
    rows,
    the,
)
from tests.journeys.world import UWE
from tests.providers import Altered, entered_by
from tests.worlds import HERE, KEPT, OF_HERE, link

FIRST_STRETCH = (FEWEST + 1) // 2
"""Mails of two steps each."""
MAILS = disconnecting.AT_ONCE * 3 // 5
"""More than goes in any one stretch."""
FIRST = 1_000_000
"""The notifications' ids begin here."""
IDS = [f"x{number:05}" for number in range(MAILS)]


@pytest.fixture
def full(house: House) -> House:
    """A mailbox with mail of every kind in it: handled, waiting, set aside, touched, on its way to a channel."""
    profile(house)
    house.connect()
    connection = the(house)
    mail = {"mailbox_id": connection.mailbox_id, "connection_id": connection.id}
    with house.store.begin("tests.fill") as tx:
        now = tx.now()
        for table, each in (
            (messages, lambda n: {"mailbox_id": 1, "came_by": "push", "seen_at": now, "touched": n % 7 == 0}),
            (decisions, lambda n: mail | _decided(n, now)),
            (notifications, lambda n: {**mail, "mailbox_id": None, "id": FIRST + n} | _told(now)),
        ):
            columns = {column.name for column in table.columns}
            listed = [{"message_id": i} | each(n) for n, i in enumerate(IDS)]
            tx.db.execute(insert(table), [{k: v for k, v in row.items() if k in columns} for row in listed])
        for n, i in enumerate(IDS):
            rest = {1: State.WAITING, 2: State.SET_ASIDE}.get(n % 10, State.DONE)
            tx.ledger.plan(
                MailboxId(1),
                [(i, 0, Planned(Step.MATCH, State.DONE)), (i, connection.id, Planned(Step.SORT, rest))],
            )
        _send_out(tx, now)
        tx.notifications.tell(connection, NotificationKind.SIGN_IN_NEEDED)
    return house


def _decided(number: int, now: datetime) -> dict[str, Any]:
    one = link()
    changed = {"added": ["Label_2"], "removed": ["INBOX"]}
    return {
        "contact_id": one.contact_id,
        "contact_address": one.contact_address,
        "matched_by": "exact",
        "author": one.author,
        "received_at": now,
        "decided_at": now,
        "category": Category.OPEN.value,
        "changed": changed,
        "changed_at": now,
        "outcome": (Outcome.LABEL_FAILED if number % 10 == 2 else Outcome.LABEL_OPEN).value,
    }


def _told(now: datetime) -> dict[str, Any]:
    return OF_HERE | {"user_id": "uwe", "contact_id": "ann", "author": "ann@example.com", "created_at": now}


def _send_out(tx: Transaction, now: datetime) -> None:
    channel_id = tx.of(HERE).channels.add(
        None, ChannelKind.WEBHOOK, Target("https://127.0.0.1:9/hook", "whsec_c2VjcmV0")
    )
    way = {"channel_id": channel_id, "user_id": "uwe", "ready_at": now, "redrive_at": now}
    states = ("waiting", "set_aside")
    tx.db.execute(
        insert(deliveries), [way | {"notification_id": FIRST + n, "state": states[n % 2]} for n in range(40)]
    )


READERS: Mapping[str, Callable[[Transaction], object]] = {
    "reports.totals": lambda tx: [asked.totals(None, 540) for asked in (tx.reports, tx.of(HERE).reports)],
    "reports.mailboxes": lambda tx: [asked.mailboxes() for asked in (tx.reports, tx.of(HERE).reports)],
    "notification_list.of_user": lambda tx: tx.of(HERE).notification_list.of_user("uwe", 0),
    "reports.entries": lambda tx: [
        tx.of(HERE).reports.entries(query, None, MAILS)
        for query in (
            LedgerQuery(),
            LedgerQuery(mailbox=UWE, outcomes=frozenset({Outcome.LABEL_OPEN})),
            LedgerQuery(states=frozenset({State.SET_ASIDE})),
        )
    ],
    "reports.counted": lambda tx: [
        tx.of(HERE).reports.counted(one) for one in tx.of(HERE).connections.of_user("uwe")
    ],
    "reports.trails": lambda tx: tx.of(HERE).reports.trails(IDS[1]),
    "reports.changed_by_hand": lambda tx: tx.reports.changed_by_hand(_long_ago(tx)),
    "decisions.count_labelled": lambda tx: tx.decisions.count_labelled(_long_ago(tx)),
    "decisions.labelled_since": lambda tx: tx.decisions.labelled_since(
        MailboxId(1), _long_ago(tx), "", MAILS
    ),
    "notification_list.get": lambda tx: [
        tx.of(HERE).notification_list.get(n, "uwe") for n in (FIRST, FIRST + MAILS - 1)
    ],
    "channels.reports": lambda tx: tx.of(HERE).channels.reports(),
    "ledger.aside": lambda tx: sorted(tx.ledger.aside(None, MAILS)),
}
"""All that shows something of mail, asked of the database."""

SHOWS_NO_MAIL = {
    "channels.get",
    "reports.count_outdated",
    "reports.sendings",
    "reports.uncategorised_stages",
    "reports.zones",
}


def _long_ago(tx: Transaction) -> datetime:
    return tx.now().replace(year=2020)


def shown(house: House) -> dict[str, object]:
    with house.store.begin("tests.show", reads_only=True) as tx:
        return {name: ask(tx) for name, ask in READERS.items()}


def test_whatever_is_read_to_be_shown_is_tried_here() -> None:
    """By the source: of the tables that hold mail nothing else is asked in a transaction that only reads."""
    root = Path(__file__).parents[2]
    nouns = (
        "reports",
        "decisions",
        "notifications",
        "notification_list",
        "deliveries",
        "channels",
        "ledger",
        "messages",
    )
    asked = re.compile(rf"(?:^tx|^here|\))\.(({'|'.join(nouns)})\.\w+)$")
    found = set()
    for file in [*root.glob("handlers/**/*.py"), *root.glob("workers/**/*.py")]:
        for block in ast.walk(ast.parse(file.read_text())):
            if isinstance(block, ast.With) and "reads_only=True" in ast.unparse(block.items[0]):
                calls = (ast.unparse(node.func) for node in ast.walk(block) if isinstance(node, ast.Call))
                found |= {one[1] for name in calls if (one := asked.search(name))}
    assert found - SHOWS_NO_MAIL <= READERS.keys()
    assert {"notification_list.of_user", "notification_list.get", "reports.trails"} <= found, (
        "it sees who asks"
    )


def disconnected(house: House, told: Callable[[int], object] = lambda _: None, **how: Any) -> None:
    disconnecting.disconnect("uwe", replace(house.context, **how), told)


def without_magnet(house: House, told: Callable[[int], object] = lambda _: None, **how: Any) -> None:
    settings.change("uwe", Wishes(magnet=False), replace(house.context, **how), told)


End = Callable[..., None]
ENDS = pytest.mark.parametrize(
    "end",
    [
        pytest.param(disconnected, marks=pytest.mark.rule("D12-3", "Z43")),
        pytest.param(without_magnet, marks=pytest.mark.rule("D12-1", "Z36")),
    ],
)


@pytest.mark.rule("D12-3", "D12-1", "D12-8", "D2", "Z43")
@pytest.mark.parametrize("end", [disconnected, without_magnet, lambda house, **_: deactivated(house)])
def test_what_is_left_to_delete_is_shown_nowhere(full: House, end: End) -> None:
    before = shown(full)
    with suppress(TryAgain):
        end(full, stopping=lambda: True)
    assert len(rows(full, MAIL)) == len(MAIL), "all of it is there still"
    hidden = shown(full)
    with full.store.begin("tests.remove") as tx:
        assert not tx.of(HERE).notification_list.remove(FIRST, "uwe")
        assert [tx.of(HERE).channels.retry(channel.id) for channel in tx.of(HERE).channels.reports()] == [0]

    assert disconnecting.clear(the(full).id, full.context)
    assert rows(full, MAIL) == {}
    assert shown(full) == hidden
    assert [name for name in READERS if before[name] == hidden[name]] == []


@ENDS
@pytest.mark.rule("D2", "I2", "W11")
@pytest.mark.parametrize("mails", [1, MAILS // 2, MAILS], ids=["the first", "one in the middle", "the last"])
def test_whoever_is_killed_after_a_stretch_is_followed_by_the_sweep(
    full: House, end: End, mails: int
) -> None:
    connection = the(full)
    with pytest.raises(Killed):
        end(full, killed_after(mails))
    left = rows(full, MAIL).get("messages", 0)
    assert 0 < left <= MAILS - mails if mails < MAILS else left == 0

    leave(full)

    assert rows(full, MAIL) == {}
    if end is disconnected:
        assert rows(full, ALL) == {}
        assert not is_signed_in(full, connection)
    else:
        assert the(full).state is ConnectionState.ACTIVE
        assert is_signed_in(full, connection)
    leave(full)
    assert full.sent == [], "and nothing is asked for any more"
    assert marked(full) == []


def killed_after(mails: int) -> Callable[[int], None]:
    """With the commit that makes it so many."""
    deleted: list[int] = []

    def told(more: int) -> None:
        deleted.append(more)
        if sum(deleted) >= mails:
            raise Killed

    return told


def marked(house: House) -> list[int]:
    with house.store.engine.connect() as db:
        left = connection_table.c.leave_due_at.is_not(None)
        return list(db.scalars(select(connection_table.c.id).where(left)))


@ENDS
@pytest.mark.rule("D12-4", "D2", "Z38", "E76")
@pytest.mark.parametrize("user", ["uwe", "carla"])
def test_who_switches_on_in_between_begins_anew(full: House, end: End, user: str) -> None:
    with pytest.raises(Killed):
        end(full, killed_after(1))
    assert rows(full, MAIL)["messages"] == MAILS - FIRST_STRETCH
    if end is disconnected:
        with pytest.raises(Refused, match=IS_LEFT):
            full.connect(user)
        full.let_time_pass()
    full.connect(user)

    assert rows(full, MAIL) == {}
    new = full.deliver("ann")
    full.catch_up()
    before = rows(full, MAIL)
    full.let_time_pass()
    leave(full)
    assert rows(full, MAIL) == before, "what is left to do has nothing to do with what came since"
    assert full.outcomes() == {new: "label.open"}
    assert full.notified() == [new]


@pytest.mark.rule("D12-4", "Z11")
def test_who_signs_in_again_without_mailmagnet_leaves_the_rest_to_the_sweep(full: House) -> None:
    with pytest.raises(Killed):
        disconnected(full, killed_after(1))
    full.let_time_pass()
    full.context.store.scrub()
    connecting.save(
        "uwe",
        full.grant(UWE),
        Wishes(sharing=the(full).sharing),
        context=replace(full.context, stopping=lambda: True),
    )
    assert rows(full, MAIL)["messages"] == MAILS - FIRST_STRETCH
    assert marked(full) == [the(full).id]
    leave(full)
    assert rows(full, MAIL) == {}
    assert (the(full).state, marked(full)) == (ConnectionState.ACTIVE, [])


@pytest.mark.rule("D12-2", "E58")
def test_sorting_off_and_on_again_forgets_what_was_kept_for_it_alone(full: House) -> None:
    old = {"author": None, "category": "OPEN"}
    with full.store.begin("tests.old") as tx:
        tx.db.execute(decisions.update().where(decisions.c.message_id > IDS[100]).values(old))
    change = Wishes(sorting=False)
    settings.change("uwe", change, replace(full.context, stopping=lambda: True))
    assert rows(full, [decisions]) == {"decisions": MAILS}
    full.connect()
    assert rows(full, [decisions]) == {"decisions": 101}
    assert rows(full, [messages]) == {"messages": MAILS}
    assert marked(full) == []


@pytest.mark.rule("D12-3", "W16")
def test_a_worker_that_is_to_stop_leaves_the_rest_for_later(full: House) -> None:
    deactivated(full)
    connection_id = the(full).id
    stops = iter([False, True])
    with structlog.testing.capture_logs() as logs:
        disconnecting.leave(connection_id, replace(full.context, stopping=lambda: next(stops)))
    assert [line["reason"] for line in logs if line["event"] == "leaving.postponed"] == ["stopping"]
    assert rows(full, MAIL)["messages"] == MAILS - FIRST_STRETCH
    with structlog.testing.capture_logs() as logs:
        leave(full)
    assert [line["mails"] for line in logs if line["event"] == "connection.cleared"] == [
        MAILS - FIRST_STRETCH
    ]
    assert rows(full, ALL) == {}


class Interrupted:
    """The real way into Gmail, where something happens before mails are fetched or labelled."""

    def __init__(self, context: Context, happens: Callable[[str], None]) -> None:
        self._gmail, self._happens = context, happens

    def open(self, grant: Any) -> Any:
        return Altered(self._gmail.open(grant), self._part)

    def _part(self, name: str, real: Any) -> Any:
        if name in ("headers", "change"):
            self._happens(name)
        return real


@ENDS
@pytest.mark.rule("W2", "W6", "D2")
@pytest.mark.parametrize("call", ["headers", "change"])
def test_a_job_in_flight_writes_nothing_that_stays_behind(full: House, end: End, call: str) -> None:
    ended: list[str] = []

    def cut_off(name: str) -> None:
        if name == call and not ended:
            ended.append(name)
            with pytest.raises(Killed):
                end(full, killed_after(FIRST_STRETCH + 1))

    full.deliver("ann")
    replace(full, context=entered_by(full.context, Interrupted(full.context, cut_off))).catch_up()
    assert ended == [call]
    full.pump()
    hidden = shown(full)
    leave(full)
    assert rows(full, MAIL) == {}
    if end is without_magnet:
        assert shown(full) | {"channels.reports": hidden["channels.reports"]} == hidden


@ENDS
@pytest.mark.rule("W2", "D2")
def test_what_is_being_committed_is_waited_for_and_goes_too(
    full: House, end: End, second_store: Store
) -> None:
    connection, begun = the(full), Event()
    elsewhere = replace(full, context=replace(full.context, store=second_store))

    def switch_off() -> None:
        begun.set()
        end(elsewhere)

    with ThreadPoolExecutor(1) as thread:
        with full.store.begin("contacts.record") as tx:
            assert tx.connections.working(connection.mailbox_id, locked=True)
            ended = thread.submit(switch_off)
            assert begun.wait(60)
            late = ("late", connection.id, link(), None)
            tx.messages.record(MailboxId(1), Found(("late",), (), (), (), ()), "push", [connection.id], {})
            tx.decisions.link(MailboxId(1), [late], KEPT)
            tx.ledger.plan(MailboxId(1), [("late", connection.id, Planned(Step.ANNOUNCE, State.WAITING))])
        ended.result(60)
    assert rows(full, MAIL) == {}


@pytest.mark.rule("E79", "D2")
def test_of_two_connections_the_last_takes_the_mailbox_s_mail_with_it(full: House) -> None:
    first = the(full)
    with full.store.begin("tests.second") as tx:
        second = tx.of(HERE).connections.add("carla", MailboxId(1), full.grant(UWE), first.sharing)
        tx.connections.change(second, Features(magnet_since=first.features.magnet_since), dry_run=False)
        tx.decisions.skip(MailboxId(1), {IDS[0]: Outcome.SKIP_NO_CONTACT}, [second])
    disconnected(full)
    assert rows(full, MAIL) == {"messages": MAILS, "steps": MAILS, "decisions": 1}
    assert [entry.user_id for entry in shown_of(full, IDS[0])] == ["carla"]
    disconnecting.disconnect("carla", full.context)
    assert rows(full, ALL) == {}


def shown_of(house: House, message_id: str) -> list[Any]:
    with house.store.begin("tests.show", reads_only=True) as tx:
        [trail] = tx.of(HERE).reports.trails(message_id)
    return list(trail.decided)


@pytest.mark.rule("D12-3")
def test_arriving_mail_after_a_disconnect_is_nobodys(full: House) -> None:
    disconnected(full)
    full.deliver("ann")
    full.catch_up()
    assert rows(full, MAIL) == {}


@pytest.mark.rule("D12-8")
def test_who_comes_back_to_the_crm_while_it_is_deleted_connects_anew(full: House) -> None:
    deactivated(full)
    profile(full)
    full.connect()
    first = arrives(full)
    assert full.notified() == [first]
