"""What the local servers have in common."""

from collections.abc import Iterator

import pytest

from infra.local.ports import HeldPort


@pytest.fixture
def port() -> Iterator[int]:
    """A port for a server that is a process, over its ends too."""
    held = HeldPort()
    yield held.number
    held.close()
