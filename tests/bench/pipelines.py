"""What is measured: the textbook pipeline and ours on either database, each on a stage of its own."""

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from redis import Redis
from sqlalchemy import func, select

from infra.db.store import open_engine
from infra.db.tables.conversations import mails
from infra.db.tables.mail import decisions
from infra.local.ports import ServerProcess, wait_until
from infra.local.postgres import own_postgres
from tests.bench.meter import Meter, cpu_of
from tests.bench.textbook import ROLES, watched
from tests.journeys.world import crm
from workers.demo.stage import PROCESSES, Stage

TEXTBOOK, SQLITE, POSTGRESQL = "textbook", "sqlite", "postgresql"
NAMES = (TEXTBOOK, SQLITE, POSTGRESQL)

QUIET_SECONDS = 2.0
QUIET_SHARE = 0.1
START_SECONDS = 120.0


class Pipeline(ABC):
    """A pipeline on its stage. `beside` are the servers that it uses and that are nobody's own; `synced` are mailboxes
    with two-way sync."""

    processes: Sequence[str]

    def __init__(self, name: str, stage: Stage, database_pid: int | None = None) -> None:
        self.name = name
        self.stage = stage
        self.boxes: list[str] = []
        self.synced: list[str] = []
        self.sent = 0
        info = Redis.from_url(stage.redis.url).info("server")
        self.beside = {
            "redis": int(info["process_id"]),
            **{name: stage.servers[name].pid for name in ("gmail", "pubsub")},
            **({"database": database_pid} if database_pid else {}),
        }

    @abstractmethod
    def connect(self, boxes: Iterable[str]) -> None:
        """New mailboxes, watched."""

    @abstractmethod
    def start(self) -> None:
        """All its processes."""

    @abstractmethod
    def done(self) -> int:
        """How many mails it is through with, those of before counted."""

    @property
    def pids(self) -> dict[str, int]:
        """Its own processes."""
        return {name: self.stage.servers[name].pid for name in self.processes}

    def meter(self) -> Meter:
        """For its processes and what they ask of Gmail."""
        return Meter(self.stage.gmail, self.pids, self.beside)

    def is_quiet(self) -> bool:
        """Whether its processes do next to nothing; looks on for two seconds."""
        before = sum(cpu_of(self.pids).values())
        wait_until(lambda: False, seconds=QUIET_SECONDS)
        return sum(cpu_of(self.pids).values()) - before < QUIET_SHARE * QUIET_SECONDS

    def await_quiet(self) -> None:
        """Until what it began has been done."""
        wait_until(self.is_quiet, seconds=START_SECONDS)


class Ours(Pipeline):
    """Lodestone's processes with the small CRM of the journeys."""

    processes = PROCESSES

    def __init__(self, name: str, stage: Stage, database_pid: int | None = None) -> None:
        super().__init__(name, stage, database_pid)
        self._engine = open_engine(stage.database_url)
        crm(self._engine)

    def connect(self, boxes: Iterable[str]) -> None:
        with self.stage.shell() as shell:
            for box in boxes:
                self.boxes.append(box)
                words = self.stage.sign_in(box.partition("@")[0], box)
                shell.run("connect", *words, "--magnet", "--sorting")

    def connect_synced(self, boxes: Iterable[str]) -> None:
        """New mailboxes with two-way sync: all that contacts write to them is kept."""
        with self.stage.shell() as shell:
            shell.run("settings", "set", "assignment-inbound", "off")
            for box in boxes:
                self.synced.append(box)
                shell.run("connect", *self.stage.sign_in(box.partition("@")[0], box), "--sync")

    def kept(self) -> int:
        """How many mails are kept with what they say."""
        with self._engine.connect() as db:
            return int(db.scalar(select(func.count()).where(mails.c.object.is_not(None))) or 0)

    def bytes_on_disk(self) -> int:
        """What the database and the objects take."""
        objects = self.stage.folder / "objects"
        stored = sum(_blocks(file) for file in objects.rglob("*") if file.is_file())
        if self._engine.dialect.name == "postgresql":
            with self._engine.connect() as db:
                return stored + int(db.scalar(select(func.pg_database_size(func.current_database()))) or 0)
        file = Path(self._engine.url.database or "")
        return stored + sum(
            _blocks(one) for one in (file, file.with_name(f"{file.name}-wal")) if one.exists()
        )

    def start(self) -> None:
        self.stage.start()

    def done(self) -> int:
        ended = select(func.count()).select_from(decisions).where(decisions.c.outcome.is_not(None))
        with self._engine.connect() as db:
            return int(db.scalar(ended) or 0)

    def close(self) -> None:
        """Its look at the database."""
        self._engine.dispose()


def _blocks(file: Path) -> int:
    """What the file takes on the disk."""
    return file.stat().st_blocks * 512


class Textbook(Pipeline):
    """The yardstick's two processes. What they know of the mailboxes stands in a file, read at their start."""

    processes = ROLES

    def __init__(self, name: str, stage: Stage) -> None:
        super().__init__(name, stage)
        self._grants: dict[str, dict[str, Any]] = {}

    def connect(self, boxes: Iterable[str]) -> None:
        root = self.stage.gmail.base_url + "/"
        for box in boxes:
            self.boxes.append(box)
            self._grants[box] = watched(root, self.stage.gmail.create_mailbox(box))

    def start(self) -> None:
        place = self.stage.folder / "textbook.json"
        place.write_text(json.dumps({"root": self.stage.gmail.base_url + "/", "mailboxes": self._grants}))
        environment = self.stage.environment | {"TEXTBOOK": str(place), "REDIS": self.stage.redis.url}
        for role in ROLES:
            words = [sys.executable, "-m", "tests.bench.textbook", role]
            log = self.stage.logs / f"{role}.log"
            self.stage.servers[role] = ServerProcess(words, log=log, environment=environment)

    def done(self) -> int:
        return self.stage.gmail.counters().calls_of("messages.modify")


@contextmanager
def opened(names: Iterable[str]) -> Iterator[list[Pipeline]]:
    """These pipelines, each with servers of its own; nothing is connected or started yet."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="lodestone-bench-")))
        yield [_open(name, folder, stack) for name in names]


def _open(name: str, folder: Path, stack: ExitStack) -> Pipeline:
    url = pid = None
    if name == POSTGRESQL:
        server = stack.enter_context(own_postgres(folder / "server"))
        url = server.url
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
    # A receiver on this machine is a private address.
    stage = stack.enter_context(Stage(folder / name, database_url=url, channels_may_be_private="true"))
    if name == TEXTBOOK:
        return Textbook(name, stage)
    ours = Ours(name, stage, pid)
    stack.callback(ours.close)
    return ours
