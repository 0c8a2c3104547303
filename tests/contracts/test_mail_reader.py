"""The port MailReader at every provider: headers of many, one mail whole, an attachment."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from math import ceil

import pytest

from domain.errors import AccessRevoked, GiveUp, NotAsked, TryAgain
from domain.mail.content import MailContent
from domain.mail.folders import Folder
from domain.mail.messages import Fetched
from handlers.ports.capabilities import Mailbox, MailReader
from tests.contracts.world import ANN, World, mail, promised

MOMENT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
FILE = bytes(range(256)) * 10
CALENDAR = (
    b"From: Ann <ann@example.org>\r\nSubject: Lunch\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
    b"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
    b"--inner\r\nContent-Type: text/plain\r\n\r\nCanary.\r\n"
    b"--inner\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n"
    b"--inner--\r\n--outer--\r\n"
)

READS = {"headers": Fetched, "contents": MailContent}


@pytest.fixture
def reader(world: World) -> MailReader:
    return world.open()


def requests(world: World, ask: Callable[[], object]) -> int:
    """How many the call makes."""
    before = world.asked().requests
    ask()
    return world.asked().requests - before


def test_it_has_all_that_the_port_names(reader: MailReader) -> None:
    assert promised(MailReader) <= set(dir(reader))


def test_no_mail_is_no_request(world: World, reader: MailReader) -> None:
    assert reader.headers([]) == {}
    assert reader.previews([]) == {}
    assert reader.contents([]) == {}
    assert world.asked().requests == 0


def test_where_there_is_no_such_mail_there_is_none(world: World, reader: MailReader) -> None:
    assert reader.headers([world.unknown_id]) == {world.unknown_id: None}
    assert reader.contents([world.unknown_id]) == {world.unknown_id: None}
    assert reader.content(world.unknown_id) is None
    assert reader.content("no id of a mail") is None
    assert reader.attachment(world.unknown_id, "any") is None
    assert reader.thread(world.unknown_id) == ()
    assert reader.thread("no id of a thread") == ()


@pytest.mark.parametrize("folder", [Folder.INBOX, Folder.SENT, Folder.SPAM, Folder.TRASH, Folder.OTHER])
def test_a_mail_shows_where_it_lies_when_it_came_and_its_headers(
    world: World, reader: MailReader, folder: Folder
) -> None:
    message_id = world.deliver(mail(), folder, MOMENT)
    found = reader.headers([message_id])[message_id]
    assert isinstance(found, Fetched)
    assert (found.message_id, found.folder, found.received_at) == (message_id, folder, MOMENT)
    headers = {name.lower(): value for name, value in found.payload.headers}
    assert (headers["subject"], headers["to"]) == ("Hello", "uwe@example.com")
    assert ANN in headers["from"]


@pytest.mark.rule("I3")
def test_headers_come_with_the_structure_and_without_a_word_of_the_text(
    world: World, reader: MailReader
) -> None:
    message_id = world.deliver(CALENDAR)
    found = reader.headers([message_id])[message_id]
    assert isinstance(found, Fetched)
    [inner] = found.payload.parts
    assert [part.mime_type for part in inner.parts] == ["text/plain", "text/calendar"]
    assert "Canary" not in repr(found)


@pytest.mark.rule("I7")
@pytest.mark.parametrize("mails", [1, 25, 26, 51])
def test_mails_share_requests_and_each_is_asked_for_once(world: World, reader: Mailbox, mails: int) -> None:
    ids = world.deliver_many(mails, mail())
    reader.address()
    found = dict[str, object]()
    assert requests(world, lambda: found.update(reader.headers([*ids, *ids[:3]]))) == ceil(
        mails / world.batch
    )
    assert list(found) == ids
    assert {type(one) for one in found.values()} == {Fetched}


@pytest.mark.parametrize("read", READS)
def test_of_25_one_that_is_missing_and_one_that_fails_spoil_nobody_elses(
    world: World, reader: MailReader, read: str
) -> None:
    ids = world.deliver_many(25, mail())
    world.delete(ids[7])
    world.poison(ids[3])
    found = dict(getattr(reader, read)(ids))
    trouble = found.pop(ids[3])
    assert isinstance(trouble, TryAgain)
    assert not trouble.whole_mailbox
    assert found.pop(ids[7]) is None
    assert {type(one) for one in found.values()} == {READS[read]}
    world.calm()
    assert isinstance(getattr(reader, read)([ids[3]])[ids[3]], READS[read])


@pytest.mark.rule("E88", "W3")
@pytest.mark.parametrize("read", READS)
def test_a_mail_at_which_the_line_breaks_costs_itself_alone_a_try(
    world: World, reader: MailReader, read: str
) -> None:
    ids = world.deliver_many(25, mail())
    reader.headers(ids[:1])
    world.hang_on(ids[11])
    found = dict(getattr(reader, read)(ids))
    trouble = found.pop(ids[11])
    assert isinstance(trouble, TryAgain)
    assert not isinstance(trouble, NotAsked)
    assert not trouble.whole_mailbox
    assert {type(one) for one in found.values()} == {READS[read]}


@pytest.mark.rule("E87")
@pytest.mark.parametrize("read", READS)
def test_a_limit_is_the_whole_mailboxes_and_the_rest_is_not_asked_for(
    world: World, reader: Mailbox, read: str
) -> None:
    ids = world.deliver_many(60, mail())
    reader.address()
    world.throttle(40)
    found = dict[str, object]()
    assert requests(world, lambda: found.update(getattr(reader, read)(ids))) == 1
    assert list(found) == ids
    for limited in found.values():
        assert isinstance(limited, TryAgain)
        assert limited.whole_mailbox
        assert limited.after is not None
        assert 38 <= limited.after.total_seconds() <= 42


@pytest.mark.rule("E87", "W7")
@pytest.mark.parametrize("mails", [1, 2, 30])
@pytest.mark.parametrize("trouble", ["be_away", "break_line"])
def test_no_outage_is_taken_for_a_mail_that_is_gone(world: World, mails: int, trouble: str) -> None:
    ids = world.deliver_many(mails, mail())
    kept = world.open()
    kept.address()
    getattr(world, trouble)()
    for read in (kept.headers, kept.previews, kept.contents):
        found = read(ids)
        assert list(found) == ids
        assert all(isinstance(one, TryAgain) and one.whole_mailbox for one in found.values())
    world.calm()
    assert {type(one) for one in kept.headers(ids).values()} == {Fetched}


@pytest.mark.parametrize("mails", [1, 2])
def test_what_shuts_the_whole_mailbox_is_raised(world: World, mails: int) -> None:
    ids = world.deliver_many(mails, mail())
    troubles: dict[type[Exception], Callable[[], None]] = {GiveUp: world.refuse, AccessRevoked: world.revoke}
    for error, trouble in troubles.items():
        trouble()
        reader = world.open()
        with pytest.raises(error):
            reader.headers(ids)
        with pytest.raises(error):
            reader.contents(ids)
        with pytest.raises(error):
            reader.content(ids[0])
        with pytest.raises(error):
            reader.thread(ids[0])
        world.calm()


@pytest.mark.rule("Z1")
def test_one_mail_whole_has_its_text_and_names_its_files(world: World, reader: MailReader) -> None:
    message_id = world.deliver(mail(text="Grüße, all of it.", file=FILE), received=MOMENT)
    found = reader.content(message_id)
    assert isinstance(found, MailContent)
    assert (found.message_id, found.folder, found.received_at) == (message_id, Folder.INBOX, MOMENT)
    assert found.header("subject") == "Hello"
    assert found.text().strip() == "Grüße, all of it."
    [file] = found.attachments()
    assert (file.filename, file.mime_type, file.content) == ("a.pdf", "application/pdf", None)
    assert file.attachment_id is not None
    assert reader.attachment(message_id, file.attachment_id) == FILE


@pytest.mark.rule("D2", "I7")
def test_many_whole_mails_cost_what_their_headers_do_and_say_the_same(world: World, reader: Mailbox) -> None:
    ids = [*world.deliver_many(25, mail(text="Grüße, all of it.", file=FILE)), world.deliver(CALENDAR)]
    reader.address()
    before = world.asked()
    headers = reader.headers(ids)
    between = world.asked()
    whole = reader.contents([*ids, ids[0]])
    after = world.asked()
    assert (after.requests - between.requests, after.units - between.units) == (
        between.requests - before.requests,
        between.units - before.units,
    )
    assert list(whole) == ids
    assert {one: mail.fetched() for one, mail in whole.items() if isinstance(mail, MailContent)} == headers
    first, calendar = whole[ids[0]], whole[ids[-1]]
    assert isinstance(first, MailContent)
    assert first.text().strip() == "Grüße, all of it."
    [file] = first.attachments()
    assert (file.filename, file.content) == ("a.pdf", None)
    assert reader.attachment(ids[0], str(file.attachment_id)) == FILE
    assert isinstance(calendar, MailContent)
    assert calendar.text().strip() == "Canary."
    assert "Canary" not in repr(whole)


@pytest.mark.rule("E103")
def test_a_thread_has_its_mails_but_those_put_away(world: World, reader: MailReader) -> None:
    first = world.deliver(b"Message-ID: <one@example.org>\r\n" + mail("Lunch"))
    answer = b"References: <one@example.org>\r\nIn-Reply-To: <one@example.org>\r\n" + mail("Re: Lunch")
    inbox, trash, spam, sent, gone = (
        world.deliver(answer, folder)
        for folder in (Folder.INBOX, Folder.TRASH, Folder.SPAM, Folder.SENT, Folder.INBOX)
    )
    other = world.deliver(mail("Lunch"))
    world.delete(gone)
    found = reader.contents([first, inbox, trash, spam, sent, other])
    threads = {one: mail.thread_id for one, mail in found.items() if isinstance(mail, MailContent)}
    assert set(threads.values()) == {threads[first], threads[other]}
    assert sorted(reader.thread(threads[first])) == sorted([first, inbox, sent])
    assert reader.thread(threads[other]) == (other,)


@pytest.mark.parametrize("trouble", ["be_away", "break_line"])
def test_no_outage_is_taken_for_a_thread_that_is_gone(world: World, trouble: str) -> None:
    found = world.open().content(world.deliver(mail()))
    assert isinstance(found, MailContent)
    kept = world.open()
    kept.address()
    getattr(world, trouble)()
    with pytest.raises(TryAgain):
        kept.thread(found.thread_id)


@pytest.mark.parametrize("whose", ["another mail's", "nobody's"])
def test_an_id_that_is_none_of_a_mails_attachments_gives_none_or_is_refused(
    world: World, reader: MailReader, whose: str
) -> None:
    whole = reader.content(world.deliver(mail(file=FILE)))
    bare = world.deliver(mail())
    assert isinstance(whole, MailContent)
    [file] = whole.attachments()
    found: bytes | None = None
    with suppress(GiveUp):
        found = reader.attachment(bare, str(file.attachment_id) if whose == "another mail's" else "none")
    assert found is None


@pytest.mark.rule("E102", "I3")
def test_a_mail_that_cannot_be_read_now_is_said_to_be_so_without_a_word_of_it(
    world: World, reader: MailReader
) -> None:
    message_id = world.deliver(mail("Canary", file=FILE))
    whole = reader.content(message_id)
    assert isinstance(whole, MailContent)
    [file] = whole.attachments()
    world.poison(message_id)
    trouble = reader.content(message_id)
    assert isinstance(trouble, TryAgain)
    assert not trouble.whole_mailbox
    with pytest.raises(TryAgain) as raised:
        reader.attachment(message_id, str(file.attachment_id))
    assert "Canary" not in f"{whole!r}{trouble!r}{raised.value!r}{raised.value.__context__!r}"


@pytest.mark.rule("Z25")
def test_previews_share_requests_and_come_without_texts(world: World, reader: MailReader) -> None:
    ids = world.deliver_many(26, mail("Grüße", text="The first words.", file=b"canary"))
    gone = world.deliver(mail())
    world.delete(gone)
    reader.headers(ids[:1])
    previews = dict[str, object]()
    assert requests(world, lambda: previews.update(reader.previews([*ids, gone]))) == ceil(27 / world.batch)
    assert list(previews) == [*ids, gone]
    assert previews[gone] is None
    one = previews[ids[0]]
    assert isinstance(one, MailContent)
    assert (one.header("subject"), one.folder) == ("Grüße", Folder.INBOX)
    assert one.snippet.startswith("The first words.")
    assert [file.filename for file in one.attachments()] == ["a.pdf"]
    assert {part.content for part in (one.body, *one.body.parts)} == {None}


@pytest.mark.rule("E102")
def test_a_preview_that_fails_is_its_own_trouble(world: World, reader: MailReader) -> None:
    ids = world.deliver_many(25, mail())
    world.poison(ids[3])
    previews = dict(reader.previews(ids))
    trouble = previews.pop(ids[3])
    assert isinstance(trouble, TryAgain)
    assert not trouble.whole_mailbox
    assert {type(one) for one in previews.values()} == {MailContent}
