"""`lodestone conversations` as a user runs it: as a process."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from infra.db.store import Store
from infra.secrets import Cipher
from tests.conversations import contact, conversation, mail
from tests.terminals import Done, Terminal
from tests.worlds import HERE, START, World, make_world

HOSTILE = "\x1b]0;mine\x07[bold]Hi[/bold] :smile: ‮gnp.exe⁩ 世界" + "世" * 60


@dataclass(frozen=True, slots=True)
class Desk:
    """A terminal beside a store with a mailbox of Uwe's in it."""

    terminal: Terminal
    store: Store
    world: World

    def run(self, *words: str) -> Done:
        return self.terminal.run(*words)


@pytest.fixture
def desk(tmp_path: Path, database_url: str, cipher: Cipher) -> Iterator[Desk]:
    store = Store(database_url, cipher)
    world = make_world(store)
    with store.begin("tests.settings") as tx:
        tx.of(HERE).settings.set("time-zone", "Europe/Berlin")
    yield Desk(Terminal(tmp_path, database_url, {}), store, world)
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
