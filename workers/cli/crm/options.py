"""Options of `lodestone crm` about the files, read before anything is imported."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import typer

from domain.crm.deals import DealCategory
from domain.errors import Refused
from infra.crm.cells import BACKSLASH, DOUBLED
from infra.crm.columns import NOTHING
from infra.crm.fields import FIELDS, OPTIONAL
from workers.cli.settings_words import read_categories

Category = Annotated[
    list[str] | None,
    typer.Option(
        "--category",
        metavar="WORD=LOST",
        help="What a word for a deal's category counts as; may be given often.",
    ),
]

_PROBES = (date(2001, 2, 3), date(2012, 11, 30))


def option(name: str, help_: str, metavar: str | None = None) -> Any:
    """An option of this name."""
    return typer.Option(name, help=help_, metavar=metavar)


def read_words(pairs: Sequence[str] | None) -> dict[str, DealCategory]:
    """Categories of deals by the words for them. Raises Refused."""
    found: dict[str, DealCategory] = {}
    for pair in pairs or ():
        word, _, name = pair.rpartition("=")
        if not word.strip():
            raise Refused(
                f'--category "{pair}" names no word: --category "Closed Lost=LOST" says what one counts as'
            )
        found |= {key: DealCategory(value) for key, value in read_categories([word, name]).items() if value}
    return found


def read_columns(pairs: Sequence[str] | None) -> dict[str, str]:
    """Fields by the names of their columns. Raises Refused."""
    fields = {field for kind in FIELDS for field in (*FIELDS[kind], *OPTIONAL[kind])}
    found: dict[str, str] = {}
    for pair in pairs or ():
        name, _, field = pair.rpartition("=")
        if not name.strip() or field.strip() not in fields | {NOTHING}:
            raise Refused(
                f'--map "{pair}" maps nothing: --map "E-Mail=emails" says which column is emails, and '
                f'--map "Rule={NOTHING}" that a column is none of ours; the fields are {", ".join(sorted(fields))}'
            )
        found[name] = field.strip()
    return found


def read_date_format(text: str | None) -> str | None:
    """A date format that keeps day, month and year. Raises Refused."""
    if text is None:
        return None
    try:
        if all(datetime.strptime(day.strftime(text), text).date() == day for day in _PROBES):  # noqa: DTZ007
            return text
    except ValueError:
        pass
    raise Refused(
        f"--date-format {text} writes no date: %d.%m.%Y writes 31.03.2026, %m/%d/%Y writes 03/31/2026"
    )


def read_escape(text: str | None) -> str | None:
    """What stands before a quote within a cell. Raises Refused."""
    if text not in (None, BACKSLASH, DOUBLED):
        raise Refused("--escape is '\\' or '\"': what stands before a quote within a quoted cell")
    return text
