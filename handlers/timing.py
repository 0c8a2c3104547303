"""How often, and how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long, in seconds (Part I).

    `echo_after`: Gmail pushes once a second and mailbox and drops what comes between, so that a push says
    nothing of the mail that came within a second after it (FACTS §1). One more look finds that.
    `push_recall`: where push brings a smaller share of the mail the watch is made anew, once in `watch_rest` at most.
    `channel_rest`: a receiver outside that is down is left alone for so long, then for twice as long, and so on;
    one event takes `channel_timeout` at most. What was claimed for it and has not gone out after `in_hand` is
    released: by then settings may be others (E92).
    `long_lease`: for what asks Gmail once and must not be asked twice at a time, however long the answer takes.
    `hand_over`: a mail that takes longer on its way to Gmail's drafts counts as interrupted.
    `settle_after`: history is walked again from an answer that is at least so old, and every `compare_every` the
    mailbox's list is compared with the ledger; as often is a history tried again that Gmail refuses (E108, E84).
    """

    sync_due_after: float = 540
    settle_after: float = 120
    compare_every: float = 86_400
    echo_after: float = 1.5
    watch_due_after: float = 86_400
    push_recall: float = 0.5
    watch_rest: float = 10_800
    lease: float = 60
    redrive_after: float = 60
    channel_rest: float = 60
    channel_timeout: float = 10
    in_hand: float = 5
    hand_over: float = 900
    long_lease: float = 300
