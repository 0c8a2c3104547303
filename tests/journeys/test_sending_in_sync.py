"""Sent once and kept once: with two-way sync, whoever asks, sends or reads is killed at every commit and call between
asking and the sent copy."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from infra.db.tables.conversations import conversations, mail_sources, mails
from infra.local.postgres import fresh_database
from tests.journeys.fleet import Fleet, ForkedStage
from tests.journeys.test_sending import ANN, ASKING, LOOKING, SENDING, Post
from tests.journeys.world import IMPATIENT, UWE, closing_engine, crm, wait_for
from workers.demo.stage import Stage

KEEPING = ("copies.keys", "copies.reserve")
"""What a process that asks passes on top of ASKING, once its organisation has keys."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def post(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """Uwe's mailbox, which is synced, and Ann's; a sweep and a dispatcher."""
    folder = tmp_path_factory.mktemp("synced post")
    settings = IMPATIENT | {"hand_over": "6"}
    if request.param == "sqlite":
        yield from _post(ForkedStage(folder, **settings))
        return
    with fresh_database(request.getfixturevalue("postgres_server")) as url:
        yield from _post(ForkedStage(folder, database_url=url, **settings))


def _post(stage: Stage) -> Iterator[Post]:
    fleet = Fleet(stage)
    with stage:
        with closing_engine(stage) as engine:
            crm(engine)
        stage.connect("uwe", UWE, "--sync")
        stage.gmail.create_mailbox(ANN)
        fleet.start("sweep")
        fleet.start("dispatcher")
        try:
            yield Post(stage, fleet)
        finally:
            fleet.close()


@pytest.mark.rule("H7", "H40", "H47", "D7-1a", "Z16", "I2", "E83")
@pytest.mark.parametrize("part", ["asking", "sending", "looking"])
def test_killed_anywhere_every_mail_is_sent_once_and_stands_once_in_its_conversation(
    post: Post, part: str
) -> None:
    if part == "asking":
        for point in (*KEEPING, *ASKING):
            post.asks_and_dies(point)
    elif part == "sending":
        for point in SENDING:
            post.worker_dies(point)
    else:
        for point, trouble in LOOKING.items():
            post.worker_dies(point, trouble)
    post.settle()
    post.ask_again()
    post.check()
    _check_kept(post)


def _check_kept(post: Post) -> None:
    """Each mail of the outbox is in one conversation, once, as sent, where Uwe's mailbox has it."""

    def completed() -> bool:
        with closing_engine(post.stage) as engine, engine.connect() as db:
            return all(db.scalars(select(mails.c.rfc_message_id)))

    assert wait_for(completed), "the sent copies were not read"
    with closing_engine(post.stage) as engine, engine.connect() as db:
        kept = db.execute(select(mails).order_by(mails.c.outbox_id)).all()
        sources = {row.mail_id: row.message_id for row in db.execute(select(mail_sources))}
        counted = list(db.scalars(select(conversations.c.mails)))
    rows = post.rows()
    assert [one.outbox_id for one in kept] == [row.id for row in rows]
    assert {one.state for one in kept} == {"sent"}
    assert {one.outbox_id: sources[one.id] for one in kept} == {row.id: row.sent_id for row in rows}
    assert len(sources) == len(kept)
    assert counted == [1] * len(kept)
    assert all(one.object for one in kept)
