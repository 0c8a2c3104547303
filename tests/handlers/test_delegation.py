"""A mailbox that a service account enters, while the administrator does not let it in (E86, E87, W15)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select, update

from domain.checks import Verdict
from domain.connections.connections import Connection, ConnectionState, Features, Sharing, Wishes
from domain.errors import Refused
from domain.ids import ConnectionId, MailboxId
from domain.notifications import NotificationKind
from handlers import doctor, reports
from handlers.connections import disconnecting, sign_in
from handlers.live_view import live
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.mailboxes import mailboxes
from infra.gmail.delegation import ServiceAccount
from infra.gmail.grants import NAME
from infra.gmail.provider import Gmail
from infra.gmail.scopes import Scope
from infra.local.gmail import GmailServer
from infra.local.gmail.http.errors import NO_TOKEN
from tests import sweep
from tests.handlers.conftest import House
from tests.journeys.world import UWE
from tests.providers import TOPIC
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

SERVICE = "lodestone@local.iam.gserviceaccount.com"
SETTINGS = Wishes(magnet=True, sorting=True, sharing=Sharing.PRIVATE)


@dataclass(frozen=True, slots=True)
class Delegated:
    """A house in which the service account enters Uwe's mailbox."""

    house: House

    def let(self, *scopes: Scope) -> None:
        """The administrator delegates these from now on; what was given before is used up."""
        self.house.gmail.service_account(SERVICE, scopes)
        self.house.gmail.expire_access_tokens(UWE)

    def connect(self, address: str = UWE) -> ConnectionId:
        context = self.house.context
        return sign_in.delegate("uwe", address, SETTINGS, provider=NAME, context=context)[0]

    def connection(self) -> Connection:
        with self.house.store.begin("tests.look") as tx:
            [connection] = tx.of(HERE).connections.of_user("uwe")
        return connection

    def told(self) -> list[NotificationKind]:
        """What stands on Uwe's list that is of no mail."""
        with self.house.store.begin("tests.told") as tx:
            return [
                one.kind
                for one in tx.of(HERE).notification_list.of_user("uwe", 0)
                if one.kind is not NotificationKind.MAIL
            ]

    def rests_for(self) -> timedelta:
        with self.house.store.begin("tests.rests") as tx:
            mailbox, now = tx.mailboxes.get(MailboxId(1)), tx.now()
        assert mailbox
        return mailbox.resting_until - now if mailbox.resting_until else timedelta()


@pytest.fixture
def delegated(house: House, gmail_server: GmailServer, tmp_path: Path) -> Iterator[Delegated]:
    """Connected, with MailMagnet and sorting on."""
    key = tmp_path / "service.json"
    key.write_text(json.dumps(house.gmail.service_account(SERVICE, [Scope.MODIFY])))
    account = ServiceAccount(key)
    house.gmail.create_mailbox(UWE)
    gmail = Gmail(gmail_server.url, service_account=account, topic=TOPIC)
    one = Delegated(replace(house, context=replace(house.context, providers={NAME: gmail})))
    one.connect()
    yield one
    gmail.close()


@pytest.mark.rule("E86", "E87", "I4")
def test_it_rests_for_an_hour_is_told_once_and_comes_back_by_itself(delegated: Delegated) -> None:
    house = delegated.house
    delegated.let(Scope.READONLY)
    message_id = house.deliver("ann")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            house.catch_up()
            assert timedelta(minutes=59) < delegated.rests_for() <= timedelta(hours=1)
            house.gmail.reset_counters()
            house.catch_up()
            assert house.gmail.counters().token_requests == 0, "while it rests nobody is asked"
            house.let_time_pass()
    assert delegated.told() == [NotificationKind.ACCESS_REFUSED]
    said = [one for one in logs if one["event"] == "connection.refused"]
    who = {
        "connection_id": 1,
        "location_id": 1,
        "user_id": "uwe",
        "reason": "unauthorized_client",
        "log_level": "warning",
    }
    assert said == [{"event": "connection.refused", **who}]
    assert delegated.connection().state is ConnectionState.ACTIVE
    delegated.let(Scope.MODIFY)
    with structlog.testing.capture_logs() as logs:
        house.catch_up()
    assert [one["event"] for one in logs].count("connection.admitted") == 1
    assert house.outcomes()[message_id] == "label.open"
    assert delegated.connection().access_trouble is None
    delegated.let()
    house.catch_up()
    assert delegated.told() == [NotificationKind.ACCESS_REFUSED] * 2, "another time is told again"


@pytest.mark.rule("E86")
def test_status_and_doctor_say_who_can_mend_it(delegated: Delegated) -> None:
    house = delegated.house
    delegated.let()
    for _ in range(2):  # asked by the doctor himself, then at rest
        found = doctor.examine(MailboxId(1), house.context)
        assert found
        [told] = [one for one in found.findings if one.verdict is Verdict.FAILED]
        assert (told.check, "administrator does not let us in" in told.says) == ("gmail", True)
        house.catch_up()
    status = reports.status(None, None, house.context)
    assert status.totals.refused == 1
    [report] = status.mailboxes
    assert report.access_trouble == "unauthorized_client"
    assert "unauthorized_client" in report.state_in_words(status.now)
    page = live.show_own("uwe", house.context, limit=5)
    assert [one.trouble for one in page.mailboxes] == ["unauthorized_client"]


@pytest.mark.rule("E85", "E87")
def test_its_watch_is_renewed_no_oftener(delegated: Delegated) -> None:
    house = delegated.house
    delegated.let()
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(watch_due_at=mailboxes.c.synced_at))
    assert sweep.renew_watches(house.context) == 1
    house.pump()
    with house.store.begin("tests.due") as tx:
        due = tx.db.execute(select(mailboxes.c.watch_due_at)).scalar_one()
        assert timedelta(minutes=59) < due - tx.now() <= timedelta(hours=1)


@pytest.mark.rule("E86")
def test_a_wrong_address_is_told_as_that(delegated: Delegated) -> None:
    house = delegated.house
    with pytest.raises(Refused, match="Google knows no mailbox of this address"):
        delegated.connect("nobody@firm.example")
    house.gmail.rename_mailbox(UWE, "uwe.new@firm.example")
    house.gmail.expire_access_tokens("uwe.new@firm.example")
    with structlog.testing.capture_logs() as logs:
        house.catch_up()
        house.let_time_pass()
        house.catch_up()
    assert [one["reason"] for one in logs if one["event"] == "connection.refused"] == ["unknown_address"]
    assert "connection.expired" not in {one["event"] for one in logs}
    assert delegated.told() == [NotificationKind.ACCESS_REFUSED]
    assert delegated.connection().state is ConnectionState.REAUTH_NEEDED
    found = doctor.examine(MailboxId(1), house.context)
    assert found
    [told] = [one for one in found.findings if one.check == "token"]
    assert (told.verdict, "knows no mailbox of the address" in told.says) == (Verdict.FAILED, True)
    status = reports.status(None, None, house.context)
    assert status.mailboxes[0].state_in_words(status.now) == "reauth needed (unknown_address)"
    house.gmail.rename_mailbox("uwe.new@firm.example", UWE)
    delegated.connect()
    assert delegated.connection().access_trouble is None


@pytest.mark.rule("E86")
def test_what_was_not_delegated_is_told_otherwise(delegated: Delegated) -> None:
    delegated.let(Scope.READONLY)
    with pytest.raises(Refused, match=r"does not let .* act for this mailbox: .*domain-wide delegation"):
        delegated.connect()


@pytest.mark.rule("W15")
def test_another_grant_of_the_mailbox_is_taken_meanwhile(delegated: Delegated) -> None:
    house, since = delegated.house, delegated.connection().features.magnet_since
    with house.store.begin("tests.second") as tx:
        second = tx.of(HERE).connections.add("carla", MailboxId(1), house.grant(UWE), Sharing.PRIVATE)
        tx.connections.change(second, Features(magnet_since=since), dry_run=False)
    delegated.let()
    message_id = house.deliver("ann")
    house.catch_up()
    assert message_id in house.outcomes()
    assert delegated.rests_for() == timedelta()
    assert delegated.told() == [NotificationKind.ACCESS_REFUSED]


@pytest.mark.rule("D12")
def test_it_keeps_nobody_from_leaving(delegated: Delegated) -> None:
    house = delegated.house
    delegated.let()
    assert disconnecting.disconnect("uwe", house.context) == 1
    with house.store.engine.connect() as db:
        assert db.execute(select(connection_table.c.id)).all() == []


@pytest.mark.rule("E86", "E87")
@pytest.mark.parametrize("kind", [*sorted(NO_TOKEN), "403.accessNotConfigured"])
def test_what_the_operator_has_to_mend_marks_no_user(house: House, kind: str) -> None:
    house.connect()
    house.gmail.expire_access_tokens(UWE)
    house.gmail.fault(kind)
    message_id = house.deliver("ann")
    house.catch_up()
    with house.store.begin("tests.look") as tx:
        [connection] = tx.of(HERE).connections.of_user("uwe")
        assert (connection.state, connection.access_trouble) == (ConnectionState.ACTIVE, None)
        assert tx.of(HERE).notification_list.of_user("uwe", 0) == ()
        mailbox = tx.mailboxes.get(MailboxId(1))
    assert mailbox
    assert (mailbox.trouble, mailbox.resting_until is not None) == (kind.partition(".")[2], True)
    assert mailbox.refusals == (kind in NO_TOKEN), "waits grow to an hour: nobody but the operator ends that"
    found = doctor.examine(MailboxId(1), house.context)
    assert found
    assert [one.check for one in found.findings if one.verdict is Verdict.FAILED] == ["gmail"]
    house.gmail.clear_faults()
    house.let_time_pass()
    house.catch_up()
    assert house.outcomes()[message_id] == "label.open"


@pytest.mark.rule("E99")
def test_who_signs_in_himself_need_not_wait_for_the_administrator(delegated: Delegated) -> None:
    house = delegated.house
    delegated.let()
    house.connect("uwe", UWE)
    assert delegated.connection().access_trouble is None
    house.catch_up()
    assert delegated.rests_for() == timedelta()
