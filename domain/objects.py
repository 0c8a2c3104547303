"""What is kept of mail outside the database: objects, by names that tell nothing of what they hold."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.retention import After

UNUSED_FOR: Final = timedelta(days=1)
"""How long an object stays that nothing names: longer than any work takes that has stored it and not yet said so."""

REMOVED_WITHIN: Final = timedelta(minutes=15)
"""How long a removal may take. One that has taken longer is taken to be dead, and another goes on with it."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """An object's row as a writer has found or made it. `stored_at` tells it from a later row of the same name; `used`:
    something names the object, so that it is in the store."""

    name: str
    stored_at: datetime
    used: bool


@dataclass(frozen=True, slots=True)
class Unused:
    """A stretch of the purge: objects to remove now, each with its organisation, and the key after which the next
    stretch begins, None when it was the last."""

    objects: tuple[tuple[int, str], ...]
    after: After | None


def name_of(content: bytes, key: bytes) -> str:
    """The name of an object: HMAC-SHA256 of its content under the organisation's name key, as hex digits. The same
    content has the same name, and without the key nobody can tell whether a known content is kept."""
    return hmac.digest(key, content, "sha256").hex()
