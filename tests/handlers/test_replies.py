"""Answering a mail: it goes to whom that mail says, in its thread, with it quoted below (H45)."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import delete, insert

from domain.errors import Refused
from domain.mail.addresses import loose
from domain.mail.composition import NEWEST, MailRequest, Person
from handlers.outbox import drafts
from handlers.outbox.preparing import Prepared, prepare
from infra.db.tables.crm import contact_addresses
from tests.handlers.conftest import House
from tests.handlers.test_sending import in_label, nothing_left, read
from tests.journeys.world import UWE
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

ANN, BOB = "ann@example.com", "bob@example.com"
NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def uwe(house: House) -> int:
    """Uwe's mailbox without MailMagnet, and Ann's; returns his connection's id."""
    house.gmail.create_mailbox(ANN)
    return house.connect(magnet=False, sorting=False)


def put(house: House, *lines: str, text: str = "How much?", at: int = 0, labels: Collection[str] = ()) -> str:
    """A mail of Ann's to Uwe where the lines say nothing else, received `at` seconds after noon; its id."""
    named = {line.partition(":")[0] for line in lines}
    usual = [f"From: Ann Smith <{ANN}>", f"To: {UWE}", "Subject: Question", "Message-ID: <2@example.com>"]
    header = [*(line for line in usual if line.partition(":")[0] not in named), *lines]
    raw = "\r\n".join((*header, "", text, "")).encode()
    return house.gmail.deliver(UWE, raw, labels or None, internal_date=NOON + 1000 * at).id


def answer(
    reply_to: str, *, contact: str | None = None, to_all: bool = False, quote: bool = True
) -> MailRequest:
    return MailRequest("uwe", "Ten.\n", contact_id=contact, reply_to=reply_to, to_all=to_all, quote=quote)


def whom(prepared: Prepared) -> tuple[list[str], list[str]]:
    return [one.address for one in prepared.mail.to], [one.address for one in prepared.mail.cc]


def answered(prepared: Prepared) -> str:
    """The id of the mail that it replies to."""
    assert prepared.mail.replies_to is not None
    return prepared.mail.replies_to.message_id


@pytest.mark.rule("H45", "Z16", "E44")
@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param("Question", "Re: Question", id="a first answer"),
        pytest.param("AW: Frage", "AW: Frage", id="an answer to an answer in German"),
        pytest.param("[Users] Re: Question", "[Users] Re: Question", id="through a list"),
        pytest.param("Re: SV: Spørgsmål", "SV: Spørgsmål", id="two languages"),
    ],
)
def test_an_answer_goes_to_the_author_in_its_thread_and_quotes_the_mail(
    house: House, uwe: int, subject: str, expected: str
) -> None:
    message_id = put(house, f"Subject: {subject}", "References: <0@example.com> <1@example.com>")

    drafts.ask(answer(message_id), house.context)

    house.pump()
    [sent] = in_label(house, "SENT")
    mail = read(house, sent.id)
    answered = house.gmail.dump(UWE).message(message_id)
    assert answered is not None
    assert sent.thread_id == answered.thread_id
    assert (mail["To"], mail["Cc"], mail["Subject"]) == (ANN, None, expected)
    assert mail["In-Reply-To"] == "<2@example.com>"
    assert mail["References"].split() == ["<0@example.com>", "<1@example.com>", "<2@example.com>"]
    body = mail.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == (
        "Ten.\n\nOn 2026-11-20 12:00 UTC, Ann Smith <ann@example.com> wrote:\n> How much?\n"
    )


@pytest.mark.rule("H45")
def test_nothing_is_quoted_where_the_user_does_not_want_it(house: House, uwe: int) -> None:
    prepared = prepare(answer(put(house), quote=False), house.context)
    assert prepared.mail.text == "Ten.\n"


@pytest.mark.rule("H45")
def test_a_mail_in_html_is_quoted_as_text(house: House, uwe: int) -> None:
    html = "<p>How <b>much</b>?</p><script>alert(1)</script><p>Ann</p>"
    prepared = prepare(answer(put(house, "Content-Type: text/html", text=html)), house.context)
    assert prepared.mail.text.splitlines()[3:] == ["> How much?", ">", "> Ann"]


@pytest.mark.rule("H45")
def test_to_all_adds_to_and_cc_but_no_own_address_and_no_blind_copy(house: House, uwe: int) -> None:
    with house.store.begin("tests.alias") as tx:
        [connection] = tx.of(HERE).connections.of_user("uwe")
        tx.mailboxes.keep_own_addresses(connection.mailbox_id, ["sales@firm.example"])
    message_id = put(
        house, f"To: {UWE}, {BOB}", "Cc: cy@example.net, Sales <Sales@firm.example>", "Bcc: eve@example.com"
    )
    assert whom(prepare(answer(message_id), house.context)) == ([ANN], [])
    assert whom(prepare(answer(message_id, to_all=True), house.context)) == ([ANN, BOB], ["cy@example.net"])
    more = replace(
        answer(message_id, to_all=True), cc=(Person("Cy@Example.net", "Cy"), Person("max@example.org"))
    )
    assert whom(prepare(more, house.context)) == ([ANN, BOB], ["Cy@Example.net", "max@example.org"])


@pytest.mark.rule("H45", "Z17a")
def test_whom_the_user_names_himself_counts_instead(house: House, uwe: int) -> None:
    named = replace(answer(put(house)), to=(Person("nora@example.com"),))
    assert whom(prepare(named, house.context)) == (["nora@example.com"], [])


@pytest.mark.rule("H45")
def test_a_mail_that_names_nobody_is_not_answered_to_anybody(house: House, uwe: int) -> None:
    message_id = put(house, f"From: {ANN}, {BOB}")
    with pytest.raises(Refused, match="names nobody to answer: name one with --to-address"):
        drafts.ask(answer(message_id), house.context)
    assert in_label(house, "DRAFT") == []


@pytest.mark.rule("H45")
def test_of_a_contact_with_several_addresses_the_one_that_wrote_is_answered(house: House, uwe: int) -> None:
    with house.store.engine.begin() as db:
        more = {"contact_id": "ann", "address": "ann@home.example", "loose": loose("ann@home.example")}
        db.execute(insert(contact_addresses).values({"location_id": 1} | more))
    message_id = put(house, "From: ann@home.example")
    assert whom(prepare(answer(message_id, contact="ann"), house.context)) == (["ann@home.example"], [])


@pytest.mark.rule("H45", "Z45")
def test_a_contact_who_takes_no_part_in_the_mail_is_refused(house: House, uwe: int) -> None:
    message_id = put(house, f"From: {BOB}")
    with pytest.raises(Refused, match="contact ann takes no part in mail"):
        prepare(answer(message_id, contact="ann"), house.context)
    assert whom(prepare(answer(message_id, contact="bob"), house.context)) == ([BOB], [])
    with pytest.raises(Refused, match="there is no contact nobody"):
        prepare(answer(message_id, contact="nobody"), house.context)


def test_a_draft_is_not_answered(house: House, uwe: int) -> None:
    with pytest.raises(Refused, match="is a draft"):
        prepare(answer(put(house, labels=["DRAFT"])), house.context)


INVITATION = "Content-Type: text/calendar; method=REQUEST; charset=utf-8"


@pytest.mark.rule("H45", "D16")
def test_the_newest_mail_that_a_person_of_the_contact_has_written_is_answered(house: House, uwe: int) -> None:
    put(house, "Subject: older", at=1)
    wanted = put(house, "Subject: the one", at=2)
    put(house, "Subject: away", "Auto-Submitted: auto-replied", at=3)
    put(house, "Subject: an invitation", INVITATION, text="BEGIN:VCALENDAR", at=4)
    put(house, f"From: {BOB}", f"Cc: {ANN}", "Subject: somebody else's", at=5)
    put(house, f"From: {UWE}", f"To: {ANN}", "Subject: my own", at=6, labels=["SENT"])
    put(house, "Subject: spam", at=7, labels=["SPAM"])
    put(house, "Subject: a draft", at=8, labels=["DRAFT"])

    prepared = prepare(answer(NEWEST, contact="ann"), house.context)

    assert (answered(prepared), prepared.mail.subject) == (wanted, "Re: the one")
    assert whom(prepared) == ([ANN], [])


@pytest.mark.rule("H45")
def test_behind_much_that_nobody_wrote_by_hand_the_newest_is_found(house: House, uwe: int) -> None:
    wanted = put(house, "Subject: the one")
    for number in range(25):
        put(house, f"Subject: away {number}", "Auto-Submitted: auto-replied", at=1 + number)
    assert answered(prepare(answer(NEWEST, contact="ann"), house.context)) == wanted


@pytest.mark.rule("H45")
def test_a_contact_who_has_written_nothing_has_nothing_to_answer(house: House, uwe: int) -> None:
    put(house, f"From: {UWE}", f"To: {ANN}", labels=["SENT"])
    with pytest.raises(Refused, match="contact ann has written nothing lately"):
        prepare(answer(NEWEST, contact="ann"), house.context)
    with pytest.raises(Refused, match="name the contact"):
        prepare(answer(NEWEST), house.context)
    with house.store.engine.begin() as db:
        db.execute(delete(contact_addresses).where(contact_addresses.c.contact_id == "ann"))
    with pytest.raises(Refused):
        prepare(answer(NEWEST, contact="ann"), house.context)
    assert in_label(house, "DRAFT") == []


@pytest.mark.rule("H45")
def test_an_answer_costs_one_get_and_one_draft(house: House, uwe: int) -> None:
    message_id = put(house)
    house.gmail.reset_counters()
    drafts.ask(answer(message_id), house.context)
    counted = house.gmail.counters()
    assert (counted.calls_of("messages.get"), counted.calls_of("drafts.create"), counted.calls) == (1, 1, 2)


@pytest.mark.rule("H45", "E86")
@pytest.mark.parametrize("reply_to", ["18c2f0aa00bb11cc", NEWEST])
def test_who_has_to_sign_in_again_is_told_so(house: House, uwe: int, reply_to: str) -> None:
    house.gmail.revoke(UWE)
    house.gmail.expire_access_tokens(UWE)
    with pytest.raises(Refused, match="sign in again"):
        prepare(answer(reply_to, contact="ann"), house.context)
    assert nothing_left(house)


@pytest.mark.rule("D2-4", "D2", "I3", "H45")
def test_what_is_quoted_is_nowhere_but_in_gmail(
    house: House,
    uwe: int,
    redis: Redis,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    canary = f"canary{uuid4().hex}"
    message_id = put(house, f"From: {canary} <{ANN}>", f"Reply-To: {canary}@example.com", text=canary)
    prepared = prepare(answer(message_id), house.context)
    assert canary not in repr(prepared)
    drafts.hand_over(prepared, house.context)
    house.pump()
    [sent] = in_label(house, "SENT")
    assert read(house, sent.id).as_string().count(canary) == 3
    if database_url.startswith("sqlite"):
        for file in Path(database_url.removeprefix("sqlite:///")).parent.glob("lodestone.db*"):
            assert canary.encode() not in file.read_bytes()
    assert canary not in str(list(map(redis.dump, redis.scan_iter())))
    said = capsys.readouterr()
    assert canary not in caplog.text + said.out + said.err
