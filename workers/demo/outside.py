"""What left the house: the demo's receiver beside the notifications that were committed."""

from dataclasses import dataclass
from typing import Any

from workers.demo.canary import Search
from workers.demo.receiver import Receiver
from workers.demo.show import Show


@dataclass(frozen=True, slots=True)
class WebhookCheck:
    """How many events came, by how many ids; `unsigned` were signed by nobody known; `lost` notifications were
    committed and never told, `foreign` ones told and never committed; `words` are canaries among what was told."""

    events: int
    ids: int
    unsigned: int
    lost: int
    foreign: int
    words: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Each notification once by its id, all signed, and of the mails nothing that must not leave."""
        return not (self.unsigned or self.lost or self.foreign or self.words)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "events": self.events,
            "distinct_ids": self.ids,
            "signatures_failed": self.unsigned,
            "notifications_lost": self.lost,
            "notifications_never_committed": self.foreign,
            "canaries": list(self.words),
        }

    def __str__(self) -> str:
        said = f"webhook: {self.events} events, {self.ids} ids, "
        if self.good:
            return f"{said}every signature held, and each notification committed is among them"
        return (
            f"{said}{self.unsigned} not signed, {self.lost} lost, {self.foreign} never committed,"
            f" {len(self.words)} words of mails"
        )


def look_outside(show: Show, receiver: Receiver, search: Search) -> WebhookCheck:
    """Once everything that was committed has arrived, or patience has ended."""
    committed = await_told(show, receiver)
    told = _told(receiver)
    return WebhookCheck(
        events=len(receiver.taken),
        ids=len({event["id"] for event in receiver.taken}),
        unsigned=receiver.unsigned,
        lost=len(committed - told.keys()),
        foreign=len(told.keys() - committed) + sum(len(ids) > 1 for ids in told.values()),
        words=tuple(sorted({word for one in receiver.got for word in search.in_bytes(one.body)})),
    )


def await_told(show: Show, receiver: Receiver) -> frozenset[int]:
    """The notifications that were committed, once the receiver has them all, or patience has ended."""
    show.take_stock()
    show.wait(lambda: show.committed <= _told(receiver).keys())
    return show.committed


def _told(receiver: Receiver) -> dict[int, set[str]]:
    """Event ids by the notification they tell of."""
    found: dict[int, set[str]] = {}
    for event in receiver.taken:
        if "notification_id" in event["data"]:
            found.setdefault(event["data"]["notification_id"], set()).add(event["id"])
    return found
