"""What people write to each other, and what two-way sync makes of it (D6, D7, the H and E rules)."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Table, delete, func, insert, select, update

from domain.crm.records import UserRecord
from domain.ids import MailboxId
from domain.mail.addresses import loose
from handlers.connections import disconnecting
from infra.db.tables.conversations import (
    conversations,
    files,
    mail_links,
    mail_sources,
    mails,
    participants,
    readings,
)
from infra.db.tables.crm import contact_addresses, contacts
from infra.db.tables.events import events
from infra.db.tables.mail import decisions
from infra.db.tables.objects import objects
from tests.handlers.conftest import House
from tests.handlers.test_conversations import ANN, BOB, CID, EVE, Held, arrive, held, letter
from tests.journeys.world import UWE
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

CARLA, ZOE, ANN_AT_HOME = "carla@firm.example", "zoe@example.org", "ann@example.net"
FIRST, SECOND, THIRD = "<1@example.com>", "<2@example.com>", "<3@example.com>"


@pytest.fixture
def synced(house: House) -> House:
    """Uwe's mailbox is synced, Carla is a colleague; Ann and Cid are Uwe's contacts, Bob is nobody's."""
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.begin("tests.users") as tx:
        tx.of(HERE).crm.put([UserRecord("carla", "Carla", (CARLA,))])
    with house.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id.in_(["ann", "cid"])).values(assigned_to="uwe"))
    return house


def newest(house: House) -> str:
    """Gmail's id of the mail that came last."""
    return house.gmail.dump(UWE).messages[-1].id


def ending(house: House) -> str | None:
    """The newest mail is handled; returns how that ended."""
    house.catch_up()
    return house.outcomes()[newest(house)]


def written(house: House, to: str, **more: str) -> str | None:
    """Uwe writes in Gmail."""
    head = [f"{name.title()}: {value}" for name, value in more.items()]
    lines = [f"From: {UWE}", f"To: {to}", *head, "Subject: The offer", "", "How much is it?"]
    house.gmail.write(UWE, "\r\n".join(lines).encode())
    return ending(house)


def marked(raw: bytes, *lines: str) -> bytes:
    """With more lines in its header."""
    return "\r\n".join(lines).encode() + b"\r\n" + raw


def count(house: House) -> int:
    """The mails that are kept."""
    with house.store.engine.connect() as db:
        return db.scalar(select(func.count()).select_from(mails)) or 0


def last_message_id(house: House) -> str:
    """The Message-ID of the newest mail, in its brackets."""
    head = house.gmail.raw(UWE, newest(house)).partition(b"\r\n\r\n")[0].decode()
    [line] = [one for one in head.split("\r\n") if one.lower().startswith("message-id:")]
    return line.partition(":")[2].strip()


def owners(house: House) -> list[str]:
    return [one.contact_id for one in held(house)]


@pytest.mark.rule("H5", "D7-8")
def test_new_mail_appears_without_anybodys_doing(synced: House) -> None:
    """The other way is Gmail's own: what is sent from the CRM lies in its Sent."""
    synced.gmail.deliver(UWE, letter(ANN, UWE, FIRST))
    synced.push()
    synced.pump()

    assert owners(synced) == ["ann"]


@pytest.mark.rule("H16", "H17", "D7-8", "D6-4")
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(letter(ANN, CARLA, FIRST, cc=UWE), id="to a colleague, the user in copy"),
        pytest.param(letter(ANN, f"{CID}, {EVE}", FIRST, cc=UWE), id="to others, the user in copy"),
        pytest.param(letter(ANN, f"{EVE}, {UWE}, {CID}", FIRST), id="the user is one of many"),
        pytest.param(letter(ANN, EVE, FIRST), id="the user in Bcc"),
    ],
)
def test_a_contacts_mail_is_shown_under_her_wherever_the_user_stands(synced: House, raw: bytes) -> None:
    assert arrive(synced, raw) == "sync.started"
    assert owners(synced) == ["ann"]


@pytest.mark.rule("H10", "H18", "H19", "D6-1", "D6-5", "D7-2", "D7-12", "E49", "E50")
def test_the_first_contact_owns_what_the_user_begins_and_all_that_follows(synced: House) -> None:
    """Eve is unknown and stays so; Bob is nobody's contact."""
    with synced.store.engine.connect() as db:
        known = db.scalar(select(func.count()).select_from(contacts))

    assert written(synced, f"{EVE}, {ANN}, {BOB}", cc=CID) == "sync.started"
    first = last_message_id(synced)
    assert arrive(synced, letter(BOB, UWE, SECOND, answers=first)) == "sync.appended"
    assert arrive(synced, letter(EVE, UWE, THIRD, answers=SECOND, cc=f"{ANN}, {ZOE}")) == "sync.appended"
    assert arrive(synced, letter(ZOE, UWE, "<4@example.org>", answers=THIRD, cc=EVE)) == "sync.appended"

    assert owners(synced) == ["ann"]
    assert count(synced) == 4
    with synced.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(contacts)) == known
        on_them = db.execute(select(participants.c.address, participants.c.contact_id).distinct()).all()
    assert {tuple(row) for row in on_them} >= {(ANN, "ann"), (BOB, "bob"), (EVE, None), (ZOE, None)}


@pytest.mark.rule("E46", "D7-2")
def test_an_answer_from_an_unknown_second_address_stays_in_the_conversation(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    synced.gmail.answer(UWE, newest(synced), "Ten.")
    synced.catch_up()
    answer = last_message_id(synced)

    assert arrive(synced, letter(ANN_AT_HOME, UWE, SECOND, answers=answer)) == "sync.appended"
    assert owners(synced) == ["ann"]


@pytest.mark.rule("D7-1c", "D2-4")
def test_what_is_forwarded_to_a_third_party_stays_out_and_so_does_her_answer(synced: House) -> None:
    """Zoe is a lawyer, whom Uwe asks about Ann's mail."""
    arrive(synced, letter(ANN, UWE, FIRST))

    synced.gmail.forward(UWE, newest(synced), ZOE, text="What do you think?")
    assert ending(synced) == "skip.no_contact"
    forward = last_message_id(synced)
    her_answer = marked(letter(ZOE, UWE, SECOND, subject="Re: Fwd: The offer"), f"In-Reply-To: {forward}")
    assert arrive(synced, marked(her_answer, f"References: {FIRST} {forward}")) == "skip.no_contact"

    assert count(synced) == 1
    assert arrive(synced, letter(ANN, UWE, THIRD, answers=FIRST)) == "sync.appended"


@pytest.mark.rule("D7-1c")
def test_an_answer_to_a_third_party_alone_stays_out_and_so_does_what_he_answers(synced: House) -> None:
    """Uwe answers Ann's mail, and puts Zoe in Ann's place: the subject tells nothing of it."""
    arrive(synced, letter(ANN, UWE, FIRST))

    synced.gmail.answer(UWE, newest(synced), "What do you think?", to=[ZOE])
    assert ending(synced) == "skip.no_contact"
    answer = last_message_id(synced)
    raw = letter(ZOE, UWE, SECOND, subject="Re: The offer")
    chain = (f"In-Reply-To: {answer}", f"References: {FIRST} {answer}")
    assert arrive(synced, marked(raw, *chain)) == "skip.no_contact"

    assert count(synced) == 1


@pytest.mark.rule("D7-1c", "T3")
def test_a_location_may_let_third_parties_in(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    with synced.store.begin("tests.setting") as tx:
        tx.of(HERE).location_settings.set("third-parties", True)

    synced.gmail.forward(UWE, newest(synced), ZOE)

    assert ending(synced) == "sync.appended"


@pytest.mark.rule("E44", "E53")
def test_reply_headers_hold_a_conversation_together_whatever_subject_and_thread(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    synced.gmail.answer(UWE, newest(synced), "Ten.", subject="Another price")
    assert ending(synced) == "sync.appended"
    raw = letter(ANN, UWE, SECOND, answers=last_message_id(synced), subject="Re: Another price")
    synced.gmail.deliver(UWE, raw, thread_id="a1b2c3")
    assert ending(synced) == "sync.appended"

    assert owners(synced) == ["ann"]
    assert len({one.thread_id for one in synced.gmail.dump(UWE).messages}) > 1


@pytest.mark.rule("E45")
def test_a_thread_id_alone_joins_nothing(synced: House) -> None:
    """Gmail has put Cid's mail into Ann's thread. Then one comes with the subject of hers: so all belong together."""
    arrive(synced, letter(ANN, UWE, FIRST))
    thread_id = synced.gmail.dump(UWE).messages[0].thread_id
    synced.gmail.deliver(UWE, letter(CID, UWE, SECOND, subject="Something else"), thread_id=thread_id)
    assert ending(synced) == "sync.started"
    assert owners(synced) == ["ann", "cid"]

    synced.gmail.deliver(UWE, letter(CID, UWE, THIRD, subject="AW: The offer"), thread_id=thread_id)

    assert ending(synced) == "sync.appended"
    assert [(one.contact_id, len(one.mails)) for one in held(synced)] == [("ann", 3)]


@pytest.mark.rule("E104")
def test_mails_without_a_message_id_are_joined_by_nothing_they_lack(synced: House) -> None:
    for raw in (letter(ANN, UWE, ""), letter(CID, UWE, "", answers="<>")):
        assert arrive(synced, raw) == "sync.started"

    assert [len(one.mails) for one in held(synced)] == [1, 1]


@pytest.mark.rule("E51", "H11", "D3-7")
def test_of_a_thread_older_than_the_connection_only_the_new_mail_is_kept(house: House) -> None:
    house.gmail.create_mailbox(UWE)
    before = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    house.gmail.deliver(UWE, letter(ANN, UWE, FIRST), internal_date=before)
    house.connect(sync=True, magnet=False, sorting=False)
    with house.store.engine.begin() as db:
        db.execute(update(contacts).values(assigned_to="uwe"))

    assert arrive(house, letter(ANN, UWE, SECOND, answers=FIRST)) == "sync.started"

    assert held(house) == [Held("ann", (SECOND.strip("<>"),))]


@pytest.mark.rule("E22", "D6-1")
def test_an_address_that_has_moved_takes_new_threads_with_it_and_no_old_one(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    with synced.store.engine.begin() as db:
        db.execute(
            update(contact_addresses).where(contact_addresses.c.address == ANN).values(contact_id="cid")
        )

    assert arrive(synced, letter(ANN, UWE, SECOND, answers=FIRST)) == "sync.appended"
    assert arrive(synced, letter(ANN, UWE, THIRD, subject="Something else")) == "sync.started"

    assert [(one.contact_id, len(one.mails)) for one in held(synced)] == [("ann", 2), ("cid", 1)]


@pytest.mark.rule("H20", "E11", "X15", "D6-6", "D5-4")
def test_of_several_contacts_with_an_address_the_oldest_owns_the_conversation(synced: House) -> None:
    """Bob is nobody's and was there first; that Ann is Uwe's lets the mail in."""
    with synced.store.engine.begin() as db:
        years_ago = datetime.now(UTC) - timedelta(days=999)
        db.execute(update(contacts).where(contacts.c.id == "bob").values(created_at=years_ago))
        row = {"location_id": 1, "contact_id": "bob", "address": ANN, "loose": loose(ANN)}
        db.execute(insert(contact_addresses).values(row))

    assert arrive(synced, letter(ANN, UWE, FIRST)) == "sync.started"
    assert owners(synced) == ["bob"]


@pytest.mark.rule("H6", "E37")
def test_what_the_user_does_with_a_mail_in_gmail_changes_no_copy(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    message_id = newest(synced)
    kept = held(synced)

    synced.gmail.change_labels(UWE, message_id, add=["STARRED"], remove=["UNREAD"])
    synced.gmail.archive(UWE, message_id)
    synced.gmail.trash(UWE, message_id)
    synced.catch_up()
    assert held(synced) == kept
    synced.gmail.untrash(UWE, message_id)
    synced.catch_up()
    synced.gmail.delete(UWE, message_id)
    synced.catch_up()
    assert held(synced) == kept
    assert synced.outcomes() == {message_id: "sync.started"}


@pytest.mark.rule("E36", "E37", "D3-4", "D3-5")
@pytest.mark.parametrize("folder", ["SPAM", "TRASH"])
def test_a_mail_that_is_rescued_joins_then(synced: House, folder: str) -> None:
    assert arrive(synced, letter(ANN, UWE, FIRST), [folder]) == f"skip.{folder.lower()}"
    assert count(synced) == 0

    rescue = synced.gmail.unspam if folder == "SPAM" else synced.gmail.untrash
    rescue(UWE, newest(synced))

    assert ending(synced) == "sync.started"


@pytest.mark.rule("E34", "E35", "D3-3")
@pytest.mark.parametrize("how", ["save_draft", "schedule"])
def test_a_mail_that_is_kept_for_later_joins_when_it_is_sent(synced: House, how: str) -> None:
    raw = f"From: {UWE}\r\nTo: {ANN}\r\nSubject: The offer\r\n\r\nTen.".encode()
    saved = getattr(synced.gmail, how)(UWE, raw)
    synced.catch_up()
    assert count(synced) == 0

    synced.gmail.send_saved(UWE, saved.id)

    assert ending(synced) == "sync.started"
    assert (owners(synced), count(synced)) == (["ann"], 1)


@pytest.mark.rule("E38", "D3-2")
def test_a_mail_that_is_deleted_before_it_is_read_is_skipped(synced: House) -> None:
    message_id = synced.gmail.deliver(UWE, letter(ANN, UWE, FIRST)).id
    synced.gmail.delete(UWE, message_id)
    synced.catch_up()
    for _ in range(2):
        synced.let_time_pass()
        synced.catch_up()

    assert count(synced) == 0
    assert set(synced.outcomes().values()) <= {"skip.gone"}


@pytest.mark.rule("E33", "D3-8")
def test_the_user_in_copy_of_his_own_mail_makes_no_second_one(synced: House) -> None:
    assert written(synced, UWE) == "skip.self"
    assert written(synced, ANN, cc=UWE) == "sync.started"

    assert (owners(synced), count(synced)) == (["ann"], 1)


AWAY = ("Auto-Submitted: auto-replied",)
NEWS = ("List-Id: <news.example.com>", "Precedence: bulk")
TO_ALL = ("List-Id: <users.example.com>", "Precedence: list")
MEETING = ("Content-Class: urn:content-classes:calendarmessage",)
REPORT = ("Content-Type: multipart/report; report-type=delivery-status; boundary=b",)


@pytest.mark.rule("D16-2", "D16-3", "D16-4", "D16-5", "D7-1", "D7-7", "E29", "E30", "E31", "E32")
@pytest.mark.parametrize(
    ("marks", "alone", "inside"),
    [
        pytest.param(AWAY, "skip.automated", "sync.appended", id="out of office"),
        pytest.param(NEWS, "skip.automated", "sync.appended", id="newsletter"),
        pytest.param(TO_ALL, "sync.started", "sync.appended", id="list mail to the user himself"),
        pytest.param(MEETING, "skip.automated", "sync.appended", id="invitation"),
        pytest.param(REPORT, "skip.automated", "skip.automated", id="report"),
    ],
)
def test_automated_mail_begins_nothing_and_may_go_on_with_what_there_is(
    synced: House, marks: tuple[str, ...], alone: str, inside: str
) -> None:
    assert arrive(synced, marked(letter(CID, UWE, FIRST, subject="Automatic"), *marks)) == alone
    arrive(synced, letter(ANN, UWE, SECOND))
    before = count(synced)

    assert arrive(synced, marked(letter(ANN, UWE, THIRD, answers=SECOND), *marks)) == inside
    assert count(synced) == before + (inside == "sync.appended")


@pytest.mark.rule("D16-2", "D16-4", "E29", "E31")
@pytest.mark.parametrize(
    ("marks", "automatic"),
    [
        pytest.param(AWAY, True, id="out of office"),
        pytest.param((*MEETING, *AWAY), True, id="a machine's answer to an invitation"),
        pytest.param(MEETING, False, id="an invitation"),
        pytest.param(("X-Mailer: hers",), False, id="an answer"),
    ],
)
def test_what_a_machine_has_answered_is_marked_so(
    synced: House, marks: tuple[str, ...], *, automatic: bool
) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    arrive(synced, marked(letter(ANN, UWE, SECOND, answers=FIRST), *marks))

    with synced.store.engine.connect() as db:
        marked_so = select(mails.c.automatic).where(mails.c.rfc_message_id == SECOND.strip("<>"))
        assert db.scalars(marked_so).all() == [automatic]


@pytest.mark.rule("D7-14", "D7-2", "D4-4")
def test_a_colleagues_mail_is_for_his_own_mailbox_to_bring_unless_it_goes_on_with_what_is_here(
    synced: House,
) -> None:
    assert arrive(synced, letter(CARLA, f"{CID}, {UWE}", FIRST)) == "skip.colleague"

    arrive(synced, letter(ANN, f"{UWE}, {CARLA}", SECOND))
    assert arrive(synced, letter(CARLA, ANN, THIRD, answers=SECOND, cc=UWE)) == "sync.appended"
    assert owners(synced) == ["ann"]


@pytest.mark.rule("H13", "E16", "X16", "D3-9")
def test_a_colleague_who_is_a_contact_too_is_a_colleague(synced: House) -> None:
    with synced.store.engine.begin() as db:
        row = {"location_id": 1, "contact_id": "ann", "address": CARLA, "loose": loose(CARLA)}
        db.execute(insert(contact_addresses).values(row))

    assert arrive(synced, letter(CARLA, UWE, FIRST)) == "skip.internal"
    assert written(synced, f"{CARLA}, {EVE}") == "skip.no_contact"


@pytest.mark.rule("H10", "H12", "E26", "D7-11", "D7-12")
def test_what_the_user_forwards_to_a_contact_is_his_mail_to_her(synced: House) -> None:
    """Eve has written often; that makes her no contact, nor does Google's address book."""
    for number in range(2):
        assert arrive(synced, letter(EVE, UWE, f"<{number}@example.org>")) == "skip.no_contact"

    synced.gmail.forward(UWE, newest(synced), ANN)

    assert ending(synced) == "sync.started"
    assert (owners(synced), count(synced)) == (["ann"], 1)
    with synced.store.engine.connect() as db:
        assert db.scalar(select(mails.c.direction)) == "outbound"
        assert db.scalar(select(contacts.c.id).where(contacts.c.name == "eve")) is None


@pytest.mark.rule("E27", "D7-8")
def test_what_a_contact_forwards_is_her_mail_whoever_is_quoted_in_it(synced: House) -> None:
    raw = letter(ANN, UWE, FIRST, subject="Fwd: Bill") + f"\r\n\r\nFrom: {CID}\r\nTo: {ANN}".encode()

    assert arrive(synced, raw) == "sync.started"
    assert owners(synced) == ["ann"]


@pytest.mark.rule("E43", "D6-5")
def test_a_mail_to_hundreds_belongs_to_the_first_contact_among_them(synced: House) -> None:
    many = [f"p{number}@example.org" for number in range(400)]

    assert written(synced, ", ".join((*many, CID, ANN))) == "sync.started"
    assert owners(synced) == ["cid"]


@pytest.mark.rule("H1", "E52")
def test_a_synced_mailbox_changes_nothing_for_a_colleagues_live_one(synced: House) -> None:
    synced.connect("carla", CARLA, sorting=False)
    arrive(synced, letter(ANN, f"{UWE}, {CARLA}", FIRST))
    hers = synced.gmail.deliver(CARLA, letter(ANN, f"{UWE}, {CARLA}", FIRST)).id
    synced.catch_up(MailboxId(2))

    assert synced.notified() == [hers]
    with synced.store.engine.connect() as db:
        assert set(db.scalars(select(mail_sources.c.mailbox_id))) == {1}


@pytest.mark.rule("D7-3")
def test_a_conversation_whose_owner_was_deleted_takes_in_nothing(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    with synced.store.engine.begin() as db:
        db.execute(delete(contact_addresses).where(contact_addresses.c.contact_id == "ann"))
        db.execute(delete(contacts).where(contacts.c.id == "ann"))

    assert arrive(synced, letter(CID, UWE, SECOND, answers=FIRST)) == "skip.owner_deleted"
    assert count(synced) == 1


@pytest.mark.rule("D7-8", "D7-10")
def test_a_dormant_conversation_is_woken_by_mail_that_may_begin_one_and_by_no_other(synced: House) -> None:
    arrive(synced, letter(ANN, UWE, FIRST))
    disconnecting.disconnect("uwe", synced.context)
    synced.pump()
    synced.connect(sync=True, magnet=False, sorting=False)

    ids = [
        synced.gmail.deliver(UWE, raw).id
        for raw in (letter(BOB, UWE, SECOND, answers=FIRST), letter(ANN, UWE, THIRD, answers=FIRST))
    ]
    synced.catch_up(MailboxId(2))

    assert [synced.outcomes()[one] for one in ids] == ["skip.not_assigned", "sync.appended"]
    with synced.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(conversations)) == 1


@pytest.mark.rule("E52", "E103")
def test_what_the_second_copy_of_a_mail_shows_to_be_one_becomes_one(synced: House) -> None:
    """Carla's mailbox brings Cid's mail, then the copy of Ann's that lies in the same thread there."""
    synced.connect("carla", CARLA, sync=True, magnet=False, sorting=False)
    with synced.store.engine.begin() as db:
        db.execute(update(contacts).where(contacts.c.id == "cid").values(assigned_to="carla"))
    arrive(synced, letter(ANN, f"{UWE}, {CARLA}", FIRST))
    hers = synced.gmail.deliver(CARLA, letter(CID, CARLA, SECOND, subject="Re: The offer"))
    synced.catch_up(MailboxId(2))
    assert owners(synced) == ["ann", "cid"]

    synced.gmail.deliver(CARLA, letter(ANN, f"{UWE}, {CARLA}", FIRST), thread_id=hers.thread_id)
    synced.catch_up(MailboxId(2))

    assert [(one.contact_id, len(one.mails)) for one in held(synced)] == [("ann", 2)]


OF_CONVERSATIONS = [
    pytest.param(participants, marks=pytest.mark.rule("D2-7"), id="participants"),
    pytest.param(mail_sources, marks=pytest.mark.rule("D2-8"), id="sources"),
    pytest.param(mail_links, marks=pytest.mark.rule("D2-9"), id="links"),
    pytest.param(files, marks=pytest.mark.rule("D2-10"), id="files"),
    pytest.param(objects, marks=pytest.mark.rule("D2-11"), id="objects"),
    pytest.param(readings, marks=pytest.mark.rule("D2-12"), id="readings"),
    pytest.param(events, marks=pytest.mark.rule("D2-13"), id="events"),
]
"""The tables that have a row in D2."""

WITH_A_FILE = (
    "MIME-Version: 1.0",
    "Content-Type: application/pdf; name=offer.pdf",
    "Content-Disposition: attachment; filename=offer.pdf",
)


@pytest.mark.rule("D2")
@pytest.mark.parametrize("table", OF_CONVERSATIONS)
def test_of_mail_that_is_not_admitted_no_table_of_conversations_knows(synced: House, table: Table) -> None:
    """Carla's mailbox is read live. The same mails leave rows where they are admitted, whatever is read of them."""
    synced.connect("carla", CARLA, sorting=False)
    for raw in (letter(BOB, UWE, FIRST, answers=THIRD), letter(EVE, UWE, SECOND, answers=THIRD)):
        assert (arrive(synced, marked(raw, *WITH_A_FILE)) or "").startswith("skip.")
    synced.gmail.deliver(CARLA, marked(letter(ANN, CARLA, FIRST, answers=THIRD), *WITH_A_FILE))
    synced.catch_up(MailboxId(2))
    assert synced.notified()

    def rows() -> int:
        with synced.store.engine.connect() as db:
            return db.scalar(select(func.count()).select_from(table)) or 0

    assert rows() == 0
    arrive(synced, marked(letter(ANN, UWE, "<4@example.com>", answers=THIRD), *WITH_A_FILE))
    assert (rows() > 0) is (table is not readings)


@pytest.mark.rule("D2-2", "D2-5")
def test_of_a_records_mail_that_is_not_admitted_the_ledger_has_the_record_and_no_address(
    synced: House,
) -> None:
    """Bob is nobody's contact, so his mail begins nothing (D7 row 10)."""
    assert (arrive(synced, letter(BOB, UWE, FIRST)) or "").startswith("skip.")
    assert arrive(synced, letter(ANN, UWE, SECOND)) == "sync.started"

    with synced.store.engine.connect() as db:
        rows = db.execute(
            select(decisions.c.contact_id, decisions.c.author, decisions.c.contact_address).order_by(
                decisions.c.contact_id
            )
        ).all()
    assert [tuple(row) for row in rows] == [("ann", ANN, ANN), ("bob", None, None)]
