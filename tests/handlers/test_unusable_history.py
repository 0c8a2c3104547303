"""Some mailboxes refuse every history id, the one just got too: they are swept by listing (E84)."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from domain.checks import Verdict
from domain.ids import MailboxId
from domain.ledger import BATCH_SIZE, TRIES, Step
from handlers import doctor, reports
from handlers.sorting.sort import sort
from infra.db.tables.mail import decisions
from infra.db.tables.mailboxes import mailboxes
from tests.handlers.conftest import House
from tests.journeys.world import CUSTOMERS, OPEN, UWE

UNREAD = "UNREAD"


@pytest.fixture
def unusable(house: House) -> House:
    """A mailbox that we have found out about."""
    house.connect()
    house.gmail.fault("refuse_history", mailbox=UWE)
    house.catch_up()
    return house


def state(house: House) -> str:
    found = reports.status(UWE, None, house.context)
    [mailbox] = found.mailboxes
    assert found.totals.unusable == (mailbox.history_refused_at is not None)
    return mailbox.state_in_words(found.now)


def a_day_later(house: House) -> None:
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(refused_at=datetime.now(UTC) - timedelta(days=1)))


def warnings(house: House, looks: int) -> list[str]:
    with capture_logs() as logs:
        for _ in range(looks):
            house.catch_up()
    return [entry["event"] for entry in logs if entry["log_level"] == "warning"]


@pytest.mark.rule("E84", "I1")
def test_it_is_swept_by_listing_and_each_mail_is_handled_once(unusable: House) -> None:
    assert state(unusable) == "history unusable"
    first = unusable.deliver("ann", 1)
    unusable.catch_up()
    second = unusable.deliver("cid", 2)
    unusable.gmail.reset_counters()
    unusable.catch_up()
    assert unusable.gmail.counters().calls_of("history.list") == 0, "it need not be asked every time"
    assert unusable.catch_up() == ["mailboxes.catch_up"]
    assert unusable.outcomes() == {first: "label.open", second: "label.customer"}
    assert unusable.notified() == [first, second]


@pytest.mark.rule("E84")
def test_it_is_said_once_a_day_and_in_status_and_by_the_doctor(house: House) -> None:
    house.connect()
    house.gmail.fault("refuse_history", mailbox=UWE)
    assert warnings(house, 5) == ["history.refused"]
    a_day_later(house)
    assert warnings(house, 5) == ["history.refused"]
    examined = doctor.examine(MailboxId(1), house.context)
    assert examined is not None
    [finding] = [finding for finding in examined.findings if finding.check == "history"]
    assert finding.verdict is Verdict.WARNING
    assert "swept by listing" in finding.says


@pytest.mark.rule("E84", "E108")
def test_its_list_is_compared_once_a_day_all_the_same(unusable: House) -> None:
    """Each sweep lists an hour over again: there is nothing that a comparison would have to make up for."""
    with unusable.store.engine.begin() as db:
        db.execute(update(mailboxes).values(compare_due_at=datetime.now(UTC) + timedelta(days=1)))
    unusable.catch_up()
    with unusable.store.engine.connect() as db:
        [due_at] = db.scalars(select(mailboxes.c.compare_due_at))
    assert due_at - datetime.now(UTC) > timedelta(hours=12)


@pytest.mark.rule("E84", "E88")
def test_mail_that_is_listed_over_and_over_while_it_is_matched_uses_up_no_try(unusable: House) -> None:
    message_id = unusable.deliver("ann")
    for _ in range(TRIES + 1):
        unusable.sent.clear()
        unusable.catch_up_only()
        with unusable.store.begin("tests.claim") as tx:
            assert tx.ledger.claim(MailboxId(1), Step.MATCH, BATCH_SIZE, "another", 60), (
                "taken back from who had it"
            )
    unusable.let_time_pass()
    unusable.catch_up()
    assert unusable.outcomes() == {message_id: "label.open"}


@pytest.mark.rule("E84", "W8")
def test_history_is_tried_again_a_day_later_and_used_where_it_works(unusable: House) -> None:
    unusable.gmail.clear_faults()
    unusable.catch_up()
    assert state(unusable) == "history unusable", "not before"
    first = unusable.deliver("ann", 1)
    a_day_later(unusable)
    with capture_logs() as logs:
        unusable.catch_up()
    assert "history.returned" in [entry["event"] for entry in logs]
    assert state(unusable) == "active"
    second = unusable.deliver("ann", 2)
    unusable.gmail.reset_counters()
    unusable.catch_up()
    assert unusable.gmail.counters().calls_of("messages.list") == 0
    assert unusable.outcomes() == dict.fromkeys([first, second], "label.open")


@pytest.mark.rule("E84", "W8")
def test_an_id_that_has_merely_expired_is_no_unusable_history(house: House) -> None:
    house.connect()
    house.gmail.expire_history(UWE)
    assert warnings(house, 1) == ["history.expired"]
    assert state(house) == "active"


@pytest.mark.rule("E84", "I6", "E60")
@pytest.mark.parametrize(
    ("hand", "outcome"),
    [
        pytest.param({"add": [CUSTOMERS]}, "label.user_choice", id="he has put another CRM label on"),
        pytest.param({"add": [OPEN]}, "label.user_choice", id="the very one that was due"),
        pytest.param({"remove": ["INBOX"]}, "label.user_choice", id="he has filed it"),
        pytest.param({"add": ["TRASH"], "remove": ["INBOX"]}, "label.user_choice", id="thrown away"),
        pytest.param({"add": ["STARRED"]}, "label.open", id="he has starred it"),
        pytest.param({"remove": [UNREAD]}, "label.open", id="he has read it"),
    ],
)
def test_the_users_hand_between_match_and_sorting_is_seen_by_a_look(
    unusable: House, hand: dict[str, list[str]], outcome: str
) -> None:
    mail = unusable.deliver("ann", 1)
    unusable.catch_up_only()
    for _ in ("match", "announce"):
        unusable.run_next()
    unusable.gmail.change_labels(UWE, [mail], **hand)
    before = unusable.labels(mail)
    unusable.pump()
    assert unusable.outcomes() == {mail: outcome}
    assert unusable.labels(mail) == (
        before if outcome == "label.user_choice" else before - {"INBOX"} | {OPEN}
    )


@pytest.mark.rule("E84", "W7")
@pytest.mark.parametrize("deleted", [False, True], ids=["it is there", "it is gone"])
def test_mail_that_gmail_does_not_show_yet_is_no_mail_that_is_gone(unusable: House, deleted: bool) -> None:
    mail = unusable.deliver("ann", 1)
    unusable.catch_up_only()
    for _ in ("match", "announce"):
        unusable.run_next()
    unusable.gmail.fault("read_lag", ["messages.get"], delay=600)
    if deleted:
        unusable.gmail.delete(UWE, mail)
    unusable.pump()
    assert unusable.outcomes() == {mail: "skip.gone" if deleted else "label.open"}


@pytest.mark.rule("E84", "E61")
def test_mail_that_a_filter_has_archived_is_labelled_there_too(unusable: House) -> None:
    mail = unusable.deliver("ann", 1, labels=[UNREAD])
    unusable.catch_up()
    assert unusable.outcomes() == {mail: "label.open"}


@pytest.mark.rule("E84", "W5", "E83")
def test_our_own_label_of_a_try_that_was_cut_off_is_not_taken_for_the_users(unusable: House) -> None:
    mail = unusable.deliver("ann", 1)
    unusable.gmail.fault("cut", ["messages.modify"], after=True, times=1)
    unusable.catch_up()
    assert unusable.labels(mail) == {UNREAD, OPEN}
    unusable.let_time_pass()
    sort(MailboxId(1), unusable.context)
    assert unusable.outcomes() == {mail: "label.open"}
    with unusable.store.engine.connect() as db:
        assert db.execute(select(decisions)).one().changed["removed"] == ["INBOX"]


@pytest.mark.rule("E84", "E82")
def test_a_push_is_followed_by_one_more_look_there_too(unusable: House) -> None:
    unusable.push()
    unusable.pump()
    with unusable.store.engine.connect() as db:
        row = db.execute(select(mailboxes)).one()
    assert row.sync_due_at - row.synced_at == timedelta(seconds=unusable.context.timing.echo_after)


@pytest.mark.rule("E84", "E108")
def test_after_a_listing_the_comparison_comes_as_soon_as_all_has_settled(house: House) -> None:
    house.connect()
    house.catch_up()
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(compare_due_at=datetime.now(UTC) + timedelta(hours=20)))
    house.gmail.expire_history(UWE)
    house.catch_up()
    with house.store.engine.connect() as db:
        due_at = db.scalar(select(mailboxes.c.compare_due_at))
    assert due_at is not None
    timing = house.context.timing
    assert (
        abs((due_at - datetime.now(UTC)).total_seconds() - timing.sync_due_after - timing.settle_after) < 60
    )
