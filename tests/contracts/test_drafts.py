"""The port Drafts at every provider: written once, sent once, and found again where an answer was lost."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import AccessRevoked, GiveUp, TryAgain, Unanswered
from domain.mail.composition import Attachment, OutgoingMail, Person, RepliedMail, Unsendable
from domain.mail.content import MailContent
from domain.mail.folders import Folder
from domain.outbox import SENDING_LIMIT
from handlers.ports.capabilities import Drafts, Mailbox
from infra.mime import encode
from tests.contracts.world import ANN, World, mail, promised

SINCE = datetime.now(UTC) - timedelta(minutes=1)
LATER = timedelta(hours=1)
FILE = bytes(range(256)) * 100


@pytest.fixture
def mailbox(world: World) -> Mailbox:
    return world.open()


@pytest.fixture
def drafts(mailbox: Mailbox) -> Drafts:
    return mailbox.drafts


def outgoing(
    world: World,
    subject: str = "Hello",
    text: str = "A secret.",
    *,
    cc: tuple[Person, ...] = (),
    files: tuple[Attachment, ...] = (),
    replies_to: RepliedMail | None = None,
) -> OutgoingMail:
    return OutgoingMail(Person(world.address), (Person(ANN),), subject, text, cc, files, replies_to)


def write(world: World, drafts: Drafts, mail: OutgoingMail, key: str = "key-1") -> str:
    return drafts.create(world.provider().encode(mail, key), lambda sent, total: None).id


def write_and_send(world: World, drafts: Drafts, mail: OutgoingMail, key: str = "key-1") -> str:
    return drafts.send(write(world, drafts, mail, key)).message_id


WRITES: Mapping[str, Callable[[Drafts, World, str], object]] = {
    "to write": lambda drafts, world, _: write(world, drafts, outgoing(world)),
    "to send": lambda drafts, _, draft_id: drafts.send(draft_id),
}


def test_it_has_all_that_the_port_names(drafts: Drafts) -> None:
    assert promised(Drafts) <= set(dir(drafts))


def test_where_no_draft_is_none_is_there_or_found(drafts: Drafts) -> None:
    assert not drafts.exists("none")
    assert drafts.find("key-1", SINCE) is None
    assert drafts.find_sent("key-1", SINCE) is None


def test_to_delete_a_draft_that_is_not_there_is_no_error(drafts: Drafts) -> None:
    drafts.delete("none")


@pytest.mark.rule("Z16")
def test_a_draft_is_there_and_found_by_its_key_until_it_is_sent(world: World, drafts: Drafts) -> None:
    draft_id = write(world, drafts, outgoing(world))
    assert list(world.folders().values()) == [Folder.DRAFTS]
    assert drafts.exists(draft_id)
    assert drafts.find("key-1", SINCE) == draft_id
    assert drafts.find("key-2", SINCE) is None
    assert drafts.find_sent("key-1", SINCE) is None

    sent_id = drafts.send(draft_id).message_id

    assert world.folders() == {sent_id: Folder.SENT}
    assert not drafts.exists(draft_id)
    assert drafts.find("key-1", SINCE) is None
    assert drafts.find_sent("key-1", SINCE) == sent_id
    assert drafts.find_sent("key-2", SINCE) is None


def test_a_mail_is_sent_as_it_was_written(world: World, mailbox: Mailbox, drafts: Drafts) -> None:
    text = "Grüße,\nUwe"
    written = outgoing(
        world,
        "Für Ann",
        text,
        cc=(Person("eve@example.net", "Eve"),),
        files=(Attachment("a.pdf", FILE),),
    )
    sent_id = write_and_send(world, drafts, written)
    sent = mailbox.content(sent_id)
    assert isinstance(sent, MailContent)
    assert (sent.header("subject"), sent.text().split()) == ("Für Ann", text.split())
    assert ANN in sent.header("to")
    assert "eve@example.net" in sent.header("cc")
    [file] = sent.attachments()
    assert file.filename == "a.pdf"
    assert mailbox.attachment(sent_id, str(file.attachment_id)) == FILE


@pytest.mark.rule("Z16")
def test_an_answer_joins_the_thread_of_what_it_answers(
    world: World, mailbox: Mailbox, drafts: Drafts
) -> None:
    message_id = world.deliver(b"Message-ID: <one@example.org>\r\n" + mail("Lunch"))
    asked = mailbox.content(message_id)
    assert isinstance(asked, MailContent)
    answered = RepliedMail(message_id, asked.thread_id, "<one@example.org>", "", "Lunch")
    told = drafts.send(write(world, drafts, outgoing(world, "Re: Lunch", replies_to=answered)))
    sent = mailbox.content(told.message_id)
    assert isinstance(sent, MailContent)
    assert sent.thread_id == asked.thread_id
    assert told.thread_id in (None, asked.thread_id)
    assert sent.header("in-reply-to") == "<one@example.org>"


def test_what_has_been_sent_or_deleted_cannot_be_sent(world: World, drafts: Drafts) -> None:
    sent, deleted = write(world, drafts, outgoing(world)), write(world, drafts, outgoing(world), "key-2")
    drafts.send(sent)
    drafts.delete(deleted)
    assert not drafts.exists(deleted)
    for gone in (sent, deleted):
        with pytest.raises(LookupError):
            drafts.send(gone)
        drafts.delete(gone)
    assert list(world.folders().values()) == [Folder.SENT]


def test_progress_is_told_up_to_the_end(world: World, drafts: Drafts) -> None:
    told: list[tuple[int, int]] = []
    written = outgoing(world, files=(Attachment("a.pdf", FILE),))
    encoded = world.provider().encode(written, "key-1")
    draft = drafts.create(encoded, lambda sent, total: told.append((sent, total)))
    assert [sent for sent, _ in told] == sorted({sent for sent, _ in told})
    sent, total = told[-1]
    assert sent == total >= draft.size > len(FILE)


@pytest.mark.rule("I2")
def test_a_draft_whose_answer_is_lost_is_unanswered_there_once_and_found_by_its_key(
    world: World, mailbox: Mailbox, drafts: Drafts
) -> None:
    mailbox.address()
    world.lose_answers()
    with pytest.raises(Unanswered):
        write(world, drafts, outgoing(world))
    assert list(world.folders().values()) == [Folder.DRAFTS]
    draft_id = drafts.find("key-1", SINCE)
    assert draft_id is not None
    with pytest.raises(Unanswered):
        drafts.send(draft_id)
    assert not drafts.exists(draft_id)
    assert list(world.folders()) == [drafts.find_sent("key-1", SINCE)]
    assert list(world.folders().values()) == [Folder.SENT]


@pytest.mark.rule("I2", "E87")
@pytest.mark.parametrize("call", WRITES)
def test_after_an_outage_nobody_can_tell_and_after_a_limit_it_was_certainly_not_done(
    world: World, drafts: Drafts, call: str
) -> None:
    draft_id = write(world, drafts, outgoing(world))
    world.be_away()
    with pytest.raises(Unanswered):
        WRITES[call](drafts, world, draft_id)
    world.calm()
    world.throttle(40)
    with pytest.raises(TryAgain) as limited:
        WRITES[call](drafts, world, draft_id)
    assert not isinstance(limited.value, Unanswered)
    assert limited.value.after is not None
    assert list(world.folders().values()) == [Folder.DRAFTS]


@pytest.mark.parametrize("call", WRITES)
def test_where_no_server_is_nothing_was_done(world: World, call: str) -> None:
    with pytest.raises(TryAgain) as trouble:
        WRITES[call](world.open_elsewhere().drafts, world, "none")
    assert not isinstance(trouble.value, Unanswered)


def test_access_that_is_too_old_is_renewed_and_the_mail_written_whole_and_once(
    world: World, mailbox: Mailbox, drafts: Drafts
) -> None:
    mailbox.address()
    world.expire_access()
    draft_id = write(world, drafts, outgoing(world, files=(Attachment("a.pdf", FILE),)))
    world.expire_access()
    sent_id = drafts.send(draft_id).message_id
    assert world.folders() == {sent_id: Folder.SENT}
    sent = mailbox.content(sent_id)
    assert isinstance(sent, MailContent)
    [file] = sent.attachments()
    assert mailbox.attachment(sent_id, str(file.attachment_id)) == FILE


@pytest.mark.rule("D15")
def test_the_providers_own_limit_of_mails_is_final(world: World, drafts: Drafts) -> None:
    draft_id = write(world, drafts, outgoing(world))
    world.refuse_sending()
    with pytest.raises(GiveUp, match=SENDING_LIMIT):
        drafts.send(draft_id)
    assert drafts.exists(draft_id)


@pytest.mark.rule("D14")
def test_a_mail_larger_than_the_provider_takes_is_not_encoded(world: World) -> None:
    file = Attachment("a.pdf", bytes(world.provider().about.max_mail_size * 3 // 4))  # more as base64
    with pytest.raises(Unsendable):
        world.provider().encode(outgoing(world, files=(file,)), "key-1")
    assert world.asked().requests == 0


@pytest.mark.rule("E86")
def test_without_access_nothing_is_written(world: World, drafts: Drafts) -> None:
    world.revoke()
    with pytest.raises(AccessRevoked):
        write(world, drafts, outgoing(world))
    assert world.folders() == {}


def test_only_what_was_written_or_sent_since_is_looked_through(world: World, drafts: Drafts) -> None:
    now = datetime.now(UTC)
    draft_id = write(world, drafts, outgoing(world))
    assert drafts.find("key-1", now) == draft_id
    assert drafts.find("key-1", now + LATER) is None
    sent_id = drafts.send(draft_id).message_id
    assert drafts.find_sent("key-1", now) == sent_id
    assert drafts.find_sent("key-1", now + LATER) is None


def test_a_sent_mail_is_found_among_many_wherever_its_owner_has_put_it(world: World, drafts: Drafts) -> None:
    sent = [write_and_send(world, drafts, outgoing(world), f"key-{n}") for n in range(30)]
    world.move(sent[3], Folder.TRASH)
    world.delete(sent[4])
    assert drafts.find_sent("key-3", SINCE) == sent[3]
    assert drafts.find_sent("key-4", SINCE) is None
    assert drafts.find_sent("key-29", SINCE) == sent[29]


@pytest.mark.rule("E88", "I2")
@pytest.mark.parametrize("trouble", ["poison", "hang_on"])
def test_a_mail_that_cannot_be_read_hides_no_other_with_our_key(
    world: World, drafts: Drafts, trouble: str
) -> None:
    mine, other = (write_and_send(world, drafts, outgoing(world), key) for key in ("key-1", "key-2"))
    getattr(world, trouble)(other)
    assert drafts.find_sent("key-1", SINCE) == mine
    with pytest.raises(TryAgain):
        drafts.find_sent("key-3", SINCE)
    world.calm()
    assert drafts.find_sent("key-3", SINCE) is None


def test_a_mail_that_came_with_our_key_is_not_taken_for_a_sent_one(world: World, drafts: Drafts) -> None:
    world.deliver(encode(outgoing(world), "key-1"))
    assert drafts.find_sent("key-1", SINCE) is None
    assert drafts.find("key-1", SINCE) is None


@pytest.mark.rule("D7-1a")
def test_a_sent_mail_is_known_by_its_key_and_one_that_came_with_it_is_not(
    world: World, mailbox: Mailbox, drafts: Drafts
) -> None:
    came = world.deliver(encode(outgoing(world), "key-1"))
    by_hand = world.deliver(mail(), Folder.SENT)
    sent = write_and_send(world, drafts, outgoing(world))
    found = mailbox.contents([came, by_hand, sent])
    assert {one: mail.key for one, mail in found.items() if isinstance(mail, MailContent)} == {
        came: None,
        by_hand: None,
        sent: "key-1",
    }
