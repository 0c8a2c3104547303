"""Being the only one at a mailbox's work of one kind (W1, W10)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """`kind` is the kind of work, `generation` the mailbox's dirty mark as it was on entering."""

    kind: str
    mailbox_id: int
    generation: int
    token: str
