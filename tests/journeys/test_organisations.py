"""Two organisations, one deployment: nothing of one comes out for the other (T1, T2), on PostgreSQL behind row level
security too."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import select

from infra.db.migrate import migrate
from infra.db.store import open_engine
from infra.local.postgres import fresh_database
from tests.journeys.conftest import PUSH_INTERVAL
from tests.journeys.fleet import Fleet, ForkedStage
from tests.journeys.two_sides import ACME, ANN, MAIN, SIDES, Side, Town, letter
from tests.journeys.world import IMPATIENT, wait_for
from tests.scoping import SCOPED
from tests.walls import walled
from workers.demo.receiver import Receiver
from workers.demo.shell import CommandFailed
from workers.demo.stage import PROCESSES

pytestmark = pytest.mark.rule("T1", "T2")


# What PostgreSQL does without the wall is what it does behind it, and each of these takes a minute.
@pytest.fixture(params=["sqlite", "walled"])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Both organisations, empty, and healthy processes; `walled`: their role owns nothing."""
    folder = tmp_path_factory.mktemp("town")
    with ExitStack() as stack:
        url = None
        owner = f"sqlite:///{folder / 'lodestone.db'}"
        if request.param == "walled":
            owner = stack.enter_context(fresh_database(request.getfixturevalue("postgres_server")))
            engine = open_engine(owner)
            migrate(engine)
            engine.dispose()
            url = stack.enter_context(walled(owner))
        stage = stack.enter_context(ForkedStage(folder, database_url=url, **IMPATIENT))
        receivers = {side.location: stack.enter_context(Receiver()) for side in SIDES}
        fleet = Fleet(stage)
        stack.callback(fleet.close)
        stage.gmail.push(interval=PUSH_INTERVAL)
        for name in PROCESSES:
            fleet.start(name)
        yield Town(stage, fleet, owner, receivers)


@pytest.mark.rule("D3-9", "E16", "T3", "T4", "D12", "D13")
def test_nothing_of_one_organisation_comes_out_for_the_other(town: Town) -> None:
    town.fill()
    town.write()
    town.send()
    seen = {side: town.look(side) for side in SIDES}
    for side in SIDES:
        _is_told_of_its_own(town, side, seen[side])
        _is_refused_what_is_the_others(town, side)
    _no_more_is_seen_where_no_wall_stands(town, seen)
    _what_one_deletes_the_other_keeps(town, seen[ACME])
    _nothing_crosses_in_the_log(town)


def _is_told_of_its_own(town: Town, side: Side, seen: dict[str, Any]) -> None:
    mails = town.mails[side.location]
    by_id = {message_id: who for who, message_id in mails.items()}
    notified = [(one["name"], one["from"], one["contact_id"]) for one in seen["notifications"]]
    assert sorted(notified) == side.notified()
    assert {by_id[one["message_id"]]: one["outcome"] for one in seen["ledger"]} == side.outcomes()
    assert {one["mailbox"] for one in seen["ledger"]} == {side.mailbox}
    for message_id, trails in seen["explain"].items():
        assert [one["mailbox"] for one in trails] == [side.mailbox]
        [decided] = trails[0]["decisions"]
        assert decided["outcome"] == side.outcomes()[by_id[message_id]]
    assert [one["message_id"] for one in seen["mail"]["c1 for uwe"]["mails"]] == [mails["contact"]]
    both = {mails["known here"], mails["sent"]}
    assert {one["message_id"] for one in seen["mail"]["c3 for uwe"]["mails"]} == both
    shared = [mails["contact"]] if side is MAIN else []
    assert [one["message_id"] for one in seen["mail"]["c1 for kim"]["mails"]] == shared, "sharing is its own"
    assert {one["message_id"] for one in seen["mine"]["mails"]} == set(mails.values())
    assert [one["channel_id"] for one in seen["channels"]] == [town.channels[side.location]]
    assert town.labels(side, mails["contact"]) & {MAIN.label, ACME.label} == {side.label}
    assert town.told(side.location) == {mails[by_id[one["message_id"]]] for one in seen["notifications"]}
    receiver = town.receivers[side.location]
    assert receiver.unsigned == 0
    [sent] = seen["outbox"]
    assert (sent["mailbox"], sent["contact_id"], sent["sending_state"]) == (side.mailbox, "c3", "sent")
    [got] = town.stage.gmail.dump(side.known).messages
    assert side.mailbox.encode() in town.stage.gmail.raw(side.known, got.id)
    _is_no_word_of_the_other(town, side, json.dumps(seen))
    _is_no_word_of_the_other(town, side, b"".join(one.body for one in receiver.got).decode())


def _is_no_word_of_the_other(town: Town, side: Side, said: str) -> None:
    """Beyond whom both write to: its c2 is the other's colleague, and from the other's c3 it got a mail too."""
    far = side.far
    words = [far.location, far.mailbox, f"of {far.location}", *town.mails[far.location].values()]
    assert [word for word in words if word in said] == []


def _is_refused_what_is_the_others(town: Town, side: Side) -> None:
    far = side.far
    [notice, *_] = town.ask(far, "notifications", "--user", "uwe")
    theirs = town.mails[far.location]["contact"]
    for more in ((), ("--mailbox", far.mailbox)):
        _is_refused(town, side, "the ledger knows no mail of this id", "explain", theirs, *more)
    _is_refused(town, side, "there is no such mail", "mail", "c1", theirs, "--as", "uwe")
    assert town.ask(side, "ledger", far.mailbox) == []
    _is_refused(town, side, "may not see mail", "mail", "c1", "--as", "uwe", "--mailbox", far.mailbox)
    _is_refused(town, side, "there is no notification", "open", str(notice["notification_id"]), "--as", "uwe")
    channel = str(town.channels[far.location])
    for deed in ("remove", "retry", "test"):
        _is_refused(town, side, "there is no channel", "channels", deed, channel)


def _is_refused(town: Town, side: Side, said: str, *words: str) -> None:
    with pytest.raises(CommandFailed, match=said):
        town.run(side, *words)


def _no_more_is_seen_where_no_wall_stands(town: Town, seen: dict[Side, dict[str, Any]]) -> None:
    """By the owner of the database, whom it does not hold back; and whoever is behind it and says nothing sees none."""
    if town.owner == town.stage.database_url:
        return
    assert {side: town.look(side, LODESTONE_DATABASE_URL=town.owner) for side in SIDES} == seen
    engine = open_engine(town.stage.database_url)
    with engine.connect() as db:
        assert [table.name for table in SCOPED if db.execute(select(table)).all()] == []
    engine.dispose()


def _what_one_deletes_the_other_keeps(town: Town, before: dict[str, Any]) -> None:
    """One organisation's records, users and connection go; nothing of the other's does, nor stops."""
    where = {"location": MAIN.location, "version": 2}
    town.tell(
        [
            {"actor": "crm.delete_deal", "id": "d1"} | where,
            {"actor": "crm.delete_contact", "id": "c1"} | where,
            {"actor": "crm.delete_contact", "id": "c3"} | where,
            {"actor": "crm.delete_user", "id": "kim"} | where,
            {"actor": "crm.delete_user", "id": "uwe"} | where,
        ]
    )
    assert wait_for(lambda: not town.rows("SELECT id FROM connections WHERE organisation_id = 1"))
    left = town.rows("SELECT location_id, id FROM contacts ORDER BY 1, 2")
    assert left == [(1, "c2"), (1, "c4"), (2, "c1"), (2, "c2"), (2, "c3"), (2, "c4")]
    assert town.rows("SELECT location_id, id FROM deals") == [(2, "d1")]
    assert town.rows("SELECT organisation_id, id FROM users ORDER BY 1, 2") == [(2, "kim"), (2, "uwe")]
    assert town.ask(MAIN, "ledger") == []
    assert town.look(ACME) == before

    new = {
        who: town.stage.gmail.deliver(ACME.mailbox, letter(sender, f"{who} once more", ACME.mailbox)).id
        for who, sender in (("contact", ANN), ("colleague", ACME.colleague), ("known here", ACME.known))
    }
    town.settle(list(new.values()))
    became = {one["message_id"]: one["outcome"] for one in town.ask(ACME, "ledger")}
    assert {who: became[message_id] for who, message_id in new.items()} == {
        who: ACME.outcomes()[who] for who in new
    }
    assert ACME.label in town.labels(ACME, new["contact"])
    assert wait_for(lambda: {new["contact"], new["known here"]} <= town.told(ACME.location))
    assert not town.told(MAIN.location) & set(new.values())


def _nothing_crosses_in_the_log(town: Town) -> None:
    """Each line about a mail or a connection names its own location, and none says what a person is called."""
    whose = {
        message_id: n for n, side in enumerate(SIDES, 1) for message_id in town.mails[side.location].values()
    }
    lines = town.logged()
    pairs = {
        (whose[line["message_id"]], line["location_id"])
        for line in lines
        if line.get("message_id") in whose and "location_id" in line
    }
    assert pairs == {(1, 1), (2, 2)}
    both = {"connection_id", "location_id"}
    assert {(line["connection_id"], line["location_id"]) for line in lines if both <= line.keys()} == pairs
    said = json.dumps(lines)
    people = [ANN, *(word for side in SIDES for word in (side.mailbox, side.known, f"of {side.location}"))]
    assert [one for one in people if one in said] == []
