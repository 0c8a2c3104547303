"""`lodestone doctor`: does everything stand as it must, and what is to be done where it does not?"""

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.checks import Finding, Part, Verdict, failed, ok, warning
from domain.errors import DatabaseAway
from domain.ids import MailboxId
from handlers.doctor import Examined, examine, mailboxes, stages
from handlers.operations import NO_MAILBOX
from workers.cli.terminal.arguments import mailbox_address
from workers.cli.terminal.output import Json, fail, say, show_json
from workers.cli.terminal.progress import bar
from workers.cli.terminal.tables import plain

if TYPE_CHECKING:
    from infra.settings import Settings
    from workers.bootstrap import App

Look = Callable[[], Iterable[Finding]]

PATIENCE = 20.0
"""Seconds in which all parts have answered, or are taken for dead."""

ANSWER_SECONDS = 10.0
"""For one answer of a provider, at most."""

STRIKES = 5
"""Mailboxes in a row for which the provider could not be reached: the others would find the same."""

FEW = 20
"""Up to this many mailboxes get a line each; of more only those that are not as they should be."""

AT_ONCE = 100


def doctor(
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", help="Of the mailboxes only this one, by its address.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=0, help="Ask Gmail about this many mailboxes only, chosen by chance."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check everything for real: settings, database, Redis, Pub/Sub, clocks, and every mailbox at Gmail.

    A line for each: ok, warning or failed, with the next step. Ends with 1 when something failed; warnings do not
    count. Each mailbox costs 3 quota units and a refresh of its token; what the database knows of them is always
    checked for all. A grant that Google has ended is found and dealt with as everywhere: its user is told.

    Example: `lodestone doctor`

    Example: `lodestone doctor --sample 100 --json`
    """
    address = mailbox_address(mailbox)
    from infra.settings import examine as examine_settings

    settings, wrong = examine_settings()
    with redirect_stdout(sys.stderr):
        _set_up_logs(settings)
    parts = _parts(settings)
    found = [*_of_settings(wrong), *_of_parts(_looks(parts, wrong))]
    seen = Seen([])
    if _can_look_at_mailboxes(found, wrong):
        seen = _of_mailboxes(address, sample, _without(found, parts, settings))
        found += seen.findings
    else:
        says = "not looked at: the database or a setting is in the way"
        found.append(warning("mailboxes", says, "mend that first"))
    (_print_json if as_json else _print)(found, seen)
    if seen.count[Verdict.FAILED] or any(one.verdict is Verdict.FAILED for one in found):
        raise typer.Exit(1)


def _can_look_at_mailboxes(found: Sequence[Finding], wrong: Mapping[str, str]) -> bool:
    from workers import providers

    needs = [name for one in providers.KNOWN for name in one.NEEDS]
    there = not any(f.verdict is Verdict.FAILED and f.check in ("database", "migration") for f in found)
    return there and not any(name in wrong for name in ("database_url", "redis_url", "token_keys", *needs))


def _without(found: Sequence[Finding], parts: Mapping[str, Part], settings: "Settings") -> "Settings":
    """The settings without the files that cannot be used, and with less patience."""
    from workers import providers

    files = {name: part.file for name, part in parts.items() if part.file}
    unusable = {files[f.check]: None for f in found if f.check in files and f.verdict is Verdict.FAILED}
    settings = settings.model_copy(update=unusable)
    for one in providers.KNOWN:
        settings = one.hasty(settings, ANSWER_SECONDS)
    return settings


def _set_up_logs(settings: "Settings") -> None:
    from infra import logs

    logs.set_up(
        "ERROR" if settings.command_log_level == "WARNING" else settings.command_log_level, process="cli"
    )


def _of_settings(wrong: Mapping[str, str]) -> Iterator[Finding]:
    for says in wrong.values():
        yield failed("settings", says, "mend it in the environment or in .env")
    if not wrong:
        yield ok("settings", "all can be read")


def _parts(settings: "Settings") -> dict[str, Part]:
    """What is looked at side by side, by the first word of its findings."""
    from infra.checks import database, redis
    from workers import providers

    parts = {
        "database": Part(("database_url",), lambda: database.look(settings.database_url.get_secret_value())),
        "redis": Part(("redis_url",), lambda: redis.look(settings.redis_url.get_secret_value())),
    }
    for one in providers.KNOWN:
        parts |= one.checks(settings)
    return parts


def _looks(parts: Mapping[str, Part], wrong: Mapping[str, str]) -> dict[str, Look]:
    """A part whose settings are wrong is not looked at."""
    return {
        name: _unlooked(name) if any(need in wrong for need in part.needs) else part.look
        for name, part in parts.items()
    }


def _unlooked(name: str) -> Look:
    return lambda: [warning(name, "not looked at: a setting is wrong", "mend the setting, then look again")]


def _of_parts(parts: Mapping[str, Look]) -> Iterator[Finding]:
    """All at once, in order; a part that does not answer in time holds up nobody, not even our end."""
    answers: dict[str, list[Finding]] = {}

    def run(name: str, look: Look) -> None:
        answers[name] = list(look())

    threads = {n: threading.Thread(target=run, args=(n, look), daemon=True) for n, look in parts.items()}
    end = time.monotonic() + PATIENCE
    for thread in threads.values():
        thread.start()
    for name, thread in threads.items():
        thread.join(max(end - time.monotonic(), 0))
        silent = failed(name, f"no answer within {PATIENCE:.0f} s", "is it there? check the network")
        yield from answers.get(name, [silent])


@dataclass(slots=True)
class Seen:
    """What the mailboxes showed; `shown` are those worth a line."""

    findings: list[Finding]
    shown: list[Examined] = field(default_factory=list)
    count: Counter[Verdict] = field(default_factory=Counter)


def _of_mailboxes(address: str | None, sample: int | None, settings: "Settings") -> Seen:
    """Every mailbox, some at a time."""
    from infra.db.sql import chunks
    from workers.bootstrap import App

    app = App(settings, "cli")
    ids = mailboxes(address, app.context)
    if address is not None and not ids:
        fail(NO_MAILBOX, code=2)
    round_ = Round(app, set(ids if sample is None else random.sample(ids, min(sample, len(ids)))))
    seen = Seen([] if address is not None else [stages(app.context)])
    with ThreadPoolExecutor(settings.worker_threads) as pool, bar() as progress:
        task = progress.add_task("mailboxes", total=len(ids))
        for some in chunks(ids, AT_ONCE):  # what is handed to a pool all at once cannot be stopped
            for one in filter(None, pool.map(round_.look, some)):
                seen.count[one.worst] += 1
                if len(ids) <= FEW or one.worst is not Verdict.OK:
                    seen.shown.append(one)
            progress.advance(task, len(some))
    about, asked = app.provider.about, len(round_.chosen) - round_.unasked
    if round_.unasked:
        says = f"{about.title} could not be reached: it was asked about {asked} of {len(ids)} mailboxes"
        seen.findings.append(failed("mailboxes", says, f"see the line {about.name}"))
    elif not ids:
        seen.findings.append(ok("mailboxes", "none is connected yet"))
    else:
        says = f"{seen.count[Verdict.OK]} of {len(ids)} are as they should be; {about.title} was asked about {asked}"
        worst = next((v for v in (Verdict.FAILED, Verdict.WARNING) if seen.count[v]), Verdict.OK)
        step = None if worst is Verdict.OK else "see the lines of each"
        seen.findings.append(Finding("mailboxes", worst, says, step))
    return seen


class Round:
    """One round through the mailboxes, by several threads. Providers are asked about the chosen while they answer."""

    def __init__(self, app: "App", chosen: Set[int]) -> None:
        self.chosen = chosen
        self.unasked = 0
        self._app = app
        self._strikes = 0
        self._guard = threading.Lock()

    def look(self, mailbox_id: MailboxId) -> Examined | None:
        from redis.exceptions import RedisError

        from infra.secrets import WrongKey

        chosen = mailbox_id in self.chosen
        ask = chosen and self._strikes < STRIKES
        try:
            one = examine(mailbox_id, self._app.context, ask=ask)
        except WrongKey as error:
            step = "put the key back that it was encrypted with, behind the newest"
            return Examined(self._address(mailbox_id), (failed("token", str(error), step),))
        except (DatabaseAway, RedisError) as error:
            says = f"it could not be looked at ({type(error).__name__})"
            return Examined(f"mailbox {mailbox_id}", (failed("mailbox", says, "see database and redis"),))
        with self._guard:
            self.unasked += chosen and not ask
            if one is not None and ask:
                self._strikes = self._strikes + 1 if one.out_of_reach else 0
        return one

    def _address(self, mailbox_id: MailboxId) -> str:
        with self._app.store.begin("doctor.look", reads_only=True) as tx:
            mailbox = tx.mailboxes.get(mailbox_id)
        return mailbox.address if mailbox else f"mailbox {mailbox_id}"


def _print(found: Sequence[Finding], seen: Seen) -> None:
    for finding in found:
        _line(finding, finding.check)
    for one in seen.shown:
        if one.worst is Verdict.OK:
            say(plain(f"ok       {one.address}: {', '.join(f.says for f in one.findings)}"))
        for finding in one.findings:
            if finding.verdict is not Verdict.OK:
                _line(finding, f"{one.address}: {finding.check}")


def _line(finding: Finding, about: str) -> None:
    say(plain(f"{finding.verdict.value:7}  {about}: {finding.says}"))
    if finding.next_step:
        say(plain(f"         -> {finding.next_step}"))


def _print_json(found: Sequence[Finding], seen: Seen) -> None:
    show_json(
        {
            "findings": [_as_json(finding) for finding in found],
            "mailboxes": [
                {"mailbox": one.address, "findings": [_as_json(f) for f in one.findings]}
                for one in seen.shown
            ],
            "mailboxes_by_verdict": {verdict.value: seen.count[verdict] for verdict in Verdict},
        }
    )


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "says": finding.says,
        "next_step": finding.next_step,
    }


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)
