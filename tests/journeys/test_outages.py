"""What Lodestone stands on goes away and comes back: it says so, waits, loses nothing, resumes alone."""

import shutil
import signal
import time

import pytest
from redis import Redis
from sqlalchemy import select, text, update

from infra.db.tables.mailboxes import mailboxes
from infra.db.types import db_now
from tests.journeys.conftest import ON_SQLITE, Scene
from tests.journeys.world import SENDERS, Ending, closing_engine, deliver, missing, wait_for
from workers.process import STOP_WITHIN


@pytest.mark.rule("W13", "I1", "E82")
def test_redis_away_for_a_while(scene: Scene) -> None:
    sent = scene.mail()
    before = scene.log("sweep").count("duty.postponed")
    scene.stage.redis.kill()
    sent |= scene.mail()
    said = wait_for(lambda: scene.log("sweep").count("duty.postponed") > before)
    scene.stage.redis.start()
    sent |= scene.mail()
    scene.check(sent)
    assert said


@ON_SQLITE
@pytest.mark.rule("E87", "I1")
@pytest.mark.parametrize("kind", ["503", "429", "500"])
def test_gmail_answers_nothing_but_errors_for_a_while(scene: Scene, kind: str) -> None:
    fault = scene.stage.gmail.fault(kind)
    sent = scene.mail()
    time.sleep(1)
    scene.stage.gmail.clear_faults(fault)
    scene.check(sent)


@ON_SQLITE
@pytest.mark.rule("E82", "I1")
def test_pubsub_dies_and_forgets_everything(scene: Scene) -> None:
    before = scene.log("dispatcher").count('"part": "pubsub"')
    scene.stage.stop("pubsub", signal.SIGKILL)
    shutil.rmtree(scene.stage.pubsub_folder)
    sent = scene.mail()
    scene.stage.start_pubsub()
    scene.stage.run("topic")
    sent |= scene.mail()
    scene.check(sent)
    assert wait_for(lambda: scene.log("dispatcher").count('"part": "pubsub"') > before)


@ON_SQLITE
@pytest.mark.rule("E82", "I1")
def test_pubsub_dies_and_remembers(scene: Scene) -> None:
    """Nobody makes the topic and the subscription again: the dispatcher finds them, and what waits there."""
    before = scene.log("dispatcher").count("push.rejected")
    scene.stage.stop("pubsub", signal.SIGKILL)
    sent = scene.mail()
    scene.stage.start_pubsub()
    scene.publish(b"no push, but somebody must say so")
    scene.stage.stop("pubsub", signal.SIGKILL)
    scene.stage.start_pubsub()
    sent |= scene.mail()
    scene.check(sent)
    assert wait_for(lambda: scene.log("dispatcher").count("push.rejected") > before)


@ON_SQLITE
@pytest.mark.rule("I5", "I4")
def test_a_receiver_outside_that_hangs_holds_up_no_mail(scene: Scene) -> None:
    scene.receiver.open.clear()
    try:
        sent = scene.mail()
        assert wait_for(lambda: not missing(scene.stage, sent))
        Ending(scene.stage).check(sent)
        assert sent.keys() & scene.told().keys() == set()
    finally:
        scene.receiver.open.set()
    scene.check(sent)


@pytest.mark.rule("I1", "W11")
def test_the_database_cuts_or_locks_everybody_out(scene: Scene) -> None:
    sent = scene.mail()
    with closing_engine(scene.stage) as engine, engine.begin() as db:
        if engine.dialect.name == "sqlite":
            time.sleep(2)  # `begin` took the only write lock
        else:
            others = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            )
            db.execute(text(f"{others} AND pid <> pg_backend_pid()"))
    sent |= scene.mail()
    scene.check(sent)


@pytest.mark.rule("W16", "I1", "I2")
def test_sigterm_in_a_burst_ends_the_worker_in_time_and_the_next_one_finishes(scene: Scene) -> None:
    sent: dict[str, str] = {}
    for number in range(25):
        sent |= deliver(scene.stage, SENDERS, number)
    starts = scene.log("worker").count("process.started")
    worker = scene.fleet.start("worker")
    assert wait_for(lambda: scene.log("worker").count("process.started") > starts)
    worker.terminate()
    worker.join(STOP_WITHIN + 15)  # with what a machine that has other work takes for it
    ended = worker.exitcode
    scene.fleet.start("worker")
    assert ended == 0, "not in time"
    scene.check(sent)


@ON_SQLITE
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe{", id="no JSON"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
        pytest.param(b'{"emailAddress": "who@example.com", "historyId": 7}', id="unknown mailbox"),
        pytest.param(b'{"emailAddress": ["x"], "historyId": {}}', id="wrong types"),
    ],
)
def test_a_malformed_foreign_or_forged_push_is_logged_and_no_more(scene: Scene, data: bytes) -> None:
    before = scene.log("dispatcher").count("push.rejected")
    scene.publish(data)
    sent = scene.mail()
    scene.check(sent)
    # After an outage the client takes up to some ten seconds to open its stream again.
    assert wait_for(lambda: scene.log("dispatcher").count("push.rejected") > before)
    with Redis.from_url(scene.stage.redis.url) as redis:
        assert not any(b"who@example.com" in key for key in redis.scan_iter())


@ON_SQLITE
@pytest.mark.rule("E82", "E85")
def test_where_gmail_pushes_nothing_the_watch_is_made_anew_and_push_comes_back(scene: Scene) -> None:
    sent = scene.mail()
    scene.check(sent)
    restarts = scene.log("worker").count("watch.restarted")
    with closing_engine(scene.stage) as engine, engine.begin() as db:
        db.execute(update(mailboxes).values(watch_renewed_at=db_now(-4 * 3_600), mails_pushed=0))
    fault = scene.stage.gmail.fault("lose_push")
    assert wait_for(lambda: _quiet(scene))
    sent |= scene.many_mails()
    restarted = wait_for(lambda: _restarted(scene, sent, restarts))
    scene.stage.gmail.clear_faults(fault)
    pushed = wait_for(lambda: _pushed(scene, sent))
    scene.check(sent)
    assert (restarted, pushed) == (True, True)


def _restarted(scene: Scene, sent: dict[str, str], before: int) -> bool:
    """Whether the watch was made anew; if not, one more mail: its turn comes with the next."""
    if scene.log("worker").count("watch.restarted") > before:
        return True
    _one_more(scene, sent)
    return False


def _one_more(scene: Scene, sent: dict[str, str]) -> None:
    """Not before the last has been dealt with: a mailbox that spends its minute's units has to wait for the next."""
    if not missing(scene.stage, sent):
        sent |= deliver(scene.stage, ("ann",))


def _quiet(scene: Scene) -> bool:
    """The last push is so long ago that its echo has been looked for: only a sweep will look again."""
    with closing_engine(scene.stage) as engine, engine.connect() as db:
        quiet = mailboxes.c.synced_at - mailboxes.c.pushed_at > 1_600
        return bool(db.scalar(select(mailboxes.c.id).where(quiet)))


def _pushed(scene: Scene, sent: dict[str, str]) -> bool:
    """One more mail, and whether push has brought any since the watch is new."""
    _one_more(scene, sent)
    with closing_engine(scene.stage) as engine, engine.connect() as db:
        return bool(db.scalar(select(mailboxes.c.mails_pushed)))
