"""A person's own mail through the whole product: delivered in order, never far ahead of the work, and reported."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, update

from domain.mail.folders import Folder
from domain.mail.headers import Fields
from domain.mail.messages import Fetched, Part, read
from infra.db.store import open_engine
from infra.db.tables.crm import contacts
from infra.local.gmail import ControlError
from infra.local.gmail import Mail as Delivery
from workers.demo.ledger import Ledger, MailEnding
from workers.demo.mbox import Lines, Mail, find_separator, read_mbox
from workers.demo.report import Report, Row
from workers.demo.result import Result
from workers.demo.screen import Progress, Screen
from workers.demo.show import Interrupted
from workers.demo.stage import CommandFailed, Stage
from workers.demo.start import start_processes
from workers.demo.takeout import Addressees, Labels, read_fields

USER = "owner"
CHUNK_MAILS, CHUNK_BYTES = 100, 8 << 20
MOST_UNDONE = 1_000
LOOK_EVERY = 0.2
PATIENCE, PATIENCE_WITH_QUOTA = 120.0, 300.0
"""Seconds without any progress after which the mails that wait are given up."""

SETTINGS = {"sweep_due_after": "3", "sweep_tick": "1", "redrive_after": "15"}
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wish:
    """The options of `lodestone demo --mbox`. `mailbox` is in its exact form; `now` sets only D9's date, which is the
    date in `time_zone`. `sync`: the mailbox is connected for two-way sync."""

    mbox: Path
    contacts: Path
    deals: Path
    users: Path | None
    mailbox: str | None
    now: datetime | None
    time_zone: str | None
    quota: bool
    report: Path
    sync: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first look at the file shows. `inside` and `doubtful` as of each mail."""

    mails: int
    mailbox: str | None
    inside: Lines
    doubtful: Lines


def survey(mbox: Path) -> Survey:
    """How many mails there are, and whose. Raises NoMbox."""
    mails, addressees = 0, Addressees()
    inside = doubtful = Lines()
    for mail in read_mbox(mbox, find_separator(mbox)):
        mails += 1
        addressees.add(read_fields(mail.raw))
        inside += mail.inside
        doubtful += mail.doubtful
    return Survey(mails, addressees.commonest(), inside, doubtful)


def replay(wish: Wish, found: Survey, mailbox: str, folder: Path, screen: Screen) -> Result:
    """Everything from the start to the report. Raises CommandFailed, Interrupted."""
    result = Result(mailbox, inside=found.inside, doubtful=found.doubtful)
    as_of = {"as_of": wish.now.isoformat()} if wish.now else {}
    screen.step(f"{found.mails:,} mails of {mailbox}; starting Redis, Pub/Sub and Gmail on this machine")
    with wish.report.open("w", encoding="utf-8") as file, Stage(folder, **SETTINGS, **as_of) as stage:
        if wish.time_zone:
            stage.run("settings", "set", "time-zone", wish.time_zone)
        _take_in_crm(stage, wish, result, screen)
        if wish.sync:
            _assign(stage)
            screen.step("connecting the mailbox for two-way sync, starting Lodestone")
            stage.connect(USER, mailbox, "--sync")
        else:
            screen.step("connecting the mailbox with MailMagnet and sorting on, starting Lodestone")
            stage.connect(USER, mailbox, "--magnet", "--sorting")
        ledger = Ledger(stage.database_url)
        try:
            mailbox_id = ledger.mailbox_id(mailbox)
            if mailbox_id is None:
                raise CommandFailed(f"{mailbox} could not be connected; see {stage.logs}")
            start_processes(stage, ledger, [mailbox_id], calm=False)
            stage.gmail.quota(enforced=wish.quota)
            began = time.monotonic()
            report = Report(file, stage.gmail, mailbox, sync=wish.sync)
            feed = _Feed(stage, ledger, mailbox_id, report, result, quota=wish.quota)
            with Progress(screen, found.mails) as progress:
                feed.run(_chunks(wish.mbox), progress)
            counters, result.own_labels = stage.gmail.counters(), feed.labels.own
        finally:
            ledger.close()
        result.seconds = time.monotonic() - began
        result.units, result.http_requests = counters.units, counters.http_requests
    return result


def _take_in_crm(stage: Stage, wish: Wish, result: Result, screen: Screen) -> None:
    """What is refused is told and left out; files that cannot be used end it."""
    words = ["--contacts", str(wish.contacts.absolute()), "--deals", str(wish.deals.absolute())]
    words += ["--users", str(wish.users.absolute())] if wish.users else []
    screen.step("taking contacts, deals and users into the CRM tables")
    answer = stage.ask("crm", "import", *words)
    if answer.code != 1 or not answer.out:
        answer.good()
    result.refused_rows = answer.code == 1
    screen.say(answer.out.rstrip())


def _assign(stage: Stage) -> None:
    """Contacts whom the file assigns to nobody are the mailbox's user's, so that they may begin conversations (D7 row
    8)."""
    engine = open_engine(stage.database_url)
    with engine.begin() as db:
        db.execute(
            update(contacts).where(func.coalesce(contacts.c.assigned_to, "") == "").values(assigned_to=USER)
        )
    engine.dispose()


def _chunks(mbox: Path) -> Iterator[list[Mail]]:
    """Some mails at a time, bounded in number and size."""
    chunk: list[Mail] = []
    for mail in read_mbox(mbox, find_separator(mbox)):
        if chunk and (
            len(chunk) >= CHUNK_MAILS or sum(len(m.raw) for m in chunk) + len(mail.raw) > CHUNK_BYTES
        ):
            yield chunk
            chunk = []
        chunk.append(mail)
    if chunk:
        yield chunk


class _Feed:
    """Delivers while less than MOST_UNDONE mails wait, and hands over to the report what has ended, in order."""

    def __init__(
        self, stage: Stage, ledger: Ledger, mailbox_id: int, report: Report, result: Result, *, quota: bool
    ) -> None:
        self._stage = stage
        self._ledger = ledger
        self._mailbox_id = mailbox_id
        self._report = report
        self._result = result
        self._patience = PATIENCE_WITH_QUOTA if quota else PATIENCE
        self.labels = Labels(self._make_label)
        self._undone: dict[str, Row] = {}
        self._last_progress = time.monotonic()

    def run(self, chunks: Iterator[list[Mail]], progress: Progress) -> None:
        """Until the last mail is reported."""
        more = True
        while more or self._undone:
            if more and len(self._undone) <= MOST_UNDONE - CHUNK_MAILS:
                chunk = next(chunks, None)
                more = chunk is not None
                if chunk:
                    self._deliver(chunk)
            else:
                self._pause()
            ended = self._look()
            progress.advance(ended)
        if self._report.sync:
            self._await_quiet()
            self._look_again()
        self._report.finish()

    def _await_quiet(self) -> None:
        """Until what was refused before its conversation began is decided again, and all files are copied."""
        end = time.monotonic() + self._patience
        while not self._ledger.is_quiet(self._mailbox_id) and time.monotonic() < end:
            self._pause()

    def _look_again(self) -> None:
        """How every mail ended once all had come."""
        rows = {row.message_id: row for row in self._report.rows}
        kept = self._ledger.conversations(self._mailbox_id)
        self._result.outcomes.clear()
        for message_id, entry in self._ledger.ended(self._mailbox_id, rows).items():
            row = rows[message_id]
            row.conversation_id, row.owner = kept.get(message_id, (None, None))
            row.end(entry.outcomes, entry.contact_id, entry.author)
            self._result.outcomes[_telling(entry.outcomes)] += 1

    def _deliver(self, chunk: list[Mail]) -> None:
        rows, deliveries = [], []
        for mail in chunk:
            fields = read_fields(mail.raw)
            fetched = Fetched("", Folder.OTHER, _NO_DATE, Part("", _headers(fields)))
            author = read(fetched, frozenset({self._result.mailbox})).author
            rows.append(Row(mail.n, _first(fields.get("message-id", ())), author))
            deliveries.append(Delivery(self._result.mailbox, mail.raw, self.labels.of(fields)))
            if mail.cut:
                self._result.cut.append(mail.n)
        for row, where in zip(rows, self._stage.gmail.deliver_many(deliveries), strict=True):
            row.message_id, row.thread_id = where.id, where.thread_id
            self._undone[where.id] = row
            self._report.expect(row)
        self._result.mails += len(rows)
        self._last_progress = time.monotonic()

    def _look(self) -> int:
        """How many have ended since."""
        ended = self._ledger.ended(self._mailbox_id, self._undone)
        for message_id, entry in ended.items():
            self._end(message_id, entry)
        if ended:
            self._last_progress = time.monotonic()
        elif self._undone and time.monotonic() - self._last_progress > self._patience:
            return len(ended) + self._give_up()
        self._report.write()
        return len(ended)

    def _end(self, message_id: str, entry: MailEnding) -> None:
        row = self._undone.pop(message_id)
        row.end(entry.outcomes, entry.contact_id, entry.author)
        self._result.outcomes[_telling(entry.outcomes)] += 1

    def _give_up(self) -> int:
        """The mails that nothing became of are reported without outcome; the rest of the file goes on."""
        given_up = len(self._undone)
        for row in self._undone.values():
            row.end((), None, None)
            self._result.unfinished.append(row.n)
        self._undone.clear()
        self._last_progress = time.monotonic()
        return given_up

    def _make_label(self, name: str) -> bool:
        try:
            self._stage.gmail.change_labels(self._result.mailbox, [], add=[name])
        except ControlError:
            return False
        return True

    def _pause(self) -> None:
        if not self._stage.servers["supervisor"].is_running():
            raise Interrupted(f"a process of Lodestone has ended; see {self._stage.logs}")
        time.sleep(LOOK_EVERY)


def _telling(outcomes: Sequence[str]) -> str:
    """The word under which a mail is counted: what two-way sync has said first, else the last."""
    return outcomes[0] if outcomes[0].startswith("sync.") else outcomes[-1]


def _headers(fields: Fields) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, values in fields.items() for value in values)


def _first(values: Sequence[str]) -> str | None:
    return (values[0].strip() or None) if values else None
