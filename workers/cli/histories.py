"""What `lodestone status` says of history: whether it is usable, and how much of the mail it has shown (E84, E108)."""

from collections.abc import Sequence
from math import floor
from typing import Any

from domain.mailboxes.comparisons import Compared
from domain.mailboxes.watches import Recall
from domain.reports import MailboxReport, Totals
from workers.cli.terminal.output import say


def as_json(compared: Compared) -> dict[str, Any]:
    """Recall, over how many mails, and how many were found late."""
    share = compared.recall
    return {
        "recall": None if share is None else floor(share * 1e6) / 1e6,
        "recall_of": compared.mails,
        "found_late": compared.late,
    }


def in_words(compared: Compared) -> str | None:
    """Recall in words. It is rounded down, so that 100% means all mails."""
    share = compared.recall
    return None if share is None else f"{floor(share * 1_000) / 10:.1f}% of {compared.mails}"


def share(recall: Recall) -> str | None:
    """Push recall in words."""
    found = recall.share
    return None if found is None else f"{found:.0%} of {recall.pushed + recall.missed}"


def show(totals: Totals, mailboxes: Sequence[MailboxReport]) -> None:
    """Print since when mailboxes have no usable history, and the recall of all together."""
    for one in mailboxes:
        if since := one.history_refused_at:
            say(f"{one.address}: Gmail refuses its history since {since:%Y-%m-%d %H:%M:%S} UTC")
    if totals.unusable:
        say(
            f"mailboxes whose history Gmail refuses: {totals.unusable}; they are swept by listing, and history is "
            "tried again daily"
        )
    if totals.compared.mails:
        say(
            f"recall: {in_words(totals.compared)} mails were seen before the daily comparison, "
            f"{totals.compared.late} found late"
        )
