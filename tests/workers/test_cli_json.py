"""Every command with --json, run over a real database, prints what docs/JSON.md says: no field more and none less.

What the tests of single commands print is held against the page as well (tests/terminals.py), the demo's summary by
its journey.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import update

from domain.connections.connections import Sharing
from domain.conversations.events import EventKind, NewEvent
from domain.crm.contacts import ContactKind
from domain.crm.records import ContactRecord, RecordKind
from domain.ids import MailboxId
from domain.mail.messages import Direction
from domain.outcomes import Outcome
from handlers.outbox import delivery
from infra.db.tables.connections import connections
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions
from infra.db.tables.mailboxes import mailboxes
from infra.local.pubsub import PubSubServer
from infra.local.redis import RedisServer
from infra.objects.folder import FolderStore
from tests import conversations, json_page
from tests.handlers.conftest import House
from tests.handlers.conftest import gmail_server as gmail_server
from tests.handlers.conftest import house as house
from tests.journeys.world import UWE
from tests.terminals import Terminal
from tests.worlds import HERE
from workers.cli.app import MODULES
from workers.demo.receiver import Receiver

EVA = "eva@firm.example"
IN_ITS_JOURNEY = {"demo"}
"""tests/journeys/test_demo.py runs it."""


ELSEWHERE = {"labels undo": ["mailboxes[].trouble"]}
"""What only a provider in trouble shows: tests/workers/test_cli_labels.py has it."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is printed is the same with either database."""
    return sqlite_url


@dataclass(frozen=True, slots=True)
class Reader:
    """Runs commands and notes which fields of the page it has been shown."""

    terminal: Terminal
    shown: dict[str, set[tuple[int, str]]] = field(default_factory=lambda: defaultdict(set))

    def run(self, *words: str) -> Any:
        done = self.terminal.run(*words, "--json")
        assert done.out, (words, done.err)
        command = json_page.command_of(words)
        self.shown[command] |= set(json_page.fields(command, done.json))
        return done.json

    def missing(self, command: str) -> list[str]:
        """Fields of the page that no answer had, or only with null."""
        return [
            row.path
            for number, table in enumerate(json_page.tables()[command])
            for row in table
            if (number, row.path) not in self.shown[command]
        ]


@pytest.fixture
def reader(tmp_path: Path, house: House, database_url: str, redis_server: RedisServer) -> Iterator[Reader]:
    """A terminal beside the house, with local servers for all that a command may ask."""
    with PubSubServer() as pubsub:
        settings = {
            "LODESTONE_GMAIL_ENDPOINT": house.gmail.base_url,
            "LODESTONE_REDIS_URL": redis_server.url,
            "PUBSUB_EMULATOR_HOST": pubsub.host,
            "LODESTONE_CHANNELS_MAY_BE_PRIVATE": "true",
            "LODESTONE_OBJECTS": str(tmp_path / "objects"),
        }
        yield Reader(Terminal(tmp_path, database_url, settings))


def test_every_command_prints_what_the_page_says(house: House, reader: Reader) -> None:
    _install(reader)
    ids = _mailboxes(house, reader)
    _mail(house, reader, ids)
    _conversations(house, reader)
    _crm(reader)
    _settings(reader)
    _channels(house, reader)
    _locations(reader)
    reader.run("disconnect", "--user", "uwe")
    missing = {command: reader.missing(command) for command in json_page.tables().keys() - IN_ITS_JOURNEY}
    assert {command: fields for command, fields in missing.items() if fields} == ELSEWHERE


def _install(reader: Reader) -> None:
    for words in (("migrate",), ("topic",), ("keys", "new"), ("setup", "google")):
        reader.run(*words)


def _mailboxes(house: House, reader: Reader) -> dict[str, str]:
    (reader.terminal.folder / "uwe.json").write_text(json.dumps(house.gmail.create_mailbox(UWE)))
    features = ("--sharing", "private", "--magnet", "--sorting")
    reader.run("connect", "--user", "uwe", "--token-file", "uwe.json", *features)
    house.connect("eva", EVA, sharing=Sharing.PUBLIC)
    ids = {who: house.deliver(who, n) for n, who in enumerate(("ann", "cid", "nora", "lea"))}
    ids["offer"] = _with_file(house)
    house.catch_up()
    ids["waiting"] = house.deliver("ann", 9)
    house.catch_up_only()
    reader.run("alias", "add", "uwe@old.example", "--user", "uwe")
    _new_contact(house, "olga", "uwe@old.example")
    reader.run("alias", "list")
    reader.run("alias", "remove", "uwe@old.example", "--user", "uwe")
    _trouble(house)
    reader.run("pause", EVA)
    reader.run("status")
    reader.run("connection", "--user", "uwe")
    reader.run("resume", EVA)
    _trouble(house, is_over=True)
    reader.run("doctor")
    reader.run("quota")
    reader.run("keys", "rotate")
    return ids


def _new_contact(house: House, contact_id: str, address: str) -> None:
    with house.store.begin("tests.contact") as tx:
        record = ContactRecord(contact_id, ContactKind.CONTACT, contact_id, (address,), None, tx.now())
        tx.of(HERE).crm.put([record])


def _trouble(house: House, *, is_over: bool = False) -> None:
    """Everything that can be wrong with Uwe's mailbox is."""
    now = datetime.now(UTC)
    mailbox: dict[str, Any] = dict.fromkeys(("watch_failed_at", "refused_at"), now)
    mailbox |= {"resting_until": now + timedelta(minutes=5), "trouble": "rateLimitExceeded"}
    mailbox |= {"watch_trouble": "topicMissing"}
    words = {"sorting_trouble": "labelLimit", "access_trouble": "unauthorized_client"}
    past = dict.fromkeys(("pushed_at", "swept_at", "compared_at"), now)
    counts = {"mails_pushed": 3, "mails_missed": 1, "mails_compared": 4, "mails_late": 1}
    with house.store.engine.begin() as db:
        its = dict.fromkeys(mailbox) if is_over else mailbox | past | counts
        db.execute(update(mailboxes).where(mailboxes.c.address == UWE).values(its))
        its = dict.fromkeys(words) if is_over else words
        db.execute(update(connections).where(connections.c.user_id == "uwe").values(its))


def _mail(house: House, reader: Reader, ids: dict[str, str]) -> None:
    reader.run("ledger")
    with house.store.begin("tests.refused") as tx:
        tx.of(HERE).crm.mark_outdated(RecordKind.CONTACTS, {"ann": "name is no text"}, 1)
    reader.run("explain", ids["nora"])
    _new_contact(house, "nora", "nora@example.com")
    for message_id in ids.values():
        reader.run("explain", message_id)
    reader.run("pause", UWE)
    reader.run("explain", ids["waiting"])
    reader.run("mail", "ann", "--as", "uwe")
    reader.run("resume", UWE)
    with house.store.engine.begin() as db:
        failed = (decisions.c.message_id == ids["lea"], steps.c.message_id == ids["lea"])
        db.execute(update(decisions).where(failed[0]).values(outcome=Outcome.LABEL_FAILED.value))
        db.execute(update(steps).where(failed[1]).values(state="set_aside"))
    reader.run("retry", ids["lea"])
    house.gmail.change_labels(UWE, [ids["cid"]], add=["INBOX"])
    reader.run("labels", "undo", "--since", "2h", "--yes")
    reader.run("explain", ids["ann"])
    told = {one["message_id"]: one for one in reader.run("notifications", "--user", "uwe")}
    reader.run("notifications", "--user", "uwe", "--live")
    save = ("--as", "uwe", "--save", "files")
    reader.run("open", str(told[ids["offer"]]["notification_id"]), *save)
    reader.run("mail", "ann", "--as", "uwe", "--limit", "1")
    reader.run("mail", "ann", ids["offer"], *save)
    _outbox(house, reader, ids["offer"])


def _conversations(house: House, reader: Reader) -> None:
    conversations.conversation(house.store, "first", "ann")
    conversations.mail(house.store, "first", "m1", minute=1, mailbox_id=1)
    conversations.conversation(house.store, "second", "ann")
    reader.run("conversations", "ann", "--as", "uwe", "--limit", "1")
    context = replace(house.context, objects=FolderStore(reader.terminal.folder / "objects"))
    kept = conversations.keep(context, conversations.text("Yes.\n\nOn 1 Dec 2026 Uwe wrote:\n> Well?"))
    sent: dict[str, Any] = {"object": kept, "state": "failed", "reason": "too_late", "user_id": "uwe"}
    sent |= {"outbox_id": 99, "sent_at": datetime.now(UTC), "rfc_message_id": "1@x.example"}
    conversations.mail(house.store, "first", "m2", minute=2, **sent)
    pdf = conversations.keep(context, b"%PDF")
    conversations.file(house.store, "m2", "1", object=pdf, sniffed_type="application/pdf")
    conversations.participant(house.store, "m2", "to", "ann@example.com", contact_id="ann", delivery="failed")
    reader.run("conversation", "show", "first", "--as", "uwe", "--save", "files")
    with house.store.begin("tests.events") as tx:
        tx.of(HERE).events.add(
            NewEvent(EventKind.STARTED, "first", "m1", Direction.INBOUND),
            NewEvent(EventKind.FAILED, "first", "m2", Direction.OUTBOUND, "uwe", 99, "too_late"),
            NewEvent(EventKind.REMOVED, "second"),
        )
    reader.run("events", "--limit", "3")
    conversations.mail(house.store, "first", "m3", minute=3, object=kept)
    (reader.terminal.folder / "yes.txt").write_text("Yes.\n")
    answer = ("--conversation", "first", "--to-address", "ann@example.com", "--body-file", "yes.txt")
    reader.run("send", "--as", "uwe", *answer, "--dry-run")


def _outbox(house: House, reader: Reader, answered: str) -> None:
    (reader.terminal.folder / "text.txt").write_text("Yes.\n")
    text = ("--as", "uwe", "--to", "ann", "--body-file", "text.txt")
    reader.run("send", *text, "--reply-to", answered, "--dry-run")
    for key in ("sent", "failed"):
        mail = ("send", *text, "--subject", "Yes", "--no-wait", "--key", key)
        reader.run(*mail)
        delivery.deliver(MailboxId(1), house.context)
        reader.run(*mail)
        house.gmail.limit_sending(UWE, 0)
    reader.run("outbox")


def _with_file(house: House) -> str:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "Ann <ann@example.com>", UWE, "the offer"
    letter.set_content("Here it is.")
    letter.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="offer.pdf")
    return house.gmail.deliver(UWE, letter.as_bytes()).id


def _crm(reader: Reader) -> None:
    contacts, torn = reader.terminal.folder / "contacts.csv", reader.terminal.folder / "deals.csv"
    header = "id,kind,name,emails,assigned_to,created_at\n"
    good, bad = "bob,contact,Bob,bob@example.com,,2024-01-02\n", "pia,none,Pia,,,\n"
    rows = header + good + bad + "tim,lead,J\xf6rg,nothing; tim@example.com,,2024-01-02\n"
    contacts.write_bytes(rows.encode("windows-1252"))
    torn.write_text('id,contact_ids,stage,category,closing_date\nd9,bob,s,OPEN,\nd8,bob,"s,OPEN,\n')
    reader.run("crm", "import", "--contacts", "contacts.csv", "--deals", "deals.csv", "--dry-run")
    change = {
        "actor": "crm.upsert_user",
        "id": "kim",
        "version": 1,
        "name": "Kim",
        "emails": ["n/a", "kim@firm.example"],
    }
    (reader.terminal.folder / "changes.jsonl").write_text(f"nonsense\n{json.dumps(change)}\n")
    reader.run("crm", "send", "changes.jsonl")


def _settings(reader: Reader) -> None:
    (reader.terminal.folder / "users.csv").write_text("id,name,emails,role\nkim,Kim,kim@firm.example,Sales\n")
    reader.run("crm", "import", "--users", "users.csv")
    reader.run("settings", "show", "--user", "uwe")
    reader.run("settings", "set", "--user", "uwe", "dry-run", "on")
    words = ["time-zone", "Europe/Berlin", "internal-domain", "firm.example", "exclude", "shop.example"]
    words += ["sharing-roles", "Sales=public", "sharing-users", "kim=private", "sharing-only", "user:kim"]
    words += ["sharing-exclude", "lawyer.example", "category", "Closed Lost", "LOST", "label-names", "german"]
    words += ["assignment-inbound", "off", "assignment-outbound", "on", "third-parties", "on"]
    reader.run("settings", "set", *words)
    reader.run("settings", "show")


def _channels(house: House, reader: Reader) -> None:
    with Receiver() as receiver:
        reader.run("channels", "add", "--webhook", receiver.url, "--user", "uwe")
        receiver.answers.append((500, {}))
        house.deliver("ann", 10)
        house.catch_up()
        for words in (("list",), ("test", "1"), ("retry", "1"), ("remove", "1")):
            reader.run("channels", *words)


def _locations(reader: Reader) -> None:
    reader.run("locations", "list")
    reader.run("locations", "add", "acme/berlin")
    reader.run("locations", "delete", "acme/berlin", "--confirm", "acme/berlin")


def test_the_page_has_every_command_that_takes_json_and_no_other() -> None:
    assert json_page.tables().keys() == {words for words, command in _commands() if _takes_json(command)}


def _commands() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        made = typer.Typer(callback=lambda: None)
        import_module(f"workers.cli.{module}").add_to(made)
        yield from _in("", typer.main.get_command(made))


def _in(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield from _in(f"{words} {name}", one)
    if words:
        yield words.strip(), command


def _takes_json(command: Any) -> bool:
    return any("--json" in one.opts for one in command.params)


def test_a_name_has_the_same_type_wherever_it_stands() -> None:
    types: dict[str, set[str]] = defaultdict(set)
    for command in json_page.tables():
        for shape in json_page.shapes(command):
            for name, kind in json_page.named_types(shape):
                types[name].add(kind)
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}
    times = {name for name, kinds in types.items() if "time" in kinds}
    assert {name for name in types if name.endswith(("_at", "_until"))} == times


def test_the_page_is_held_against_what_is_printed() -> None:
    good = {"user_id": "uwe", "ended_connections": 1}
    assert json_page.faults("disconnect", good) == []
    assert json_page.faults("disconnect", {"user_id": "uwe"}) == [".ended_connections is missing"]
    assert json_page.faults("disconnect", good | {"user": "uwe"}) == [".user is not in docs/JSON.md"]
    assert json_page.faults("disconnect", good | {"user_id": None}) == [".user_id is null"]
    assert json_page.faults("disconnect", good | {"user_id": 1}) == [".user_id is no string: 1"]
    assert json_page.faults("nothing", good) == ["docs/JSON.md has no `lodestone nothing`"]
