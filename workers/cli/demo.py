"""The demo, and a person's own mail through the whole product: `lodestone demo`."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from domain.mail.addresses import canonical
from workers.cli.terminal.output import Json, fail, show_json

if TYPE_CHECKING:
    from workers.demo.replay import Wish

WORTH_SAYING = 100 << 20
"""Bytes from which on a file is said to be read first, because it takes a while."""


class Mode(StrEnum):
    """What is done with a person's own mail."""

    LIVE = "live"
    SYNC = "sync"


def _option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, rich_help_panel="A person's own mail")


def demo(
    mbox: Annotated[
        Path | None, _option("--mbox", "A Google Takeout mbox, a list archive, any mbox.")
    ] = None,
    contacts: Annotated[Path | None, _option("--contacts", "CSV as of `crm import`.")] = None,
    deals: Annotated[Path | None, _option("--deals", "CSV as of `crm import`.")] = None,
    users: Annotated[Path | None, _option("--users", "CSV as of `crm import`.")] = None,
    mailbox: Annotated[
        str | None, _option("--mailbox", "Whose mail it is; else the commonest Delivered-To or To address.")
    ] = None,
    now: Annotated[
        str | None, _option("--now", "The moment to evaluate 'this month' for: 2026-03-15T12:00:00Z")
    ] = None,
    time_zone: Annotated[
        str | None, _option("--time-zone", "Where it is this month: Europe/Berlin; else UTC.")
    ] = None,
    quota: Annotated[bool, _option("--quota", "Gmail's limits are enforced, not only counted.")] = False,
    mode: Annotated[
        Mode, _option("--mode", "live: MailMagnet and sorting. sync: mail is kept in conversations.")
    ] = Mode.LIVE,
    report: Annotated[Path | None, _option("--report", "Where to write one JSON line per mail.")] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="A new or empty folder for database, logs and Redis.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the whole product on this machine, on about 200 mails written for it, or with --mbox on your own.

    Needs nothing: a local Google, Redis and the processes of the Procfile are started and ended again. Ends with
    0 when all went as the rules say and no word of any mail was found in anything that is kept, else 1.
    With --mbox: 0 when every mail has an outcome and nothing that may be a mail was left out, nor anything of the
    CRM's files; 2 when a file cannot be used. With --mode sync each line of the report also names the mail's
    conversation and the contact who owns it, and contacts whom the file assigns to nobody are the user's.

    Example: `lodestone demo`

    Example: `lodestone demo --mbox mail.mbox --contacts contacts.csv --deals deals.csv --report report.jsonl`
    """
    if mbox is None:
        if any((contacts, deals, users, mailbox, now, time_zone, quota, report, mode is Mode.SYNC)):
            fail("--mbox is missing: the other options are about a person's own mail", code=2)
        good = _show(keep, as_json=as_json)
    else:
        from workers.demo.replay import Wish

        if contacts is None or deals is None or report is None:
            fail("--mbox needs --contacts, --deals and --report", code=2)
        wish = Wish(
            mbox,
            contacts,
            deals,
            users,
            _address(mailbox),
            _moment(now),
            _zone(time_zone),
            quota,
            report,
            sync=mode is Mode.SYNC,
        )
        good = _replay(wish, keep, as_json=as_json)
    raise typer.Exit(0 if good else 1)


def _show(keep: Path | None, *, as_json: bool) -> bool:
    from workers.demo.run import run_demo
    from workers.demo.screen import Screen

    screen = Screen(aside=as_json)
    with _folder(keep) as folder:
        summary = run_demo(folder.path, screen)
        summary.show(screen)
        folder.needed = not summary.good
    if as_json:
        show_json(summary.as_json())
    return summary.good


def _replay(wish: "Wish", keep: Path | None, *, as_json: bool) -> bool:
    from workers.demo.mbox import NoMbox
    from workers.demo.replay import replay, survey
    from workers.demo.screen import Screen

    for file in filter(None, (wish.mbox, wish.contacts, wish.deals, wish.users)):
        _check_readable(file)
    screen = Screen(aside=as_json)
    try:
        if wish.mbox.stat().st_size > WORTH_SAYING:
            screen.step(f"looking through {wish.mbox}")
        found = survey(wish.mbox)
    except NoMbox as error:
        fail(f"{wish.mbox} {error}", code=2)
    address = wish.mailbox or found.mailbox
    if address is None:
        fail(f"{wish.mbox} names no recipient: say with --mailbox whose mail it is", code=2)
    _check_writable(wish.report)
    with _folder(keep) as folder:
        result = replay(wish, found, address, folder.path, screen)
        result.show(screen, wish.report)
        folder.needed = bool(result.unfinished)
    if as_json:
        show_json(result.as_json())
    return result.good


class _Folder:
    """The folder that the demo runs in. `needed`: it is kept at the end."""

    def __init__(self, path: Path, *, needed: bool) -> None:
        self.path = path
        self.needed = needed


@contextmanager
def _folder(keep: Path | None) -> Iterator[_Folder]:
    """A new folder for the demo. An error is printed in one line, and the folder is kept."""
    from infra.local.gmail import ControlError
    from infra.local.ports import LocalServerError
    from workers.demo.show import Interrupted
    from workers.demo.stage import CommandFailed

    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        fail(f"{keep} is not an empty folder: name a new one", code=2)
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    folder = _Folder(
        keep.absolute() if keep else Path(tempfile.mkdtemp(prefix="lodestone-demo-")), needed=False
    )
    signal.signal(signal.SIGTERM, _end)
    try:
        yield folder
    except (CommandFailed, Interrupted, LocalServerError, ControlError, ConnectionError) as error:
        folder.needed = True
        code = error.code if isinstance(error, CommandFailed) else 1
        fail(str(error).removeprefix("lodestone: "), code=code)
    finally:
        if keep is None and not folder.needed:
            shutil.rmtree(folder.path, ignore_errors=True)


def _end(number: int, frame: object) -> None:
    """SIGTERM ends everything as cleanly as Ctrl-C does."""
    sys.exit(128 + number)


def _check_readable(file: Path) -> None:
    try:
        with file.open("rb"):
            return
    except OSError as error:
        fail(f"{file}: {(error.strerror or 'cannot be read').lower()}", code=2)


def _check_writable(file: Path) -> None:
    try:
        with file.open("a"):
            return
    except OSError as error:
        fail(f"{file}: {(error.strerror or 'cannot be written').lower()}", code=2)


def _address(text: str | None) -> str | None:
    address = canonical(text) if text is not None else None
    if text is not None and address is None:
        fail(f"--mailbox {text} is no address", code=2)
    return address


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--now {text} is no ISO 8601 time; 2026-03-15T12:00:00Z is one", code=2)
    if moment.tzinfo is None:
        fail(f"--now {text} has no zone; 2026-03-15T12:00:00Z has one", code=2)
    return moment.astimezone(UTC)


def _zone(text: str | None) -> str | None:
    try:
        return text and ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        fail(f"--time-zone {text} is no time zone; Europe/Berlin is one", code=2)


def add_to(app: typer.Typer) -> None:
    app.command()(demo)
