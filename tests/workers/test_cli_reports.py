"""`lodestone status`, `explain` and `notifications` as an operator and a CRM run them: as processes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from domain.cloud_events import moment
from domain.crm.contacts import ContactKind
from domain.crm.records import ContactRecord
from domain.ledger import Step
from domain.mailboxes.comparisons import Compared
from domain.mailboxes.history import Cursors
from domain.mailboxes.watches import Recall, WalkEnd, Watch
from domain.notifications import NotificationKind
from domain.outcomes import Outcome
from infra.db.store import Store
from infra.db.tables.ledger import steps
from infra.db.tables.mail import decisions, notifications
from infra.secrets import Cipher
from tests.nowhere import dead_port
from tests.terminals import Terminal
from tests.worlds import HERE, KEPT, START, World, arrive, connection_of, let_pass, make_world, match

UWE = "uwe@firm.example"
LISTS = "`lodestone ledger` lists what it knows"


@pytest.fixture
def world(sqlite_url: str, cipher: Cipher) -> Iterator[World]:
    """Uwe's mailbox: Ann's mail m1 and m2 wait to be announced, m3 matched nobody, m4 is to be matched."""
    store = Store(sqlite_url, cipher)
    world = make_world(store)
    with store.begin("tests.crm") as tx:
        tx.of(HERE).crm.put(
            [ContactRecord("ann", ContactKind.CONTACT, "[/b] \x1b[31mAnn", ("ann@example.com",), None, START)]
        )
    arrive(world, "m1", "m2")
    match(world, "m1", "m2")
    arrive(world, "m3")
    with store.begin("tests.skip") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.MATCH, 1, "matcher", 60)
        tx.ledger.finish(world.mailbox_id, Step.MATCH, dict.fromkeys(claims), "matcher", {})
        tx.decisions.skip(world.mailbox_id, {"m3": Outcome.SKIP_NO_CONTACT}, [world.connection_id])
    arrive(world, "m4")
    yield world
    store.engine.dispose()


@pytest.fixture
def terminal(tmp_path: Path, sqlite_url: str, world: World) -> Terminal:
    """A shell beside the world, from which Gmail cannot be reached."""
    return Terminal(tmp_path, sqlite_url, {"LODESTONE_GMAIL_ENDPOINT": f"http://127.0.0.1:{dead_port()}/"})


def announce(world: World, *, in_time: bool = False) -> None:
    """What waits to be announced is on Uwe's list, as late as it is or as if it had been announced at once."""
    with world.store.begin("tests.announce") as tx:
        claims = tx.ledger.claim(world.mailbox_id, Step.ANNOUNCE, 10, "announcer", 60, [world.connection_id])
        tx.notifications.notify(connection_of(tx, world), claims, tx.decisions.links(claims), KEPT)
        if in_time:
            tx.db.execute(update(notifications).values(late=False))


@pytest.mark.rule("Z25")
def test_the_crm_reads_the_notifications_of_a_user_and_asks_for_those_after(
    terminal: Terminal, world: World
) -> None:
    announce(world)
    found = terminal.run("notifications", "--user", "uwe", "--json").json
    assert found == [
        {
            "notification_id": number,
            "notification_kind": "mail",
            "late": True,
            "name": "[/b] \x1b[31mAnn",
            "from": "ann@example.com",
            "received_at": f"2026-03-15T09:0{number - 1}:00.000Z",
            "message_id": f"m{number}",
            "contact_id": "ann",
            "via_list": False,
        }
        for number in (1, 2)
    ]
    assert terminal.run("notifications", "--user", "uwe", "--after", "1", "--json").json == found[1:]
    assert terminal.run("notifications", "--user", "uwe", "--after", "2", "--json").json == []
    assert (
        terminal.run("notifications", "--user", "uwe", "--after", "2").out
        == "no notifications for uwe after 2\n"
    )


def test_a_user_whom_nobody_knows_has_no_list(terminal: Terminal) -> None:
    done = terminal.run("notifications", "--user", "nosuch", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "lodestone: there is no user nosuch: `lodestone crm import --users FILE` or `lodestone connect` "
        "makes one known\n"
    )


def test_a_name_cannot_play_with_the_terminal(terminal: Terminal, world: World) -> None:
    announce(world, in_time=True)
    done = terminal.run("notifications", "--user", "uwe")
    assert [line.split() for line in done.out.splitlines()[:2]] == [
        ["id", "name", "from", "received", "at", "message", "id", "contact", "id"],
        ["1", "[/b]", "[31mAnn", "ann@example.com", "2026-03-15", "09:00:00", "UTC", "m1", "ann"],
    ]
    assert "\x1b" not in done.out + terminal.run("explain", "m1").out


@pytest.mark.rule("E100", "Z25")
def test_a_notification_says_via_a_list(terminal: Terminal, world: World) -> None:
    announce(world, in_time=True)
    with world.store.begin("tests.list") as tx:
        for table in (notifications, decisions):
            tx.db.execute(update(table).where(table.c.message_id == "m2").values(via_list=True))
    lines = terminal.run("notifications", "--user", "uwe").out.splitlines()
    assert ["ann@example.com via a list" in line for line in lines[1:3]] == [False, True]
    told = terminal.run("notifications", "--user", "uwe", "--json").json
    assert [one["via_list"] for one in told] == [False, True]
    assert "from ann@example.com via a list" in terminal.run("ledger").out
    listed = {one["message_id"]: one["via_list"] for one in terminal.run("ledger", "--json").json}
    assert (listed["m1"], listed["m2"]) == (False, True)
    match = terminal.run("explain", "m2", "--json").json[0]["decisions"][0]["match"]
    assert (match["from"], match["via_list"]) == ("ann@example.com", True)


@pytest.mark.rule("E91", "E86")
def test_late_mails_are_one_line_and_a_lost_sign_in_is_told_in_words(
    terminal: Terminal, world: World
) -> None:
    announce(world)
    with world.store.begin("tests.tell") as tx:
        tx.notifications.tell(connection_of(tx, world), NotificationKind.SIGN_IN_NEEDED)
    lines = terminal.run("notifications", "--user", "uwe").out.splitlines()
    assert [line.split("  ")[:2] for line in lines if line[0].isdigit()] == [
        ["2", " 2 mails from 2026-03-15 09:00:00 UTC on, told late"],
        ["3", " Google no longer lets us in: please sign in again"],
    ], "so that the last line has the id to ask on from"
    told = terminal.run("notifications", "--user", "uwe", "--json").json[-1]
    assert (told["notification_kind"], told["from"], told["message_id"]) == ("sign_in_needed", None, None)


@pytest.mark.rule("Z33")
def test_status_shows_the_mailboxes_and_check_fails_when_mail_waits_too_long(
    terminal: Terminal, world: World
) -> None:
    done = terminal.run("status", "--check", "--json")
    assert done.code == 0
    totals, [mailbox] = done.json["totals"], done.json["mailboxes"]
    assert (totals["mailbox_count"], totals["waiting_mails"], totals["set_aside_mails"]) == (1, 3, 0)
    assert 0 <= totals["oldest_waiting_seconds"] < 600
    assert (mailbox["mailbox"], mailbox["mailbox_state"], mailbox["waiting_mails"]) == (UWE, "active", 3)
    assert mailbox["watch_expires_at"] == "2026-03-22T09:00:00.000Z"
    assert (mailbox["last_push_at"], mailbox["last_sweep_at"]) == (None, None)
    let_pass(world.store, 660)
    late = terminal.run("status", "--check")
    assert late.code == 1
    assert late.out.splitlines()[-1] == "1 mailbox, mails waiting: 3 (the oldest for 11 min), set aside: 0"
    assert late.out.splitlines()[1].split()[:2] == [UWE, "active"]
    assert terminal.run("status", UWE.upper(), "--limit", "0").code == 0, "only --check fails"


@pytest.mark.rule("E85", "E82")
def test_status_shows_the_watch_its_last_error_and_push_recall(terminal: Terminal, world: World) -> None:
    with world.store.begin("tests.watch") as tx:
        recall = (Recall(), Recall(pushed=9, missed=3))
        tx.history.advance(
            world.mailbox_id, Cursors.start("100", tx.now()), ended=WalkEnd(tx.now(), 540, recall)
        )
        tx.mailboxes.watch_failed(world.mailbox_id, "domainPolicy", 600)
    found = terminal.run("status", "--json").json
    [mailbox] = found["mailboxes"]
    assert (mailbox["push_recall"], mailbox["push_recall_of"]) == (0.75, 12)
    assert mailbox["watch_trouble"] == "domainPolicy"
    assert mailbox["watch_renewed_at"] <= mailbox["watch_failed_at"]
    assert found["totals"]["watch_expired_mailboxes"] == 1, "the world's watch ended long ago"
    lines = terminal.run("status").out.splitlines()
    assert "75% of 12" in lines[1]
    assert next(line for line in lines if "could not be renewed" in line).endswith("ago (domainPolicy)")
    assert any(line.startswith("mailboxes without a watch: 1;") for line in lines)

    with world.store.begin("tests.watch") as tx:
        watch = Watch("100", tx.now() + timedelta(days=7), tx.now())
        tx.mailboxes.start_watch(world.mailbox_id, watch, 86_400)
    found = terminal.run("status", "--json").json
    assert found["mailboxes"][0]["watch_trouble"] is None
    assert found["totals"]["watch_expired_mailboxes"] == 0


@pytest.mark.rule("E108", "E84")
def test_status_shows_recall_and_where_history_is_unusable(terminal: Terminal, world: World) -> None:
    first = terminal.run("status", "--json").json
    for shown in (first["totals"], *first["mailboxes"]):
        assert (shown["recall"], shown["recall_of"], shown["found_late"]) == (None, 0, 0)
    assert first["totals"]["history_refused_mailboxes"] == 0
    assert "recall:" not in terminal.run("status").out
    other = make_world(world.store, "eva@firm.example", "eva")
    with world.store.begin("tests.compared") as tx:
        now = tx.now()
        tx.history.compared(world.mailbox_id, Compared(1_999, 1), now)
        tx.history.compared(other.mailbox_id, Compared(1, 0), now)
        tx.history.advance(world.mailbox_id, replace(Cursors.start("100", now), refused_at=now))
    found = terminal.run("status", "--json").json
    of = {one["mailbox"]: one for one in found["mailboxes"]}
    assert (of[UWE]["recall"], of[UWE]["recall_of"], of[UWE]["found_late"]) == (0.999499, 1_999, 1)
    assert (of[UWE]["mailbox_state"], of["eva@firm.example"]["mailbox_state"]) == (
        "history_refused",
        "active",
    )
    assert of[UWE]["history_refused_at"] == moment(now)
    assert of[UWE]["compared_at"] is not None
    assert (found["totals"]["recall"], found["totals"]["found_late"]) == (0.9995, 1)
    assert found["totals"]["history_refused_mailboxes"] == 1
    lines = terminal.run("status").out.splitlines()
    assert "99.9% of 1999" in next(line for line in lines if line.startswith(UWE))
    assert "recall: 99.9% of 2000 mails were seen before the daily comparison, 1 found late" in lines
    assert any(line.startswith("mailboxes whose history Gmail refuses: 1;") for line in lines)
    assert f"{UWE}: Gmail refuses its history since {now:%Y-%m-%d %H:%M:%S} UTC" in lines


@pytest.mark.rule("Z33", "E82")
def test_check_fails_when_nobody_looks_into_a_mailbox(terminal: Terminal, world: World) -> None:
    let_pass(world.store, 540 + 660)
    done = terminal.run("status", "--check")
    assert done.code == 1
    assert done.out.splitlines()[-2].startswith("a mailbox should have been looked into 11 min ago: ")


def test_an_unknown_mailbox_and_a_word_that_is_none_are_told_in_one_line(terminal: Terminal) -> None:
    unknown = terminal.run("status", "carla@firm.example", "--json")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err == "lodestone: there is no such mailbox; `lodestone status` lists them\n"
    none = terminal.run("status", "carla")
    assert (none.code, none.err) == (2, "lodestone: that is no mailbox address\n")


@pytest.mark.rule("I9")
def test_explain_tells_people_the_answer_first(terminal: Terminal) -> None:
    lines = terminal.run("explain", "m1", "--mailbox", UWE).out.splitlines()
    assert lines[:2] == [f"m1 in {UWE}", "  waits to be announced"]
    assert (
        "  match: ann@example.com is ann@example.com of contact ann ([/b]  [31mAnn), exactly (D5 step 2)"
        in lines
    )
    assert "  step announce for uwe: waiting; 0 units, 0 tries, 0.000 s" in lines
    assert terminal.run("explain", "m4").out.splitlines()[1] == "  waits to be matched"


@pytest.mark.rule("E88")
def test_explain_says_when_a_mail_that_failed_is_tried_again(terminal: Terminal, world: World) -> None:
    with world.store.begin("tests.failed") as tx:
        tx.db.execute(
            update(steps).where(steps.c.message_id == "m4", steps.c.step == "match").values(attempts=2)
        )
    [found] = terminal.run("explain", "m4", "--json").json
    [match] = found["steps"]
    again = datetime.fromisoformat(match["next_try_at"])
    lines = terminal.run("explain", "m4").out.splitlines()
    said = f"  step match: waiting; 0 units, 2 tries, 0.000 s, next try {again:%Y-%m-%d %H:%M:%S} UTC"
    assert said in lines
    [done, *_] = terminal.run("explain", "m3", "--json").json[0]["steps"]
    assert (done["step_state"], done["next_try_at"]) == ("done", None)


@pytest.mark.rule("Z40")
def test_explain_without_gmail_shows_what_the_ledger_has_and_says_so(terminal: Terminal) -> None:
    [found] = terminal.run("explain", "m3", "--json").json
    [decision] = found["decisions"]
    assert (found["mailbox"], found["came_by"], found["steps"][0]["step"]) == (UWE, "push", "match")
    assert decision["outcome"] == "skip.no_contact"
    assert decision["gate"]["rule"] == "D5"
    assert decision["not_under_customers"] == "the sender's address is not on the contact record"
    assert decision["now"]["read"] is False
    assert "not read again: the provider cannot be asked" in decision["now"]["summary"]


def test_an_id_that_nobody_knows_is_told_in_one_line(terminal: Terminal) -> None:
    done = terminal.run("explain", "m9", "--json")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"lodestone: the ledger knows no mail of this id; {LISTS}\n"
    elsewhere = terminal.run("explain", "m1", "--mailbox", "carla@firm.example")
    assert elsewhere.err == f"lodestone: the ledger knows no mail of this id in this mailbox; {LISTS}\n"


@pytest.mark.parametrize("command", ["status", "explain", "notifications"])
def test_help_shows_an_example(terminal: Terminal, command: str) -> None:
    assert f"Example: lodestone {command} " in " ".join(terminal.run(command, "--help").out.split())


@pytest.mark.rule("I10")
def test_no_answer_shows_a_token(terminal: Terminal) -> None:
    for words in (("status",), ("explain", "m1"), ("explain", "m3", "--json")):
        done = terminal.run(*words)
        assert done.out
        assert "token-1" not in done.out + done.err
