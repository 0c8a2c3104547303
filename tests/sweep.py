"""The sweep's duties as tests ask for them: each with its job of the table."""

from handlers import sweep
from handlers.context import Work
from handlers.sweep import CROWDED as CROWDED
from workers.jobs import BY_NAME, JOBS


def catch_up_due(work: Work) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.catch_up"], work)


def renew_watches(work: Work) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.renew_watch"], work)


def compare_lists(work: Work) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.compare"], work)


def end_left(work: Work) -> int:
    return sweep.ask_for_due(BY_NAME["mailboxes.leave"], work)


def redrive(work: Work) -> int:
    return sweep.redrive(JOBS, work)
