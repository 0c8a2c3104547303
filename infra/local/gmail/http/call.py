"""One API call, authorised and with its parameters read: what a handler works on."""

from dataclasses import dataclass

from infra.local.gmail.http.discovery import Method
from infra.local.gmail.http.errors import Json, invalid
from infra.local.gmail.http.fields import Mask
from infra.local.gmail.http.params import TRUTH, Query
from infra.local.gmail.mailbox import Mailbox, Message
from infra.local.gmail.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """Handlers return the answer's JSON, or None for 204 without a body. `media` is an uploaded mail."""

    world: World
    mailbox: Mailbox
    method: Method
    path: dict[str, str]
    query: Query
    body: Json
    mask: Mask
    media: bytes | None = None

    def text(self, name: str, default: str = "") -> str:
        """A query parameter; the last one sent counts."""
        return self.query.get(name, [default])[-1]

    def many(self, name: str) -> list[str]:
        """A repeated query parameter."""
        return self.query.get(name, [])

    def flag(self, name: str) -> bool:
        """A boolean query parameter, false when absent."""
        return TRUTH.get(self.text(name).lower(), False)

    def page_size(self) -> int:
        """maxResults: 100 by default, never more than 500 (FACTS §2)."""
        return min(int(self.text("maxResults", "0")) or 100, 500)

    def message(self) -> Message:
        """The message the path names; raises 404."""
        return self.mailbox.get(self.path["id"])

    def listed(self, name: str, most: int, message: str) -> list[str]:
        """A list of the body; raises 400 with `message` when it is longer than `most`."""
        values: list[str] = self.body.get(name, [])
        if len(values) > most:
            raise invalid(message)
        return values
