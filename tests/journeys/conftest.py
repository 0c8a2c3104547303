"""A running world for the journeys, once on SQLite and once on PostgreSQL."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import grpc
import pytest
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from sqlalchemy import select, update

from domain.ledger import BATCH_SIZE
from infra.db.sql import upsert
from infra.db.tables.connections import connections
from infra.db.tables.mail import decisions
from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now
from infra.local.gmail.control.client import Mail
from infra.local.postgres import fresh_database
from tests.journeys.fleet import Fleet, ForkedStage
from tests.journeys.talk import Talk, talking
from tests.journeys.world import (
    EXPECTED,
    IMPATIENT,
    OPEN,
    SENDERS,
    UWE,
    Ending,
    closing_engine,
    crm,
    deliver,
    mail,
    missing,
    wait_for,
)
from workers.demo.receiver import Receiver
from workers.demo.stage import PROCESSES, Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """A world, Lodestone's processes in it, and what can happen there; each method returns its mails."""

    stage: Stage
    fleet: Fleet
    receiver: Receiver

    def mail(self) -> dict[str, str]:
        return deliver(self.stage, SENDERS)

    def many_mails(self) -> dict[str, str]:
        return deliver(self.stage, ("ann",) * 12)

    def burst(self) -> dict[str, str]:
        """More than one slice, in one push."""
        self.stage.gmail.push(lost=True)
        raw = mail("ann", 0)
        sent = self.stage.gmail.deliver_many(Mail(UWE, raw) for _ in range(2 * BATCH_SIZE))
        self.stage.gmail.push(lost=False)
        return {one.id: "ann" for one in sent} | deliver(self.stage, ("ann",))

    def expired_history(self) -> dict[str, str]:
        sent = self.mail()
        self.stage.gmail.expire_history(UWE)
        return sent

    def expired_token(self) -> dict[str, str]:
        self.stage.gmail.expire_access_tokens(UWE)
        return self.mail()

    def limit(self) -> dict[str, str]:
        self.stage.gmail.fault("429", ["history.list"], times=1)
        return self.mail()

    def limited_get(self) -> dict[str, str]:
        self.stage.gmail.fault("403.userRateLimitExceeded", ["messages.get"], times=1)
        return self.mail()

    def slow_get(self) -> dict[str, str]:
        """Longer than the third of a lease."""
        self.stage.gmail.fault("slow", ["messages.get"], delay=0.45, times=2)
        return self.mail()

    def slow_history(self) -> dict[str, str]:
        """Longer than the third of a turn's time."""
        self.stage.gmail.fault("slow", ["history.list"], delay=0.45, times=2)
        return self.mail()

    def deleted_label(self) -> dict[str, str]:
        for label_id, name in self.stage.gmail.dump(UWE).labels.items():
            if name == "Open Deals":
                self.stage.gmail.delete_label(UWE, label_id)
        return self.mail()

    def hidden_label(self) -> dict[str, str]:
        """Gmail says that a label is there which it does not show."""
        self.stage.gmail.fault("409", ["labels.create"], times=1)
        return self.deleted_label()

    def other_category(self) -> dict[str, str]:
        """Cid answers in a thread whose earlier mails we had put under another label than he gets now (E47)."""
        old = int(time.time() - 3600) * 1000
        thread = None
        earlier = []
        for _ in range(12):
            one = self.stage.gmail.deliver(UWE, mail("cid", 0), internal_date=old, thread_id=thread)
            thread = one.thread_id
            earlier.append(one.id)
        label = next(i for i, name in self.stage.gmail.dump(UWE).labels.items() if name == OPEN)
        with closing_engine(self.stage) as engine, engine.begin() as db:
            [connection] = db.execute(select(connections.c.id, connections.c.mailbox_id))
            now = db.scalar(select(db_now()))
            labelled = {
                "connection_id": connection.id,
                "mailbox_id": connection.mailbox_id,
                "outcome": "label.open",
                "contact_id": "cid",
                "author": "cid@example.com",
                "category": "OPEN",
                "changed": {"added": [label], "removed": []},
                "changed_at": now,
                "decided_at": now,
            }
            upsert(db, decisions, [labelled | {"message_id": message_id} for message_id in earlier])
        self.stage.gmail.change_labels(UWE, earlier, add=[OPEN])
        return {self.stage.gmail.deliver(UWE, mail("cid", 0), thread_id=thread).id: "cid"}

    def watch_due(self) -> dict[str, str]:
        """The daily look, three days after the last renewal."""
        with closing_engine(self.stage) as engine, engine.begin() as db:
            renewed_at = db_now(-3 * 86_400)
            db.execute(update(mailboxes).values(watch_due_at=db_now(), watch_renewed_at=renewed_at))
        return self.mail()

    def nothing_happens(self) -> dict[str, str]:
        """A sweep finds a mailbox in which all has settled."""
        point, now = str(self.stage.gmail.dump(UWE).history_id), db_now()
        settled = {"cursor": point, "settled_cursor": point, "settling_cursor": point}
        with closing_engine(self.stage) as engine, engine.begin() as db:
            db.execute(update(mailboxes).values(settled | {"settling_at": now, "sync_due_at": now}))
        return {}

    def overlooked_mail(self) -> dict[str, str]:
        """History never tells of it, and the mailbox's list is to be compared with the ledger."""
        self.stage.gmail.fault("history_drop", mailbox=UWE)
        with closing_engine(self.stage) as engine, engine.begin() as db:
            db.execute(update(mailboxes).values(compare_due_at=db_now()))
        return self.mail()

    def publish(self, data: bytes) -> None:
        """As anybody with the right to publish could."""
        host = self.stage.environment["PUBSUB_EMULATOR_HOST"]
        with grpc.insecure_channel(host) as channel:
            publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
            request = {
                "topic": "projects/lodestone/topics/gmail",
                "messages": [{"data": data, "attributes": {"a": "b"}}],
            }
            publisher.publish(request=request)

    def log(self, process: str) -> str:
        """All that a process has logged so far."""
        file = self.stage.logs / f"{process}.log"
        return file.read_text() if file.exists() else ""

    def check(self, sent: dict[str, str]) -> None:
        """Every mail came to its one end, in the ledger and in Gmail."""
        assert wait_for(lambda: not missing(self.stage, sent)), missing(self.stage, sent)
        Ending(self.stage).check(sent)
        self.check_told(sent)

    def check_told(self, sent: dict[str, str]) -> None:
        """The receiver outside was told of every announced mail, however often by one id (I2)."""
        due = {message_id for message_id, sender in sent.items() if "magnet.notified" in EXPECTED[sender][0]}
        assert wait_for(lambda: due <= self.told().keys()), due - self.told().keys()
        assert [i for i, ids in self.told().items() if len(ids) > 1] == []
        assert self.told().keys() & (sent.keys() - due) == set()
        assert self.receiver.unsigned == 0

    def told(self) -> dict[str, set[str]]:
        """Event ids by the mail they tell of."""
        found: dict[str, set[str]] = {}
        for event in self.receiver.taken:
            if "subject" in event:
                found.setdefault(event["subject"], set()).add(event["id"])
        return found


PUSH_INTERVAL = 0.1
"""Not Gmail's second, for which every kill would wait; chaos keeps it."""

ON_SQLITE = pytest.mark.parametrize("scene", ["sqlite"], indirect=True)
"""For what goes away beside the database."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A world with a connected mailbox and healthy processes."""
    folder = tmp_path_factory.mktemp("stage")
    if request.param == "sqlite":
        yield from playing(ForkedStage(folder, **IMPATIENT), *PROCESSES)
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield from playing(ForkedStage(folder, database_url=url, **IMPATIENT), *PROCESSES)


def playing(stage: Stage, *names: str) -> Iterator[Scene]:
    """With these processes."""
    fleet = Fleet(stage)
    with stage, Receiver() as receiver:
        with closing_engine(stage) as engine:
            crm(engine)
        stage.connect("uwe", UWE, "--magnet", "--sorting")
        stage.gmail.push(interval=PUSH_INTERVAL)
        made = stage.run("channels", "add", "--webhook", receiver.url, "--json")
        receiver.secrets.append(json.loads(made)["secret"])
        for name in names:
            fleet.start(name)
        scene = Scene(stage, fleet, receiver)
        try:
            assert wait_for(lambda: all("process.started" in scene.log(name) for name in names))
            yield scene
        finally:
            fleet.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def talk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """A world with two-way sync and healthy processes."""
    folder = tmp_path_factory.mktemp("talk")
    processes = ("dispatcher", "worker", "sweep")
    if request.param == "sqlite":
        with talking(ForkedStage(folder, **IMPATIENT), *processes) as talk:
            yield talk
        return
    with (
        fresh_database(request.getfixturevalue("postgres_server")) as url,
        talking(ForkedStage(folder, database_url=url, **IMPATIENT), *processes) as talk,
    ):
        yield talk
