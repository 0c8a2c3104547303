"""What happens when two things meet at the worst moment; each once lost, doubled or undid something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import func, select, update

from domain.connections.connections import Features, Wishes
from domain.errors import TryAgain
from domain.ids import MailboxId
from domain.mailboxes.accounts import Grant
from domain.mailboxes.watches import WalkEnd
from domain.sorting.label_changes import LabelChange
from handlers import matching
from handlers.connections import connecting, disconnecting
from handlers.mailboxes import watches
from handlers.sorting.sort import sort
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.ledger import steps
from infra.db.tables.mail import messages
from infra.db.tables.mailboxes import mailboxes
from tests.handlers.conftest import LONG_AGO, House
from tests.handlers.test_windows import interrupted
from tests.journeys.world import OPEN, UWE
from tests.providers import Altered, entered_by, held


@pytest.mark.rule("I1", "I9", "E86")
def test_mail_whose_grant_ends_while_it_is_matched_waits_for_the_sign_in(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")

    def end(name: str) -> None:
        with house.store.begin("tests.end") as tx:
            for connection in tx.connections.working(MailboxId(1)):
                tx.connections.need_sign_in(connection)

    interrupted(house, end).catch_up()
    assert house.outcomes() == {}
    house.connect()
    house.let_time_pass()
    house.catch_up()
    matching.match(MailboxId(1), house.context)
    house.pump()
    assert house.outcomes() == {message_id: "label.open"}
    assert house.notified() == [message_id]


@pytest.mark.rule("E86", "W6")
@pytest.mark.parametrize("ended", [False, True], ids=["refreshed", "revoked"])
def test_a_job_in_flight_does_not_undo_a_new_sign_in(house: House, ended: bool) -> None:
    connection_id = house.connect()
    new = house.grant(UWE)
    house.deliver("ann")
    happened: list[str] = []

    def sign_in(name: str) -> None:
        if happened:
            return
        happened.append(name)
        with house.store.begin("tests.old") as tx:
            connection = tx.connections.get(connection_id)
        assert connection is not None
        connecting.save("uwe", new, Wishes(magnet=True, sorting=True, dry_run=False), context=house.context)
        if ended:
            house.gmail.revoke(refresh_token=held(connection.grant).refresh_token)
        else:
            house.gmail.expire_access_tokens(UWE)

    interrupted(house, sign_in).catch_up()
    with house.store.begin("tests.now") as tx:
        connection = tx.connections.get(connection_id)
    assert connection is not None
    assert held(connection.grant).refresh_token == held(new).refresh_token
    assert connection.works


@dataclass(frozen=True, slots=True)
class _Deaf:
    """Gmail changes the labels, and its answer is lost."""

    gmail: Any

    def open(self, grant: Grant) -> Any:
        return Altered(self.gmail.open(grant), self._part)

    def _part(self, name: str, real: Any) -> Any:
        def call(changes: Mapping[str, LabelChange]) -> Any:
            real(changes)
            raise TryAgain("timeout")

        return call if name == "change" else real


@pytest.mark.rule("W5", "E58", "I6")
def test_a_mail_moved_back_after_a_label_call_without_answer_stays_in_the_inbox(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    replace(house, context=entered_by(house.context, _Deaf(house.context))).catch_up()
    assert house.labels(message_id) == {"UNREAD", OPEN}
    house.gmail.change_labels(UWE, [message_id], add=["INBOX"])
    house.let_time_pass()
    sort(MailboxId(1), house.context)
    assert house.outcomes() == {message_id: "label.open"}
    assert house.labels(message_id) == {"UNREAD", OPEN, "INBOX"}


@pytest.mark.rule("W9", "E36")
def test_mail_rescued_from_spam_while_it_is_matched_is_handled(house: House) -> None:
    house.connect()
    message_id = house.deliver("ann")
    house.gmail.change_labels(UWE, [message_id], add=["SPAM"], remove=["INBOX"])
    house.catch_up_only()

    class Rescuing:
        """The message is fetched in Spam; then the user rescues it and history tells us at once."""

        def open(self, grant: Grant) -> Any:
            mailbox = house.context.open(grant)
            read = mailbox.headers

            class It:
                def __getattr__(self, name: str) -> Any:
                    return getattr(mailbox, name)

                def headers(self, message_ids: Sequence[str]) -> Any:
                    answer = read(message_ids)
                    house.gmail.change_labels(UWE, [message_id], add=["INBOX"], remove=["SPAM"])
                    house.catch_up_only()
                    return answer

            return It()

    matching.match(MailboxId(1), entered_by(house.context, Rescuing()))
    house.pump()
    assert house.outcomes() == {message_id: "label.open"}
    assert house.notified() == [message_id]


@pytest.mark.rule("D12", "D2", "Z44")
def test_disconnecting_frees_no_id_for_somebody_else(house: House) -> None:
    first = house.connect()
    disconnecting.disconnect("uwe", house.context)
    assert house.connect("eva", "eva@firm.example") != first
    with house.store.engine.connect() as db:
        assert db.scalar(select(mailboxes.c.id)) != 1


@pytest.mark.rule("D12", "Z42")
def test_a_refusal_of_gmail_does_not_keep_a_user_from_leaving(house: House) -> None:
    house.connect()
    house.gmail.fault("403.domainPolicy")
    disconnecting.disconnect("uwe", house.context)
    with house.store.engine.connect() as db:
        assert db.scalar(select(func.count()).select_from(connection_table)) == 0


@pytest.mark.rule("E87", "I4")
def test_a_long_rest_is_not_cut_short_by_a_short_one_nor_by_a_run_that_ends(house: House) -> None:
    house.connect()
    with house.store.begin("tests.rest") as tx:
        began = tx.now()
        tx.mailboxes.rest(MailboxId(1), "rateLimitExceeded", 900)
        tx.mailboxes.rest(MailboxId(1), "backendError", 1)
        state = tx.mailboxes.get(MailboxId(1))
        assert state is not None
        assert state.cursors is not None
        tx.history.advance(MailboxId(1), state.cursors, ended=WalkEnd(began, 540))
        state = tx.mailboxes.get(MailboxId(1))
        assert state is not None
        assert state.resting_until is not None
        assert (state.resting_until - began).total_seconds() >= 899
        assert state.failures == 2


@pytest.mark.rule("W7", "Z33")
def test_one_missing_mail_does_not_hold_up_the_sorting_of_the_others(house: House) -> None:
    house.connect()
    gone, good = house.deliver("ann", 1), house.deliver("ann", 2)
    house.gmail.fault("404", ["messages.get"], message_id=gone)
    house.catch_up()
    assert house.outcomes() == {good: "label.open"}


@pytest.mark.rule("W8", "D2")
def test_a_watch_renewed_in_flight_does_not_revive_a_mailbox_that_was_switched_off(house: House) -> None:
    house.connect()
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(watch_due_at=LONG_AGO))

    class Off:
        def open(self, grant: Grant) -> Any:
            mailbox = house.context.open(grant)

            class It:
                def __getattr__(self, name: str) -> Any:
                    return getattr(mailbox, name)

                def own_addresses(self) -> Any:
                    house.connect(magnet=False, sorting=False)
                    return mailbox.own_addresses()

            return It()

    watches.renew_watch(MailboxId(1), entered_by(house.context, Off()))
    assert house.gmail.dump(UWE).watched_topic is None
    with house.store.engine.connect() as db:
        row = db.execute(select(mailboxes.c.cursor, mailboxes.c.sync_due_at, mailboxes.c.watch_due_at)).one()
    assert tuple(row) == (None, None, None)


@pytest.mark.rule("W6")
def test_what_gmail_has_already_is_recorded_although_sorting_was_switched_off_meanwhile(house: House) -> None:
    connection_id = house.connect()
    message_id = house.deliver("ann")

    def off(name: str) -> None:
        if name == "change":
            with house.store.begin("tests.off") as tx:
                connection = tx.connections.get(connection_id)
                assert connection is not None
                since = connection.features.magnet_since
                tx.connections.change(connection_id, Features(magnet_since=since), dry_run=False)

    interrupted(house, off).catch_up()
    assert house.labels(message_id) == {"UNREAD", OPEN}
    assert house.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("D12", "W8")
def test_a_relist_in_flight_leaves_no_rows_for_a_mailbox_that_was_switched_off(house: House) -> None:
    house.connect()
    with house.store.begin("tests.late") as tx:
        assert tx.history.lock_at(MailboxId(1), "no such cursor") is None
    house.connect(magnet=False, sorting=False)
    with house.store.begin("tests.late") as tx:
        assert tx.history.lock_at(MailboxId(1), "100") is None
    with house.store.engine.connect() as db:
        for table in (messages, steps):
            assert db.scalar(select(func.count()).select_from(table)) == 0
