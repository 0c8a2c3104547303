"""What the sweep asks every tick, when nothing is due."""

from collections.abc import Iterator

from tests.scale.frame import Ask, Figure, Place, buffers, milliseconds

DUE: dict[str, Ask] = {
    "catch up": lambda tx: tx.mailboxes.redrive_syncs(1_000, 60),
    "watches": lambda tx: tx.mailboxes.redrive_watches(1_000, 60),
    "comparisons": lambda tx: tx.history.redrive_comparisons(1_000, 60),
    "leaving": lambda tx: tx.connections.redrive_disconnecting(1_000, 60),
    "steps": lambda tx: tx.ledger.redrive(1_000),
    "deliveries": lambda tx: tx.deliveries.redrive(1_000),
    "sending": lambda tx: tx.outbox.redrive(1_000),
}


def due(place: Place) -> Iterator[Figure]:
    """Each of them, in time and blocks."""
    for name, ask in DUE.items():
        yield Figure(f"{name}, nothing due", milliseconds(place.store, ask), "ms", 5)
        if not place.is_sqlite:
            yield Figure(f"{name}, nothing due", buffers(place.store, ask), "buffers", 100)
