"""The edge cases of Part G and the worked examples of Part H, as a LIVE mailbox lives through them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import structlog
from sqlalchemy import delete, select, update

from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory
from domain.crm.records import ContactRecord, DealRecord, Record, RecordKind, UserRecord
from domain.events import MailAnnounced, MailFound
from domain.ids import MailboxId
from handlers.connections import disconnecting
from handlers.mailboxes import pushes
from infra.db.tables.mail import decisions, notifications
from infra.db.tables.mailboxes import mailbox_addresses, mailboxes
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.hostile.huge import HUGE
from tests.hostile.readings import CORPUS, READINGS, Reading
from tests.journeys.world import CUSTOMERS, OPEN, UWE, mail
from tests.worlds import HERE
from workers.worker import say_assumed_zone

CTM = "Deals Closing This Month (CTM)"
ALIAS, CARLA = "u.w@firm.example", "carla@firm.example"
MARCH, APRIL = datetime(2026, 3, 31, 12, tzinfo=UTC), datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The rules decide here, and what they are told comes through SQL that other tests run on both."""
    return sqlite_url


def record(house: House, *records: Record) -> None:
    """What the CRM hands us."""
    with house.store.begin("tests.crm") as tx:
        tx.of(HERE).crm.put(records)


def forget(house: House, kind: RecordKind, *ids: str) -> None:
    """What the CRM has deleted."""
    with house.store.begin("tests.crm") as tx:
        tx.of(HERE).crm.delete(kind, ids)


def person(
    name: str, *addresses: str, kind: ContactKind = ContactKind.CONTACT, year: int = 2024
) -> ContactRecord:
    return ContactRecord(name, kind, name.title(), addresses, None, datetime(year, 1, 1, tzinfo=UTC))


def deal(deal_id: str, owner: str, category: DealCategory | None, closing: str | None = None) -> DealRecord:
    return DealRecord(deal_id, (owner,), "s", category, date.fromisoformat(closing) if closing else None)


def setting(house: House, name: str, value: object) -> None:
    """`lodestone settings set`."""
    with house.store.begin("tests.setting") as tx:
        tx.of(HERE).settings.set(name, value)


def at(house: House, moment: datetime) -> House:
    """The same house at another time."""
    return replace(house, context=replace(house.context, as_of=moment))


def written(sender: str, *headers: str, to: str = UWE, body: str = "Text.") -> bytes:
    """A mail with these headers."""
    return "\r\n".join([f"From: {sender}", f"To: {to}", *headers, "", body]).encode()


def arrives(house: House, raw: bytes, labels: Sequence[str] | None = None) -> str:
    """A mail comes into Uwe's mailbox and is dealt with; returns its id."""
    message_id = house.gmail.deliver(UWE, raw, labels=labels).id
    house.catch_up()
    return message_id


def announced_contacts(house: House) -> dict[str, str]:
    """Whom the user's list names, by message."""
    with house.store.engine.connect() as db:
        rows = db.execute(select(notifications.c.message_id, notifications.c.contact_id))
        return {row.message_id: row.contact_id for row in rows}


@pytest.mark.rule("E1")
def test_a_new_month_sorts_the_next_mail_anew_and_leaves_the_last(house: House) -> None:
    record(house, deal("d1", "ann", DealCategory.OPEN, "2026-03-28"))
    house.connect()
    first = house.deliver("ann", 1)
    at(house, MARCH).catch_up()
    second = house.deliver("ann", 2)
    at(house, APRIL).catch_up()
    assert house.outcomes() == {first: "label.ctm", second: "label.open"}
    assert house.labels(first) == {"UNREAD", CTM}
    assert house.labels(second) == {"UNREAD", OPEN}


@pytest.mark.rule("E2", "E98")
def test_another_time_zone_counts_from_the_next_sorting_on(house: House) -> None:
    record(house, deal("d1", "ann", DealCategory.OPEN, "2026-04-10"))
    house.connect()
    tokyo_is_ahead = at(house, datetime(2026, 3, 31, 16, tzinfo=UTC))
    first = house.deliver("ann", 1)
    tokyo_is_ahead.catch_up()
    setting(house, "time-zone", "Asia/Tokyo")
    tokyo_is_ahead.catch_up()
    second = house.deliver("ann", 2)
    tokyo_is_ahead.catch_up()
    assert house.outcomes() == {first: "label.open", second: "label.ctm"}
    assert house.labels(first) == {"UNREAD", OPEN}


@pytest.mark.rule("E2")
@pytest.mark.parametrize(("time_zone", "lines"), [(None, 1), ("Europe/Atlantis", 1), ("Asia/Tokyo", 0)])
def test_a_worker_says_once_that_no_time_zone_is_set(house: House, time_zone: str | None, lines: int) -> None:
    if time_zone:
        setting(house, "time-zone", time_zone)
    with structlog.testing.capture_logs() as logs:
        say_assumed_zone(house.store)
        house.connect()
        house.deliver("ann")
        house.catch_up()
    said = [line for line in logs if line["event"] == "time_zone.assumed"]
    line = {"event": "time_zone.assumed", "log_level": "warning", "zone": "UTC", "organisation_id": 1}
    assert said == [line] * lines


WON, LOST, STILL_OPEN = DealCategory.WON, DealCategory.LOST, DealCategory.OPEN
THIS_MONTH, NEXT_MONTH = "2026-03-28", "2026-04-02"


@pytest.mark.parametrize(
    ("before", "first", "after", "second"),
    [
        pytest.param(
            deal("d1", "ann", STILL_OPEN), "label.open", deal("d1", "ann", WON), "label.customer",
            marks=pytest.mark.rule("E5"), id="won",
        ),
        pytest.param(
            deal("d1", "ann", STILL_OPEN), "label.open", deal("d1", "ann", LOST), "label.none",
            marks=pytest.mark.rule("E6"), id="lost",
        ),
        pytest.param(
            deal("d1", "ann", STILL_OPEN), "label.open", None, "label.none",
            marks=pytest.mark.rule("E6"), id="deleted",
        ),
        pytest.param(
            deal("d1", "ann", LOST), "label.none", deal("d1", "ann", STILL_OPEN), "label.open",
            marks=pytest.mark.rule("E6"), id="reopened",
        ),
        pytest.param(
            deal("d1", "ann", STILL_OPEN, NEXT_MONTH), "label.open",
            deal("d1", "ann", STILL_OPEN, THIS_MONTH), "label.ctm",
            marks=pytest.mark.rule("E7"), id="its date moved into the month",
        ),
        pytest.param(
            deal("d1", "ann", STILL_OPEN, THIS_MONTH), "label.ctm",
            deal("d1", "ann", STILL_OPEN, NEXT_MONTH), "label.open",
            marks=pytest.mark.rule("E7"), id="its date moved out of the month",
        ),
    ],
)  # fmt: skip
def test_a_deal_that_changes_counts_for_the_next_mail_and_leaves_the_last(
    house: House, before: DealRecord, first: str, after: DealRecord | None, second: str
) -> None:
    record(house, before)
    house.connect()
    march = at(house, MARCH)
    old = house.deliver("ann", 1)
    march.catch_up()
    labels = house.labels(old)
    if after:
        record(house, after)
    else:
        forget(house, RecordKind.DEALS, "d1")
    new = house.deliver("ann", 2)
    march.catch_up()
    assert house.outcomes() == {old: first, new: second}
    assert house.labels(old) == labels


@pytest.mark.parametrize(
    ("record_", "outcome"),
    [
        pytest.param(DealRecord("d9", (), "s", STILL_OPEN, None), "label.none",
                     marks=pytest.mark.rule("E8"), id="of the company alone"),
        pytest.param(DealRecord("d9", ("ann",), "s", STILL_OPEN, None), "label.none",
                     marks=pytest.mark.rule("E8"), id="of another contact"),
        pytest.param(DealRecord("d9", ("ann", "bob"), "s", STILL_OPEN, None), "label.open",
                     marks=pytest.mark.rule("E8"), id="in which he has a role"),
        pytest.param(deal("d9", "bob", None), "label.open",
                     marks=pytest.mark.rule("E9"), id="whose stage has no category"),
        pytest.param(deal("d9", "bob", WON), "label.customer",
                     marks=pytest.mark.rule("E4"), id="newer and won, beside a lost one"),
    ],
)  # fmt: skip
def test_which_deals_are_a_contacts(house: House, record_: DealRecord, outcome: str) -> None:
    record(house, record_)
    house.connect()
    message_id = arrives(house, mail("bob", 1))
    assert house.outcomes() == {message_id: outcome}


@pytest.mark.rule("E11", "E15", "X15")
def test_an_address_of_several_is_announced_as_the_oldest_contact_and_sorted_by_the_best(
    house: House,
) -> None:
    family = "family@home.example"
    record(
        house,
        person("kid", family, kind=ContactKind.LEAD, year=2019),
        person("pa", family, year=2021),
        person("ma", family, year=2023),
        deal("d9", "ma", STILL_OPEN),
    )
    house.connect()
    message_id = arrives(house, written(family))
    assert announced_contacts(house) == {message_id: "pa"}
    assert house.labels(message_id) == {"UNREAD", OPEN}


@pytest.mark.rule("E12", "E13", "E20", "D5")
@pytest.mark.parametrize("sender", ["second@home.example", "Dora <D.O.Ra+x@googlemail.com>"])
def test_mail_from_any_address_of_a_contact_is_the_contacts(house: House, sender: str) -> None:
    record(house, person("dora", "dora@gmail.com", "second@home.example"), person("nobody"))
    house.connect()
    message_id = arrives(house, written(sender))
    assert announced_contacts(house) == {message_id: "dora"}


@pytest.mark.rule("D16", "D16-5", "E32")
def test_a_postmaster_is_announced_where_his_very_address_is_on_a_record(house: House) -> None:
    lead = person("ed", "mailer-daemon@lead.example", kind=ContactKind.LEAD)
    tagged = person("tag", "postmaster+x@tagged.example")
    record(house, person("pm", "postmaster@client.example"), lead, tagged)
    house.connect()
    known = arrives(house, written("Postmaster <postmaster@client.example>"))
    led = arrives(house, written("mailer-daemon@lead.example"))
    arrives(house, written("postmaster@tagged.example"))
    arrives(house, written("postmaster@client.example", "Return-Path: <>"))
    arrives(house, written("postmaster@elsewhere.example"))
    assert announced_contacts(house) == {known: "pm", led: "ed"}


@pytest.mark.rule("D16", "D16-1", "E28")
def test_mail_that_a_rule_of_a_persons_redirects_is_announced(house: House) -> None:
    record(house, person("dora", "dora@example.com"))
    house.connect()
    redirected = arrives(house, written("dora@example.com", "Auto-Submitted: auto-generated"))
    arrives(house, written("dora@example.com", "Auto-Submitted: auto-generated", "Return-Path: <>"))
    assert announced_contacts(house) == {redirected: "dora"}


@pytest.mark.rule("E14", "E28", "Z23")
def test_an_alias_is_the_user_from_the_day_it_is_seen(house: House) -> None:
    house.grant(UWE, [ALIAS])
    house.connect()
    with house.store.engine.begin() as db:
        db.execute(delete(mailbox_addresses).where(mailbox_addresses.c.address == ALIAS))
    before = arrives(house, mail("ann", 1, to=ALIAS))
    assert house.notified() == [], "reached through somebody else's address, as far as we know"
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(watch_due_at=LONG_AGO))
    sweep.renew_watches(house.context)
    house.pump()
    after = arrives(house, mail("ann", 2, to=ALIAS))
    to_himself = arrives(house, written(ALIAS), labels=["INBOX", "SENT"])
    assert house.notified() == [after]
    assert house.outcomes() == {before: "label.open", after: "label.open", to_himself: "skip.self"}


@pytest.mark.rule("E16", "E17", "X16")
@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        pytest.param(written("ann@example.com"), "skip.internal", id="a user who is a contact"),
        pytest.param(
            written(CARLA, f"Cc: {UWE}", to="ann@example.com"), "skip.internal", id="among colleagues"
        ),
        pytest.param(written(CARLA, f"Cc: {UWE}", to="cid@example.com"), "skip.outbound", id="to a contact"),
    ],
)
def test_a_colleagues_mail_is_nobodys(house: House, raw: bytes, outcome: str) -> None:
    record(house, UserRecord("carla", "Carla", (CARLA, "ann@example.com")))
    house.connect()
    message_id = arrives(house, raw)
    assert house.outcomes() == {message_id: outcome}
    assert house.notified() == []
    assert house.labels(message_id) == {"INBOX", "UNREAD"}


@pytest.mark.rule("E17")
def test_a_contacts_mail_among_colleagues_is_the_contacts(house: House) -> None:
    record(house, UserRecord("carla", "Carla", (CARLA,)))
    house.connect()
    message_id = arrives(house, written("ann@example.com", f"Cc: {UWE}", to=CARLA))
    assert announced_contacts(house) == {message_id: "ann"}
    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.parametrize(
    ("name", "entries", "outcomes"),
    [
        pytest.param(
            "internal-domain", ["example.com"], ["skip.internal", "skip.internal"],
            marks=pytest.mark.rule("E18", "D3-9"), id="staff who are contacts",
        ),
        pytest.param(
            "exclude", ["example.com"], ["skip.excluded", "skip.excluded"],
            marks=pytest.mark.rule("E19", "D3-10"), id="an excluded domain",
        ),
        pytest.param(
            "exclude", ["ann@example.com"], ["skip.excluded", "label.customer"],
            marks=pytest.mark.rule("E19", "D3-10"), id="an excluded address",
        ),
    ],
)  # fmt: skip
def test_mail_from_where_the_organisation_wants_none(
    house: House, name: str, entries: list[str], outcomes: list[str]
) -> None:
    setting(house, name, entries)
    house.connect()
    ids = [arrives(house, mail(sender, 1)) for sender in ("ann", "cid")]
    assert house.outcomes() == dict(zip(ids, outcomes, strict=True))
    assert len(house.notified()) == outcomes.count("label.customer")


@pytest.mark.rule("E21")
def test_a_contact_that_comes_after_its_mail_changes_nothing(house: House) -> None:
    house.connect()
    before = arrives(house, mail("nora", 1))
    record(house, person("nora", "nora@example.com"))
    house.catch_up()
    house.let_time_pass()
    sweep.redrive(house.context)
    house.pump()
    after = arrives(house, mail("nora", 2))
    assert house.outcomes() == {before: "skip.no_contact", after: "label.none"}
    assert house.notified() == [after]


@pytest.mark.rule("E22")
def test_an_address_that_moves_takes_future_mail_with_it(house: House) -> None:
    house.connect()
    before = arrives(house, mail("ann", 1))
    record(house, person("ann"), person("cid", "cid@example.com", "ann@example.com"))
    after = arrives(house, mail("ann", 2))
    assert announced_contacts(house) == {before: "ann", after: "cid"}
    assert house.outcomes() == {before: "label.open", after: "label.customer"}


@pytest.mark.rule("E23", "E105", "D2")
def test_a_mail_whose_author_cannot_be_read_is_logged_by_its_id_alone(house: House) -> None:
    connection_id = house.connect()
    with structlog.testing.capture_logs() as logs:
        message_id = arrives(house, written('"ann@example.com" <mallory@other.example>'))
    [line] = [line for line in logs if line["event"] == "contact.unmatched"]
    assert (line["message_id"], line["connection_id"]) == (message_id, connection_id)
    assert line["outcome"] == "skip.no_contact"
    assert "@" not in "".join(map(str, logs))


@pytest.mark.rule("E26", "Z22")
def test_a_mail_that_the_user_forwards_is_his_own(house: House) -> None:
    house.connect()
    quoted = "---------- Forwarded message ---------\r\nFrom: Cid <cid@example.com>\r\n"
    message_id = arrives(house, written(UWE, "Subject: Fwd: x", to="ann@example.com", body=quoted), ["SENT"])
    assert house.outcomes() == {message_id: "skip.outbound"}
    assert house.notified() == []


@pytest.mark.rule("E33", "D4-2")
@pytest.mark.parametrize(
    ("to", "outcome"), [(UWE, "skip.self"), (f"ann@example.com, {UWE}", "skip.outbound")]
)
def test_what_the_user_sends_himself_is_his_own_once(house: House, to: str, outcome: str) -> None:
    house.connect()
    message_id = arrives(house, written(UWE, to=to), ["SENT", "INBOX", "UNREAD"])
    house.catch_up()
    assert house.outcomes() == {message_id: outcome}
    assert house.notified() == []
    assert house.labels(message_id) == {"SENT", "INBOX", "UNREAD"}


@pytest.mark.parametrize(
    ("waiting", "outcome"),
    [
        pytest.param(["DRAFT"], "skip.draft", marks=pytest.mark.rule("E34", "E35"), id="a draft"),
        pytest.param([], "skip.outbound", marks=pytest.mark.rule("E35"), id="not shown as a draft"),
    ],
)
def test_a_mail_that_waits_to_be_sent_is_the_users_own_mail_once_it_is(
    house: House, waiting: list[str], outcome: str
) -> None:
    """Google does not say how a scheduled mail shows: either way nothing is done about it."""
    house.connect()
    message_id = arrives(house, written(UWE, to="ann@example.com"), waiting)
    assert house.outcomes() == {message_id: outcome}
    house.gmail.change_labels(UWE, [message_id], add=["SENT"], remove=waiting)
    house.catch_up()
    assert house.outcomes() == {message_id: "skip.outbound"}
    assert house.notified() == []
    assert house.labels(message_id) == {"SENT"}


@pytest.mark.rule("E37")
def test_a_mail_put_into_the_trash_after_it_was_handled_is_left_there(house: House) -> None:
    house.connect()
    message_id = arrives(house, mail("ann", 1))
    house.gmail.change_labels(UWE, [message_id], add=["TRASH"])
    for _ in range(2):
        house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"], remove=["TRASH"])
    house.catch_up()
    assert house.outcomes() == {message_id: "label.open"}
    assert house.notified() == [message_id]
    assert house.labels(message_id) == {"INBOX", "UNREAD", OPEN}


@pytest.mark.rule("E86")
def test_a_user_whose_grant_is_gone_is_told_once(house: House) -> None:
    house.connect()
    house.gmail.revoke(UWE)
    house.deliver("ann")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            house.push()
            house.catch_up()
            house.let_time_pass()
            sweep.catch_up_due(house.context)
            house.pump()
    assert [line["log_level"] for line in logs if line["event"] == "connection.expired"] == ["warning"]


@pytest.mark.rule("E92")
def test_jobs_that_wait_while_magnet_is_switched_off_do_nothing(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    assert house.sent == [MailFound(MailboxId(1))]
    house.connect(magnet=False, sorting=False)
    house.gmail.reset_counters()
    assert house.pump() == ["contacts.match"]
    assert (house.outcomes(), house.notified()) == ({}, [])
    assert house.labels(message_id) == {"INBOX", "UNREAD"}
    assert house.gmail.counters().calls == 0


@pytest.mark.rule("E92")
def test_mail_that_waits_to_be_sorted_while_sorting_is_switched_off_stays_where_it_is(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    while house.sent[0] != MailAnnounced(MailboxId(1)):
        house.run_next()
    house.connect(sorting=False)
    assert house.pump() == ["labels.sort"]
    assert house.outcomes() == {message_id: "label.off"}
    assert house.notified() == [message_id]
    assert house.labels(message_id) == {"INBOX", "UNREAD"}


@pytest.mark.rule("E93")
@pytest.mark.parametrize(
    "written_on", ["Thu, 1 Jan 1970 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 +0000", "no date"]
)
def test_the_time_received_is_gmails_and_never_the_date_in_the_mail(house: House, written_on: str) -> None:
    house.connect()
    received = datetime.now(UTC).replace(microsecond=123_000) + timedelta(seconds=5)
    raw = written("ann@example.com", f"Date: {written_on}")
    message_id = house.gmail.deliver(UWE, raw, internal_date=round(received.timestamp() * 1000)).id
    house.catch_up()
    assert house.outcomes() == {message_id: "label.open"}
    with house.store.engine.connect() as db:
        for kept in (decisions.c.received_at, notifications.c.received_at):
            assert db.scalars(select(kept)).all() == [received]


@pytest.mark.rule("E103", "E104")
def test_mails_with_one_message_id_or_none_are_each_a_mail_of_its_own(house: House) -> None:
    house.connect()
    one_id = "Message-ID: <one@example.com>"
    answer = written("cid@example.com", "In-Reply-To: <one@example.com>", "Message-ID: <two@example.com>")
    raws = [
        answer,
        written("ann@example.com", one_id),
        written("ann@example.com", one_id),
        written("ann@example.com", "Message-ID: <>"),
        written("ann@example.com", "Message-ID: <>"),
    ]
    ids = [house.gmail.deliver(UWE, raw).id for raw in raws]
    house.catch_up()
    assert house.outcomes() == {ids[0]: "label.customer"} | dict.fromkeys(ids[1:], "label.open")
    assert sorted(house.notified()) == sorted(ids)


@pytest.mark.rule("E102", "W1")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"[" * 100_000, id="nested lists"),
        pytest.param(b'{"emailAddress": ["uwe@firm.example"], "historyId": 1}', id="a list of addresses"),
        pytest.param(b'{"emailAddress": "uwe@firm.example"}', id="no history id"),
        pytest.param(b'{"emailAddress": "uwe@firm.example\\u0000", "historyId": 1}', id="a nul"),
        pytest.param(b'{"emailAddress": "\\ud800@firm.example", "historyId": 1}', id="half a character"),
        pytest.param(b'{"emailAddress": "\' OR 1=1 --@firm.example", "historyId": 1}', id="a statement"),
        pytest.param(b'{"emailAddress": "' + b"x" * 1_000_000 + b'@firm.example"}', id="a megabyte"),
    ],
)
def test_a_push_of_noise_wakes_nobody(house: House, data: bytes) -> None:
    house.connect()
    pushes.take(data, "gmail", house.context)
    assert house.sent == []


@pytest.mark.rule("X19", "Z44", "Z43")
def test_a_connection_that_is_switched_off_keeps_nothing_and_leaves_gmail_as_it_is(house: House) -> None:
    house.connect()
    sorted_, waiting = arrives(house, mail("cid", 1)), house.deliver("ann", 2)
    disconnecting.disconnect("uwe", house.context)
    house.push()
    house.pump()
    assert (house.outcomes(), house.notified()) == ({}, [])
    assert house.labels(sorted_) == {"UNREAD", CUSTOMERS}
    assert house.labels(waiting) == {"INBOX", "UNREAD"}


def ended(house: House, ids: Mapping[str, str]) -> dict[str, tuple[str | None, bool]]:
    """Outcome and whether it was announced, by the mail's name."""
    outcomes, notified = house.outcomes(), house.notified()
    return {name: (outcomes.get(message_id), message_id in notified) for name, message_id in ids.items()}


def expected(readings: Mapping[str, Reading]) -> dict[str, tuple[str | None, bool]]:
    return {name: (reading.outcome, reading.notified) for name, reading in readings.items()}


@pytest.mark.rule("E102", "E42", "E105", "E95", "I9")
def test_every_mail_of_the_hostile_corpus_ends_as_the_table_says(house: House) -> None:
    house.connect()
    ids = {name: house.gmail.deliver(UWE, (CORPUS / f"{name}.eml").read_bytes()).id for name in READINGS}
    house.catch_up()
    assert ended(house, ids) == expected(READINGS)


@pytest.mark.rule("E102", "E43", "D11-6", "I9")
def test_mails_without_measure_end_as_the_table_says(house: House) -> None:
    """A few of them, because the local Gmail has to carry them too; tests/hostile reads them all."""
    few = (
        "a header of 10 MB",
        "a From of 1,000,000 nested comments",
        "100,000 recipients",
        "50,000 From fields",
    )
    house.connect()
    ids = {name: house.gmail.deliver(UWE, HUGE[name].make()).id for name in few}
    house.catch_up()
    assert ended(house, ids) == expected({name: HUGE[name].reading for name in few})
