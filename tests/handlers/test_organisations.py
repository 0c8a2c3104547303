"""Two organisations with the same ids of everything: nothing of one crosses to the other (T1, T2, T4)."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from structlog.testing import capture_logs

from domain.channels import ChannelKind, Target
from domain.connections.connections import Sharing, Wishes
from domain.crm.contacts import ContactKind
from domain.crm.deals import DealCategory
from domain.crm.locations import SEVERAL
from domain.crm.records import ContactRecord, DealRecord, Record, RecordKind, UserRecord
from domain.errors import Refused, TryAgain
from domain.ids import ChannelId, ConnectionId, MailboxId
from domain.mailboxes.accounts import Grant
from domain.mailboxes.watches import Watch
from domain.reports import LedgerQuery
from domain.retention import FEWEST
from domain.sorting.label_names import LABEL_NAMES
from handlers import channels, operations, reports, settings
from handlers.connections import aliases, connecting, sign_in
from handlers.context import Context
from handlers.crm import closing, locations
from handlers.crm import records as crm
from handlers.live_view import live, notification_mail
from infra.db.store import Store
from infra.db.tables.channels import channels as channel_table
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.crm import contacts as contact_table
from infra.db.tables.crm import users as user_table
from infra.db.tables.mail import messages
from infra.db.tables.mail import notifications as notification_table
from infra.db.tables.mailboxes import mailboxes as mailbox_table
from infra.db.tables.schema import metadata
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.gmail.sign_in import GoogleSignIn
from infra.secrets import Cipher
from tests import sweep
from tests.browser import grant_access
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.nowhere import dead_port
from tests.providers import TOPIC, entered_by
from tests.scoping import SCOPED
from tests.walls import walled
from tests.worlds import KEY, ONE_DATABASE

MAIN, ACME = "main/main", "acme/berlin"
THERE = "uwe@acme.example"
BORN = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: whose mailbox it is, who its contact c1 is, and who is a stranger there."""

    location: str
    mailbox: str
    contact: str
    stranger: str
    colleague: str
    label: str


HERE = Side(MAIN, UWE, "ann@example.com", "zoe@example.org", "kim@firm.example", "Open Deals")
OTHER = Side(ACME, THERE, "zoe@example.org", "ann@example.com", "kim@acme.example", "Customers")
SIDES = (HERE, OTHER)


def records(side: Side) -> list[Record]:
    """The same ids on both sides: contact c1 with deal d1, contact c2 who is a colleague on the other one, user uwe."""
    category = DealCategory.OPEN if side is HERE else DealCategory.WON
    far = OTHER if side is HERE else HERE
    return [
        ContactRecord("c1", ContactKind.CONTACT, f"C1 of {side.location}", (side.contact,), "uwe", BORN),
        ContactRecord("c2", ContactKind.CONTACT, f"C2 of {side.location}", (far.colleague,), "uwe", BORN),
        DealRecord("d1", ("c1",), "stage", category, None),
        UserRecord("uwe", "Uwe", (), role="Sales"),
        UserRecord("kim", "Kim", (side.colleague,)),
    ]


def fill(house: House) -> dict[str, ChannelId]:
    """Both organisations, each with its records, channel and connection; returns the channels by location."""
    locations.add(ACME, house.store)
    made = {}
    for side in SIDES:
        crm.take_in(records(side), house.store, location=side.location)
        target = Target(f"http://127.0.0.1:{dead_port()}/{side.location}", "whsec_" + "a" * 32)
        made[side.location] = channels.add(
            "uwe", ChannelKind.WEBHOOK, target, house.context, side.location
        ).id
        house.connect("uwe", side.mailbox, location=side.location)
    return made


@dataclass(frozen=True, slots=True)
class Found:
    """All that people of one side are shown."""

    notices: list[tuple[str | None, str | None, str | None]]
    ledger: list[tuple[str, str | None]]
    explained: dict[str, list[str]]
    page: list[str]
    channels: list[int]
    labels: dict[str, frozenset[str]]


def look(house: House, side: Side, ids: list[str]) -> Found:
    where = side.location
    explained = {
        message_id: [str(one.trail) for one in reports.explain(message_id, None, house.context, where)]
        for message_id in ids
    }
    return Found(
        [
            (one.name, one.author, one.contact_id)
            for one in reports.notifications("uwe", 0, None, house.context, where)
        ],
        [
            (one.message_id, one.outcome and one.outcome.value)
            for one in reports.ledger(LedgerQuery(), house.context, where)
        ],
        explained,
        [
            one.content.message_id
            for one in live.show("c1", "uwe", house.context, limit=9, location=where).mails
        ],
        [one.id for one in channels.reports(house.context, where)],
        {message_id: house.labels(message_id, side.mailbox) for message_id in ids},
    )


def journey(house: House) -> tuple[dict[str, ChannelId], dict[str, list[str]], dict[str, Found]]:
    """Each side gets mail of its own contact, of the other's, and of its c2."""
    made = fill(house)
    ids: dict[str, list[str]] = {}
    for number, side in enumerate(SIDES):
        far = OTHER if side is HERE else HERE
        senders = (side.contact, side.stranger, far.colleague, side.colleague)
        ids[side.location] = [
            house.gmail.deliver(side.mailbox, letter(sender, 10 * number + n, side.mailbox)).id
            for n, sender in enumerate(senders)
        ]
    for mailbox_id in (1, 2):
        house.catch_up(MailboxId(mailbox_id))
    return made, ids, {side.location: look(house, side, ids[side.location]) for side in SIDES}


def letter(sender: str, number: int, to: str) -> bytes:
    return (
        f"From: Somebody <{sender}>\r\nTo: {to}\r\nSubject: mail {number}\r\n"
        f"Message-ID: <{number}@example.com>\r\n\r\nText.\r\n"
    ).encode()


@pytest.mark.rule("T1", "T2", "I11", "D3-9", "E16")
def test_nothing_of_one_organisation_is_shown_to_another(house: House) -> None:
    made, ids, found = journey(house)

    for side in SIDES:
        far = OTHER if side is HERE else HERE
        mine, seen = ids[side.location], found[side.location]
        of_contact, of_stranger, of_far_colleague, of_colleague = mine
        assert seen.notices == [
            (f"C1 of {side.location}", side.contact, "c1"),
            (f"C2 of {side.location}", far.colleague, "c2"),
        ], "the other's colleague is nobody's insider here"
        assert dict(seen.ledger) == {
            of_contact: "label.open" if side is HERE else "label.customer",
            of_stranger: "skip.no_contact",
            of_far_colleague: "label.none",
            of_colleague: "skip.internal",
        }
        assert seen.page == [of_contact]
        assert seen.channels == [made[side.location]]
        assert side.label in seen.labels[of_contact]
        assert all(len(trails) == 1 for trails in seen.explained.values())
        assert far.mailbox not in str(seen)
        assert far.location not in str(seen)


@pytest.mark.rule("T2")
def test_who_asks_for_the_others_mail_by_its_id_is_told_of_none(house: House) -> None:
    made, ids, _ = journey(house)

    for side in SIDES:
        far = OTHER if side is HERE else HERE
        where = side.location
        for message_id in ids[far.location]:
            assert reports.explain(message_id, None, house.context, where) == ()
            assert reports.explain(message_id, far.mailbox, house.context, where) == ()
        assert list(reports.ledger(LedgerQuery(mailbox=far.mailbox), house.context, where)) == []
        theirs = reports.notifications("uwe", 0, None, house.context, far.location)[0].id
        with pytest.raises(Refused, match="there is no notification"):
            notification_mail.open_notification(theirs, "uwe", house.context, where)
        for deed in (channels.remove, channels.retry, channels.send_test):
            with pytest.raises(Refused, match="there is no channel"):
                deed(made[far.location], house.context, where)
        with pytest.raises(Refused, match="may not see mail"):
            live.show("c1", "uwe", house.context, limit=9, mailbox=far.mailbox, location=where)


@pytest.mark.rule("T2", "I11", "D12")
def test_what_one_deletes_or_changes_the_other_keeps(house: House) -> None:
    journey(house)
    before = reports.notifications("uwe", 0, None, house.context, ACME)
    settings.change_organisation({"exclude": [OTHER.contact]}, house.context, location=MAIN)
    with house.store.begin("tests.delete") as tx:
        here = locations.located(MAIN, tx)
        for kind, ids in ((RecordKind.CONTACTS, ["c1", "c2"]), (RecordKind.DEALS, ["d1"])):
            here.crm.delete(kind, ids)
    crm.take_in([UserRecord("uwe", "Uwe", (), active=False)], house.store, location=MAIN)

    with house.store.begin("tests.look") as tx:
        there = locations.located(ACME, tx)
        assert there.contacts.addresses_of("c1") == (OTHER.contact,)
        assert there.settings.get().exclusions.addresses == frozenset()
        assert len(there.contacts.deals_of(["c1"])["c1"]) == 1
        assert [one.works for one in there.connections.of_user("uwe")] == [True]
        assert [one.works for one in locations.located(MAIN, tx).connections.of_user("uwe")] == [False]
    assert reports.notifications("uwe", 0, None, house.context, ACME) == before
    new = house.gmail.deliver(THERE, letter(OTHER.contact, 99, THERE)).id
    house.catch_up(MailboxId(2))
    assert [
        one.message_id for one in reports.notifications("uwe", before[-1].id, None, house.context, ACME)
    ] == [new]


@pytest.mark.rule("T2")
def test_what_goes_outside_goes_to_the_channels_of_its_own_organisation(house: House) -> None:
    made, _, _ = journey(house)
    with house.store.engine.connect() as db:
        rows = db.execute(
            text(
                "SELECT channel_id, location_id, count(*) AS many FROM deliveries"
                " JOIN notifications ON notifications.id = notification_id GROUP BY channel_id, location_id"
            )
        ).all()

    assert sorted(tuple(row) for row in rows) == sorted([(made[MAIN], 1, 2), (made[ACME], 2, 2)])


@pytest.mark.rule("T1")
@ONE_DATABASE
def test_who_names_no_location_means_the_only_one_and_is_refused_from_the_second_on(house: House) -> None:
    assert reports.notifications("uwe", 0, None, house.context) == () if house.connect() else False
    locations.add(ACME, house.store)

    asked: list[Any] = [
        lambda: reports.notifications("uwe", 0, None, house.context),
        lambda: list(reports.ledger(LedgerQuery(), house.context)),
        lambda: settings.organisation(house.store),
        lambda: crm.take_in([records(HERE)[0]], house.store),
        lambda: house.connect("eva", "eva@firm.example"),
        lambda: channels.reports(house.context),
        lambda: aliases.show(None, house.store),
    ]
    for ask in asked:
        with pytest.raises(Refused) as refused:
            ask()
        assert str(refused.value) == SEVERAL
    assert reports.notifications("uwe", 0, None, house.context, MAIN) == ()
    with pytest.raises(Refused, match="there is no location acme/paris"):
        reports.notifications("uwe", 0, None, house.context, "acme/paris")
    with pytest.raises(Refused, match="there is a location acme/berlin already"):
        locations.add(ACME, house.store)


@pytest.mark.rule("T4", "E65")
@ONE_DATABASE
def test_one_mailbox_may_be_connected_in_two_locations_of_one_organisation(house: House) -> None:
    locations.add("main/second", house.store)
    house.connect(location=MAIN)
    with pytest.raises(Refused, match=r"sorting is on for this mailbox in main/main \(rule E65\)"):
        house.connect(location="main/second")
    house.connect(location="main/second", sorting=False)
    ann = replace(records(HERE)[0], id="c9")
    crm.take_in([ann], house.store, location="main/second")
    house.deliver("ann")
    house.catch_up()

    assert [one.contact_id for one in reports.notifications("uwe", 0, None, house.context, MAIN)] == [
        "ann",
        "c9",
    ]


@pytest.mark.rule("T4")
@ONE_DATABASE
def test_a_second_organisation_waits_until_the_first_has_let_go(house: House) -> None:
    locations.add(ACME, house.store)
    first = house.connect(location=MAIN)
    with pytest.raises(Refused, match="connected elsewhere") as refused:
        house.connect("eva", location=ACME)
    assert "uwe" not in str(refused.value)
    assert "main" not in str(refused.value)

    with house.store.begin("tests.expire") as tx:
        connection = tx.connections.get(first)
        assert connection
        assert tx.connections.need_sign_in(connection)
    with pytest.raises(Refused, match="connected elsewhere"):
        house.connect("eva", location=ACME)
    long_ago = datetime.now(UTC) - timedelta(days=7, minutes=1)
    with house.store.engine.begin() as db:
        db.execute(update(connection_table).values(signed_out_at=long_ago))
    house.connect("eva", location=ACME)
    with pytest.raises(Refused, match="connected elsewhere"):
        house.connect(location=MAIN)


def let_go(house: House, connection_id: ConnectionId) -> None:
    """Its user has had to sign in for over a week."""
    with house.store.begin("tests.expire") as tx:
        connection = tx.connections.get(connection_id)
        assert connection
        assert tx.connections.need_sign_in(connection)
    long_ago = datetime.now(UTC) - timedelta(days=7, minutes=1)
    with house.store.engine.begin() as db:
        db.execute(update(connection_table).values(signed_out_at=long_ago))


def first_organisations_mail(house: House) -> tuple[int, list[str]]:
    """Uwe's connection in main/main with mail, an alias and labels of its own; and a second organisation."""
    locations.add(ACME, house.store)
    crm.take_in([replace(records(HERE)[0], id="c9")], house.store, location=ACME)
    names = {"label-names": ["Bald", "Offen", "Kunden"]}
    settings.change_organisation(names, house.context, location=MAIN)
    first = house.connect(location=MAIN)
    aliases.add("uwe", "uwe@old.example", house.store, MAIN)
    ids = [house.deliver("ann", number) for number in range(3)] + [house.deliver("nora", 3)]
    house.catch_up()
    return first, ids


def rows_with(house: House, words: Collection[str]) -> list[str]:
    """What the database holds of these."""
    with house.store.engine.connect() as db:
        rows = [str(row) for table in metadata.sorted_tables for row in db.execute(select(table))]
    return [row for row in rows if any(word in row for word in words)]


@pytest.mark.rule("T4", "T2", "D12")
@pytest.mark.parametrize("how", ["signed out", "left"])
def test_nothing_of_the_first_is_left_for_the_organisation_that_takes_its_mailbox_over(
    house: House, how: str
) -> None:
    first, ids = first_organisations_mail(house)
    assert rows_with(house, ids)
    if how == "signed out":
        let_go(house, ConnectionId(first))
    else:
        crm.take_in([UserRecord("uwe", "Uwe", (), active=False)], house.store, location=MAIN)
    told: list[int] = []
    with capture_logs() as logs:
        connecting.save(
            "eva",
            house.grant(UWE),
            Wishes(magnet=True, sorting=True, sharing=Sharing.PRIVATE),
            context=house.context,
            progress=told.append,
            location=ACME,
        )
        [state] = reports.status(None, None, house.context, ACME).mailboxes
        with house.store.engine.connect() as db:
            [mailbox_id] = db.scalars(select(mailbox_table.c.id))
        new = house.deliver("ann", 9)
        house.catch_up(mailbox_id)

    assert sum(told) >= len(ids)
    assert rows_with(house, [*ids, "uwe@old.example"]) == []
    assert [one.message_id for one in reports.ledger(LedgerQuery(), house.context, ACME)] == [new]
    assert [reports.explain(message_id, None, house.context, ACME) for message_id in ids] == [()] * len(ids)
    assert (state.waiting, state.set_aside, state.pushed_at, state.state_in_words(datetime.now(UTC))) == (
        *(0, 0, None),
        "active",
    )
    [trail] = [one.trail for one in reports.explain(new, None, house.context, ACME)]
    assert set(trail.label_names.values()) == set(LABEL_NAMES.values())
    with house.store.begin("tests.look") as tx:
        assert tx.mailboxes.own_addresses(trail.mailbox_id) == {UWE}
        assert locations.located(MAIN, tx).connections.ids() == ()
    assert list(reports.ledger(LedgerQuery(), house.context, MAIN)) == []
    theirs = [line for line in logs if line.get("location_id") == 2]
    assert {line["event"] for line in theirs} >= {"connection.made", "notification.committed"}
    assert not any(message_id in str(line) for line in theirs for message_id in ids)
    ours = [line["event"] for line in logs if line.get("location_id") == 1]
    superseded = ["connection.superseded"] if how == "signed out" else []
    assert ours == [*superseded, "connection.cleared", "connection.ended"]


def withdraw(house: House) -> None:
    """The second organisation's CRM takes Eva's permission away."""
    crm.take_in([UserRecord("eva", "Eva", (), active=False)], house.store, location=ACME)


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Google's mailboxes, where something happens as soon as the watch stands."""

    context: Context
    happens: Callable[[], object]

    def open(self, grant: Grant) -> Any:
        mailbox = self.context.open(grant)
        happens = self.happens

        class It:
            def __getattr__(self, name: str) -> Any:
                return getattr(mailbox, name)

            def watch(self, topic: str) -> Watch:
                watch = mailbox.watch(topic)
                happens()
                return watch

        return It()


@pytest.mark.rule("T4", "E67", "Z13", "E85")
@pytest.mark.parametrize("trouble", ["no more labels", "500", "permission withdrawn", "signed in again"])
def test_what_the_newcomer_is_refused_takes_nothing_from_the_first(house: House, trouble: str) -> None:
    first, ids = first_organisations_mail(house)
    let_go(house, ConnectionId(first))
    trying = house
    if trouble == "no more labels":
        house.gmail.limit_labels(UWE, len(house.gmail.dump(UWE).labels))
    elif trouble == "500":
        house.gmail.fault("500", ["watch"], mailbox=UWE)
    else:
        again = partial(house.connect, location=MAIN)
        happens = partial(withdraw, house) if trouble == "permission withdrawn" else again
        trying = replace(house, context=entered_by(house.context, Meanwhile(house.context, happens)))
    before = list(reports.ledger(LedgerQuery(), house.context, MAIN))
    with pytest.raises((Refused, TryAgain)):
        trying.connect("eva", location=ACME)

    assert list(reports.ledger(LedgerQuery(), house.context, MAIN)) == before
    assert {one.message_id for one in before} == set(ids)
    with house.store.begin("tests.look") as tx:
        assert locations.located(MAIN, tx).connections.ids() == (first,)
        assert locations.located(ACME, tx).connections.ids() == ()
    house.gmail.clear_faults()
    house.connect(location=MAIN)
    new = house.deliver("ann", 9)
    house.catch_up()
    assert reports.explain(new, None, house.context, MAIN)


@pytest.mark.rule("T4", "W16")
@ONE_DATABASE
def test_who_is_stopped_amid_a_takeover_leaves_the_rest_to_the_sweep(house: House) -> None:
    first, ids = first_organisations_mail(house)
    let_go(house, ConnectionId(first))
    stopping = replace(house, context=replace(house.context, stopping=lambda: True))
    with pytest.raises(TryAgain, match="stopping"):
        stopping.connect("eva", location=ACME)
    assert list(reports.ledger(LedgerQuery(), house.context, MAIN)) == [], "nothing of it is shown any more"
    assert rows_with(house, ids)
    house.let_time_pass()
    assert sweep.end_left(house.context)
    house.pump()

    assert rows_with(house, ids) == []
    house.connect("eva", location=ACME)
    with pytest.raises(Refused, match="connected elsewhere"):
        house.connect(location=MAIN)


@pytest.mark.rule("T4", "Z9", "D12")
def test_who_signs_in_once_more_while_the_takeover_clears_does_not_end_the_first_sign_in(
    house: House, tmp_path: Path
) -> None:
    first, _ = first_organisations_mail(house)
    let_go(house, ConnectionId(first))
    seen = {"mailbox_id": 1, "came_by": "push", "seen_at": datetime.now(UTC)}
    with house.store.engine.begin() as db:  # more than goes in one stretch
        db.execute(insert(messages), [seen | {"message_id": f"x{n:05}"} for n in range(FEWEST + 1)])
    client = tmp_path / "client_secret.json"
    client.write_text(json.dumps(house.gmail.client_file()))
    gmail = Gmail(house.gmail.base_url, sign_in=GoogleSignIn(client), topic=TOPIC)
    context = replace(house.context, providers={NAME: gmail})
    wishes = Wishes(magnet=True, sorting=True, sharing=Sharing.PRIVATE)
    tries: list[str] = []

    def once_more(_: int) -> None:
        if not tries:
            url, state = sign_in.begin(
                "eva", "http://127.0.0.1:4711/", wishes, provider=NAME, context=context, location=ACME
            )
            tries.append(state)
            with pytest.raises(Refused, match="just being disconnected"):
                sign_in.complete("eva", state, grant_access(url)["code"], context=context, location=ACME)

    connecting.save("eva", house.grant(UWE), wishes, context=context, progress=once_more, location=ACME)
    assert tries
    house.gmail.expire_access_tokens(UWE)
    new = house.deliver("ann", 9)
    with house.store.engine.connect() as db:
        [mailbox_id] = db.scalars(select(mailbox_table.c.id))
    house.catch_up(mailbox_id)
    assert [one.message_id for one in reports.ledger(LedgerQuery(), house.context, ACME)] == [new]
    gmail.close()


@pytest.mark.rule("T4", "D3-1")
def test_a_mailbox_that_the_operator_has_paused_stays_paused_when_it_is_taken_over(house: House) -> None:
    first, _ = first_organisations_mail(house)
    let_go(house, ConnectionId(first))
    assert operations.pause(UWE, house.context) == 1
    [before] = reports.status(None, None, house.context, MAIN).mailboxes
    house.connect("eva", location=ACME)

    [state] = reports.status(None, None, house.context, ACME).mailboxes
    assert state.paused_at == before.paused_at is not None
    assert sweep.catch_up_due(house.context) == 0
    assert operations.resume(UWE, house.context) == 1
    assert sweep.catch_up_due(house.context) == 1


@pytest.mark.rule("T2")
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_under_row_level_security_the_same_rows_are_found(house: House, database_url: str) -> None:
    with walled(database_url) as url:
        behind = Store(url, Cipher((KEY,)))
        inside = replace(house, context=replace(house.context, store=behind), store=behind)
        made, ids, found = journey(inside)
        with behind.begin("tests.wall") as tx:
            assert [one.name for one in SCOPED if tx.db.execute(select(one)).all()] == []
            tx.of_organisation(1)
            assert set(tx.db.scalars(select(user_table.c.organisation_id))) == {1}
            assert tx.db.execute(select(contact_table)).all() == [], "opened for no location"
        behind.engine.dispose()

    assert found == {side.location: look(house, side, ids[side.location]) for side in SIDES}
    for side in SIDES:
        assert len(found[side.location].notices) == 2
        assert found[side.location].channels == [made[side.location]]


@pytest.mark.rule("T5", "E77")
def test_a_location_ends_with_all_it_has_and_the_other_stays(house: House) -> None:
    made, ids, found = journey(house)
    told: list[int] = []
    counts, gone = closing.delete(ACME, house.context, told.append)

    assert gone
    assert counts == {
        "connections": 1,
        "contacts": 2,
        "deals": 1,
        "users": 2,
        "channels": 1,
        **{
            name: counts[name]
            for name in counts.keys() & {"settings", "crm_versions", "outdated", "sign_ins"}
        },
    }
    assert sum(told) == sum(counts.values()) - 1
    assert [str(one) for one in locations.show(house.store)] == [MAIN]
    assert look(house, HERE, ids[MAIN]) == found[MAIN]
    with house.store.engine.connect() as db:
        for table in (contact_table, connection_table, channel_table, notification_table):
            column = table.c["organisation_id" if table is channel_table else "location_id"]
            assert set(db.scalars(select(column))) == {1}, table.name
    assert house.gmail.dump(THERE).messages, "mail in Gmail stays"
    assert made[MAIN] in [one.id for one in channels.reports(house.context)], (
        "and nobody need name the only one"
    )


@pytest.mark.rule("T5", "T1")
@ONE_DATABASE
def test_main_is_emptied_and_stays(house: House) -> None:
    house.connect()
    counts, gone = closing.delete(MAIN, house.context)

    assert not gone
    assert counts["contacts"] == 4
    assert [str(one) for one in locations.show(house.store)] == [MAIN]
    house.connect()


@pytest.mark.rule("D13", "T3")
@ONE_DATABASE
def test_sharing_holds_inside_the_location(house: House) -> None:
    fill(house)
    connecting.save("uwe", None, Wishes(sharing=Sharing.PUBLIC), context=house.context, location=MAIN)
    with house.store.begin("tests.look") as tx:
        for side in SIDES:
            here = locations.located(side.location, tx)
            shared = here.sharing.mailboxes("kim", "c1", here.settings.get().sharing)
            assert [one.address for one in shared] == ([UWE] if side is HERE else [])
