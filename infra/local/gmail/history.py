"""The changes of a mailbox, as history.list returns them (FACTS §2)."""

import time
from bisect import bisect_right
from collections.abc import Callable, Collection
from operator import attrgetter
from typing import NamedTuple

from infra.local.gmail.http.errors import Json

NONE: frozenset[str] = frozenset()


class Record(NamedTuple):
    """One change of one message. `labels` are the labels after it, `made` is its monotonic time."""

    id: int
    message_id: str
    thread_id: str
    labels: frozenset[str]
    kind: str = "labels"
    plus: frozenset[str] = NONE
    minus: frozenset[str] = NONE
    made: float = 0.0

    def types(self) -> set[str]:
        """The values of historyTypes that include this record."""
        if self.kind != "labels":
            return {self.kind}
        return {name for name, delta in (("labelAdded", self.plus), ("labelRemoved", self.minus)) if delta}

    def as_json(self, *, label_ids: bool) -> Json:
        """The History resource. Without `label_ids`, a messagesAdded omits them, as Gmail sometimes does."""
        bare = {"id": self.message_id, "threadId": self.thread_id}
        labelled: Json = {**bare, "labelIds": sorted(self.labels)} if self.labels else dict(bare)
        shown: Json = {"id": str(self.id), "messages": [bare]}
        if self.kind == "messageAdded":
            shown["messagesAdded"] = [{"message": labelled if label_ids else bare}]
        elif self.kind == "messageDeleted":
            shown["messagesDeleted"] = [{"message": labelled}]
        if self.plus:
            shown["labelsAdded"] = [{"message": labelled, "labelIds": sorted(self.plus)}]
        if self.minus:
            shown["labelsRemoved"] = [{"message": labelled, "labelIds": sorted(self.minus)}]
        return shown


class History:
    """The records of one mailbox, oldest first. Not locked: the mailbox's lock guards it."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._lost: set[int] = set()
        self.floor = 0

    def append(self, record: Record) -> None:
        """Append a record. Ids must grow."""
        self._records.append(record._replace(made=time.monotonic()))

    def lose(self, record: Record) -> None:
        """Never show the record from now on."""
        self._lost.add(record.id)

    def expire(self, floor: int) -> None:
        """Remove all records. Start ids below `floor` are too old from now on."""
        self._records.clear()
        self._lost.clear()
        self.floor = floor

    def page(
        self,
        after: int,
        limit: int,
        types: Collection[str] = (),
        label: str = "",
        hidden: Callable[[Record], bool] = lambda _: False,
    ) -> tuple[list[Record], bool]:
        """Up to `limit` records with ids above `after`, and whether more follow.

        A record is left out when none of its changes is among `types` or its message has not `label`, or when it
        is lost or `hidden`.
        """
        wanted = set(types)
        found: list[Record] = []
        for at in range(bisect_right(self._records, after, key=attrgetter("id")), len(self._records)):
            record = self._records[at]
            if wanted and not wanted & record.types():
                continue
            if label and label not in record.labels | record.plus | record.minus:
                continue
            if record.id in self._lost or hidden(record):
                continue
            if len(found) == limit:
                return found, True
            found.append(record)
        return found, False
