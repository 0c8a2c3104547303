"""Every way a mail can end, brought about for real, and what `explain` then tells (I9, Part J, Z40)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from domain.connections.connections import Features, Sharing
from domain.crm.records import RecordKind, UserRecord
from domain.ids import MailboxId
from domain.outcomes import Outcome
from handlers import matching, operations, reports
from handlers.crm import records
from handlers.sorting.sort import sort
from infra.db.tables.connections import connections
from infra.db.tables.conversations import conversations
from infra.db.tables.crm import contacts, deal_contacts, deals
from infra.db.tables.mail import decisions
from tests.handlers.conftest import House
from tests.journeys.world import CUSTOMERS, OPEN, UWE, mail
from tests.worlds import HERE, ONE_DATABASE
from workers.cli import explaining

pytestmark = ONE_DATABASE

Case = Callable[[House], str]
"""Brings it about; returns the mail's id."""


def explained(house: House, message_id: str) -> str:
    """All that `lodestone explain` says."""
    [found] = reports.explain(message_id, None, context=house.context)
    assert explaining.as_json(found)["message_id"] == message_id
    return "\n".join(explaining.in_words(found))


def plain(
    sender: str = "ann", *, to: str = UWE, labels: tuple[str, ...] | None = None, **headers: str
) -> Case:
    """A mail that is handled as soon as it comes."""

    def happens(house: House) -> str:
        house.connect()
        raw = mail(sender, 1, to=to).replace(b"\r\nSubject:", _lines(headers) + b"\r\nSubject:")
        message_id = house.gmail.deliver(UWE, raw, labels=labels).id
        house.catch_up()
        return message_id

    return happens


def _lines(headers: dict[str, str]) -> bytes:
    return "".join(f"\r\n{name.replace('_', '-')}: {value}" for name, value in headers.items()).encode()


def from_ourselves(to: str) -> Case:
    def happens(house: House) -> str:
        house.connect()
        raw = mail("ann", 1, to=to).replace(b"ann@example.com>\r\nTo", UWE.encode() + b">\r\nTo")
        message_id = house.gmail.deliver(UWE, raw, labels=["SENT"]).id
        house.catch_up()
        return message_id

    return happens


def deleted(house: House) -> str:
    house.connect()
    message_id = house.deliver("ann")
    house.gmail.delete(UWE, [message_id])
    house.catch_up()
    return message_id


def too_old(house: House) -> str:
    house.connect()
    hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    message_id = house.deliver("cid", internal_date=hour_ago)
    house.catch_up()
    return message_id


def colleague(house: House) -> str:
    with house.store.begin("tests.user") as tx:
        tx.of(HERE).crm.put([UserRecord("cid", "Cid", ("cid@example.com",))])
    return plain("cid")(house)


def excluded(house: House) -> str:
    with house.store.begin("tests.exclude") as tx:
        tx.of(HERE).settings.set("exclude", ["cid@example.com"])
    return plain("cid")(house)


def without_sorting(house: House) -> str:
    house.connect(sorting=False)
    message_id = house.deliver("cid")
    house.catch_up()
    return message_id


def closing_now(house: House) -> str:
    with house.store.engine.begin() as db:
        db.execute(update(deals).where(deals.c.id == "d1").values(closing_date=datetime.now(UTC).date()))
    return plain("ann")(house)


def magnet_restarted(house: House) -> str:
    """MailMagnet was switched off and on again while the mail waited to be announced."""
    connection_id = house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    house.run_next()
    later = datetime.now(UTC) + timedelta(hours=1)
    with house.store.begin("tests.restart") as tx:
        tx.connections.change(connection_id, Features(magnet_since=later, sorting_since=later), dry_run=False)
    house.pump()
    return message_id


def poisoned(house: House, *, jobs: int = 0) -> str:
    """Gmail answers with an error for this mail once so many jobs are done, until nobody tries any more."""
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    for _ in range(jobs):
        house.run_next()
    fault = house.gmail.poison(UWE, message_id)
    for _ in range(10):
        house.let_time_pass()
        matching.match(MailboxId(1), house.context)
        sort(MailboxId(1), house.context)
    house.gmail.clear_faults(fault)
    return message_id


def poisoned_when_announced(house: House) -> str:
    return poisoned(house, jobs=2)


def second_user_signed_out(house: House) -> str:
    """Who is signed out is asked for no decision: his mail waits. What was decided before is looked at again."""
    house.connect()
    with house.store.begin("tests.second") as tx:
        [first] = tx.connections.working(MailboxId(1))
        second = tx.of(HERE).connections.add("carla", MailboxId(1), house.grant(UWE), Sharing.PRIVATE)
        tx.connections.change(second, Features(magnet_since=first.features.magnet_since), dry_run=False)
    message_id = house.deliver("nora")
    house.catch_up()
    with house.store.begin("tests.out") as tx:
        connection = tx.connections.get(second)
        assert connection is not None
        tx.connections.need_sign_in(connection)
    return message_id


def synced(sender: str, *, assigned: str = "uwe", before: Case | None = None, **headers: str) -> Case:
    """A mail of this sender in a mailbox that is synced; Ann is `assigned` to somebody."""

    def happens(house: House) -> str:
        house.connect(sync=True, magnet=False, sorting=False)
        with house.store.engine.begin() as db:
            db.execute(update(contacts).where(contacts.c.id == "ann").values(assigned_to=assigned))
        if before is not None:
            before(house)
        return arrived(house, sender, **headers)

    return happens


def arrived(house: House, sender: str, **headers: str) -> str:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    message_id = house.gmail.deliver(UWE, more.encode() + mail(sender, 7)).id
    house.catch_up()
    return message_id


def begun(house: House) -> str:
    """A conversation that the mails of `mail` continue where they answer it."""
    raw = mail("ann", 0).replace(b"ann.0@", b"first@")
    message_id = house.gmail.deliver(UWE, raw).id
    house.catch_up()
    return message_id


def left(state: str) -> Case:
    """It goes on elsewhere, or was taken out, as the second half of two-way sync will do it."""

    def happens(house: House) -> str:
        message_id = begun(house)
        with house.store.engine.begin() as db:
            db.execute(update(conversations).values(state=state))
        return message_id

    return happens


def owner_deleted(house: House) -> str:
    message_id = begun(house)
    with house.store.begin("tests.delete") as tx:
        tx.of(HERE).crm.delete(RecordKind.CONTACTS, ["ann"])
    return message_id


def synced_colleague(house: House) -> str:
    """Carla writes to Ann, and puts Uwe in copy."""
    with house.store.begin("tests.user") as tx:
        tx.of(HERE).crm.put([UserRecord("carla", "Carla", ("carla@firm.example",))])
    house.connect(sync=True, magnet=False, sorting=False)
    raw = mail("ann", 7, to="ann@example.com").replace(b"Ann <ann@example.com>", b"<carla@firm.example>")
    message_id = house.gmail.deliver(UWE, raw.replace(b"Subject", f"Cc: {UWE}\r\nSubject".encode())).id
    house.catch_up()
    return message_id


NOT_BUILT = {Outcome.SKIP_OTHER_LOCATION, Outcome.SYNC_FAILED}
"""The first needs threads that are bound to a location (D8), the other is the end of no mail."""

ANSWER = {"In_Reply_To": "<first@example.com>"}

ENDS: dict[Outcome, tuple[Case, str, str]] = {
    Outcome.SKIP_INACTIVE: (second_user_signed_out, "decided now it would be skip.inactive", "user carla"),
    Outcome.SKIP_OUTBOUND: (from_ourselves("ann@example.com"), "sent from this side", "(D4)"),
    Outcome.SKIP_GONE: (deleted, "the mailbox no longer had it", "(D3 row 2)"),
    Outcome.SKIP_DRAFT: (plain(labels=("DRAFT",)), "it was a draft", "(D3 row 3)"),
    Outcome.SKIP_SPAM: (plain(labels=("SPAM",)), "it was in Spam", "(D3 row 4)"),
    Outcome.SKIP_TRASH: (plain(labels=("TRASH",)), "it was in Trash", "(D3 row 5)"),
    Outcome.SKIP_CHAT: (plain(labels=("CHAT",)), "it was a chat item", "(D3 row 6)"),
    Outcome.SKIP_TOO_OLD: (
        too_old,
        "received before MailMagnet, or two-way sync, was switched on",
        "(D3 row 7)",
    ),
    Outcome.SKIP_SELF: (from_ourselves(UWE), "everybody on it is an own address", "(D3 row 8)"),
    Outcome.SKIP_INTERNAL: (colleague, "nobody from outside is on it", "(D3 row 9)"),
    Outcome.SKIP_EXCLUDED: (excluded, "on the exclusion list", "(D3 row 10)"),
    Outcome.SKIP_NO_CONTACT: (plain("nora"), "its author's address is on no record of the CRM", "(D5)"),
    Outcome.MAGNET_NOTIFIED: (plain(), "announced to user uwe by notification 1", "passed (D3 row 11)"),
    Outcome.MAGNET_NOT_ADDRESSED: (plain(to="sales@firm.example"), "not announced: no own address", "(D11)"),
    Outcome.MAGNET_AUTOMATED: (plain(Auto_Submitted="auto-replied"), "it is automated mail", "(D16)"),
    Outcome.MAGNET_OFF: (magnet_restarted, "MailMagnet was off when it arrived", "label.off"),
    Outcome.LABEL_CTM: (
        closing_now,
        "labelled Deals Closing This Month (CTM)",
        "is open and closes this month",
    ),
    Outcome.LABEL_OPEN: (plain("ann"), "labelled Open Deals", "deal d1 of contact ann is open"),
    Outcome.LABEL_CUSTOMER: (plain("cid"), "labelled Customers", "deal d2 of contact cid is won"),
    Outcome.LABEL_NONE: (plain("bob"), "not labelled: the contact has no won deal", "in Gmail: nothing"),
    Outcome.LABEL_USER_CHOICE: (plain(labels=("INBOX", CUSTOMERS)), "the user, or a filter of his", "(D10)"),
    Outcome.LABEL_OFF: (without_sorting, "not labelled: sorting was off when it arrived", "(Z38)"),
    Outcome.SYNC_STARTED: (synced("ann"), "it began conversation", "under contact ann"),
    Outcome.SYNC_APPENDED: (synced("nora", before=begun, **ANSWER), "it belongs to conversation", "(D7)"),
    Outcome.SKIP_NOT_ASSIGNED: (
        synced("ann", assigned="eva"),
        "not assigned to the mailbox's user",
        "(D7 row 10)",
    ),
    Outcome.SKIP_AUTOMATED: (
        synced("ann", Auto_Submitted="auto-replied"),
        "an automatic answer",
        "(D7 rows 1 and 7)",
    ),
    Outcome.SKIP_COLLEAGUE: (synced_colleague, "a colleague wrote it", "(D7 row 14)"),
    Outcome.SKIP_DETACHED: (
        synced("ann", before=left("detached"), **ANSWER),
        "goes on in another location",
        "(D7 row 3)",
    ),
    Outcome.SKIP_TAKEN_OUT: (synced("ann", before=left("closed"), **ANSWER), "out of the CRM", "(D7 row 3)"),
    Outcome.SKIP_OWNER_DELETED: (
        synced("bob", before=owner_deleted, **ANSWER),
        "has been deleted",
        "(D7 row 3)",
    ),
    Outcome.MATCH_FAILED: (poisoned, "set aside: it could not be matched in 8 tries", "(E88)"),
    Outcome.LABEL_FAILED: (poisoned_when_announced, "set aside: it could not be sorted in 8 tries", "(E88)"),
}
"""How it comes about, what is said, and by which rule or fact."""


@pytest.mark.rule("I9")
@pytest.mark.parametrize(
    "outcome", [one for one in Outcome if one not in NOT_BUILT], ids=lambda outcome: outcome.value
)
def test_every_end_of_a_mail_can_be_explained(house: House, outcome: Outcome) -> None:
    happens, words, rule = ENDS[outcome]
    told = explained(house, happens(house))
    assert outcome.value in told
    assert words in told
    assert rule in told


def waiting(house: House) -> str:
    house.connect()
    message_id = house.deliver("cid")
    house.catch_up_only()
    house.run_next()
    return message_id


def moved(house: House) -> str:
    message_id = plain("cid")(house)
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"], remove=[CUSTOMERS])
    house.catch_up()
    return message_id


def with_an_open_deal(house: House) -> str:
    with house.store.engine.begin() as db:
        db.execute(update(deals).where(deals.c.id == "d2").values(category="OPEN"))
    return plain("cid")(house)


@pytest.mark.rule("Z40")
@pytest.mark.parametrize(
    ("happens", "cause"),
    [
        pytest.param(
            with_an_open_deal, "the contact still has an open deal, so a deal label", id="1 open deal"
        ),
        pytest.param(closing_now, "the contact still has an open deal, so a deal label", id="1 closing now"),
        pytest.param(plain("bob"), "the contact has no won deal, and no open one", id="2 no won deal"),
        pytest.param(plain("nora"), "the sender's address is not on the contact record", id="3 address"),
        pytest.param(without_sorting, "sorting was off when it arrived", id="4 sorting off"),
        pytest.param(too_old, "MailMagnet was off when it arrived", id="4 MailMagnet off"),
        pytest.param(waiting, "it still waits: less than 10 minutes may have passed", id="5 waits"),
        pytest.param(plain("cid", labels=("SPAM",)), "the mail is in Spam or Trash", id="6 spam"),
        pytest.param(plain("cid", labels=("TRASH",)), "the mail is in Spam or Trash", id="6 trash"),
        pytest.param(moved, "the user moved it", id="7 moved"),
        pytest.param(colleague, "the sender is a colleague", id="8 colleague"),
        pytest.param(excluded, "the sender is an excluded address", id="8 excluded"),
        pytest.param(plain("lea"), "the sender is only a lead", id="8 lead"),
    ],
)
def test_why_a_mail_is_not_under_customers(house: House, happens: Case, cause: str) -> None:
    assert f"not under Customers because: {cause}" in explained(house, happens(house))


@pytest.mark.rule("Z40")
def test_a_mail_that_is_under_customers_has_no_such_line(house: House) -> None:
    assert "not under Customers" not in explained(house, plain("cid")(house))


@pytest.mark.rule("E47", "Z40")
def test_a_label_that_was_replaced_since_is_said_to_be(house: House) -> None:
    house.connect()
    first = house.gmail.deliver(UWE, mail("ann", 1))
    house.catch_up()
    with house.store.engine.begin() as db:
        db.execute(update(deals).where(deals.c.id == "d1").values(category="WON"))
    house.gmail.deliver(UWE, mail("ann", 2), thread_id=first.thread_id)
    house.catch_up()
    assert house.labels(first.id) & {OPEN, CUSTOMERS} == {CUSTOMERS}
    told = explained(house, first.id)
    assert "labelled Open Deals; its label was replaced since by Customers (E47)" in told
    assert "deal d1 of contact ann is won" in told
    assert "not under Customers" not in told


def test_sorting_that_was_undone_is_said_to_be(house: House) -> None:
    message_id = plain("cid")(house)
    with house.store.engine.begin() as db:
        db.execute(update(decisions).values(undone_at=datetime(2026, 11, 22, 8, tzinfo=UTC)))
    told = explained(house, message_id)
    assert "labelled Customers because deal d2" in told
    assert "; undone at 2026-11-22 08:00:00 UTC" in told
    assert "not under Customers because: what sorting had done to it was undone" in told


@pytest.mark.rule("D3-1")
def test_a_mail_that_waits_in_a_paused_mailbox_says_so_and_is_not_read(house: House) -> None:
    house.connect()
    message_id = house.deliver("nora")
    house.catch_up()
    waits = house.deliver("cid", 2)
    house.catch_up_only()
    operations.pause(UWE, house.context)
    house.gmail.reset_counters()
    told = explained(house, waits)
    assert "waits to be matched" in told
    assert "paused: nothing is done in this mailbox since 20" in told
    assert "in Gmail now: not read again: the mailbox is paused" in explained(house, message_id)
    assert house.gmail.counters().calls == 0


@pytest.mark.rule("E67")
def test_a_mail_that_was_not_sorted_because_sorting_is_stopped_says_so(house: House) -> None:
    house.connect()
    with house.store.engine.begin() as db:
        db.execute(update(connections).values(sorting_trouble="invalidArgument"))
    message_id = house.deliver("cid")
    house.catch_up()
    told = explained(house, message_id)
    assert "not sorted: no more labels can be made (invalidArgument); sorting is stopped" in told
    with house.store.engine.begin() as db:
        db.execute(update(connections).values(sorting_trouble=None))
    assert "they can by now, and `lodestone retry` sorts the mail (E67)" in explained(house, message_id)


@pytest.mark.rule("E88")
def test_a_mail_that_could_not_be_sorted_says_after_how_many_tries(house: House) -> None:
    house.connect()
    message_id = house.deliver("cid")
    house.catch_up_only()
    for _ in range(2):
        house.run_next()
    house.gmail.poison(UWE, message_id)
    for _ in range(10):
        house.let_time_pass()
        sort(MailboxId(1), house.context)
    told = explained(house, message_id)
    assert "set aside: it could not be sorted in 8 tries (E88)" in told
    assert "announced to user uwe" in told


@pytest.mark.rule("E9", "Z40")
def test_records_that_are_out_of_date_are_named_with_the_mail_they_decided_about(house: House) -> None:
    house.connect()
    message_id = plain("ann")(house)
    assert "out of date" not in explained(house, message_id)
    with house.store.begin("tests.look") as tx:
        deal_ids = tx.db.scalars(
            select(deal_contacts.c.deal_id).where(deal_contacts.c.contact_id == "ann")
        ).all()
    records.refuse(RecordKind.DEALS, deal_ids[0], None, "category is none of OPEN, WON, LOST", house.store)
    records.refuse(RecordKind.CONTACTS, "bob", None, "kind is neither contact nor lead", house.store)
    said = explained(house, message_id)
    assert f"out of date: deal {deal_ids[0]}, a change of which was refused at" in said
    assert "(category is none of OPEN, WON, LOST)" in said
    assert "bob" not in said
    records.refuse(RecordKind.CONTACTS, "ann", None, "kind is neither contact nor lead", house.store)
    assert "out of date: contact ann, a change of which was refused at" in explained(house, message_id)
