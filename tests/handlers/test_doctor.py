"""Every mailbox as it really stands: token, scopes, address, cursor, watch, last look (D12, E84–E86, E99)."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from domain.checks import Verdict
from domain.connections.connections import ConnectionState
from domain.ids import MailboxId
from handlers import doctor, operations
from handlers.conversations.reading import AWAY
from handlers.doctor import Examined
from infra.db.tables.connections import connections
from infra.db.tables.mailboxes import mailboxes
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.gmail.scopes import Scope
from tests.handlers.conftest import LONG_AGO, House
from tests.journeys.world import UWE
from tests.nowhere import dead_port
from tests.providers import TOPIC, changed, held
from tests.worlds import ONE_DATABASE, let_pass

pytestmark = ONE_DATABASE

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED


def examine(house: House, *, ask: bool = True) -> Examined:
    found = doctor.examine(MailboxId(1), house.context, ask=ask)
    assert found is not None
    return found


def verdicts(house: House) -> dict[str, Verdict]:
    return {finding.check: finding.verdict for finding in examine(house).findings}


def troubles(house: House) -> dict[str, Verdict]:
    return {check: verdict for check, verdict in verdicts(house).items() if verdict is not OK}


@pytest.fixture
def good(house: House) -> House:
    """A mailbox that is as it should be."""
    house.connect()
    house.catch_up()
    house.gmail.reset_counters()
    return house


def test_a_good_mailbox_is_found_good_for_3_units(good: House) -> None:
    found = examine(good)
    assert [finding.verdict for finding in found.findings] == [OK] * 6
    assert {finding.check for finding in found.findings} == {
        *("token", "scopes", "address", "cursor", "watch", "sync")
    }
    assert (found.address, found.worst, found.out_of_reach) == (UWE, OK, False)
    counters = good.gmail.counters()
    assert (counters.calls_of("getProfile"), counters.calls_of("history.list")) == (1, 1)
    assert counters.calls == 2


def test_its_token_is_refreshed_even_if_it_is_still_good(good: House) -> None:
    with good.store.begin("tests.grant") as tx:
        [before] = tx.connections.of_mailbox(MailboxId(1))
    examine(good)
    with good.store.begin("tests.grant") as tx:
        [after] = tx.connections.of_mailbox(MailboxId(1))
    assert held(after.grant).access_token not in (None, held(before.grant).access_token)
    assert held(after.grant).refresh_token == held(before.grant).refresh_token


@pytest.mark.rule("E86")
def test_a_grant_that_google_has_ended_is_found_and_its_user_is_told_once(good: House) -> None:
    good.gmail.revoke(mailbox=UWE)
    for _ in range(2):
        assert troubles(good) == {"token": FAILED}
    with good.store.engine.connect() as db:
        assert db.scalar(select(connections.c.state)) == ConnectionState.REAUTH_NEEDED.value
    assert len(good.notified()) == 1


@pytest.mark.rule("Z9")
def test_scopes_that_do_not_do_for_sorting_are_found(good: House) -> None:
    made = good.gmail.create_mailbox(UWE, scopes=[Scope.READONLY, Scope.COMPOSE])
    with good.store.begin("tests.grant") as tx:
        [connection] = tx.connections.of_mailbox(MailboxId(1))
        less = changed(connection.grant, refresh_token=made["refresh_token"], scopes=(Scope.MODIFY,))
        tx.connections.keep_grant(connection, less)
    assert troubles(good) == {"scopes": FAILED}, "what Google says counts, not what we were told once"
    with good.store.begin("tests.grant") as tx:
        [connection] = tx.connections.of_mailbox(MailboxId(1))
        assert held(connection.grant).scopes == (Scope.READONLY, Scope.COMPOSE)


@pytest.mark.rule("E99")
def test_a_renamed_mailbox_is_found(good: House) -> None:
    good.gmail.rename_mailbox(UWE, "uwe.new@firm.example")
    assert troubles(good) == {"address": WARNING}


@pytest.mark.rule("E84")
def test_a_cursor_that_is_older_than_gmails_history_is_found(good: House) -> None:
    good.gmail.expire_history(UWE)
    assert troubles(good) == {"cursor": WARNING}


@pytest.mark.rule("E85")
def test_a_watch_that_has_ended_and_a_look_that_nobody_took_are_found(good: House) -> None:
    with good.store.engine.begin() as db:
        db.execute(update(mailboxes).values(watch_until=LONG_AGO))
    let_pass(good.store, 3_600)
    assert troubles(good) == {"watch": FAILED, "sync": FAILED}


@pytest.mark.rule("E87", "D3-1")
def test_a_mailbox_that_is_paused_or_rests_is_left_alone(good: House) -> None:
    with good.store.begin("tests.rest") as tx:
        tx.mailboxes.rest(MailboxId(1), "rateLimitExceeded", 600)
    assert troubles(good) == {"gmail": WARNING}
    operations.pause(UWE, good.context)
    assert troubles(good) == {"paused": WARNING}
    assert good.gmail.counters().calls == 0


@pytest.mark.parametrize("reason", sorted(AWAY))
def test_of_an_object_store_that_takes_nothing_the_provider_is_not_blamed(good: House, reason: str) -> None:
    with good.store.begin("tests.rest") as tx:
        tx.mailboxes.rest(MailboxId(1), reason, 600)
    [found] = [one for one in examine(good).findings if one.verdict is not OK]
    assert (found.check, found.verdict) == ("objects", FAILED)
    assert found.says.startswith(f"the object store takes or gives nothing ({reason}); it rests until ")
    assert "LODESTONE_OBJECTS" in (found.next_step or "")


def test_a_gmail_that_cannot_be_reached_is_no_trouble_of_the_mailboxs(good: House) -> None:
    gmail = Gmail(endpoint=f"http://127.0.0.1:{dead_port()}/", timeout_seconds=1, topic=TOPIC)
    with good.store.begin("tests.grant") as tx:
        [connection] = tx.connections.of_mailbox(MailboxId(1))
        nowhere = f"http://127.0.0.1:{dead_port()}/token"
        tx.connections.keep_grant(connection, changed(connection.grant, token_uri=nowhere))
    found = examine(replace(good, context=replace(good.context, providers={NAME: gmail})))
    assert (found.out_of_reach, found.worst) == (True, FAILED)
    with good.store.engine.connect() as db:
        assert db.scalar(select(connections.c.state)) == ConnectionState.ACTIVE.value


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    ("kind", "verdict"),
    [("403.domainPolicy", FAILED), ("403.userRateLimitExceeded", WARNING), ("503", WARNING)],
)
def test_what_gmail_refuses_is_told_by_its_word(good: House, kind: str, verdict: Verdict) -> None:
    good.gmail.fault(kind, ["getProfile"])
    assert troubles(good) == {"gmail": verdict}


def test_delegated_access_without_the_key_is_the_operators_to_mend(good: House) -> None:
    with good.store.begin("tests.grant") as tx:
        [connection] = tx.connections.of_mailbox(MailboxId(1))
        tx.connections.keep_grant(connection, changed(connection.grant, refresh_token="", subject=UWE))
    found = examine(good)
    [told] = [finding for finding in found.findings if finding.verdict is FAILED]
    assert (told.check, told.next_step) == ("gmail", "set LODESTONE_SERVICE_ACCOUNT_FILE")
    assert not found.out_of_reach


def test_unasked_it_is_judged_by_what_we_know(good: House) -> None:
    found = examine(good, ask=False)
    assert {finding.check for finding in found.findings} == {"watch", "sync"}
    assert good.gmail.counters().calls == 0


@pytest.mark.rule("Z2")
def test_a_mailbox_with_nothing_switched_on_has_no_watch_to_look_for(house: House) -> None:
    house.connect(magnet=False, sorting=False)
    assert not {"watch", "sync", "cursor"} & verdicts(house).keys()


def test_one_or_all_mailboxes_are_named(house: House) -> None:
    house.connect()
    house.connect("carla", "carla@firm.example")
    assert list(doctor.mailboxes(None, house.context)) == [1, 2]
    assert list(doctor.mailboxes("carla@firm.example", house.context)) == [2]
    assert list(doctor.mailboxes("nobody@firm.example", house.context)) == []
    assert doctor.examine(MailboxId(3), house.context) is None
