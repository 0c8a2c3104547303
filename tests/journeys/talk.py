"""A world with two-way sync: mailboxes whose mail is kept in conversations, and the look at what is kept."""

import base64
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from infra.db.tables.conversations import conversations, files, mail_sources, mails
from infra.db.tables.crm import contacts
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions
from infra.db.tables.objects import objects
from tests.journeys.fleet import Fleet
from tests.journeys.world import UWE, closing_engine, crm, wait_for
from workers.demo.stage import Stage

ANN, CID, EVE = "ann@example.com", "cid@example.com", "eve@example.com"
CARLA = "carla@firm.example"


@dataclass(frozen=True, slots=True)
class Held:
    """A conversation as the database has it: its owner, and its mails' Message-IDs in no order."""

    contact_id: str
    mails: tuple[str, ...]


@dataclass(slots=True)
class Talk:
    """Uwe's and Carla's mailboxes are synced; Ann is Uwe's contact, Cid Carla's; `written` counts letters."""

    stage: Stage
    fleet: Fleet
    written: int = 0

    def write(
        self, sender: str, to: str = UWE, *, answers: str = "", subject: str = "The offer", cc: str = ""
    ) -> str:
        """A mail comes in from outside, to every mailbox of ours that it is for; returns its Message-ID."""
        self.written += 1
        name = f"{self.written}.{sender}"
        raw = letter(sender, to, name, answers=answers, cc=cc, subject=subject)
        for mailbox in (UWE, CARLA):
            if mailbox in f"{to} {cc}":
                self.stage.gmail.deliver(mailbox, raw)
        return name

    def thread(self) -> list[set[str]]:
        """Ann writes twice; as the other scenes: the Message-IDs of each conversation that results."""
        first = self.write(ANN)
        return [{first, self.write(ANN, answers=first)}]

    def in_two_mailboxes(self) -> list[set[str]]:
        """Ann writes to both."""
        return [{self.write(ANN, f"{UWE}, {CARLA}")}]

    def linking(self) -> list[set[str]]:
        """The middle of a thread comes when its ends have conversations of their own."""
        first = self.write(ANN)
        middle = f"middle.of.{first}"
        last = self.write(ANN, answers=middle, subject="Something else")
        self.stage.gmail.deliver(UWE, letter(ANN, UWE, middle, answers=first))
        return [{first, middle, last}]

    def refused_before(self) -> list[set[str]]:
        """A stranger's mail is nobody's, until Ann answers it."""
        first = self.write(EVE, cc=ANN)
        return [{first, self.write(ANN, answers=first, cc=EVE)}]

    def with_file(self) -> list[set[str]]:
        """Ann sends a file along."""
        self.written += 1
        name = f"{self.written}.{ANN}"
        self.stage.gmail.deliver(UWE, letter_with_file(ANN, UWE, name, f"{self.written}".encode() * 50_000))
        return [{name}]

    def while_the_store_is_away(self) -> list[set[str]]:
        """Ann writes, and what she says can be kept only later."""
        folder, away = self.objects, self.objects.with_name("objects.away")
        folder.mkdir(exist_ok=True)
        folder.rename(away)
        folder.touch()
        before = self.postponed()
        expected = self.thread()
        assert wait_for(lambda: self.postponed() > before)
        folder.unlink()
        away.rename(folder)
        return expected

    @property
    def objects(self) -> Path:
        """Where the content of mail is kept."""
        return self.stage.folder / "objects"

    def postponed(self) -> int:
        """How often a worker has found the store away."""
        log = self.stage.logs / "worker.log"
        return log.read_text().count("copy.postponed") if log.exists() else 0

    def newest(self, mailbox: str = UWE) -> str:
        """Gmail's id of the mail that came last."""
        return self.stage.gmail.dump(mailbox).messages[-1].id

    def message_id(self, mailbox: str, message_id: str) -> str:
        """The Message-ID of a mail that lies in a mailbox, without its angle brackets."""
        head = self.stage.gmail.raw(mailbox, message_id).partition(b"\r\n\r\n")[0].decode()
        [found] = [line for line in head.split("\r\n") if line.lower().startswith("message-id:")]
        return found.partition(":")[2].strip(" <>")

    def settle(self, mailboxes: Collection[str] = (UWE, CARLA)) -> None:
        """Until every mail of these has its outcome, and no step waits."""
        ids = {one.id for mailbox in mailboxes for one in self.stage.gmail.dump(mailbox).messages}
        assert wait_for(lambda: not self.open_mails(ids)), self.open_mails(ids)

    def open_mails(self, ids: Collection[str]) -> list[str]:
        """Those that have no outcome, or of which something is to be done."""
        ended = {row.message_id for row in self.rows(_ENDED)}
        waiting = {row.message_id for row in self.rows(_WAITING)}
        return sorted((set(ids) - ended) | waiting)

    def held(self) -> list[Held]:
        """All conversations, the first begun first."""
        found = self.rows(_CONVERSATIONS)
        return [
            Held(
                row.contact_id,
                tuple(sorted(m.rfc_message_id for m in self.rows(_MAILS) if m.conversation_id == row.id)),
            )
            for row in found
        ]

    def ask(self, *words: str) -> Any:
        """What a command answers, as JSON."""
        return json.loads(self.stage.run(*words, "--json"))

    def rows(self, query: Any) -> list[Any]:
        with closing_engine(self.stage) as engine, engine.connect() as db:
            return list(db.execute(query))

    def check(self, *expected: Collection[str]) -> None:
        """These are conversations of Ann's. Every mail is kept once, lies in a conversation that is there, and each
        conversation knows how many it has."""
        held = {one.mails for one in self.held() if one.contact_id == "ann"}
        assert {tuple(sorted(one)) for one in expected} <= held
        kept = self.rows(_MAILS)
        assert len({row.rfc_message_id for row in kept}) == len(kept)
        counted: dict[str, int] = {}
        for row in kept:
            counted[row.conversation_id] = counted.get(row.conversation_id, 0) + 1
        assert {row.id: row.mails for row in self.rows(_CONVERSATIONS)} == counted
        sources = self.rows(select(mail_sources))
        assert {row.mail_id for row in sources} == {row.id for row in kept}
        self._check_objects(kept)

    def _check_objects(self, kept: Collection[Any]) -> None:
        """Each mail and each file has its content; no object lies there that no row knows of."""
        those = self.rows(select(files))
        assert {row.state for row in those} <= {"kept"}
        named = {row.object for row in (*kept, *those)}
        assert None not in named
        rows = self.rows(select(objects))
        assert {row.name for row in rows if row.used} == named
        stored = {file.name for file in self.objects.glob("??/*")}
        assert named <= stored <= {row.name for row in rows}


_ENDED = select(decisions.c.message_id).where(decisions.c.outcome.is_not(None))
_WAITING = select(steps.c.message_id).where(steps.c.state.in_(("waiting", "blocked")))
_MAILS = select(mails)
_CONVERSATIONS = select(conversations).order_by(conversations.c.started_at, conversations.c.id)


def letter(
    sender: str, to: str, message_id: str, *, answers: str = "", cc: str = "", subject: str = "The offer"
) -> bytes:
    """A plain mail."""
    lines = [
        f"From: {sender}",
        f"To: {to}",
        *([f"Cc: {cc}"] if cc else []),
        f"Subject: {subject}",
        "Date: Sun, 15 Mar 2026 10:00:00 +0100",
        f"Message-ID: <{message_id}>",
        *([f"In-Reply-To: <{answers}>", f"References: <{answers}>"] if answers else []),
    ]
    return "\r\n".join([*lines, "", "How much is it?", ""]).encode()


def letter_with_file(sender: str, to: str, message_id: str, content: bytes) -> bytes:
    """A mail with a file."""
    head = [
        f"From: {sender}",
        f"To: {to}",
        "Subject: With a file",
        "Date: Sun, 15 Mar 2026 10:00:00 +0100",
        f"Message-ID: <{message_id}>",
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=b",
    ]
    text = ["--b", "Content-Type: text/plain", "", "Here it is."]
    file = [
        "--b",
        "Content-Type: application/octet-stream; name=plan.bin",
        "Content-Disposition: attachment; filename=plan.bin",
        "Content-Transfer-Encoding: base64",
        "",
        base64.encodebytes(content).decode().replace("\n", "\r\n"),
    ]
    return "\r\n".join([*head, "", *text, *file, "--b--", ""]).encode()


@contextmanager
def talking(stage: Stage, *names: str) -> Iterator[Talk]:
    """With these processes."""
    fleet = Fleet(stage)
    with stage:
        with closing_engine(stage) as engine:
            crm(engine)
            with engine.begin() as db:
                for contact_id, user_id in (("ann", "uwe"), ("cid", "carla")):
                    one = contacts.c.id == contact_id
                    db.execute(update(contacts).where(one).values(assigned_to=user_id))
        stage.connect("uwe", UWE, "--sync")
        stage.connect("carla", CARLA, "--sync")
        stage.gmail.push(interval=0.1)
        for name in names:
            fleet.start(name)
        try:
            yield Talk(stage, fleet)
        finally:
            fleet.close()
