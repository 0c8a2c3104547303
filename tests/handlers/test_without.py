"""Mailboxes whose provider has no labels, or no search."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from domain.errors import Refused
from domain.mailboxes.accounts import Grant
from handlers.context import Context
from handlers.live_view.live import show
from tests.handlers.conftest import House
from tests.providers import Altered, entered_by


@dataclass(frozen=True, slots=True)
class Without:
    """The real way into mailboxes, which have no such part."""

    context: Context
    missing: str

    def open(self, grant: Grant) -> Any:
        return Altered(self.context.open(grant), lambda name, real: None if name == self.missing else real)


def without(house: House, missing: str) -> House:
    return replace(house, context=entered_by(house.context, Without(house.context, missing)))


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_mailbox_without_labels_is_connected_but_not_sorted(house: House, dry_run: bool) -> None:
    bare = without(house, "labels")
    with pytest.raises(Refused, match="has no labels"):
        bare.connect(dry_run=dry_run)
    bare.connect(sorting=False)
    message_id = bare.deliver("ann")
    bare.catch_up()
    assert bare.notified() == [message_id]


def test_a_mailbox_without_search_is_named_in_a_view(house: House) -> None:
    house.connect()
    page = show("ann", "uwe", without(house, "search").context, limit=5)
    assert [one.trouble for one in page.mailboxes] == ["no_search"]
    assert list(page.mails) == []
