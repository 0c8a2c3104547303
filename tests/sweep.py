"""The sweep's duties as tests ask for them: each with its job of the table."""

from handlers import sweep
from handlers.context import Context
from handlers.sweep import CROWDED as CROWDED
from workers.jobs import BY_NAME, JOBS


def catch_up_due(context: Context) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.catch_up"], context)


def renew_watches(context: Context) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.renew_watch"], context)


def compare_lists(context: Context) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.compare"], context)


def end_left(context: Context) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.leave"], context)


def redrive(context: Context) -> int:
    return sweep.redrive(JOBS, context)
