"""The life of a connection, row by row of table D12, and what the CRM's profiles have to say in it (Z6)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from sqlalchemy import Table, func, insert, select

from domain.connections.connections import Connection, ConnectionState, Features, Sharing, Wishes
from domain.connections.sign_ins import SignIn
from domain.crm.records import Change, RecordKind, UserRecord
from domain.errors import AccessRevoked, GiveUp, Refused, TryAgain
from domain.mailboxes.accounts import Grant
from domain.notifications import NotificationKind
from domain.reports import LedgerQuery
from handlers import reports, settings
from handlers.connections import connecting, disconnecting
from handlers.crm import records
from handlers.live_view import live
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.connections import shared_contacts, sign_ins
from infra.db.tables.ledger import outbox, steps
from infra.db.tables.mail import decisions, messages, notifications
from infra.db.tables.mailboxes import mailbox_addresses, mailboxes
from infra.gmail.grants import NAME
from tests import sweep
from tests.handlers.conftest import House
from tests.journeys.world import CUSTOMERS, OPEN, UWE
from tests.providers import changed, entered_by, held
from tests.worlds import HERE

OTHER = "uwe@other.example"
MAIL = (messages, steps, decisions, notifications)
ITS_OWN = (outbox, shared_contacts, sign_ins)
ALL = (*MAIL, *ITS_OWN, connection_table, mailboxes, mailbox_addresses)


def rows(house: House, tables: Collection[Table]) -> dict[str, int]:
    """How many rows there are, by table; empty ones are left out."""
    with house.store.engine.connect() as db:
        counts = {t.name: db.scalar(select(func.count()).select_from(t)) or 0 for t in tables}
    return {name: count for name, count in counts.items() if count}


def the(house: House, user: str = "uwe") -> Connection:
    """The user's one connection."""
    with house.store.begin("tests.look") as tx:
        [connection] = tx.of(HERE).connections.of_user(user)
    return connection


def is_signed_in(house: House, connection: Connection) -> bool:
    """Whether Google still lets us in."""
    assert connection.grant is not None
    try:
        house.context.open(changed(connection.grant, access_token=None)).address()
    except AccessRevoked:
        return False
    return True


def arrives(house: House, number: int = 0) -> str:
    """A mail of Ann's comes and is dealt with; returns its id."""
    message_id = house.deliver("ann", number)
    house.catch_up(the(house).mailbox_id)
    return message_id


def profile(house: House, *, may_connect: bool = True, active: bool = True, user: str = "uwe") -> None:
    """The CRM says how the user is now."""
    record = UserRecord(user, user.title(), (), may_connect=may_connect, active=active)
    with house.store.begin("tests.version") as tx:
        version = tx.now().timestamp() * 1_000_000
    records.change(Change(RecordKind.USERS, user, int(version), record), house.store, records.Stages())


def leave(house: House) -> None:
    """The sweep's look at what is to be ended, and the jobs it asks for."""
    house.let_time_pass()
    sweep.end_left(house.context)
    house.pump()


def give_it_all(house: House) -> None:
    """Something of everything that may be kept for a connection."""
    connection = the(house)
    with house.store.begin("tests.all") as tx:
        tx.connections.share_contact(connection, "ann", shared=True)
        sign_in = SignIn(NAME, "uwe", "http://127.0.0.1/", "verifier", frozenset(), Wishes())
        tx.of(HERE).sign_ins.begin("state", sign_in, 600)
        row = {"mailbox_id": connection.mailbox_id, "connection_id": connection.id, "contact_id": "ann"}
        row |= {"key": "k", "state": "sent", "sent_id": "s1"}
        at = dict.fromkeys(("ready_at", "redrive_at", "created_at"), tx.now())
        tx.db.execute(insert(outbox).values(row | at))


# --- MailMagnet and sorting off


@pytest.mark.rule("D12-1", "Z36", "Z13")
def test_magnet_off_deletes_what_was_kept_takes_sorting_with_it_and_leaves_gmail(house: House) -> None:
    house.connect()
    sorted_ = arrives(house)
    settings.change("uwe", Wishes(magnet=False), house.context)

    assert rows(house, MAIL) == {}
    connection = the(house)
    assert (connection.state, connection.features) == (ConnectionState.ACTIVE, Features())
    assert house.labels(sorted_) == {"UNREAD", OPEN}
    assert house.gmail.dump(UWE).watched_topic is None
    assert is_signed_in(house, connection)


@pytest.mark.rule("D12-1", "E92", "I3")
@pytest.mark.parametrize("trouble", ["Gmail is away", "the grant is gone"])
def test_magnet_can_be_switched_off_without_gmail(house: House, trouble: str) -> None:
    house.connect()
    arrives(house)
    if trouble == "Gmail is away":
        house.gmail.fault("503")
    else:
        house.gmail.revoke(UWE)
        house.catch_up()
        assert the(house).state is ConnectionState.REAUTH_NEEDED
    settings.change("uwe", Wishes(magnet=False), house.context)
    assert rows(house, MAIL) == {}
    assert not the(house).features.magnet


@pytest.mark.rule("D12-1", "Z13")
@pytest.mark.parametrize("error", [TryAgain("backendError"), GiveUp("domainPolicy"), AccessRevoked("x")])
def test_what_is_saved_is_saved_although_gmail_does_not_end_the_watch(house: House, error: Exception) -> None:
    connection_id = house.connect()
    context = entered_by(house.context, Failing(house.context, "stop_watch", after=False, error=error))
    saved = connecting.save("uwe", house.grant(UWE), Wishes(magnet=False), context=context)
    assert saved == (connection_id, UWE)
    assert not the(house).features.magnet


@pytest.mark.rule("D12-2", "E92", "Z13")
def test_sorting_off_leaves_labelled_mail_and_sorts_nothing_more(house: House) -> None:
    house.connect()
    before = arrives(house, 1)
    waiting = house.deliver("ann", 2)
    house.catch_up_only()
    settings.change("uwe", Wishes(sorting=False), house.context)
    house.pump()
    after = arrives(house, 3)
    assert house.labels(before) == {"UNREAD", OPEN}
    for message_id in (waiting, after):
        assert house.labels(message_id) == {"INBOX", "UNREAD"}
        assert house.outcomes()[message_id] == "label.off"
    assert house.notified() == [before, waiting, after], "MailMagnet stays on"


# --- The connection off


@pytest.mark.rule("D12-3", "D12-9", "Z41", "Z42", "Z43", "Z44", "D2")
def test_switching_off_signs_out_and_leaves_nothing_but_gmail_as_it_is(house: House) -> None:
    house.connect()
    message_id = house.deliver("cid")
    house.catch_up()
    give_it_all(house)
    assert rows(house, ITS_OWN) == {"outbox": 1, "shared_contacts": 1, "sign_ins": 1}
    connection = the(house)

    assert disconnecting.disconnect("uwe", house.context) == 1

    assert rows(house, ALL) == {}
    assert not is_signed_in(house, connection)
    dump = house.gmail.dump(UWE)
    assert dump.watched_topic is None
    assert house.labels(message_id) == {"UNREAD", CUSTOMERS}


class Failing:
    """The real way into Gmail, where one call dies before or after it has its effect."""

    def __init__(self, gmail: Any, name: str, *, after: bool, error: BaseException) -> None:
        self._gmail, self._name, self._after, self._error = gmail, name, after, error

    def open(self, grant: Grant) -> Any:
        mailbox, failing = self._gmail.open(grant), self

        class It:
            def __getattr__(self, name: str) -> Any:
                return getattr(mailbox, name) if name != failing._name else failing._die(mailbox)

        return It()

    def _die(self, mailbox: Any) -> Callable[..., None]:
        def call(*args: Any) -> None:
            if self._after:
                getattr(mailbox, self._name)(*args)
            raise self._error

        return call


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.rule("D12-3", "Z42", "I2", "W13")
@pytest.mark.parametrize("error", [Killed(), TryAgain("backendError")], ids=["killed", "Google is away"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["stop_watch", "revoke"])
def test_a_disconnect_that_dies_half_way_is_completed_by_the_sweep(
    house: House, call: str, after: bool, error: BaseException
) -> None:
    house.connect()
    arrives(house)
    give_it_all(house)
    connection = the(house)
    context = entered_by(house.context, Failing(house.context, call, after=after, error=error))
    with pytest.raises(type(error)):
        disconnecting.disconnect("uwe", context)

    assert rows(house, (*MAIL, *ITS_OWN)) == {}, "nothing of it is kept or shown from the first moment"
    assert the(house).state is ConnectionState.OFF
    leave(house)
    assert rows(house, ALL) == {}
    assert not is_signed_in(house, connection)
    assert house.gmail.dump(UWE).watched_topic is None


@pytest.mark.rule("D12-3", "E87", "W4")
def test_while_google_is_away_the_sweep_asks_again_until_it_is_there(house: House) -> None:
    house.connect()
    connection = the(house)
    house.gmail.fault("503")
    with pytest.raises(TryAgain):
        disconnecting.disconnect("uwe", house.context)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            leave(house)
    assert [line["event"] for line in logs].count("leaving.postponed") == 2
    assert sweep.end_left(house.context) == 0, "not at every tick"
    house.gmail.clear_faults()
    leave(house)
    assert rows(house, ALL) == {}
    assert not is_signed_in(house, connection)


@pytest.mark.rule("D12-3")
def test_who_disconnects_twice_at_once_does_no_harm(house: House) -> None:
    house.connect()
    connection = the(house)

    class Twice:
        def open(self, grant: Grant) -> Any:
            if the(house).state is ConnectionState.OFF and not done:
                done.append(True)
                disconnecting.disconnect("uwe", house.context)
            return house.context.open(grant)

    done: list[bool] = []
    disconnecting.disconnect("uwe", entered_by(house.context, Twice()))
    assert done
    assert rows(house, ALL) == {}
    assert not is_signed_in(house, connection)


@pytest.mark.rule("D12-4", "D12-3")
def test_nobody_connects_a_mailbox_anew_while_its_grant_is_being_revoked(house: House) -> None:
    """Google revokes what the user granted, not one token: a new sign-in would be gone with the old one."""
    house.connect()
    refusals: list[str] = []

    class Meanwhile:
        def open(self, grant: Grant) -> Any:
            mailbox = house.context.open(grant)

            class It:
                def __getattr__(self, name: str) -> Any:
                    return getattr(mailbox, name)

                def revoke(self) -> None:
                    for user in ("uwe", "carla"):
                        with pytest.raises(Refused) as refused:
                            house.connect(user)
                        refusals.append(str(refused.value))
                    mailbox.revoke()

            return It()

    disconnecting.disconnect("uwe", entered_by(house.context, Meanwhile()))
    assert refusals == ["this mailbox is just being disconnected: try again in a few minutes"] * 2
    house.connect()
    assert is_signed_in(house, the(house))


@pytest.mark.rule("D12-4", "Z38", "Z10")
def test_on_again_with_the_same_mailbox_starts_from_now(house: House) -> None:
    house.connect(sharing=Sharing.PUBLIC)
    handled = arrives(house, 1)
    disconnecting.disconnect("uwe", house.context)
    between = house.deliver("ann", 2)
    with pytest.raises(Refused, match="Z10"):
        house.connect(sharing=None)
    house.connect(sharing=Sharing.PRIVATE)
    after = arrives(house, 3)
    assert house.notified() == [after]
    assert house.labels(handled) == {"UNREAD", OPEN}
    assert house.labels(between) == {"INBOX", "UNREAD"}
    assert the(house).sharing is Sharing.PRIVATE


@pytest.mark.rule("D12-4", "Z10", "Z11")
def test_a_connection_that_is_half_off_is_a_new_one_when_it_is_connected_again(house: House) -> None:
    house.connect(sharing=Sharing.PUBLIC)
    settings.change("uwe", Wishes(excluded_domains=frozenset({"example.com"})), house.context)
    context = entered_by(
        house.context, Failing(house.context, "revoke", after=False, error=TryAgain("backendError"))
    )
    with pytest.raises(TryAgain):
        disconnecting.disconnect("uwe", context)
    house.let_time_pass()
    with pytest.raises(Refused, match="Z10"):
        house.connect(sharing=None)
    house.connect(magnet=None, sorting=None, sharing=Sharing.CUSTOM)
    connection = the(house)
    assert (connection.sharing, connection.excluded_domains) == (Sharing.CUSTOM, frozenset())
    assert not connection.features.magnet
    leave(house)
    assert the(house).state is ConnectionState.ACTIVE
    assert is_signed_in(house, the(house))


# --- Another mailbox


@pytest.mark.rule("D12-5", "Z15")
def test_a_second_mailbox_takes_the_place_of_the_first_when_that_is_confirmed(house: House) -> None:
    house.connect()
    arrives(house)
    give_it_all(house)
    old = the(house)
    with pytest.raises(Refused, match=r"another mailbox connected.*--replace.*Z15"):
        house.connect("uwe", OTHER)
    assert the(house) == old

    new_id = house.connect("uwe", OTHER, replace=True)

    assert the(house).id == new_id
    assert rows(house, (*MAIL, *ITS_OWN)) == {}
    assert rows(house, (mailboxes,)) == {"mailboxes": 1}
    assert not is_signed_in(house, old)
    assert house.gmail.dump(UWE).watched_topic is None
    message_id = house.deliver("ann", to=OTHER)
    house.catch_up(the(house).mailbox_id)
    assert house.notified() == [message_id]


@pytest.mark.rule("D12-5", "Z15", "I2")
@pytest.mark.parametrize("call", ["address", "watch", "stop_watch", "revoke"])
def test_an_exchange_that_dies_half_way_leaves_one_mailbox_connected(house: House, call: str) -> None:
    house.connect()
    old = the(house)
    grant = house.grant(OTHER)
    context = entered_by(house.context, Failing(house.context, call, after=False, error=Killed()))

    def exchange(at: Any) -> None:
        connecting.save("uwe", grant, Wishes(magnet=True, sharing=Sharing.PRIVATE), replace=True, context=at)

    with pytest.raises(Killed):
        exchange(context)
    with house.store.begin("tests.look") as tx:
        living = [c for c in tx.of(HERE).connections.of_user("uwe") if c.state is ConnectionState.ACTIVE]
        addresses = [state.address for c in living if (state := tx.mailboxes.get(c.mailbox_id))]
    assert addresses == ([UWE] if call in ("address", "watch") else [OTHER])
    leave(house)
    exchange(house.context)
    leave(house)
    assert is_signed_in(house, the(house))
    assert not is_signed_in(house, old)


# --- The grant is gone


@pytest.mark.rule("D12-6", "E86")
def test_a_lost_grant_keeps_what_was_kept_and_the_next_sign_in_catches_up(house: House) -> None:
    house.connect()
    first = arrives(house, 1)
    before = rows(house, MAIL)
    house.gmail.revoke(UWE)
    missed = house.deliver("ann", 2)
    for _ in range(3):
        house.push()
        house.pump()
        house.let_time_pass()
    connection = the(house)
    assert connection.state is ConnectionState.REAUTH_NEEDED
    assert rows(house, MAIL) == before | {"notifications": before["notifications"] + 1}
    with house.store.begin("tests.told") as tx:
        kinds = [notice.kind for notice in tx.of(HERE).notification_list.of_user("uwe", 0)]
    assert kinds.count(NotificationKind.SIGN_IN_NEEDED) == 1

    house.connect(magnet=None, sorting=None, sharing=None)
    house.let_time_pass()
    sweep.catch_up_due(house.context)
    house.pump()
    assert the(house).features == connection.features
    assert house.outcomes() == {first: "label.open", missed: "label.open"}


@pytest.mark.rule("D12-6", "D12-3")
def test_who_has_to_sign_in_again_may_also_switch_off(house: House) -> None:
    house.connect()
    arrives(house)
    house.gmail.revoke(UWE)
    house.catch_up()
    assert the(house).state is ConnectionState.REAUTH_NEEDED
    disconnecting.disconnect("uwe", house.context)
    assert rows(house, ALL) == {}


# --- The CRM's profiles


@pytest.mark.rule("Z6", "D12-7")
@pytest.mark.parametrize(
    ("may_connect", "active", "reason"),
    [(False, True, "rule Z6"), (True, False, "table D12")],
    ids=["no permission", "deactivated"],
)
def test_who_may_not_connect_is_refused_and_nothing_is_made(
    house: House, may_connect: bool, active: bool, reason: str
) -> None:
    profile(house, may_connect=may_connect, active=active)
    with pytest.raises(Refused, match=reason):
        house.connect()
    assert rows(house, ALL) == {}
    assert house.gmail.dump(UWE).watched_topic is None


@pytest.mark.rule("Z6")
def test_a_permission_withdrawn_while_the_user_signs_in_counts(house: House) -> None:
    profile(house)

    class Withdrawing:
        def open(self, grant: Grant) -> Any:
            profile(house, may_connect=False)
            return house.context.open(grant)

    with pytest.raises(Refused, match="Z6"):
        connecting.save(
            "uwe",
            house.grant(UWE),
            Wishes(magnet=True, sharing=Sharing.PRIVATE),
            context=entered_by(house.context, Withdrawing()),
        )
    assert rows(house, ALL) == {}


@pytest.mark.rule("D12-7", "D3-1", "D3-7", "E78")
def test_a_withdrawn_permission_pauses_and_goes_on_when_it_is_given_back(house: House) -> None:
    profile(house)
    house.connect()
    matched = house.deliver("ann", 1)
    house.catch_up_only()
    before = the(house)

    profile(house, may_connect=False)

    assert the(house).state is ConnectionState.PAUSED
    status = reports.status(None, None, context=house.context)
    assert status.mailboxes[0].state_in_words(status.now) == "permission withdrawn"
    house.gmail.reset_counters()
    during = house.deliver("ann", 2)
    house.push()
    house.pump()
    house.let_time_pass()
    assert (sweep.catch_up_due(house.context), sweep.renew_watches(house.context)) == (0, 0)
    assert sweep.end_left(house.context) == 0
    assert house.gmail.counters().calls == 0
    assert house.notified() == []
    assert house.labels(matched) == {"INBOX", "UNREAD"}
    with pytest.raises(Refused, match="lacks the permission"):
        live.show_own("uwe", house.context, limit=1)
    with pytest.raises(Refused, match="Z6"):
        settings.change("uwe", Wishes(sharing=Sharing.PUBLIC), house.context)

    profile(house)
    assert is_signed_in(house, before)
    assert sweep.catch_up_due(house.context) == 1
    house.pump()
    house.let_time_pass()
    sweep.redrive(house.context)
    house.pump()
    after = the(house)
    assert after.features == before.features
    assert house.outcomes() == {matched: "label.open", during: "label.open"}
    assert sorted(house.notified()) == sorted([matched, during])
    assert len(reports.notifications("uwe", 0, None, house.context)) == 2
    profile(house, may_connect=False)
    assert reports.notifications("uwe", 0, None, house.context) == ()


@pytest.mark.rule("D12-7", "W6")
def test_a_permission_withdrawn_while_a_job_runs_drops_what_it_found(house: House) -> None:
    profile(house)
    house.connect()
    message_id = house.deliver("ann")
    house.catch_up_only()

    class Withdrawing:
        def open(self, grant: Grant) -> Any:
            profile(house, may_connect=False)
            return house.context.open(grant)

    replace(house, context=entered_by(house.context, Withdrawing())).pump()
    assert (house.outcomes(), house.notified()) == ({}, [])
    assert house.labels(message_id) == {"INBOX", "UNREAD"}


@pytest.mark.rule("D12-7")
def test_a_sign_in_that_was_needed_is_still_needed_after_a_pause(house: House) -> None:
    profile(house)
    house.connect()
    house.gmail.revoke(UWE)
    house.deliver("ann")
    house.catch_up()
    for may in (False, True):
        profile(house, may_connect=may)
        assert the(house).state is ConnectionState.REAUTH_NEEDED


def deactivated(house: House) -> None:
    profile(house, active=False)


def deleted(house: House) -> None:
    version = int(datetime(2099, 1, 1, tzinfo=UTC).timestamp())
    records.change(Change(RecordKind.USERS, "uwe", version * 10**6, None), house.store, records.Stages())


def imported_as_inactive(house: House) -> None:
    records.take_in([UserRecord("uwe", "Uwe", (), active=False)], house.store)


def left_out_of_a_file(house: House) -> None:
    records.delete_absent(RecordKind.USERS, records.Named(), house.store)


@pytest.mark.rule("D12-8", "E74", "Z43", "Z44")
@pytest.mark.parametrize("goes", [deactivated, deleted, imported_as_inactive, left_out_of_a_file])
def test_who_leaves_the_crm_is_signed_out_by_itself(house: House, goes: Callable[[House], None]) -> None:
    profile(house)
    house.connect()
    sorted_, waiting = arrives(house, 1), house.deliver("ann", 2)
    house.catch_up_only()
    give_it_all(house)
    connection = the(house)

    goes(house)

    assert the(house).state is ConnectionState.OFF
    assert rows(house, ITS_OWN) == {}
    before = rows(house, MAIL)
    house.pump()
    assert rows(house, MAIL) == before, "nothing is done from that moment"
    assert list(reports.ledger(LedgerQuery(), house.context)) == [], "nor shown"
    assert reports.notifications("uwe", 0, None, house.context) == ()
    leave(house)
    assert rows(house, ALL) == {}
    assert not is_signed_in(house, connection)
    assert house.gmail.dump(UWE).watched_topic is None
    assert house.labels(sorted_) == {"UNREAD", OPEN}
    assert house.labels(waiting) == {"INBOX", "UNREAD"}


@pytest.mark.rule("D12-8")
def test_who_comes_back_begins_anew(house: House) -> None:
    house.connect()
    deactivated(house)
    profile(house)
    assert the(house).state is ConnectionState.OFF
    leave(house)
    house.connect()
    assert is_signed_in(house, the(house))


@pytest.mark.rule("D12-7", "D12-8")
def test_an_import_that_changes_nothing_of_a_user_changes_nothing_of_his_connection(house: House) -> None:
    profile(house)
    house.connect()
    before = the(house)
    records.take_in([UserRecord("uwe", "Uwe", ("uwe@home.example",), role="Sales")], house.store)
    assert the(house) == before


# --- One of several


def two(house: House) -> Sequence[Connection]:
    """Uwe with MailMagnet and Carla without are connected to one mailbox."""
    house.connect()
    house.connect("carla", UWE, magnet=False, sorting=False)
    return the(house), the(house, "carla")


@pytest.mark.rule("D12-10", "E76", "E79", "W15")
@pytest.mark.parametrize("leaver", ["uwe", "carla"])
def test_the_end_of_one_of_two_leaves_the_other_its_access(house: House, leaver: str) -> None:
    before = dict(zip(("uwe", "carla"), two(house), strict=True))
    first = arrives(house, 1)
    stays = "carla" if leaver == "uwe" else "uwe"
    house.gmail.reset_counters()

    disconnecting.disconnect(leaver, house.context)

    assert house.gmail.counters().calls_of("oauth2.revoke") == 0
    assert is_signed_in(house, before[stays])
    assert rows(house, (connection_table,)) == {"connections": 1}
    second = house.deliver("ann", 2)
    house.catch_up()
    works = stays == "uwe"
    assert house.notified() == ([first, second] if works else [])
    assert house.gmail.dump(UWE).watched_topic == ("projects/p/topics/gmail" if works else None)
    assert (rows(house, MAIL) != {}) is works

    disconnecting.disconnect(stays, house.context)
    assert rows(house, ALL) == {}
    assert not is_signed_in(house, before[leaver])
    assert not is_signed_in(house, before[stays])


@pytest.mark.rule("D12-10", "D12-6", "E86")
def test_the_mail_of_one_who_has_to_sign_in_again_waits_although_another_leaves(house: House) -> None:
    uwe, _ = two(house)
    assert uwe.grant is not None
    arrives(house, 1)
    before = rows(house, (decisions, messages))
    house.gmail.revoke(refresh_token=held(uwe.grant).refresh_token)
    house.gmail.expire_access_tokens(UWE)
    missed = house.deliver("ann", 2)
    house.catch_up()
    assert the(house).state is ConnectionState.REAUTH_NEEDED
    disconnecting.disconnect("carla", house.context)
    assert rows(house, (decisions, messages)) == before

    house.connect(magnet=None, sorting=None)
    sweep.catch_up_due(house.context)
    house.pump()
    assert house.outcomes()[missed] == "label.open"


@pytest.mark.rule("E76")
@pytest.mark.parametrize("state", ["paused", "reauth_needed"])
def test_magnet_stays_with_its_user_while_his_connection_waits(house: House, state: str) -> None:
    profile(house)
    house.connect()
    if state == "paused":
        profile(house, may_connect=False)
    else:
        house.gmail.revoke(UWE)
        house.catch_up()
    assert the(house).state == state
    with pytest.raises(Refused, match="MailMagnet is on for this mailbox with user uwe"):
        house.connect("carla")
    house.connect("carla", magnet=False, sorting=False)


# --- Another primary address


@pytest.mark.rule("E99", "Z15")
def test_signing_in_after_the_account_was_renamed_is_no_exchange(house: House) -> None:
    house.connect()
    first = arrives(house, 1)
    before = the(house)
    new = "uwe.new@firm.example"
    house.gmail.rename_mailbox(UWE, new)
    house.connect("uwe", new, magnet=None, sorting=None, sharing=None)
    after = the(house)
    assert (after.id, after.mailbox_id, after.features) == (
        before.id,
        before.mailbox_id,
        before.features,
    )
    with house.store.begin("tests.own") as tx:
        state = tx.mailboxes.get(after.mailbox_id)
        assert state is not None
        assert state.address == new
        assert {UWE, new} <= tx.mailboxes.own_addresses(after.mailbox_id)
    house.push(new)
    second = house.deliver("ann", 2, to=UWE)
    house.pump()
    assert house.notified() == [first, second]


@pytest.mark.rule("E99", "Z15")
def test_an_account_with_the_other_address_as_an_alias_is_another_mailbox(house: House) -> None:
    house.connect()
    house.gmail.create_mailbox(OTHER, [UWE])
    with pytest.raises(Refused, match="Z15"):
        house.connect("uwe", OTHER)


@pytest.mark.rule("E99")
def test_a_push_for_an_address_that_is_nobodys_wakes_nobody(house: House) -> None:
    house.connect()
    house.push("nobody@firm.example")
    assert house.sent == []


@pytest.mark.rule("E99")
def test_a_new_address_that_is_another_mailboxs_is_not_taken_over(house: House) -> None:
    house.connect()
    house.connect("carla", "carla@firm.example")
    mailbox_id = the(house).mailbox_id
    with house.store.begin("tests.rename") as tx:
        assert not tx.mailboxes.rename(mailbox_id, "carla@firm.example")
        state = tx.mailboxes.get(mailbox_id)
    assert state is not None
    assert state.address == UWE
