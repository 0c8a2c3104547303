"""Whoever asks for rows of an organisation says which: every statement that infra/db executes in any test is looked at.

What a statement does not say that of (tests/scoping.py) is asked for over all organisations at once: nobody may, but
who is named in OVER_ALL, with the reason.
"""

import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Engine, TextClause, event
from sqlalchemy.sql import visitors

from tests.scoping import SCOPED, unscoped

OVER_ALL = {
    "disconnecting.DisconnectingRepository.redrive_disconnecting": "the sweep: what is due, whosever it is",
    "objects.UnusedObjectRepository.mark": "the purge: what is past its time, whosever it is",
    "reports.ReportRepository.count_outdated": "the operator's report",
    "reports.ReportRepository.mailboxes": "the operator's report",
    "reports.ReportRepository.totals": "the operator's report",
    "reports.ReportRepository.uncategorised_stages": "the operator's report",
    "reports.ReportRepository.zones": "said once for each organisation at a worker's start",
    "retention.RetentionRepository._old": "the purge: what is past its time, whosever it is",
    "retention.RetentionRepository._oldest": "the purge: what is past its time, whosever it is",
    "retention.RetentionRepository.sign_ins": "the purge",
    "rotation._batches": "a new key is everybody's",
    "rotation.rotate": "a new key is everybody's",
}
"""By what is over all organisations by nature. May only shrink."""

_HELPERS = {"bulk", "claims", "sql"}
_ROOT = Path(__file__).parents[1]
_OURS = ("domain", "handlers", "infra", "workers")
_ASIDE = (("infra", "db", "migrations"), ("workers", "demo"))
"""What brings the tables up is looked at by its own tests, and the demo looks at its whole database."""

_SCOPED_NAME = re.compile(rf"\b({'|'.join(sorted(table.name for table in SCOPED))})\b")
_clean: set[Any] = set()
used: set[str] = set()
"""Who of OVER_ALL has asked for all of them."""


class Unscoped(AssertionError):
    """A statement that asks for rows of all organisations."""


def watch() -> None:
    """From now on every statement of this process is looked at."""
    if not event.contains(Engine, "before_execute", _look):
        event.listen(Engine, "before_execute", _look)
        event.listen(Engine, "before_cursor_execute", _look_at_words)


def _look(_db: Any, statement: Any, *_: Any) -> None:
    if not isinstance(statement, visitors.Visitable) or isinstance(statement, TextClause):
        return
    caller, opened = _caller()
    if caller is None:
        return
    key = statement._generate_cache_key() if hasattr(statement, "_generate_cache_key") else None
    if key is not None and (key.key, opened) in _clean:
        return
    loose = unscoped(statement, opened=opened)
    if loose:
        _judge(loose, caller)
    elif key is not None:
        _clean.add((key.key, opened))


def _look_at_words(_db: Any, _cursor: Any, words: str, _parameters: Any, context: Any, _many: bool) -> None:
    """SQL that somebody has written himself: nobody can tell what it says, so it names no table of ours."""
    compiled = getattr(context, "compiled", None)
    if compiled is None or isinstance(compiled.statement, TextClause):
        loose = set(_SCOPED_NAME.findall(words))
        caller = _caller()[0] if loose else None
        if caller is not None:
            _judge(loose, caller)


def _judge(loose: set[str], caller: str) -> None:
    if caller in OVER_ALL:
        used.add(caller)
    else:
        raise Unscoped(f"{caller} asks for {', '.join(sorted(loose))} of all organisations")


def _caller() -> tuple[str | None, bool]:
    """The function of ours that executes it, helpers aside; None where a test does, or a process of its own. And
    whether a repository asks that was opened for an organisation or a location."""
    frame: FrameType | None = sys._getframe(2)
    name, opened = None, False
    while frame is not None:
        place = Path(frame.f_code.co_filename)
        if "sqlalchemy" not in place.parts:
            parts = place.relative_to(_ROOT).parts if place.is_relative_to(_ROOT) else ()
            if not parts or parts[0] not in _OURS or any(parts[: len(one)] == one for one in _ASIDE):
                break
            in_db = parts[:2] == ("infra", "db")
            if name is None and not (in_db and place.stem in _HELPERS):
                name = f"{place.stem}.{frame.f_code.co_qualname.split('.<locals>')[0]}"
            if not in_db:
                break
            asks = frame.f_locals.get("self")
            opened = opened or any(hasattr(asks, one) for one in ("_here", "_location", "_organisation_id"))
        frame = frame.f_back
    return name, opened
