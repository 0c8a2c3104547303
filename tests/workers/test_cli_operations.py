"""`lodestone pause`, `resume`, `retry` and `ledger` as an operator runs them: as processes, without Redis."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from domain.ledger import State, Step
from domain.outcomes import Outcome
from infra.db.store import Store
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions
from infra.secrets import Cipher
from tests.nowhere import dead_port
from tests.terminals import Terminal
from tests.worlds import World, arrive, connection_of, let_pass, make_world, match

UWE = "uwe@firm.example"
CARLA = "carla@firm.example"


@pytest.fixture
def world(sqlite_url: str, cipher: Cipher) -> Iterator[World]:
    """Uwe's mailbox: m1 is set aside, m2 waits to be announced, m3 is spam. Carla's has no mail."""
    store = Store(sqlite_url, cipher)
    world = make_world(store)
    make_world(store, CARLA, "carla")
    arrive(world, "m1", "m2")
    match(world, "m1", "m2")
    with store.begin("tests.set_aside") as tx:
        spent = (steps.c.message_id == "m1", steps.c.step == Step.ANNOUNCE.value)
        values = {"state": State.SET_ASIDE.value, "attempts": 9, "outcome": Outcome.LABEL_FAILED.value}
        tx.db.execute(update(steps).where(*spent).values(values))
    arrive(world, "m3")
    with store.begin("tests.skip") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.MATCH, 1, "matcher", 60)
        tx.ledger.finish(world.mailbox_id, Step.MATCH, dict.fromkeys(claims), "matcher", {})
        tx.decisions.skip(world.mailbox_id, {"m3": Outcome.SKIP_SPAM}, [world.connection_id])
    yield world
    store.engine.dispose()


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str, world: World) -> Terminal:
    """A shell beside the world, from which neither Gmail nor Redis can be reached."""
    nowhere = f"127.0.0.1:{dead_port()}"
    settings = {
        "LODESTONE_GMAIL_ENDPOINT": f"http://{nowhere}/",
        "LODESTONE_REDIS_URL": f"redis://{nowhere}/0",
    }
    return Terminal(tmp_path, sqlite_url, settings)


@pytest.mark.rule("D3-1")
def test_one_mailbox_is_paused_shown_so_and_resumed(terminal: Terminal, world: World) -> None:
    let_pass(world.store, 3_600)
    assert terminal.run("status", "--check").code == 1
    done = terminal.run("pause", UWE.upper())
    assert (done.code, done.out) == (0, f"{UWE} is paused\n")
    assert done.err == "", "what goes well is logged only where that is asked for"
    assert terminal.run("pause", UWE).out == f"{UWE} is paused, as it was before\n"
    status = terminal.run("status", UWE, "--check")
    assert status.code == 0, "what waits in a paused mailbox is not late"
    assert "paused: 1; their mail waits for `lodestone resume` and does not count as late" in status.out
    assert [line.split()[1:3] for line in status.out.splitlines() if line.startswith(UWE)] == [
        ["paused", "since"]
    ]
    mailboxes = terminal.run("status", "--json").json["mailboxes"]
    assert [bool(one["paused_at"]) for one in mailboxes] == [one["mailbox"] == UWE for one in mailboxes]
    assert terminal.run("resume", UWE, "--json").json == {"mailbox": UWE, "resumed": 1}
    assert terminal.run("resume", UWE).out == f"{UWE} was not paused\n"


@pytest.mark.rule("D3-1")
def test_all_mailboxes_are_paused_and_resumed(terminal: Terminal) -> None:
    assert terminal.run("pause", "--yes", "--json").json == {"mailbox": None, "newly_paused": 2}
    assert terminal.run("resume", "--yes").out == "mailboxes resumed: 2\n"


@pytest.mark.rule("E88")
def test_a_mail_is_tried_again_or_refused_with_what_became_of_it(terminal: Terminal) -> None:
    assert terminal.run("retry", "m1", "--mailbox", UWE).out == "mails that wait again: 1\n"
    again = terminal.run("retry", "m1")
    assert (again.code, again.out) == (2, "")
    assert again.err == f"lodestone: m1 is not set aside: in {UWE} waits to be announced\n"
    assert "it ended with skip.spam" in terminal.run("retry", "m3").err
    unknown = terminal.run("retry", "m9")
    assert unknown.code == 2
    assert unknown.err.startswith("lodestone: the ledger knows no mail of this id; ")
    assert terminal.run("retry", "--all-set-aside", "--json").json == {"retried_mails": 0}
    for words in (("retry",), ("retry", "m1", "--all-set-aside")):
        assert terminal.run(*words).err == "lodestone: name one message, or say --all-set-aside\n"


@pytest.mark.rule("I9", "D2")
def test_the_ledger_has_a_line_for_each_mail(terminal: Terminal) -> None:
    lines = terminal.run("ledger", UWE).out.splitlines()
    assert [line.split()[2] for line in lines[1:]] == ["m3", "m2", "m1"]
    assert lines[1].endswith("push     skip.spam            uwe")
    assert "uwe: waits to be announced, next try 20" in lines[2]
    assert lines[2].endswith("from ann@example.com")
    assert "uwe: set aside: it could not be announced in 8 tries (E88)" in lines[3]
    few = terminal.run("ledger", UWE, "--limit", "1").out.splitlines()
    assert (len(few), few[-1]) == (3, "... and more: raise --limit, or ask for less")
    assert terminal.run("ledger", CARLA).out == "no such mail in the ledger\n"


def test_the_ledger_is_asked_by_outcome_time_and_state(terminal: Terminal, world: World) -> None:
    def found(*words: str) -> list[str]:
        return [one["message_id"] for one in terminal.run("ledger", *words, "--json").json]

    let_pass(world.store, 7_200)
    assert found("--outcome", "skip.spam,label.ctm") == ["m3"]
    assert found("--set-aside") == ["m1"]
    assert found(UWE, "--waiting") == ["m2", "m1"], "sorting waits behind what is set aside"
    assert found(UWE, "--since", "1h") == []
    assert found(UWE, "--since", "3h", "--until", "1h") == ["m3", "m2", "m1"]
    assert found(UWE, "--limit", "2") == ["m3", "m2"]
    [spam] = terminal.run("ledger", "--outcome", "skip.spam", "--json").json
    assert (spam["from"], spam["received_at"], spam["unfinished_step"]) == (None, None, None)
    [waits, _] = terminal.run("ledger", "--waiting", "--json").json
    assert (waits["from"], waits["unfinished_step"]["step"]) == ("ann@example.com", "announce")


def test_what_the_ledger_cannot_be_asked_is_told_in_one_line(terminal: Terminal) -> None:
    outcome = terminal.run("ledger", "--outcome", "label.blue")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("lodestone: label.blue is no final outcome; these are: label.ctm, ")
    moment = terminal.run("ledger", "--since", "yesterday")
    assert (moment.code, moment.err.count("\n")) == (2, 1)
    for command in ("pause", "resume", "ledger", "retry"):
        words = (command, "m1", "--mailbox", "nobody") if command == "retry" else (command, "nobody")
        assert terminal.run(*words).err == "lodestone: that is no mailbox address\n"
    for command in ("pause", "ledger"):
        nobodys = terminal.run(command, "eva@firm.example")
        assert (nobodys.code, nobodys.out) == (2, "")
        assert nobodys.err == "lodestone: there is no such mailbox; `lodestone status` lists them\n"
    none = terminal.run("ledger", "--limit", "0")
    assert (none.code, none.out) == (2, "")
    assert "--limit" in none.err
    backwards = terminal.run("ledger", "--since", "1h", "--until", "2h")
    assert (backwards.code, backwards.err) == (2, "lodestone: --until is not after --since\n")


def test_json_is_one_array_however_long(terminal: Terminal) -> None:
    text = terminal.run("ledger", "--json").out
    assert len(json.loads(text)) == 3
    assert len(text.splitlines()) == 5
    assert terminal.run("ledger", CARLA, "--json").json == []


@pytest.mark.parametrize("command", ["pause", "resume", "retry", "ledger"])
def test_help_shows_an_example(terminal: Terminal, command: str) -> None:
    assert f"Example: lodestone {command} " in " ".join(terminal.run(command, "--help").out.split())


@pytest.mark.parametrize(("level", "told"), [("INFO", True), ("WARNING", False)])
def test_a_level_that_is_asked_for_counts_for_commands_too(
    terminal: Terminal, level: str, told: bool
) -> None:
    asked = replace(terminal, settings={**terminal.settings, "LODESTONE_LOG_LEVEL": level})
    assert ("mailbox.paused" in asked.run("pause", UWE).err) is told


@pytest.mark.rule("E67")
def test_mail_left_unsorted_because_sorting_is_stopped_says_so_and_is_sorted_once_it_goes_on(
    terminal: Terminal, world: World
) -> None:
    with world.store.begin("tests.stop") as tx:
        tx.connections.stop_sorting(connection_of(tx, world), "labelLimit")
        sort = (steps.c.message_id == "m2", steps.c.step == Step.SORT.value)
        failed = Outcome.LABEL_FAILED.value
        tx.db.execute(update(steps).where(steps.c.message_id == "m2").values(state=State.DONE.value))
        tx.db.execute(update(steps).where(*sort).values(outcome=failed))
        tx.db.execute(update(decisions).where(decisions.c.message_id == "m2").values(outcome=failed))
    stopped = terminal.run("retry", "m2")
    assert stopped.code == 2
    assert stopped.err == (
        f"lodestone: m2 is not set aside: in {UWE} not sorted: no more labels can be made (labelLimit); "
        "sorting is stopped until some are deleted (E67)\n"
    )
    status = terminal.run("status")
    [line] = [line for line in status.out.splitlines() if line.startswith(UWE)]
    assert "sorting stopped (labelLimit)" in line
    assert "mailboxes in which sorting is stopped: 1; Gmail makes no more labels there" in status.out
    found = terminal.run("status", "--json").json
    assert found["totals"]["sorting_stopped_mailboxes"] == 1
    assert {one["mailbox"]: one["sorting_trouble"] for one in found["mailboxes"]} == {
        UWE: "labelLimit",
        CARLA: None,
    }
    assert found["mailboxes"][0]["mailbox"] == UWE, "trouble comes first"
    with world.store.begin("tests.save_settings") as tx:
        now = connection_of(tx, world)
        tx.connections.change(now.id, now.features, dry_run=False)
    assert terminal.run("status", "--json").json["totals"]["sorting_stopped_mailboxes"] == 0
    assert terminal.run("retry", "m2").out == "mails that wait again: 1\n"
