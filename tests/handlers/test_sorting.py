"""What the user does to his mail and his labels, and what sorting makes of it (E36–E41, E54–E67, Part H)."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from domain.errors import Refused
from domain.events import MailAnnounced, MailFound
from domain.ids import MailboxId
from handlers import reports, settings
from handlers.sorting.sort import sort
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, notifications
from infra.db.tables.mailboxes import mailboxes
from tests.handlers.conftest import House
from tests.handlers.test_windows import interrupted
from tests.journeys.world import CUSTOMERS, OPEN, UWE, mail
from tests.providers import Altered, entered_by
from tests.worlds import ONE_DATABASE
from workers.cli.explaining import in_words

pytestmark = ONE_DATABASE

UNREAD = "UNREAD"


def label_id(house: House, name: str) -> str:
    return next(i for i, found in house.gmail.dump(UWE).labels.items() if found == name)


def made(house: House, message_id: str) -> Any:
    with house.store.engine.connect() as db:
        return db.scalar(select(decisions.c.changed).where(decisions.c.message_id == message_id))


def an_hour_ago() -> int:
    return int(datetime.now(UTC).timestamp() - 3600) * 1000


@pytest.mark.rule("E36", "D3-7")
def test_spam_from_before_mailmagnet_stays_too_old_when_it_is_rescued(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann", labels=["SPAM"], internal_date=an_hour_ago())
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"], remove=["SPAM"])
    house.catch_up()
    assert house.outcomes() == {message_id: "skip.too_old"}
    assert house.labels(message_id) == {"INBOX"}


@pytest.mark.rule("E37")
@pytest.mark.parametrize("place", ["TRASH", "SPAM"])
def test_a_mail_thrown_away_after_it_was_handled_is_not_handled_again(house: House, place: str) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=[place])
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"], remove=[place])
    house.catch_up()
    assert house.outcomes() == {message_id: "label.open"}
    assert house.notified() == [message_id]
    assert house.labels(message_id) == {UNREAD, "INBOX", OPEN}


@pytest.mark.rule("D10-4", "I6")
@pytest.mark.parametrize("place", ["TRASH", "SPAM"])
def test_a_mail_put_away_between_its_match_and_its_sorting_stays_as_it_is(house: House, place: str) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    for _ in ("match", "announce"):
        house.run_next()
    house.sent.clear()
    house.gmail.change_labels(UWE, [message_id], add=[place], remove=["INBOX"])
    house.catch_up_only()
    house.queue.emit(MailAnnounced(MailboxId(1)))
    house.pump()

    assert house.outcomes() == {message_id: "label.user_choice"}
    assert house.labels(message_id) & {OPEN, CUSTOMERS} == set()


@pytest.mark.rule("E37", "I6")
def test_a_mail_put_away_and_taken_out_again_before_its_match_is_handled(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()
    house.sent.clear()
    for add, remove in ((["TRASH"], ["INBOX"]), (["INBOX"], ["TRASH"])):
        house.gmail.change_labels(UWE, [message_id], add=add, remove=remove)
        house.catch_up_only()
    house.queue.emit(MailFound(MailboxId(1)))
    house.pump()

    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("E38")
def test_a_mail_deleted_before_it_is_sorted_ends_without_another_try(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")

    def delete(name: str) -> None:
        if name == "change":
            house.gmail.delete(UWE, [message_id])

    interrupted(house, delete).catch_up()
    assert house.outcomes() == {message_id: "skip.gone"}


@pytest.mark.rule("E39", "E40", "E62", "D10-1", "D10-2")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(["INBOX"], {OPEN}, id="read"),
        pytest.param(
            ["CATEGORY_PERSONAL"], {"CATEGORY_PERSONAL", OPEN}, id="read and archived, muted or snoozed"
        ),
        pytest.param(["INBOX", "UNREAD"], {UNREAD, OPEN}, id="unread"),
        pytest.param(
            ["INBOX", "STARRED", "IMPORTANT", "CATEGORY_UPDATES", "UNREAD"],
            {UNREAD, "STARRED", "IMPORTANT", "CATEGORY_UPDATES", OPEN},
            id="starred, important, in a category",
        ),
    ],
)
def test_sorting_leaves_every_other_state_of_a_mail_alone(
    house: House, before: list[str], after: set[str]
) -> None:
    house.connect()
    message_id = house.deliver("ann", labels=before)
    house.catch_up()
    assert house.labels(message_id) == after
    assert made(house, message_id) == {
        "added": [label_id(house, OPEN)],
        "removed": ["INBOX"] if "INBOX" in before else [],
    }


@pytest.mark.rule("E58", "I6", "E61", "I7")
def test_a_filed_mail_moved_into_the_inbox_before_our_call_stays_there(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann", labels=["UNREAD", "Projects"])

    def move(name: str) -> None:
        if name == "change":
            house.gmail.change_labels(UWE, [message_id], add=["INBOX"])

    interrupted(house, move).catch_up()
    assert house.labels(message_id) == {UNREAD, "Projects", "INBOX", OPEN}
    assert made(house, message_id)["removed"] == []
    assert house.gmail.counters().calls_of("messages.get") == 1


@pytest.mark.rule("E58", "I6", "W5")
def test_a_filed_mail_moved_into_the_inbox_before_another_try_stays_there(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann", labels=["UNREAD"])
    house.gmail.fault("503", ["messages.modify"], times=1)
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"])
    house.let_time_pass()
    house.queue.redis.flushall()
    house.catch_up()
    sort(MailboxId(1), house.context)
    assert house.labels(message_id) == {UNREAD, "INBOX", OPEN}


@pytest.mark.rule("E41")
@pytest.mark.parametrize(
    "kind",
    [
        'multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
        "application/pkcs7-mime; smime-type=enveloped-data",
    ],
    ids=["PGP", "S/MIME"],
)
def test_an_unreadable_mail_is_told_and_sorted_by_its_headers(house: House, kind: str) -> None:
    house.connect()
    head, _, _ = mail("ann", 1).partition(b"\r\n\r\n")
    raw = head + f"\r\nContent-Type: {kind}\r\n\r\n--b\r\n\r\nxyz\r\n--b--\r\n".encode()
    message_id = house.gmail.deliver(UWE, raw).id
    house.catch_up()
    assert house.notified() == [message_id]
    assert house.labels(message_id) == {UNREAD, OPEN}


@pytest.mark.rule("E54", "E57")
@pytest.mark.parametrize("name", ["Deals I want", "Work/Open Deals"], ids=["renamed", "nested"])
def test_a_renamed_label_is_used_on_and_none_is_made_beside_it(house: House, name: str) -> None:
    house.connect()
    house.gmail.rename_label(UWE, label_id(house, OPEN), name)
    before = len(house.gmail.dump(UWE).labels)
    message_id = house.deliver("ann")
    house.catch_up()
    house.connect()
    assert house.labels(message_id) == {UNREAD, name}
    assert len(house.gmail.dump(UWE).labels) == before


def call_labels(house: House, *names: str) -> None:
    settings.change_organisation({"label-names": list(names)}, house.context)


@pytest.mark.rule("Z14", "E66", "E54")
def test_labels_have_the_organisations_names_and_keep_those_they_were_made_with(house: House) -> None:
    call_labels(house, "Jetzt", "Offen", "Kunden")
    house.connect()
    assert {"Jetzt", "Offen", "Kunden"} < set(house.gmail.dump(UWE).labels.values())
    call_labels(house, "Now", "Open", "Buyers")
    first = house.deliver("ann", 1)
    house.catch_up()
    house.connect()
    assert house.labels(first) == {UNREAD, "Offen"}
    assert not {"Now", "Open", "Buyers", OPEN} & set(house.gmail.dump(UWE).labels.values())

    house.gmail.delete_label(UWE, label_id(house, "Offen"))
    second = house.deliver("ann", 2)
    house.catch_up()
    assert house.labels(second) == {UNREAD, "Open"}, "what is made now has the names of now"
    customer = house.deliver("cid", 3)
    house.catch_up()
    assert house.labels(customer) == {UNREAD, "Kunden"}


@pytest.mark.rule("E54", "Z40")
def test_an_explanation_names_the_labels_as_they_are_called_in_that_mailbox(house: House) -> None:
    house.connect()
    call_labels(house, "Now", "Open", "Buyers")
    house.connect("carla", "carla@firm.example")
    house.connect("dora", "dora@firm.example", dry_run=True)
    said = []
    for mailbox_id, address in enumerate((UWE, "carla@firm.example", "dora@firm.example"), 1):
        message_id = house.gmail.deliver(address, mail("ann", 1, to=address)).id
        house.catch_up(MailboxId(mailbox_id))
        [one] = reports.explain(message_id, address, house.context)
        said.append("\n".join(in_words(one)))
    assert "labelled Open Deals because" in said[0]
    assert "added Open Deals" in said[0]
    assert "not under Customers because" in said[0]
    assert "labelled Open because" in said[1]
    assert "added Open," in said[1]
    assert "not under Buyers because" in said[1]
    assert "would be labelled Open (dry run)" in said[2]


@pytest.mark.rule("E54")
def test_labels_made_before_names_were_kept_have_the_default_ones(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann", 1)
    house.catch_up()
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(label_names=None))
    call_labels(house, "Now", "Open", "Buyers")
    [one] = reports.explain(message_id, None, house.context)
    assert "labelled Open Deals because" in "\n".join(in_words(one))


@pytest.mark.rule("E55")
def test_mail_sorted_before_its_label_was_deleted_is_not_labelled_again(house: House) -> None:
    house.connect()
    old = house.deliver("ann", 1)
    house.catch_up()
    house.gmail.delete_label(UWE, label_id(house, OPEN))
    new = house.deliver("ann", 2)
    house.catch_up()
    assert house.labels(old) == {UNREAD}
    assert house.labels(new) == {UNREAD, OPEN}


@pytest.mark.rule("E56", "Z14", "E66")
def test_a_label_that_was_there_before_is_used(house: House) -> None:
    house.grant(UWE)
    old = house.deliver("nora", labels=["INBOX", "customers"])
    house.connect()
    message_id = house.deliver("cid")
    house.catch_up()
    assert house.labels(message_id) == {UNREAD, "customers"}
    assert house.labels(old) == {"INBOX", "customers"}
    names = set(house.gmail.dump(UWE).labels.values())
    assert {"Deals Closing This Month (CTM)", "Open Deals", "customers"} <= names
    assert "Customers" not in names


@pytest.mark.rule("E59", "I6")
def test_our_label_taken_off_by_the_user_is_not_put_back(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], remove=[OPEN])
    house.catch_up()
    house.catch_up()
    assert house.labels(message_id) == {UNREAD}


@pytest.mark.rule("E60", "I6")
def test_a_crm_label_put_by_hand_on_handled_mail_is_left_alone(house: House) -> None:
    house.connect()
    message_id = house.deliver("bob")
    house.catch_up()
    house.gmail.change_labels(UWE, [message_id], add=[CUSTOMERS])
    house.catch_up()
    assert house.outcomes() == {message_id: "label.none"}
    assert house.labels(message_id) == {UNREAD, "INBOX", CUSTOMERS}


@pytest.mark.rule("E63", "Z38")
def test_a_full_inbox_is_left_alone_when_sorting_is_switched_on(house: House) -> None:
    house.grant(UWE)
    old = [house.deliver("ann", number) for number in range(5)]
    house.connect()
    house.catch_up()
    assert {house.labels(message_id) for message_id in old} == {frozenset({"INBOX", UNREAD})}
    assert house.outcomes() == {}


@pytest.mark.rule("E64", "Z38")
def test_sorting_off_and_on_again_uses_the_same_labels_and_skips_the_time_between(house: House) -> None:
    house.connect()
    before = house.gmail.dump(UWE).labels
    house.connect(sorting=False)
    off = house.deliver("ann", 1, internal_date=an_hour_ago())
    with house.store.engine.begin() as db:
        db.execute(update(connection_table).values(magnet_since=datetime(2026, 1, 1, tzinfo=UTC)))
    house.connect()
    on = house.deliver("ann", 2)
    house.catch_up()
    assert house.outcomes() == {off: "label.off", on: "label.open"}
    assert house.labels(off) == {UNREAD, "INBOX"}
    assert house.gmail.dump(UWE).labels == before


@pytest.mark.rule("E65", "E76")
def test_a_second_user_of_the_mailbox_is_refused_and_told_of_the_first(house: House) -> None:
    house.connect()
    with pytest.raises(Refused, match="user uwe"):
        house.connect("carla")


@pytest.mark.rule("X5", "Z23", "Z24")
def test_mail_to_a_group_is_sorted_and_not_told(house: House) -> None:
    house.connect()
    message_id = house.gmail.deliver(UWE, mail("cid", 1, to="sales@firm.example")).id
    house.catch_up()
    assert house.notified() == []
    assert house.labels(message_id) == {UNREAD, CUSTOMERS}


def too_many_labels(house: House) -> None:
    """Sorting is on, the user has thrown a label away, and Gmail makes no new one."""
    house.connect()
    house.gmail.delete_label(UWE, label_id(house, OPEN))
    house.gmail.limit_labels(UWE, len(house.gmail.dump(UWE).labels))


def told(house: House) -> list[str]:
    with house.store.engine.connect() as db:
        return list(db.scalars(select(notifications.c.kind).order_by(notifications.c.id)))


@pytest.mark.rule("E67", "I4")
def test_a_refused_label_stops_sorting_tells_the_user_once_and_mailmagnet_goes_on(house: House) -> None:
    too_many_labels(house)
    first = house.deliver("ann", 1)
    house.catch_up()
    assert house.outcomes() == {first: "label.failed"}
    assert house.labels(first) == {UNREAD, "INBOX"}
    with house.store.engine.connect() as db:
        assert db.scalar(select(connection_table.c.sorting_trouble)) == "invalidArgument"
        assert db.scalar(select(steps.c.state).where(steps.c.step == "sort")) == "done"
    house.gmail.reset_counters()
    later, other = house.deliver("ann", 2), house.deliver("cid", 3)
    none = house.deliver("bob", 4)
    house.catch_up()
    outcomes = {first: "label.failed", later: "label.failed", other: "label.failed", none: "label.none"}
    assert house.outcomes() == outcomes
    assert told(house) == ["mail", "sorting_failed", "mail", "mail", "mail"]
    counters = house.gmail.counters()
    assert set(counters.by_method) == {"history.list", "messages.get"}


@pytest.mark.rule("E67")
def test_saving_the_settings_again_starts_sorting_again(house: House) -> None:
    too_many_labels(house)
    failed = house.deliver("ann", 1)
    house.catch_up()
    with pytest.raises(Refused, match=r"^Gmail makes no more labels in this mailbox: delete some"):
        house.connect()
    house.gmail.limit_labels(UWE)
    house.connect()
    sorted_ = house.deliver("ann", 2)
    house.catch_up()
    assert house.outcomes() == {failed: "label.failed", sorted_: "label.open"}
    assert house.labels(sorted_) == {UNREAD, OPEN}
    assert told(house) == ["mail", "sorting_failed", "mail"]
    house.gmail.delete_label(UWE, label_id(house, OPEN))
    house.gmail.limit_labels(UWE, len(house.gmail.dump(UWE).labels))
    house.deliver("ann", 3)
    house.catch_up()
    assert told(house).count("sorting_failed") == 2, "each time that it stops"


@pytest.mark.rule("E67", "W6")
def test_settings_saved_while_gmail_refuses_are_not_stopped_by_it(house: House) -> None:
    too_many_labels(house)
    message_id = house.deliver("ann")

    class Freed:
        """The user makes room and saves the settings while our call is refused."""

        def open(self, grant: Any) -> Any:
            return Altered(house.context.open(grant), self._part)

        def _part(self, name: str, real: Any) -> Any:
            def ensure(*args: Any) -> Any:
                try:
                    return real(*args)
                finally:
                    house.gmail.limit_labels(UWE)
                    house.connect()

            return ensure if name == "ensure" else real

    replace(house, context=entered_by(house.context, Freed())).catch_up()
    house.let_time_pass()
    sort(MailboxId(1), house.context)
    assert house.outcomes() == {message_id: "label.open"}
    assert told(house) == ["mail"]


@pytest.mark.rule("E67")
def test_a_limited_mailbox_is_no_refused_label(house: House) -> None:
    too_many_labels(house)
    house.gmail.limit_labels(UWE)
    message_id = house.deliver("ann")
    house.gmail.fault("503", ["labels.create"], times=1)
    house.catch_up()
    assert told(house) == ["mail"]
    house.let_time_pass()
    sort(MailboxId(1), house.context)
    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("E67")
def test_a_mailbox_that_refuses_everything_rests_instead(house: House) -> None:
    too_many_labels(house)
    house.deliver("ann")
    house.gmail.fault("403.domainPolicy", ["labels.create"], times=1)
    house.catch_up()
    assert told(house) == ["mail"]
    with house.store.engine.connect() as db:
        assert db.scalar(select(connection_table.c.sorting_trouble)) is None
