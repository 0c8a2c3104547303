"""Two organisations on one deployment, with the same ids of everything, and all that comes out for each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.db.store import open_engine
from tests import json_page
from tests.journeys.fleet import Fleet
from tests.journeys.world import missing, wait_for, whole_lines
from workers.demo.receiver import Receiver
from workers.demo.stage import Stage

ANN, EVE = "ann@example.com", "eve@example.com"
"""They write to both: contact c1 with other deals, contact c4 whom one organisation excludes."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its user uwe's mailbox, his colleague kim, and contact c3, whom the other does not know."""

    location: str
    mailbox: str
    colleague: str
    known: str
    category: str
    label: str

    @property
    def far(self) -> "Side":
        return ACME if self is MAIN else MAIN

    def senders(self) -> dict[str, str]:
        """By what they are here."""
        return {
            "contact": ANN,
            "colleague of the other": self.far.colleague,
            "known here": self.known,
            "known there": self.far.known,
            "colleague": self.colleague,
            "excluded there": EVE,
        }

    def outcomes(self) -> dict[str, str]:
        """What has to become of their mail."""
        return {
            "contact": "label.open" if self is MAIN else "label.customer",
            "colleague of the other": "label.none",
            "known here": "label.none",
            "known there": "skip.no_contact",
            "colleague": "skip.internal",
            "excluded there": "label.none" if self is MAIN else "skip.excluded",
            "sent": "skip.outbound",
        }

    def notified(self) -> list[tuple[str, str, str]]:
        """The names, addresses and contacts on uwe's list."""
        found = [
            (f"C1 of {self.location}", ANN, "c1"),
            (f"C2 of {self.location}", self.far.colleague, "c2"),
            (f"C3 of {self.location}", self.known, "c3"),
        ]
        return found + ([(f"C4 of {self.location}", EVE, "c4")] if self is MAIN else [])


MAIN = Side("main/main", "uwe@firm.example", "kim@firm.example", "lea@example.com", "OPEN", "Open Deals")
ACME = Side("acme/berlin", "uwe@acme.example", "kim@acme.example", "zoe@example.org", "WON", "Kunden")
SIDES = (MAIN, ACME)

_DRAFT = (None, "skip.draft", "skip.gone")
"""What the draft that uwe's mail was comes to, sooner or later."""

CONTACTS = "id,kind,name,emails,assigned_to,created_at\n"


@dataclass(slots=True)
class Town:
    """A deployment with both; `mails` by side and by what their sender is, `owner` the database as who made it."""

    stage: Stage
    fleet: Fleet
    owner: str
    receivers: dict[str, Receiver]
    channels: dict[str, int] = field(default_factory=dict)
    mails: dict[str, dict[str, str]] = field(default_factory=dict)
    crm_lines: int = 0

    def run(self, side: Side, *words: str, **extra: str) -> str:
        return self.stage.run(*words, "--location", side.location, **extra)

    def ask(self, side: Side, *words: str, **extra: str) -> Any:
        answer = json.loads(self.run(side, *words, "--json", **extra))
        json_page.check(words, answer)
        return answer

    def tell(self, lines: Sequence[dict[str, Any]], *words: str) -> None:
        """The CRM's messages, until a worker has made them."""
        file = self.stage.folder / "changes.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.stage.run("crm", "send", str(file), *words)
        self.crm_lines += len(lines)
        assert wait_for(lambda: len(self.logged("crm.changed")) >= self.crm_lines), self.logged("crm.refused")

    def logged(self, event: str | None = None) -> list[dict[str, Any]]:
        """All that the processes have logged, or what they say of one event."""
        found = [
            json.loads(line)
            for file in self.stage.logs.glob("*.log")
            if file.stem in ("dispatcher", "worker", "sweep", "notifier")
            for line in whole_lines(file)
        ]
        return [line for line in found if event in (None, line["event"])]

    def fill(self) -> None:
        """Contacts by file; deals and users by messages, of one side in lines that name it, of the other by option."""
        self.stage.run("locations", "add", ACME.location)
        for side in SIDES:
            addresses = (ANN, side.far.colleague, side.known, EVE)
            rows = [
                f"c{n},contact,C{n} of {side.location},{address},uwe,2024-01-01\n"
                for n, address in enumerate(addresses, 1)
            ]
            file = self.stage.folder / f"{side.location.replace('/', '-')}.csv"
            file.write_text(CONTACTS + "".join(rows))
            self.run(side, "crm", "import", "--contacts", str(file))
        self.tell(_records(MAIN, {}), "--location", MAIN.location)
        self.tell(_records(ACME, {"location": ACME.location}))
        self.run(ACME, "settings", "set", "exclude", EVE, "label-names", "german")
        for side in SIDES:
            words = self.stage.sign_in("uwe", side.mailbox)
            self.run(side, "connect", *words, "--magnet", "--sorting")
            receiver = self.receivers[side.location]
            made = self.ask(side, "channels", "add", "--user", "uwe", "--webhook", receiver.url)
            receiver.secrets.append(made["secret"])
            self.channels[side.location] = made["channel_id"]
            self.stage.gmail.create_mailbox(side.known)
        self.run(MAIN, "settings", "set", "--user", "uwe", "sharing", "public")

    def write(self) -> None:
        """Everybody writes to both mailboxes; until each mail has its outcome and has left by its channel."""
        for side in SIDES:
            self.mails[side.location] = {
                who: self.stage.gmail.deliver(side.mailbox, letter(sender, who, side.mailbox)).id
                for who, sender in side.senders().items()
            }
        self.settle([one for mails in self.mails.values() for one in mails.values()])
        due = {side.location: len(side.notified()) for side in SIDES}
        assert wait_for(lambda: {place: len(self.told(place)) for place in due} == due), due
        assert wait_for(lambda: not self.rows("SELECT * FROM deliveries")), (
            "that they are told is not written down"
        )

    def send(self) -> None:
        """Uwe of both writes to c3, by the same key."""
        body = self.stage.folder / "body.txt"
        body.write_text("Dear customer.\n")
        for side in SIDES:
            words = ["--as", "uwe", "--to", "c3", "--subject", "Offer", "--body-file", str(body)]
            made = self.ask(side, "send", *words, "--key", "one key on both sides")
            self.mails[side.location]["sent"] = made["message_id"]
        self.settle([mails["sent"] for mails in self.mails.values()])

    def settle(self, ids: Sequence[str]) -> None:
        assert wait_for(lambda: not missing(self.stage, ids)), missing(self.stage, ids)

    def told(self, location: str) -> set[str]:
        """The mails that the location's receiver was told of."""
        return {event["subject"] for event in self.receivers[location].taken if "subject" in event}

    def look(self, side: Side, **extra: str) -> dict[str, Any]:
        """Everything that a command shows of one side, as JSON."""
        mails = self.mails[side.location]
        ids = (mails["contact"], mails["colleague of the other"], mails["known there"])
        first = self.ask(side, "notifications", "--user", "uwe", **extra)
        return {
            "notifications": first,
            "read on": self.ask(
                side,
                "notifications",
                "--user",
                "uwe",
                "--after",
                str(first[0]["notification_id"]),
                "--live",
                **extra,
            ),
            "ledger": [one for one in self.ask(side, "ledger", **extra) if one["outcome"] not in _DRAFT],
            "explain": {one: self.ask(side, "explain", one, **extra) for one in ids},
            "open": self.ask(side, "open", str(first[0]["notification_id"]), "--as", "uwe", **extra),
            "mail": {
                f"{contact} for {user}": self.ask(side, "mail", contact, "--as", user, **extra)
                for contact, user in (("c1", "uwe"), ("c1", "kim"), ("c3", "uwe"))
            },
            "mine": self.ask(side, "mail", "--mine", "--as", "uwe", **extra),
            "channels": self.ask(side, "channels", "list", **extra),
            "settings": self.ask(side, "settings", "show", **extra),
            "connection": self.ask(side, "settings", "show", "--user", "uwe", **extra),
            "aliases": self.ask(side, "alias", "list", **extra),
            "outbox": self.ask(side, "outbox", **extra),
        }

    def labels(self, side: Side, message_id: str) -> frozenset[str]:
        message = self.stage.gmail.dump(side.mailbox).message(message_id)
        assert message is not None
        return message.labels

    def rows(self, query: str) -> list[Any]:
        """As the owner of the database, whom no wall holds back."""
        engine = open_engine(self.owner)
        try:
            with engine.connect() as db:
                return [tuple(row) for row in db.exec_driver_sql(query)]
        finally:
            engine.dispose()


def _records(side: Side, where: dict[str, str]) -> list[dict[str, Any]]:
    user = {"actor": "crm.upsert_user", "version": 1, "role": "Sales"}
    deal = {"actor": "crm.upsert_deal", "version": 1, "stage": "Offer", "category": side.category}
    return [
        deal | {"id": "d1", "contact_ids": ["c1"], "closing_date": ""} | where,
        user | {"id": "uwe", "name": "Uwe", "emails": []} | where,
        user | {"id": "kim", "name": "Kim", "emails": [side.colleague]} | where,
    ]


def letter(sender: str, subject: str, to: str) -> bytes:
    return (
        f"From: Somebody <{sender}>\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject.replace(' ', '.')}@{to.partition('@')[2]}>\r\n\r\nText for {to}.\r\n"
    ).encode()
