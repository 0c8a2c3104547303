"""Mail on a record's page: fetched from Gmail at that moment, for those who may see it, and kept nowhere."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from domain.connections.connections import Sharing
from domain.errors import AccessRevoked, Refused, TryAgain
from domain.ids import ConnectionId
from domain.mail.addresses import loose
from domain.mail.content import MailQuery
from domain.mail.messages import Direction
from domain.pages import PageCursor, read_cursor
from handlers.live_view import live
from handlers.live_view.live import show, show_own
from handlers.live_view.mailbox_mail import VisibleMail
from handlers.live_view.pages import Page
from infra.db.tables.connections import shared_contacts
from infra.db.tables.crm import contact_addresses, contact_viewers, users
from infra.local.gmail import Mail
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.worlds import HERE, ONE_DATABASE

CARLA, OTTO = "carla@firm.example", "otto@firm.example"
ANN = "ann@example.com"
NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)
NOTHING = {"magnet": False, "sorting": False, "dry_run": False}


def letter(
    sender: str = ANN, to: str = UWE, subject: str = "hello", text: str = "Text.", **fields: str
) -> bytes:
    extra = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"From: {sender}\r\nTo: {to}\r\n{extra}Subject: {subject}\r\n\r\n{text}\r\n".encode()


def put(house: House, raw: bytes, *, mailbox: str = UWE, at: int = 0, labels: Collection[str] = ()) -> str:
    """A mail received `at` seconds after noon; returns its id."""
    received = NOON + 1000 * at
    return house.gmail.deliver(mailbox, raw, labels or None, internal_date=received).id


def connect(house: House, user: str, address: str, sharing: Sharing = Sharing.PUBLIC) -> ConnectionId:
    return house.connect(user, address, sharing=sharing, **NOTHING)


def know(house: House, user: str, **profile: object) -> None:
    with house.store.engine.begin() as db:
        values = {"roles_above": [], "may_connect": True, "active": True} | profile
        db.execute(insert(users).values(organisation_id=1, id=user, name=user, **values))


def subjects(page: Page) -> list[str]:
    return [one.content.header("Subject") for one in page.mails]


def see(house: House, viewer: str = "uwe", contact: str = "ann", **options: Any) -> Page:
    return show(contact, viewer, house.context, **{"limit": 50} | options)


@pytest.mark.rule("Z1", "Z17", "E21")
def test_a_record_shows_mail_from_and_to_any_of_its_addresses_newest_first(house: House) -> None:
    connect(house, "uwe", UWE)
    with house.store.engine.begin() as db:
        second = {"contact_id": "ann", "address": "ann@home.example", "loose": "ann@home.example"}
        db.execute(insert(contact_addresses).values({"location_id": 1} | second))
    put(house, letter(subject="she wrote"), at=1)
    put(house, letter(UWE, ANN, "I wrote"), at=3, labels=["SENT"])
    put(house, letter("Ann <ann@home.example>", subject="her other address"), at=2)
    put(house, letter(UWE, "bob@example.com", "in copy", Cc=ANN), at=4, labels=["SENT"])
    put(house, letter(UWE, "bob@example.com", "in blind copy", Bcc=ANN), at=5, labels=["SENT"])
    put(house, letter("bob@example.com", subject="nothing of hers"), at=6)
    page = see(house)
    assert subjects(page) == ["in blind copy", "in copy", "I wrote", "her other address", "she wrote"]
    assert [one.direction for one in page.mails[-3:]] == [
        Direction.OUTBOUND,
        Direction.INBOUND,
        Direction.INBOUND,
    ]
    assert page.next_page is None
    assert page.mails[-1].content.snippet == "Text."


@pytest.mark.rule("Z18", "E37")
@pytest.mark.parametrize("label", ["DRAFT", "SPAM", "TRASH", "CHAT"])
def test_drafts_spam_trash_and_chats_are_not_shown(house: House, label: str) -> None:
    connect(house, "uwe", UWE)
    message_id = put(house, letter(), labels=[label])
    assert see(house).mails == ()
    with pytest.raises(Refused, match="no such mail here"):
        live.open_mail("ann", message_id, "uwe", house.context)


@pytest.mark.rule("Z45")
def test_an_address_that_the_record_has_no_more_shows_nothing(house: House) -> None:
    connect(house, "uwe", UWE)
    put(house, letter())
    assert len(see(house).mails) == 1
    with house.store.engine.begin() as db:
        new = {"address": "ann@new.example", "loose": loose("ann@new.example")}
        db.execute(update(contact_addresses).where(contact_addresses.c.contact_id == "ann").values(new))
    assert see(house).mails == ()


@pytest.mark.rule("E20")
def test_a_record_without_an_address_shows_nothing_and_asks_nobody(house: House) -> None:
    connect(house, "uwe", UWE)
    put(house, letter())
    with house.store.engine.begin() as db:
        db.execute(delete(contact_addresses).where(contact_addresses.c.contact_id == "ann"))
    page = see(house)
    assert (page.mails, page.units, page.requests, page.next_page) == ((), 0, 0, None)


@ONE_DATABASE
@pytest.mark.rule("D5", "E13", "Z17")
@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        pytest.param("ANN@Example.com", True, id="letter case"),
        pytest.param("ann+shop@example.com", True, id="a tag"),
        pytest.param("ann@example.com.au", False, id="Gmail finds a longer domain too"),
        pytest.param("jo.ann@example.com", False, id="and a longer name"),
        pytest.param('"ann@example.com" <eve@evil.example>', False, id="and a display name"),
        pytest.param("Ann <ann@example.com>, eve@evil.example", False, id="two writers are nobody (E105)"),
    ],
)
def test_what_gmail_finds_is_shown_only_for_an_address_of_the_record(
    house: House, sender: str, expected: bool
) -> None:
    connect(house, "uwe", UWE)
    put(house, letter(sender))
    assert bool(see(house).mails) is expected


@ONE_DATABASE
@pytest.mark.rule("D5")
@pytest.mark.parametrize("sender", ["a.nn@gmail.com", "ann@googlemail.com", "a.nn+x@googlemail.com"])
def test_gmails_own_addresses_are_found_by_their_other_spellings(house: House, sender: str) -> None:
    connect(house, "uwe", UWE)
    with house.store.engine.begin() as db:
        new = {"address": "a.nn@gmail.com", "loose": "ann@gmail.com"}
        db.execute(update(contact_addresses).where(contact_addresses.c.contact_id == "ann").values(new))
    put(house, letter(sender))
    assert len(see(house).mails) == 1


@pytest.mark.rule("D5")
def test_a_tagged_address_that_is_another_record_is_not_hers(house: House) -> None:
    connect(house, "uwe", UWE)
    with house.store.engine.begin() as db:
        tagged = {"contact_id": "bob", "address": "ann+bob@example.com", "loose": ANN}
        db.execute(insert(contact_addresses).values({"location_id": 1} | tagged))
    put(house, letter("ann+bob@example.com", subject="bob's"))
    assert subjects(see(house)) == []
    assert subjects(see(house, contact="bob")) == ["bob's"]


@pytest.mark.rule("D13", "Z19", "E78")
def test_a_colleague_sees_what_the_owner_shares_at_that_moment(house: House) -> None:
    know(house, "carla")
    connection_id = connect(house, "uwe", UWE, Sharing.PRIVATE)
    put(house, letter())
    seen = {}
    for sharing in (Sharing.PRIVATE, Sharing.CUSTOM, Sharing.PUBLIC, Sharing.PRIVATE):
        connect(house, "uwe", UWE, sharing)
        seen[sharing] = len(see(house, "carla").mails)
        assert len(see(house, "uwe").mails) == 1
    assert seen == {Sharing.PRIVATE: 0, Sharing.CUSTOM: 0, Sharing.PUBLIC: 1}
    connect(house, "uwe", UWE, Sharing.CUSTOM)
    with house.store.engine.begin() as db:
        db.execute(
            insert(shared_contacts).values(location_id=1, connection_id=connection_id, contact_id="ann")
        )
    assert len(see(house, "carla").mails) == 1
    assert see(house, "carla", "cid").mailboxes == ()


@pytest.mark.rule("D13")
def test_the_organisations_options_count(house: House) -> None:
    know(house, "carla")
    know(house, "uwe", role="sales", roles_above=["head"])
    know(house, "hanna", role="head")
    connect(house, "uwe", UWE, Sharing.PRIVATE)
    put(house, letter())
    for name, value, carla, hanna in (
        ("sharing-users", {"uwe": "public"}, 1, 1),
        ("sharing-roles", {"sales": "private"}, 0, 0),
        ("sharing-roles", {"sales": "public"}, 1, 1),
        ("sharing-only", {"users": ["otto"], "roles": []}, 0, 1),
        ("sharing-exclude", ["example.com"], 0, 0),
    ):
        with house.store.begin("tests.set") as tx:
            tx.of(HERE).settings.set(name, value)
        assert len(see(house, "carla").mails) == carla, name
        assert len(see(house, "hanna").mails) == hanna, name
        assert len(see(house).mails) == 1


@pytest.mark.rule("D13", "Z20", "E16", "E17")
def test_a_colleague_sees_no_mail_among_insiders_although_a_record_has_the_address(house: House) -> None:
    know(house, "otto")
    connect(house, "uwe", UWE)
    connect(house, "carla", CARLA, Sharing.PRIVATE)
    with house.store.engine.begin() as db:
        address = {"contact_id": "ann", "address": CARLA, "loose": CARLA}
        db.execute(insert(contact_addresses).values({"location_id": 1} | address))
    put(house, letter(CARLA, subject="among us"), at=1)
    put(house, letter(CARLA, subject="with a customer", Cc="bob@example.com"), at=2)
    put(house, letter(ANN, subject="hers", Cc=CARLA), at=3)
    assert subjects(see(house, "otto")) == ["hers"]
    assert subjects(see(house, "uwe")) == ["hers", "with a customer", "among us"]


@pytest.mark.rule("D12", "D13", "Z43")
@pytest.mark.parametrize("profile", [{"may_connect": False}, {"active": False}])
def test_nothing_is_shown_of_an_owner_who_may_not_connect_any_more(
    house: House, profile: Mapping[str, bool]
) -> None:
    know(house, "carla")
    connect(house, "uwe", UWE)
    put(house, letter())
    know(house, "uwe", **profile)
    page = see(house, "carla")
    assert (page.mails, page.mailboxes, page.units) == ((), (), 0)


@pytest.mark.rule("D13")
def test_a_record_that_is_not_there_and_one_that_he_may_not_open_answer_alike(house: House) -> None:
    know(house, "carla")
    connect(house, "uwe", UWE)
    with house.store.engine.begin() as db:
        db.execute(insert(contact_viewers).values(location_id=1, contact_id="ann", user_id="uwe"))
    answers = []
    for contact in ("ann", "zoe"):
        for look in (
            lambda contact=contact: see(house, "carla", contact),
            lambda contact=contact: live.open_mail(contact, "1" * 16, "carla", house.context),
        ):
            with pytest.raises(Refused) as refused:
                look()
            answers.append(str(refused.value).replace(contact, "CONTACT"))
    assert set(answers) == {"there is no contact CONTACT that user carla may open"}
    assert see(house, "uwe").mails == ()


@pytest.mark.rule("E76")
def test_a_mailbox_of_two_users_is_asked_once(house: House) -> None:
    know(house, "otto")
    connect(house, "uwe", UWE)
    connect(house, "carla", UWE)
    put(house, letter())
    page = see(house, "otto")
    assert (len(page.mails), len(page.mailboxes)) == (1, 1)


@pytest.mark.rule("W15", "E86", "I4")
def test_mailboxes_that_fail_show_as_such_beside_the_others(house: House) -> None:
    for user, address in (("uwe", UWE), ("carla", CARLA), ("otto", OTTO), ("pia", "pia@firm.example")):
        connect(house, user, address)
        put(house, letter(to=address, subject=user), mailbox=address)
    house.gmail.revoke(CARLA)
    house.gmail.expire_access_tokens(CARLA)
    house.gmail.fault("503", ["messages.list"], mailbox=OTTO)
    with house.store.begin("tests.pause") as tx:
        tx.mailboxes.pause_by_operator("pia@firm.example", 0, 1)
    page = see(house)
    assert subjects(page) == ["uwe"]
    troubles = {one.address: one.trouble for one in page.mailboxes}
    assert troubles.pop(OTTO) is not None
    assert troubles == {UWE: None, CARLA: "sign_in_needed", "pia@firm.example": "paused"}
    with house.store.begin("tests.look") as tx:
        [connection] = tx.of(HERE).connections.of_user("carla")
    assert connection.state.value == "reauth_needed"
    assert {one.address: one.trouble for one in see(house).mailboxes}[CARLA] == "sign_in_needed"


@pytest.mark.rule("E38")
def test_a_mail_that_is_deleted_between_search_and_get_is_passed_over(house: House) -> None:
    connect(house, "uwe", UWE)
    put(house, letter(subject="stays"), at=1)
    put(house, letter(subject="goes"), at=2)
    house.gmail.fault("404", ["messages.get"], times=1)
    page = see(house)
    assert len(page.mails) == 1
    assert page.mailboxes[0].trouble is None


@ONE_DATABASE
@pytest.mark.rule("Z17")
@pytest.mark.parametrize("limit", [1, 3, 7, 50])
def test_pages_show_every_mail_once_in_order_also_those_of_one_second(house: House, limit: int) -> None:
    boxes = {"uwe": UWE, "carla": CARLA, "otto": OTTO}
    for user, address in boxes.items():
        connect(house, user, address)
    house.gmail.deliver_many(
        [
            Mail(address, letter(to=address, subject=f"{user} {n}"), internal_date=NOON + 200 * n)
            for n in range(12)
            for user, address in boxes.items()
        ]
    )
    found: list[VisibleMail] = []
    start: PageCursor | None = None
    pages = 0
    while True:
        page = see(house, limit=limit, start=start)
        found += page.mails
        pages += 1
        start = page.next_page and read_cursor(page.next_page.token())
        if start is None:
            break
    assert len(found) == 36
    assert len(set(subjects(Page(tuple(found), (), None, 0, 0)))) == 36
    assert [one.content.received_at for one in found] == sorted(
        (one.content.received_at for one in found), reverse=True
    )
    assert pages == -(-36 // limit)


@ONE_DATABASE
@pytest.mark.rule("Z17")
def test_a_page_of_50_over_three_mailboxes_keeps_its_budget(house: House) -> None:
    boxes = {"uwe": UWE, "carla": CARLA, "otto": OTTO}
    for user, address in boxes.items():
        connect(house, user, address)
    house.gmail.deliver_many(
        [
            Mail(address, letter(to=address, subject=f"{user} {n}"), internal_date=NOON + 1000 * n)
            for n in range(60)
            for user, address in boxes.items()
        ]
    )
    house.gmail.reset_counters()
    page = see(house)
    counted = house.gmail.counters()
    assert len(page.mails) == 50
    assert page.units <= 5 * 3 + 20 * (50 + 25 * 2)
    assert page.requests <= 3 * 3
    assert page.requests == counted.http_requests
    assert page.units == counted.units


MANY = tuple(f"ann.of.department.{n}@example.com" for n in range(50))


def with_many_addresses(house: House) -> int:
    """Ann has 50 addresses more; returns how many searches that takes."""
    with house.store.engine.begin() as db:
        more = [{"contact_id": "ann", "address": one, "loose": loose(one)} for one in MANY]
        db.execute(insert(contact_addresses).values(location_id=1), more)
    found = house.context.open
    with house.store.begin("tests.look") as tx:
        [connection] = tx.of(HERE).connections.of_user("uwe")
        known = tx.of(HERE).contacts.addresses_of("ann")
    assert connection.grant is not None
    assert known is not None
    search = found(connection.grant).search
    assert search is not None
    return len(search.split(MailQuery(known)))


@ONE_DATABASE
@pytest.mark.rule("Z17")
@pytest.mark.parametrize("limit", [1, 7, 50])
def test_a_record_with_more_addresses_than_one_search_takes_is_shown_in_order_and_once(
    house: House, limit: int
) -> None:
    """What one search finds is old, what another finds is young, and some mail is found by several."""
    connect(house, "uwe", UWE)
    searches = with_many_addresses(house)
    assert searches > 1
    mails = [
        Mail(
            UWE,
            letter(MANY[n * 7 % 50 if n % 3 else n // 2], subject=f"{n}", Cc=MANY[-1 - n % 5]),
            internal_date=NOON + 400 * n,
        )
        for n in range(60)
    ]
    house.gmail.deliver_many(mails)
    seen: list[str] = []
    start: PageCursor | None = None
    for _ in range(200):
        page = see(house, limit=limit, start=start)
        seen += subjects(page)
        if page.next_page is None:
            break
        start = read_cursor(page.next_page.token())
    assert seen == [f"{n}" for n in reversed(range(60))]


@ONE_DATABASE
@pytest.mark.rule("Z17")
def test_a_page_that_takes_several_searches_keeps_its_budget(house: House) -> None:
    connect(house, "uwe", UWE)
    searches = with_many_addresses(house)
    house.gmail.deliver_many(
        [Mail(UWE, letter(MANY[n % 50], subject=f"{n}"), internal_date=NOON + 1000 * n) for n in range(150)]
    )
    house.gmail.reset_counters()
    page = see(house)
    counted = house.gmail.counters()
    assert subjects(page) == [f"{n}" for n in reversed(range(100, 150))]
    assert page.units <= 5 * searches + 20 * (50 + 25)
    assert (page.units, page.requests) == (counted.units, counted.http_requests)
    assert counted.calls_of("messages.list") == searches
    assert page.requests <= searches + 75 // (25 // searches) + 1


@pytest.mark.rule("Z17", "D13")
def test_what_is_hidden_costs_a_bounded_page_and_nothing_is_lost(house: House) -> None:
    know(house, "carla")
    connect(house, "uwe", UWE)
    with house.store.begin("tests.set") as tx:
        tx.of(HERE).settings.set("sharing-exclude", ["example.com"])
    house.gmail.deliver_many(
        [Mail(UWE, letter(subject=f"{n}"), internal_date=NOON + 1000 * n) for n in range(150)]
    )
    put(house, letter(subject="shown", Cc="x@other.example"), at=-10)
    page = see(house, "carla", limit=10)
    assert page.mails == ()
    assert page.units <= 5 * 2 + 20 * 25 * 4
    pages = 1
    while page.next_page is not None:
        page = see(house, "carla", limit=10, start=page.next_page)
        pages += 1
    assert subjects(page) == ["shown"]
    assert pages <= 3


@pytest.mark.rule("Z17a")
def test_the_owner_sees_all_mail_of_his_own_mailbox_and_nobody_elses(house: House) -> None:
    connect(house, "uwe", UWE)
    connect(house, "carla", CARLA)
    put(house, letter("bank@example.net", subject="statement"), at=1)
    put(house, letter(CARLA, subject="among us"), at=2)
    put(house, letter("spam@example.net", subject="spam"), at=3, labels=["SPAM"])
    put(house, letter(to=CARLA, subject="hers"), mailbox=CARLA)
    assert subjects(show_own("uwe", house.context, limit=50)) == ["among us", "statement"]
    assert subjects(show_own("uwe", house.context, limit=50, words="subject:statement OR in:spam")) == [
        "spam",
        "statement",
    ]
    first = show_own("uwe", house.context, limit=1, words="subject:statement OR in:spam")
    assert subjects(first) == ["spam"]
    again = show_own(
        "uwe", house.context, limit=1, words="subject:statement OR in:spam", start=first.next_page
    )
    assert subjects(again) == ["statement"]
    know(house, "otto")
    with pytest.raises(Refused, match="has no mailbox connected"):
        show_own("otto", house.context, limit=50)


@pytest.mark.rule("Z17", "D13")
def test_one_mail_is_opened_whole_where_the_viewer_may_see_it(house: House) -> None:
    know(house, "carla")
    connect(house, "uwe", UWE)
    message_id = put(house, letter(text="The whole text."))
    other = put(house, letter("bob@example.com"))
    opened = live.open_mail("ann", message_id, "carla", house.context)
    assert opened.mail.content.text() == "The whole text."
    assert opened.mail.address == UWE
    for wrong in (other, "f" * 16):
        with pytest.raises(Refused, match="there is no such mail here"):
            live.open_mail("ann", wrong, "carla", house.context)
    connect(house, "uwe", UWE, Sharing.PRIVATE)
    with pytest.raises(Refused, match="there is no such mail here"):
        live.open_mail("ann", message_id, "carla", house.context)


@pytest.mark.rule("E86", "I4")
def test_a_mail_of_a_mailbox_that_cannot_be_asked_is_trouble_and_not_absent(house: House) -> None:
    connect(house, "uwe", UWE)
    message_id = put(house, letter())
    house.gmail.fault("503", ["messages.get"], times=1)
    with pytest.raises(TryAgain):
        live.open_mail("ann", message_id, "uwe", house.context)
    house.gmail.revoke(UWE)
    house.gmail.expire_access_tokens(UWE)
    with pytest.raises(AccessRevoked):
        live.open_mail("ann", message_id, "uwe", house.context)
    connect(house, "carla", CARLA)
    with pytest.raises(Refused, match=f"there is no such mail here; not asked: {UWE} .sign_in_needed."):
        live.open_mail("ann", message_id, "uwe", house.context)


@pytest.mark.rule("D12")
def test_a_user_who_has_left_sees_nothing_any_more(house: House) -> None:
    connect(house, "uwe", UWE)
    know(house, "carla", active=False)
    with pytest.raises(Refused, match="user carla is deactivated"):
        see(house, "carla")
