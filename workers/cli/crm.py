"""The CRM's records in: `lodestone crm import`, and `lodestone crm send` (crm_send.py)."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from domain.crm import Record, Records, Refusal
from handlers.connections import Refused
from handlers.crm import Imported, Named, count_absent, count_all, delete_absent, take_in, too_many
from handlers.ports import Store
from infra.crm_csv import CrmFile, Unusable
from workers.cli.crm_send import send
from workers.cli.opening import open_app
from workers.cli.output import Json, fail, say, show_json
from workers.cli.progress import EVERY, bar


def _file(name: str, columns: str) -> Any:
    return typer.Option(f"--{name}", help=f"CSV with {columns}")


def import_(
    contacts: Annotated[
        Path | None,
        _file(
            "contacts", "id,kind,name,emails,assigned_to,created_at; also visible_to (lists separated by ;)"
        ),
    ] = None,
    deals: Annotated[
        Path | None, _file("deals", "id,contact_ids,stage,category,closing_date (contact_ids separated by ;)")
    ] = None,
    users: Annotated[
        Path | None, _file("users", "id,name,emails; also role,roles_above,may_connect,active")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete the records that a given file does not name.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --replace: also when that is more than half of them.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take in contacts, deals and users from CSV files (UTF-8, with a header), as often as you like.

    Bad rows are reported by line and left out, the rest goes in. Ends with 0 when all rows went in, 1 when some
    were refused, 2 when a file cannot be used or --replace would delete more than half without --yes.

    Example: `lodestone crm import --contacts contacts.csv --deals deals.csv --users users.csv`
    """
    given = {Records.USERS: users, Records.CONTACTS: contacts, Records.DEALS: deals}
    if not any(given.values()):
        fail("name at least one file: --contacts, --deals or --users", code=2)
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(CrmFile(path, kind)) for kind, path in given.items() if path]
        except Unusable as error:
            fail(str(error), code=2)
        results, refusals = _import(files, open_app().store, replace=replace, yes=yes, aside=as_json)
    if as_json:
        show_json({kind.value: _as_json(result) for kind, result in results.items()})
    else:
        _show(results)
    if refusals:
        raise Refused(
            f"{' and '.join(refusals)} would be deleted, so nothing was: add --yes if that is meant"
        )
    if any(result.refused for result in results.values()):
        raise typer.Exit(1)


def _import(
    files: list[CrmFile], store: Store, *, replace: bool, yes: bool, aside: bool
) -> tuple[dict[Records, Imported], list[str]]:
    """What came of each file, and how many of what were not deleted because they are so many."""
    results: dict[Records, Imported] = {}
    named = {file.kind: Named() for file in files if replace}
    before = {kind: count_all(kind, store) for kind in named}
    with bar() as progress:
        for file in files:
            task = progress.add_task(file.kind.value, total=file.size)
            results[file.kind] = take_in(_watched(file, progress, task), store, named.get(file.kind))
            progress.update(task, completed=file.size)
    absent = {kind: count_absent(kind, names, store) for kind, names in named.items()}
    if refusals := [
        f"{number} of {before[kind]} {kind.value}"
        for kind, number in absent.items()
        if too_many(number, before[kind]) and not yes
    ]:
        return results, refusals
    for kind, names in named.items():
        _announce(f"{kind.value}: {absent[kind]} that the file does not name are deleted", aside=aside)
        results[kind].deleted = delete_absent(kind, names, store)
    return results, []


def _watched(file: CrmFile, progress: Progress, task: TaskID) -> Iterator[Record | Refusal]:
    for number, row in enumerate(file.rows()):
        if number % EVERY == 0:
            progress.update(task, completed=file.position)
        yield row


def _announce(text: str, *, aside: bool) -> None:
    if aside:
        print(text, file=sys.stderr)  # noqa: T201 - standard output is JSON
    else:
        say(text)


def _as_json(result: Imported) -> dict[str, Any]:
    return {
        "imported": result.imported,
        "refused": [{"line": one.line, "reason": one.reason} for one in result.refused],
        "deleted": result.deleted,
    }


def _show(results: Mapping[Records, Imported]) -> None:
    for kind, result in results.items():
        parts = [f"{result.imported} imported"]
        parts += [f"{len(result.refused)} refused"] if result.refused else []
        parts += [f"{result.deleted} deleted"] if result.deleted else []
        say(f"{kind.value}: {', '.join(parts)}")
        for one in result.refused:
            say(f"  line {one.line}: {one.reason}")


def add_to(app: typer.Typer) -> None:
    crm = typer.Typer(
        help="The CRM's records. Example: `lodestone crm import --contacts contacts.csv`",
        no_args_is_help=True,
    )
    crm.command("import")(import_)
    crm.command("send")(send)

    @crm.callback()
    def group() -> None:
        """The CRM's contacts, deals and users."""

    app.add_typer(crm, name="crm")
