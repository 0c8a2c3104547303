"""The providers of the contract suites: each suite runs on all of them, each over its own local server."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.contracts.gmail import gmail_worlds
from tests.contracts.world import World

Worlds = Callable[[Path], AbstractContextManager[Callable[[], World]]]

PROVIDERS: Mapping[str, Worlds] = {
    "gmail": gmail_worlds,
}


@pytest.fixture(scope="module", params=PROVIDERS)
def new_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], World]]:
    """Makes one more mailbox at the provider."""
    with PROVIDERS[request.param](tmp_path_factory.mktemp("contracts")) as new:
        yield new


@pytest.fixture
def world(new_world: Callable[[], World]) -> Iterator[World]:
    """A mailbox of the test's own."""
    world = new_world()
    yield world
    world.close()
