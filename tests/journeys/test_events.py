"""A notifier that is killed while it tells of conversations: all is told, in order, each event under one id."""

import signal
from collections.abc import Iterator

import pytest

from domain.conversations.events import EventKind, NewEvent
from infra.db.store import Store
from infra.secrets import Cipher
from tests.conversations import conversation
from tests.journeys.conftest import Scene
from tests.journeys.fault_points import NOTIFIER
from tests.journeys.world import wait_for
from tests.worlds import HERE


@pytest.fixture
def written(scene: Scene, cipher: Cipher) -> Iterator[Store]:
    """The scene's database, for what a worker writes before it is killed: it wakes nobody."""
    store = Store(scene.stage.database_url, cipher, redrive_after=0.5)
    yield store
    store.engine.dispose()


@pytest.mark.rule("I1", "I2", "W2", "W13")
@pytest.mark.parametrize("point", ["deliveries.claim", "deliveries.post", "deliveries.record"])
def test_a_killed_notifier_loses_no_event_and_keeps_each_conversations_order(
    scene: Scene, written: Store, point: str
) -> None:
    names = [f"{point} {n}" for n in range(3)]
    for one in names:
        conversation(written, one, "ann")
    ends = []
    for side in ("before", "after"):
        doomed = scene.fleet.start(NOTIFIER, LODESTONE_DIE_AT=f"{point}.{side}")
        with written.begin("tests.happen") as tx:
            tx.of(HERE).events.add(*(NewEvent(EventKind.MESSAGE_ADDED, one) for one in names * 3))
        doomed.join(60)
        ends.append(doomed.exitcode)
    scene.fleet.start(NOTIFIER)
    assert ends == [-signal.SIGKILL] * 2, "the fault point was not reached"
    assert wait_for(lambda: all(len(set(told(scene, one))) == 6 for one in names)), scene.receiver.taken
    for one in names:
        ids = dict(told(scene, one))
        assert list(ids) == [1, 2, 3, 4, 5, 6], "the first time of each"
        assert len(set(told(scene, one))) == 6, "a repeat has its id"


def told(scene: Scene, conversation_id: str) -> list[tuple[int, str]]:
    """Sequence and id of each event that the receiver took, repeats and all."""
    its = [event for event in scene.receiver.taken if event.get("subject") == conversation_id]
    return [(event["data"]["sequence"], event["id"]) for event in its]
