"""`lodestone demo`: everything set up by itself, two hundred mails, what becomes of each, and the summary."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from redis import Redis

from workers.demo import accounts, authors, browser, cases, copies, endings, kinds, latency
from workers.demo.canary import Canaries, Proof, Search, self_test
from workers.demo.ledger import Ledger
from workers.demo.letters import Letter, Pen
from workers.demo.outside import look_outside
from workers.demo.people import (
    BY_ID,
    CARLA,
    DOMAIN,
    DRY,
    EXCLUDED,
    NOTHING,
    PEOPLE,
    TEAM,
    TIME_ZONE,
    UWE,
    UWE_ALIAS,
    write_crm,
)
from workers.demo.receiver import Receiver
from workers.demo.scenes import trouble
from workers.demo.screen import Screen
from workers.demo.shell import Shell
from workers.demo.show import Sent, Show
from workers.demo.stage import PROCESSES, Stage
from workers.demo.start import start_processes
from workers.demo.summary import Summary, sum_up

SWEEP_AFTER = 6
"""Seconds from one sync of a mailbox to its sweep, in place of nine minutes: nobody would watch for that long."""

RUSH = 60
CONNECTED: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(TEAM, ("--magnet", "--sorting")),
    CARLA: ("--magnet",),
    DRY: ("--magnet", "--sorting", "--dry-run"),
    NOTHING: (),
}
"""The mailboxes that are connected with a token file before the first mail, and how."""

ACTS: Sequence[tuple[str, Callable[[Pen], list[Letter]]]] = (
    ("Categories and matching (D9, D5): nothing to sort, or nobody we know", cases.contacts_and_strangers),
    ("The gate (D3)", kinds.gates),
    ("Who wrote it to whom (D4)", kinds.directions),
    ("Who is told (D11)", cases.addressed),
    ("The user's own order comes first (D10)", cases.filtered),
    ("Automated mail (D16)", kinds.classes),
    ("Lists that rewrite From (E100)", authors.rewritten),
    ("Authors who cannot be told (E105)", authors.uncertain),
    ("Other settings: MailMagnet only, a dry run, nothing at all", cases.elsewhere),
)


def run_demo(folder: Path, screen: Screen) -> Summary:
    """Set up, play, prove, and clean up; what stays is in the folder."""
    began = datetime.now(UTC)
    today = began.astimezone(ZoneInfo(TIME_ZONE)).date()
    settings = {"sweep_due_after": str(SWEEP_AFTER), "sweep_tick": "1", "redrive_after": "10"}
    settings["channels_may_be_private"] = "true"
    screen.step("starting Redis, Pub/Sub and Gmail on this machine, and a database")
    with Receiver() as receiver, Stage(folder, as_of=began.isoformat(), **settings) as stage:
        stage.make_oauth_client()
        stage.keep_settings()
        with _shell(stage) as shell, closing(Ledger(stage.database_url)) as ledger:
            _set_up(stage, shell, screen, write_crm(folder, today))
            made = shell.run("channels", "add", "--webhook", receiver.url, "--json")
            receiver.secrets.append(made.value["secret"])
            screen.step(f"starting {', '.join(PROCESSES)} under honcho, and waiting for a first sweep")
            watched = [ledger.mailbox_id(box) or 0 for box in (*TEAM, CARLA, DRY)]
            start_processes(stage, ledger, watched, calm=True)
            return _play(Show(stage, ledger, screen, shell), receiver)


def _shell(stage: Stage) -> Shell:
    """With a browser in it, and with all that commands log."""
    return stage.shell(BROWSER=browser.IN_PLACE, LODESTONE_LOG_LEVEL="INFO")


def _set_up(stage: Stage, shell: Shell, screen: Screen, files: tuple[Path, Path, Path]) -> None:
    contacts, deals, users = map(str, files)
    screen.step(f"taking {len(BY_ID)} contacts and leads, their deals and the users into the CRM tables")
    shell.run("crm", "import", "--contacts", contacts, "--deals", deals, "--users", users)
    shell.run("settings", "set", "time-zone", TIME_ZONE, "internal-domain", DOMAIN, "exclude", *EXCLUDED)
    screen.step(f"connecting {len(CONNECTED)} mailboxes")
    for box, options in CONNECTED.items():
        aliases = [UWE_ALIAS] if box == UWE else []
        shell.run("connect", *stage.sign_in(box.partition("@")[0], box, aliases), *options)
    for contact, label, archive in cases.FILTERS:
        stage.gmail.add_filter(UWE, BY_ID[contact].address, label, archive)


def _play(show: Show, receiver: Receiver) -> Summary:
    """All acts, then the proof while everything still runs, then the proof of what is left."""
    stage, screen = show.stage, show.screen
    set_up_seconds = time.monotonic() - screen.began
    pen = Pen(Canaries())
    screen.heading("One at a time, each on an idle queue: what a user feels")
    alone = [sent for letter in cases.one_at_a_time(pen) for sent in show.play([letter])]
    together: list[Sent] = []
    for title, write in ACTS:
        screen.heading(title)
        together += show.play(write(pen))
    screen.heading("Hostile mail (E42, E102)")
    for letter in authors.hostile(pen):
        show.play([letter])
    trouble(show, pen)
    screen.heading(f"A rush: {RUSH} mails at once into {len(TEAM) - 1} mailboxes")
    together += show.play(cases.rush(pen, RUSH))
    counters, handled = stage.gmail.counters(), len(show.sent)
    accounts.join(show, pen)
    endings.leave(show, pen, receiver)
    copies.keep(show, pen, Pen(Canaries()))
    announced = show.judge_notifications()
    show.judge_unconnected(NOTHING)
    left = look_outside(show, receiver, Search(pen.canaries.words))
    moments = latency.labelled_at(stage.logs / "worker.log")
    proof = _prove(stage, pen.canaries)
    return sum_up(
        show,
        handled=handled,
        alone=latency.measure(alone, moments),
        together=latency.measure(together, moments),
        counters=counters,
        announced=announced,
        left=left,
        proof=proof,
        seconds=(set_up_seconds, time.monotonic() - screen.began - set_up_seconds),
        folder=stage.folder,
    )


def _prove(stage: Stage, canaries: Canaries) -> Proof:
    """The words of all mails against everything that is kept, while it is open and once more when closed.

    The database knows contacts' addresses, as it must; logs and Redis have no business to. What strangers have
    published lies in Pub/Sub's own folder: that is Google's.
    """
    search, known = Search(canaries.words), Search([email for person in PEOPLE for email in person.emails])
    tested = self_test(canaries.words, stage.folder)
    with Redis.from_url(stage.redis.url) as redis:
        proof = search.in_redis(redis)
        proof.found += known.in_redis(redis).found
    proof.add(search.in_folder(stage.folder, but=stage.pubsub_folder))
    stage.stop("supervisor")
    proof.add(search.in_folder(stage.folder, but=stage.pubsub_folder))
    for place in (stage.logs, stage.redis_folder):
        proof.found += known.in_folder(place).found
    proof.tested = tested
    return proof
