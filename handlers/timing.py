"""How often, and how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long; all but `push_recall` in seconds (Part I).

    - `echo_after`: after a push the provider may drop the next ones for a second (FACTS §1); one more look so much
      later finds that mail.
    - `push_recall`: a watch that brings a smaller share of the mail is made again, at most once in `watch_rest`.
    - `channel_rest`: a receiver that is down is left alone for so long, then for twice as long, and so on.
    - `channel_timeout`: the longest that one event may take.
    - `in_hand`: what was claimed for a channel and not sent by then is released, because settings may have changed
      (E92).
    - `long_lease`: for a call that must not be made twice at a time, however long its answer takes.
    - `hand_over`: a mail that takes longer to become a draft counts as interrupted.
    - `settle_after`: history is walked again from an answer that is at least so old (E108).
    - `compare_every`: how often the mailbox's list is compared with the ledger, and a refused history is tried again
      (E108, E84).
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
