"""`lodestone conversations` as a user runs it: as a process."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from domain.connections.connections import Features
from domain.conversations.events import EventKind, NewEvent
from domain.ids import sortable_id
from domain.mail.content import MimePart
from domain.outbox import SIGN_IN
from domain.outcomes import Outcome
from handlers.context import Context
from handlers.units import Tally
from infra.db.store import Store
from infra.gmail.costs import NEW_QUOTA
from infra.objects.folder import FolderStore
from infra.queue import RedisQueue
from infra.secrets import Cipher
from tests.conversations import contact, conversation, file, keep, mail, participant, text
from tests.mail_parts import parsed
from tests.terminals import Done, Terminal
from tests.worlds import HERE, START, World, arrive, make_world

HOSTILE = "\x1b]0;mine\x07[bold]Hi[/bold] :smile: ‮gnp.exe⁩ 世界" + "世" * 60


@dataclass(frozen=True, slots=True)
class Desk:
    """A terminal beside a store with a mailbox of Uwe's in it."""

    terminal: Terminal
    store: Store
    world: World
    context: Context

    def run(self, *words: str) -> Done:
        return self.terminal.run(*words)


@pytest.fixture
def desk(tmp_path: Path, database_url: str, cipher: Cipher, queue: RedisQueue) -> Iterator[Desk]:
    store = Store(database_url, cipher)
    world = make_world(store)
    with store.begin("tests.settings") as tx:
        tx.of(HERE).settings.set("time-zone", "Europe/Berlin")
        tx.connections.change(world.connection_id, Features(sync_since=START), dry_run=False)
    folder = tmp_path / "objects"
    context = Context(store, {}, queue, FolderStore(folder), owner="test", tally=Tally(NEW_QUOTA))
    yield Desk(Terminal(tmp_path, database_url, {"LODESTONE_OBJECTS": str(folder)}), store, world, context)
    store.engine.dispose()


@pytest.mark.rule("D1", "H52")
def test_a_contacts_conversations_newest_first_in_the_organisations_zone(desk: Desk) -> None:
    contact(desk.store, "ann")
    for n, name in enumerate(("the offer", "the bill")):
        conversation(desk.store, name.replace(" ", "-"), "ann", at=START + timedelta(hours=n))
    mail(desk.store, "the-offer", "m1", minute=5, mailbox_id=desk.world.mailbox_id)
    mail(desk.store, "the-offer", "m2", minute=6, state="failed", direction="outbound", outbox_id=1)
    done = desk.run("conversations", "ann", "--as", "uwe")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "2026-03-15 11:00 CET  Ann                         the-bill",
        "    0 mails: the-bill",
        "2026-03-15 10:06 CET  Ann                         the-offer",
        "    2 mails, 1 new, 1 not sent or delivered: the-offer",
    ]
    for choice, expected in (
        ("--new", ["the-offer"]),
        ("--mine", ["the-offer"]),
        ("--failed", ["the-offer"]),
    ):
        page = desk.run("conversations", "--as", "uwe", choice, "--json").json
        assert [one["conversation_id"] for one in page["conversations"]] == expected


def test_a_page_leads_to_the_next(desk: Desk) -> None:
    contact(desk.store, "ann")
    for n in range(3):
        conversation(desk.store, f"c{n}", "ann", at=START + timedelta(hours=n))
    first = desk.run("conversations", "--as", "uwe", "--limit", "2").out.splitlines()
    token = first[-1].removeprefix("older ones: add --before ")
    second = desk.run("conversations", "--as", "uwe", "--limit", "2", "--before", token).out.splitlines()
    assert [line.split()[-1] for line in (first[0], first[2], second[0])] == ["c2", "c1", "c0"]
    assert len(second) == 2
    assert desk.run("conversations", "--as", "uwe", "--before", "99999999999999999").code == 2


@pytest.mark.rule("D1")
def test_what_may_not_be_seen_gets_the_same_answer_as_what_is_not_there(desk: Desk) -> None:
    contact(desk.store, "ann", viewers=["eva"])
    conversation(desk.store, "c1", "ann")
    secret, unknown = (desk.run("conversations", one, "--as", "uwe") for one in ("ann", "bob"))
    assert secret.code == unknown.code == 2
    assert secret.err == unknown.err.replace("bob", "ann")
    assert desk.run("conversations", "--as", "uwe").out == "no conversation\n"
    assert "no user nobody" in desk.run("conversations", "--as", "nobody").err


def test_a_strangers_words_control_no_terminal_and_keep_to_their_columns(desk: Desk) -> None:
    contact(desk.store, "ann")
    conversation(desk.store, "c1", "ann", subject=HOSTILE)
    done = desk.run("conversations", "--as", "uwe")
    assert "\x1b" not in done.out
    assert "\x07" not in done.out
    assert "[bold]" in done.out
    assert cell_len(done.out.splitlines()[1]) <= 80


def test_events_are_listed_from_any_place_on_in_80_columns(desk: Desk) -> None:
    names = [sortable_id(START), sortable_id(START)]
    for one in names:
        conversation(desk.store, one, "ann")
    with desk.store.begin("tests.events") as tx:
        tx.of(HERE).events.add(*(NewEvent(EventKind.MESSAGE_ADDED, one) for one in names * 2))
    lines = desk.run("events").out.splitlines()
    assert len(lines) == 5
    assert max(map(cell_len, lines)) <= 80
    assert [line.split()[-2:] for line in desk.run("events", "--after", "2").out.splitlines()[1:]] == [
        [names[0], "2"],
        [names[1], "2"],
    ]
    assert desk.run("events", "--after", "4").out == "no events after 4\n"


NOT_KEPT = "The file large.png (99 bytes) is not in this copy."
ANSWER = """Yes, please.

On 15 Mar 2026 at 09:00 Uwe <uwe@firm.example> wrote:
> Shall I?
> Uwe
"""
SHOWN = """The offer
Ann (ann), 3 mails, active

2026-03-15 10:01 CET  Ann <ann@example.com>
    in, new, automatic, via a list; m1
    To: Uwe <uwe@firm.example>

Yes, please.
… 3 quoted lines: --all-text

File 1: offer.pdf (application/pdf, 4 bytes)
File 2: plan.dwg (image/vnd.dwg, 99 bytes, too large to be kept: it is in the
  mailbox)

2026-03-15 10:02 CET  Ann <ann@example.com>
    out, not sent (the user has to sign in again); m2

its content cannot be read now: it is on its way

2026-03-15 10:03 CET  Ann <ann@example.com>
    in; m3

its content cannot be read now: the object store has it no more
"""


def _thread(desk: Desk) -> None:
    contact(desk.store, "ann")
    conversation(desk.store, "c1", "ann", subject="The offer")
    answer = keep(desk.context, text(ANSWER))
    its_mailbox = desk.world.mailbox_id
    mail(
        desk.store, "c1", "m1", minute=1, mailbox_id=its_mailbox, object=answer, automatic=True, via_list=True
    )
    participant(desk.store, "m1", "to", "uwe@firm.example", name="Uwe")
    file(desk.store, "m1", "2", object=keep(desk.context, b"%PDF"))
    file(desk.store, "m1", "3", name="plan.dwg", claimed_type="image/vnd.dwg", size=99, state="too_large")
    file(desk.store, "m1", "4", name="logo.png", claimed_type="image/png", inline=True)
    mail(desk.store, "c1", "m2", minute=2, direction="outbound", state="failed", reason=SIGN_IN, outbox_id=1)
    lost = keep(desk.context, text("lost"))
    desk.context.objects.delete([lost])
    mail(desk.store, "c1", "m3", minute=3, object=lost)


@pytest.mark.rule("H40", "H46", "H52")
def test_a_thread_is_read_from_its_first_mail_and_what_was_shown_is_new_no_more(desk: Desk) -> None:
    _thread(desk)
    done = desk.run("conversation", "show", "c1", "--as", "uwe")
    assert (done.code, done.out) == (0, SHOWN), done.err
    again = desk.run("conversation", "show", "c1", "--as", "uwe", "--all-text").out
    assert "    in, automatic, via a list; m1" in again
    assert "> Shall I?" in again
    assert "--all-text" not in again
    shown = desk.run("conversation", "show", "c1", "--as", "uwe", "--json").json
    assert [one["content_trouble"] for one in shown["mails"]] == [None, "not_yet", "lost"]
    first = shown["mails"][0]
    assert (first["own_text"], first["quoted_text"].splitlines()[-1]) == ("Yes, please.", "> Uwe")


def test_files_are_saved_under_names_of_their_own(desk: Desk) -> None:
    _thread(desk)
    for expected in ("offer.pdf", "offer-2.pdf"):
        done = desk.run("conversation", "show", "c1", "--as", "uwe", "--save", "files")
        assert done.code == 0, done.err
        assert (desk.terminal.folder / "files" / expected).read_bytes() == b"%PDF"
    assert len(list((desk.terminal.folder / "files").iterdir())) == 2


def test_an_attached_mail_is_saved_with_the_files_that_it_has(desk: Desk) -> None:
    contact(desk.store, "ann")
    conversation(desk.store, "c1", "ann")
    inner = MimePart(
        "multipart/mixed",
        (("Subject", "The bill"), ("From", "Bob <bob@example.net>")),
        parts=(
            text("As agreed."),
            MimePart("application/pdf", filename="bill.pdf", size=4, attachment_id="x"),
            MimePart("image/png", filename="large.png", size=99, attachment_id="y"),
        ),
    )
    body = MimePart("multipart/mixed", parts=(text("See below."), MimePart("message/rfc822", parts=(inner,))))
    mail(desk.store, "c1", "m1", minute=1, object=keep(desk.context, body))
    file(desk.store, "m1", "2", name="mail.eml", claimed_type="message/rfc822", state="within")
    file(desk.store, "m1", "2.1.2", name="bill.pdf", object=keep(desk.context, b"%PDF"))
    file(desk.store, "m1", "2.1.3", name="large.png", state="too_large")
    done = desk.run("conversation", "show", "c1", "--as", "uwe", "--save", "files")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (desk.terminal.folder / "files").iterdir()) == [
        "bill.pdf",
        "mail.eml",
    ]
    saved = parsed((desk.terminal.folder / "files" / "mail.eml").read_bytes())
    assert (saved.header("subject"), saved.text()) == ("The bill", inner.parts[0].text() + "\n\n" + NOT_KEPT)
    assert (saved.parts[1].filename, saved.parts[1].content) == ("bill.pdf", b"%PDF")


@pytest.mark.rule("D1")
def test_a_wrong_conversation_and_one_that_may_not_be_seen_get_the_same_answer(desk: Desk) -> None:
    contact(desk.store, "ann", viewers=["eva"])
    conversation(desk.store, "c1", "ann")
    for conversation_id in ("c1", "c2"):
        done = desk.run("conversation", "show", conversation_id, "--as", "uwe")
        assert (done.code, done.out) == (1, "")
        assert done.err.splitlines()[-1] == (
            f"lodestone: there is no conversation {conversation_id} that user uwe may open"
        )


def test_what_a_stranger_has_sealed_otherwise_hides_no_other_mail(desk: Desk) -> None:
    contact(desk.store, "ann")
    conversation(desk.store, "c1", "ann")
    mail(desk.store, "c1", "m1", minute=1, object=keep(desk.context, b"no copy"))
    mail(desk.store, "c1", "m2", minute=2, object=keep(desk.context, text(HOSTILE)))
    done = desk.run("conversation", "show", "c1", "--as", "uwe")
    assert "what the object store has of it cannot be opened" in done.out
    assert "[bold]Hi[/bold]" in done.out
    assert "\x1b" not in done.out


@pytest.mark.rule("H50")
def test_a_user_reads_how_his_connection_stands(desk: Desk) -> None:
    arrive(desk.world, "a", "b", "c")
    with desk.store.begin("tests.decide") as tx:
        skipped = {"a": Outcome.SKIP_SPAM, "b": Outcome.SKIP_SPAM}
        tx.decisions.skip(desk.world.mailbox_id, skipped, [desk.world.connection_id])
    done = desk.run("connection", "--user", "uwe")
    assert done.code == 0, done.err
    head, checked, *lines = done.out.splitlines()
    assert head == "uwe@firm.example: connected"
    assert re.fullmatch(r"  last check: [-0-9]+ [:0-9]+ UTC; last push: none yet", checked)
    assert lines == [
        "  mails seen since 2026-03-15 09:00:00 UTC, of the last 35 days: 3, kept: 0",
        "  in 24 hours: 3, kept: 0",
        "outcome    mails  in 24 hours  because",
        "skip.spam  2      2            it was in Spam",
        "under way  1      1            it waits for its turn",
        "  next step: nothing: mail comes by itself",
    ]
    assert desk.run("connection", "--user", "nobody").code == 2
