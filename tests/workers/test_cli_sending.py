"""`lodestone send` and `lodestone outbox` as people run them: as processes; the worker's part is done by hand."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from domain.ids import MailboxId
from handlers.context import Context
from handlers.outbox import delivery
from handlers.units import Tally
from infra.db.store import Store
from infra.gmail.about import MAX_MAIL_SIZE
from infra.gmail.costs import NEW_QUOTA
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from infra.local.redis import RedisServer
from infra.objects.folder import FolderStore
from infra.queue import RedisQueue
from infra.secrets import Cipher
from tests.journeys.world import UWE, crm
from tests.terminals import Terminal
from tests.worlds import KEY


@pytest.fixture
def control() -> Iterator[GmailControl]:
    with GmailServer() as server:
        yield GmailControl(server.url)


@pytest.fixture
def context(control: GmailControl, sqlite_url: str, redis: Redis, objects: FolderStore) -> Iterator[Context]:
    """The worker's."""
    store = Store(sqlite_url, Cipher((KEY,)))
    crm(store.engine)
    gmail = Gmail(control.base_url)
    yield Context(
        store,
        {NAME: gmail},
        RedisQueue(redis, lambda event: None),
        objects,
        owner="worker",
        tally=Tally(NEW_QUOTA),
    )
    gmail.close()
    store.engine.dispose()


@pytest.fixture
def terminal(
    tmp_path: Path, sqlite_url: str, control: GmailControl, redis_server: RedisServer, context: Context
) -> Terminal:
    """A shell of Uwe's, whose mailbox is connected; offer.txt is a text, offer.pdf a file."""
    (tmp_path / "uwe.json").write_text(json.dumps(control.create_mailbox(UWE)))
    (tmp_path / "offer.txt").write_text("Dear Ann,\nour offer.\n", encoding="utf-8")
    (tmp_path / "offer.pdf").write_bytes(b"%PDF")
    settings = {"LODESTONE_GMAIL_ENDPOINT": control.base_url, "LODESTONE_REDIS_URL": redis_server.url}
    shell = Terminal(tmp_path, sqlite_url, settings)
    made = shell.run("connect", "--user", "uwe", "--token-file", "uwe.json", "--sharing", "private")
    assert made.code == 0, made.err
    return shell


TO_ANN = (
    "send",
    "--as",
    "uwe",
    "--to",
    "ann",
    "--subject",
    "Our offer",
    "--body-file",
    "offer.txt",
    "--no-wait",
)


@pytest.mark.rule("Z16")
def test_a_mail_is_asked_for_sent_and_shown(
    terminal: Terminal, control: GmailControl, context: Context
) -> None:
    asked = terminal.run(*TO_ANN, "--attach", "offer.pdf", "--key", "offer-17", "--json").json
    assert (asked["sending_id"], asked["sending_state"], asked["contact_id"]) == (1, "waiting", "ann")
    shown = terminal.run("outbox").out.splitlines()[1].split()
    assert shown[:3] == ["1", "uwe", "ann"]
    assert asked["asked_at"].startswith(f"{shown[3]}T{shown[4]}.")
    assert shown[5] == "UTC"

    delivery.deliver(MailboxId(1), context)

    [sent] = terminal.run("outbox", "--as", "uwe", "--state", "sent", "--json").json
    [message] = control.dump(UWE).messages
    assert (sent["message_id"], sent["mailbox"], sent["user_id"]) == (message.id, UWE, "uwe")
    again = terminal.run(*TO_ANN, "--key", "offer-17")
    assert again.out == f"sent; Gmail's id is {message.id}\n"
    assert len(control.dump(UWE).messages) == 1
    assert b"offer.pdf" in control.raw(UWE, message.id)


@pytest.mark.rule("D15")
def test_what_failed_says_why(terminal: Terminal, control: GmailControl, context: Context) -> None:
    control.limit_sending(UWE, 0)
    terminal.run(*TO_ANN, "--key", "offer-17")
    delivery.deliver(MailboxId(1), context)

    assert "Gmail's own limit of mails a day" in terminal.run("outbox").out
    failed = terminal.run(*TO_ANN, "--key", "offer-17")
    assert failed.code == 1
    assert failed.err == (
        "lodestone: not sent: Gmail's own limit of mails a day is reached; the draft is still there\n"
    )
    told = terminal.run(*TO_ANN, "--key", "offer-17", "--json")
    assert (told.code, told.json["trouble"]) == (1, "sendingLimit")


def test_an_empty_outbox_says_so(terminal: Terminal) -> None:
    assert terminal.run("outbox", "--mailbox", UWE).out == "nothing was sent from the CRM\n"
    assert terminal.run("outbox", "--json").json == []


REFUSED = [
    pytest.param({"--to": None}, "name who it goes to", id="nobody"),
    pytest.param({"--subject": None}, "needs --subject", id="no subject"),
    pytest.param({"--subject": "a\nBcc: eve@example.com"}, "the subject has a line break", id="line break"),
    pytest.param({"--to": None, "--to-address": "ann"}, "no e-mail address", id="no address"),
    pytest.param({"--to": "nobody"}, "there is no contact nobody", id="no contact"),
    pytest.param({"--as": "eva"}, "no mailbox connected", id="no connection"),
    pytest.param({"--attach": "missing.pdf"}, "missing.pdf cannot be read", id="missing attachment"),
    pytest.param({"--attach": "large.bin"}, "larger than Gmail takes", id="attachment too large"),
    pytest.param({"--body-file": "missing.txt"}, "missing.txt cannot be read", id="missing text"),
    pytest.param({"--body-file": "offer.bin"}, "no text in UTF-8", id="a binary file"),
    pytest.param({"--reply-to": "18c2f0aa00bb11cc", "--subject": None}, "no mail 18c2", id="no such mail"),
    pytest.param({"--reply-to": "uwe@firm.example/18c2f0"}, "no id of a mail", id="no id of a mail"),
    pytest.param({"--all": ""}, "--all goes with an answer", id="all of no answer"),
    pytest.param({"--reply": "", "--to": None}, "name him with --to", id="an answer to nobody"),
    pytest.param(
        {"--reply": "", "--reply-to": "18c2f0"}, "leave --reply-to out", id="an answer to two mails"
    ),
    pytest.param(
        {"--reply-to": "18c2f0", "--all": "", "--to-address": "x@y.example"},
        "leave --to-address out",
        id="all and one",
    ),
]


@pytest.mark.rule("D15", "Z16")
@pytest.mark.parametrize(("change", "said"), REFUSED)
def test_what_the_caller_can_mend_is_told_in_one_line_before_anything_leaves(
    terminal: Terminal, control: GmailControl, change: dict[str, str | None], said: str
) -> None:
    (terminal.folder / "offer.bin").write_bytes(b"\xff\xfe\x00")
    with (terminal.folder / "large.bin").open("wb") as file:
        file.truncate(MAX_MAIL_SIZE * 3 // 4 + 1)
    words = {"--as": "uwe", "--to": "ann", "--subject": "Our offer", "--body-file": "offer.txt"} | change
    done = terminal.run(
        "send",
        *(word for name, value in words.items() if value is not None for word in (name, value) if word),
    )
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert control.dump(UWE).messages == ()
    assert terminal.run("outbox", "--json").json == []


ANSWER = ("send", "--as", "uwe", "--body-file", "offer.txt", "--no-wait")


@pytest.mark.rule("H45")
def test_an_answer_shows_whom_it_goes_to_before_it_leaves(terminal: Terminal, control: GmailControl) -> None:
    raw = "From: ann@example.com\r\nTo: uwe@firm.example, bob@example.com\r\nCc: cy@example.net\r\nSubject: AW: X"
    message_id = control.deliver(UWE, f"{raw}\r\n\r\nHow much?\r\n".encode()).id

    refused = terminal.run(*ANSWER, "--to", "ann", "--reply")
    assert refused.code == 2
    assert refused.err == "lodestone: this answer would go to ann@example.com: add --yes if that is meant\n"
    everybody = terminal.run(*ANSWER, "--reply-to", message_id, "--all", "--json")
    assert everybody.code == 2
    assert (
        "would go to ann@example.com, bob@example.com, copies to cy@example.net: add --yes" in everybody.err
    )

    looked = terminal.run(*ANSWER, "--to", "ann", "--reply", "--all", "--dry-run", "--json")
    assert looked.json == {
        "reply_to_message_id": message_id,
        "reply_to_mail_id": None,
        "to": ["ann@example.com", "bob@example.com"],
        "cc": ["cy@example.net"],
        "subject": "AW: X",
    }
    assert terminal.run(*ANSWER, "--reply-to", message_id, "--dry-run").out == (
        f"would go to ann@example.com, as AW: X\nit answers mail {message_id}\n"
    )
    assert len(control.dump(UWE).messages) == 1
    assert terminal.run("outbox", "--json").json == []

    asked = terminal.run(*ANSWER, "--reply-to", message_id, "--no-quote", "--yes", "--json").json
    assert asked["sending_state"] == "waiting"
    [draft] = (one for one in control.dump(UWE).messages if "DRAFT" in one.label_ids)
    written = control.raw(UWE, draft.id)
    assert b"\r\nTo: ann@example.com\r\nSubject: AW: X\r\n" in written
    assert b"How much" not in written


def at_a_terminal(shell: Terminal, *words: str, typed: str) -> tuple[int, str]:
    """The command as somebody runs it who sits there and types; its code, and what it printed."""
    ours, its = pty.openpty()
    environment = (
        os.environ
        | shell.settings
        | {"LODESTONE_DATABASE_URL": shell.database_url, "LODESTONE_TOKEN_KEYS": KEY}
    )
    command = [sys.executable, "-c", "from workers.cli.app import main; main()", *words]
    try:
        os.write(ours, typed.encode())
        done = subprocess.run(
            command,
            cwd=shell.folder,
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=its,
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(its)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.rule("H45")
@pytest.mark.parametrize(("typed", "code", "drafts"), [("n\n", 1, 0), ("y\n", 0, 1)], ids=["no", "yes"])
def test_whoever_sits_at_a_terminal_is_asked_whether_an_answer_goes_to_the_right_people(
    terminal: Terminal, control: GmailControl, typed: str, code: int, drafts: int
) -> None:
    message_id = control.deliver(UWE, b"From: ann@example.com\r\nSubject: X\r\n\r\nHow much?\r\n").id

    ended, said = at_a_terminal(terminal, *ANSWER, "--reply-to", message_id, typed=typed)

    assert "Send this answer to ann@example.com? [y/N]: " in said
    assert ended == code
    assert len([one for one in control.dump(UWE).messages if "DRAFT" in one.label_ids]) == drafts


@pytest.mark.rule("Z17a")
def test_an_address_may_have_a_name(terminal: Terminal, control: GmailControl) -> None:
    words = ("--to-address", "Nora Müller <nora@example.com>", "--cc", "max@example.org")
    done = terminal.run(
        "send", "--as", "uwe", *words, "--subject", "Hello", "--body-file", "offer.txt", "--no-wait"
    )
    assert done.code == 0
    [draft] = control.dump(UWE).messages
    assert b"=?utf-8?q?Nora_M=C3=BCller?= <nora@example.com>" in control.raw(UWE, draft.id)
