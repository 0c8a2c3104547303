"""A mailbox of the local Gmail, read through our adapter: the way that every mail comes."""

from collections.abc import Iterator

import pytest

from domain.mailboxes.accounts import Grant
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from tests.hostile.readings import UWE
from tests.providers import granted


@pytest.fixture(scope="module")
def server() -> Iterator[GmailServer]:
    """A Gmail of the module's own."""
    with GmailServer() as server:
        yield server


@pytest.fixture(scope="module")
def control(server: GmailServer) -> GmailControl:
    """Its control."""
    control = GmailControl(server.url)
    control.quota(enforced=False, per_minute=6_000, refusal=403)
    return control


@pytest.fixture(scope="module")
def grant(control: GmailControl) -> Grant:
    """A grant for Uwe's mailbox."""
    made = control.create_mailbox(UWE)
    return granted(made)


@pytest.fixture(scope="module")
def mailbox(server: GmailServer, grant: Grant) -> Iterator[GmailMailbox]:
    """Uwe's mailbox as the adapter shows it."""
    gmail = Gmail(server.url, timeout_seconds=30)
    yield gmail.open(grant)
    gmail.close()
