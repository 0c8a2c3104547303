"""Lodestone's processes, forked from one that has imported everything: the suite needs a thousand of them.

What a fork runs stands here and not in a module of tests: with those it would import pytest each time.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import insert

from domain.mail.composition import Attachment, MailRequest
from handlers import copies
from handlers.outbox import drafts
from infra.db.tables.conversations import files
from workers.bootstrap import start
from workers.cli.app import MODULES, main
from workers.demo.stage import PROCESSES

FOREIGN = ("LODESTONE_", "DATABASE_URL", "REDIS_URL")

_forkserver = multiprocessing.get_context("forkserver")
_forkserver.set_forkserver_preload(
    [
        "tests.forks",
        *(f"workers.{name}" for name in PROCESSES),
        *(f"workers.cli.{name}" for name in MODULES),
    ]
)


CLOSED_PIPE = Path("a pipe that nobody reads")
STOPPED_PIPE = Path("a pipe whose reader has stopped")
"""In place of a log's file: what is left of `lodestone worker | head` when head is done, and of `… | less`."""


def fork_process(name: str, environment: Mapping[str, str], log: Path, doomed: str = "") -> ForkServerProcess:
    """A process of the Procfile; what it says is appended to the log. SIGUSR1 kills its thread of the name or type
    `doomed`."""
    return _fork(_process, name, environment, log, doomed)


def fork_command(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, told: Path
) -> ForkServerProcess:
    """`lodestone` with these words, in that folder; what it says stands in the files `out` and `err` of `told`."""
    return _fork(_command, words, environment, folder, told)


def fork_asker(environment: Mapping[str, str], subject: str) -> ForkServerProcess:
    """A process that asks for one mail to Ann, with its subject as the key; ends with 1 when it is told of an
    error."""
    return _fork(_ask, environment, subject)


def fork_keeper(environment: Mapping[str, str], content: bytes) -> ForkServerProcess:
    """A process that keeps a content as a file of a mail."""
    return _fork(_keep, environment, content)


def fork_remover(environment: Mapping[str, str]) -> ForkServerProcess:
    """A process that removes the objects that nothing names."""
    return _fork(_remove, environment)


def _fork(target: Callable[..., None], *args: object) -> ForkServerProcess:
    process = _forkserver.Process(target=target, args=args, daemon=True)
    process.start()
    return process


def _process(name: str, environment: Mapping[str, str], log: Path, doomed: str) -> None:
    _become(environment, log, log)
    signal.signal(signal.SIGUSR1, lambda *_: _kill_threads(doomed))
    import_module(f"workers.{name}").main()


def _kill_threads(doomed: str) -> None:
    """As an error that nobody foresaw would: each at the next thing it does."""
    for thread in threading.enumerate():
        if doomed in (thread.name, type(thread).__name__):
            threading.Thread(target=_kill, args=(thread,), daemon=True).start()


def _kill(thread: threading.Thread) -> None:
    """Again where a library has caught the first one."""
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        )
        thread.join(0.5)


def _command(words: Sequence[str], environment: Mapping[str, str], folder: Path, told: Path) -> None:
    _become(environment, told / "out", told / "err")
    os.chdir(folder)
    sys.argv = ["lodestone", *words]
    main()


def _ask(environment: Mapping[str, str], subject: str) -> None:
    _become(environment, Path(os.devnull), Path(os.devnull))
    attachment = Attachment("offer.bin", b"x" * 100_000)
    written = MailRequest("uwe", "Dear Ann.", subject, contact_id="ann", attachments=(attachment,))
    try:
        drafts.ask(written, start("cli").context, key=subject)
    except Exception:
        sys.exit(1)


def _keep(environment: Mapping[str, str], content: bytes) -> None:
    _become(environment, Path(os.devnull), Path(os.devnull))
    app = start("cli")
    kept = copies.keep(1, [content], app.context)
    with app.store.begin("tests.name") as tx:
        tx.of_organisation(1).objects.mark_used(kept)
        its = {"location_id": 1, "mail_id": "m", "part": kept[0].name, "object": kept[0].name}
        about = {"name": "a", "claimed_type": "text/plain", "size": len(content), "state": "kept"}
        tx.db.execute(insert(files).values(its | about))


def _remove(environment: Mapping[str, str]) -> None:
    _become(environment, Path(os.devnull), Path(os.devnull))
    copies.remove_some(100, (), start("cli").context)


def _become(environment: Mapping[str, str], out: Path, err: Path) -> None:
    """None of the settings of the shell that the tests were started from."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    os.environ.update(environment)
    for stream, file in ((1, out), (2, err)):
        opened = _open(file)
        os.dup2(opened, stream)
        os.close(opened)


def _open(file: Path) -> int:
    if file not in (CLOSED_PIPE, STOPPED_PIPE):
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    reading, writing = os.pipe()
    if file == CLOSED_PIPE:
        os.close(reading)
    else:
        fill(writing)
    return writing


def fill(pipe: int) -> None:
    """Until nothing more fits in."""
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x")
    os.set_blocking(pipe, True)
