"""The Gmail adapter's other end: a local Gmail for each module, a mailbox for each test."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from domain.mailboxes.accounts import Grant
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from tests.providers import granted

NUMBERS = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[GmailServer]:
    """A Gmail of the module's own."""
    with GmailServer() as server:
        yield server


@pytest.fixture
def control(server: GmailServer) -> GmailControl:
    """Its control, without faults, limits and counts."""
    control = GmailControl(server.url)
    control.clear_faults()
    control.quota(enforced=False, per_minute=6_000, refusal=403)
    control.reset_counters()
    return control


@pytest.fixture
def gmail(server: GmailServer) -> Iterator[Gmail]:
    """The adapter."""
    gmail = Gmail(server.url, timeout_seconds=30)
    yield gmail
    gmail.close()


@pytest.fixture
def address() -> str:
    """An address that no other test has."""
    return f"ana{next(NUMBERS)}@example.com"


@pytest.fixture
def grant(control: GmailControl, address: str) -> Grant:
    """A grant for the mailbox of `address`, which has an alias."""
    return grant_of(control.create_mailbox(address, aliases=["Ana.Sales@Example.org"]))


@pytest.fixture
def mailbox(gmail: Gmail, grant: Grant) -> GmailMailbox:
    """The mailbox, entered with `grant`."""
    return gmail.open(grant)


def grant_of(user: dict[str, Any]) -> Grant:
    """An authorized user of the local Gmail as a grant."""
    return granted(user)
