"""An operator asks why, and is told in a sentence."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain import explanations
from domain.connections.connections import Mode
from domain.crm.categories import Category
from domain.crm.contacts import Contact, ContactKind, Hit, MatchedBy
from domain.crm.deals import Deal, DealCategory
from domain.gates import GATES, NOBODYS
from domain.ids import NO_CONNECTION, ConnectionId, MailboxId
from domain.ledger import State, Step
from domain.mail.classes import MailClass
from domain.mail.folders import Folder
from domain.mail.messages import Direction, Message
from domain.message_records import (
    ConnectionDecision,
    DecidingDeal,
    MessageNow,
    MessageRecord,
    Person,
    StepRecord,
)
from domain.outcomes import Outcome
from domain.reports import MailboxReport, Totals
from domain.sorting.label_changes import LabelChange

NOW = datetime(2026, 3, 15, 9, 0, tzinfo=UTC)
TODAY = date(2026, 3, 15)
ANN = Person("c12", ContactKind.CONTACT, "Ann")
CONNECTION = ConnectionId(7)


def step(
    which: Step = Step.SORT, state: State = State.DONE, outcome: Outcome | None = None, tries: int = 1
) -> StepRecord:
    connection_id = NO_CONNECTION if which is Step.MATCH else CONNECTION
    return StepRecord(which, connection_id, state, outcome, tries, 5, 0.1, 1, NOW)


def decided(outcome: Outcome | None, **more: Any) -> ConnectionDecision:
    """A mail of Ann's, unless told otherwise."""
    of_ann = ConnectionDecision(
        connection_id=CONNECTION,
        user_id="uwe",
        dry_run=False,
        outcome=outcome,
        person=ANN,
        address="ann@example.com",
        matched_by=MatchedBy.EXACT,
        author="ann@example.com",
        via_list=False,
        received_at=NOW,
        category=None,
        deal=None,
        changed=None,
        notification_id=None,
    )
    return replace(of_ann, **more)


def skipped(outcome: Outcome) -> ConnectionDecision:
    """A mail of nobody's: the ledger has the outcome alone."""
    return decided(outcome, person=None, address=None, matched_by=None, author=None, received_at=None)


def sorted_under(
    category: Category, outcome: Outcome, deal: Deal | None = None, **more: Any
) -> ConnectionDecision:
    deciding = DecidingDeal("d7", "c12", deal)
    changed = LabelChange(frozenset({"Label_2"}), frozenset(), leave_inbox=True)
    return decided(outcome, **{"category": category, "deal": deciding, "changed": changed} | more)


def trail(
    *steps: StepRecord, decided: ConnectionDecision | None = None, touched: bool = False
) -> MessageRecord:
    return MessageRecord(
        MailboxId(1),
        "uwe@firm.example",
        "m1",
        {"Label_2": "Open Deals"},
        "push",
        NOW,
        touched,
        0,
        steps,
        (decided,) if decided else (),
    )


def summary(one: ConnectionDecision, *steps: StepRecord) -> str:
    return explanations.summary(trail(*steps, decided=one), one, TODAY)


@pytest.mark.parametrize(
    ("category", "outcome", "deal", "words"),
    [
        pytest.param(
            Category.OPEN,
            Outcome.LABEL_OPEN,
            Deal("d7", DealCategory.OPEN, date(2026, 5, 1)),
            "labelled Open Deals because deal d7 of contact c12 is open (no closing date this month)",
            id="open",
        ),
        pytest.param(
            Category.CTM,
            Outcome.LABEL_CTM,
            Deal("d7", DealCategory.OPEN, date(2026, 3, 31)),
            "labelled Deals Closing This Month (CTM) because deal d7 of contact c12 is open and closes this month",
            id="closing this month",
        ),
        pytest.param(
            Category.CUSTOMER,
            Outcome.LABEL_CUSTOMER,
            Deal("d7", DealCategory.WON, None),
            "labelled Customers because deal d7 of contact c12 is won and none is open",
            id="won",
        ),
    ],
)
def test_a_label_is_explained_by_its_deal(
    category: Category, outcome: Outcome, deal: Deal, words: str
) -> None:
    assert summary(sorted_under(category, outcome, deal)) == words


@pytest.mark.parametrize(
    ("deal", "words"),
    [
        pytest.param(Deal("d7", DealCategory.WON, None), "; by now the deal is won", id="won since"),
        pytest.param(
            Deal("d7", DealCategory.OPEN, date(2026, 3, 20)),
            "; by now the deal is open, closing 2026-03-20",
            id="moved into the month",
        ),
        pytest.param(None, "; the deal is no longer in the CRM", id="deleted since"),
    ],
)
def test_what_became_of_the_deal_since_is_said(deal: Deal | None, words: str) -> None:
    assert summary(sorted_under(Category.OPEN, Outcome.LABEL_OPEN, deal)).endswith(words)


def test_a_dry_run_says_what_it_would_do() -> None:
    one = sorted_under(Category.OPEN, Outcome.LABEL_OPEN, changed=None, dry_run=True)
    assert summary(one).startswith("would be labelled Open Deals (dry run) because deal d7")


def test_what_is_kept_longest_is_explained_by_what_is_kept() -> None:
    assert (
        summary(sorted_under(Category.OPEN, Outcome.LABEL_OPEN, deal=None, person=None))
        == "labelled Open Deals"
    )


@pytest.mark.parametrize("outcome", [one for one in Outcome if one.startswith("skip.")])
def test_every_gate_has_its_rule_and_its_words(outcome: Outcome) -> None:
    gate = GATES[outcome]
    assert summary(skipped(outcome)) == f"left alone: {gate.words} ({gate.rule})"


@pytest.mark.rule("D7-2", "D7-8", "D7-11", "D7-13")
@pytest.mark.parametrize(
    ("one", "words"),
    [
        pytest.param(
            decided(Outcome.SYNC_STARTED, conversation_id="k1", owner_id="c12"),
            "kept: it began conversation k1, under contact c12 (D7)",
            id="it started one",
        ),
        pytest.param(
            decided(Outcome.SYNC_APPENDED, conversation_id="k1", owner_id="c9"),
            "kept: it belongs to conversation k1, under contact c9 (D7)",
            id="it continued one",
        ),
        pytest.param(
            decided(Outcome.SYNC_APPENDED),
            "kept: it belongs to a conversation that is not there any more (D7)",
            id="deleted since",
        ),
        pytest.param(
            replace(skipped(Outcome.SKIP_NO_CONTACT), mode=Mode.SYNC_GMAIL),
            f"left alone: {NOBODYS.words} ({NOBODYS.rule})",
            id="recipients count too",
        ),
    ],
)
def test_two_way_sync_says_where_a_mail_went_or_why_it_went_nowhere(
    one: ConnectionDecision, words: str
) -> None:
    assert summary(one) == words


@pytest.mark.rule("Z40")
@pytest.mark.parametrize(
    ("one", "cause"),
    [
        pytest.param(
            sorted_under(Category.OPEN, Outcome.LABEL_OPEN), "still has an open deal", id="an open deal"
        ),
        pytest.param(
            sorted_under(Category.CTM, Outcome.LABEL_CTM), "a deal label took it", id="a closing deal"
        ),
        pytest.param(decided(Outcome.LABEL_NONE), "has no won deal", id="no won deal"),
        pytest.param(
            skipped(Outcome.SKIP_NO_CONTACT), "address is not on the contact record", id="an unknown address"
        ),
        pytest.param(decided(Outcome.LABEL_OFF), "sorting was off", id="sorting was off"),
        pytest.param(skipped(Outcome.SKIP_TOO_OLD), "MailMagnet was off", id="MailMagnet was off"),
        pytest.param(decided(None), "less than 10 minutes", id="too early"),
        pytest.param(skipped(Outcome.SKIP_SPAM), "in Spam or Trash", id="in Spam"),
        pytest.param(skipped(Outcome.SKIP_TRASH), "in Spam or Trash", id="in Trash"),
        pytest.param(decided(Outcome.LABEL_USER_CHOICE), "the user moved it", id="the user's choice"),
        pytest.param(skipped(Outcome.SKIP_INTERNAL), "a colleague", id="a colleague"),
        pytest.param(skipped(Outcome.SKIP_EXCLUDED), "an excluded address", id="excluded"),
        pytest.param(
            decided(Outcome.LABEL_NONE, person=Person("l1", ContactKind.LEAD, "Lea")),
            "only a lead",
            id="a lead",
        ),
    ],
)
def test_why_a_mail_is_not_under_customers(one: ConnectionDecision, cause: str) -> None:
    found = explanations.not_under_customers(trail(step(), decided=one), one)
    assert found is not None
    assert cause in found


@pytest.mark.rule("Z40")
@pytest.mark.parametrize(("touched", "cause"), [(False, None), (True, "the user moved it")])
def test_a_mail_under_customers_is_there_unless_the_user_moved_it(touched: bool, cause: str | None) -> None:
    one = sorted_under(Category.CUSTOMER, Outcome.LABEL_CUSTOMER)
    assert explanations.not_under_customers(trail(decided=one, touched=touched), one) == cause


@pytest.mark.rule("I6")
@pytest.mark.parametrize(
    ("undone_at", "words"),
    [(None, "put it into Spam or Trash"), (NOW, "what sorting had done to it was undone")],
)
def test_what_is_left_alone_says_whose_hand_it_was(undone_at: datetime | None, words: str) -> None:
    one = decided(Outcome.LABEL_CUSTOMER, undone_at=undone_at)
    assert words in explanations.by_hand(trail(decided=one, touched=True))


@pytest.mark.parametrize(
    ("one", "tries", "words"),
    [
        pytest.param(
            decided(Outcome.LABEL_NONE), 1, "no won deal, and no open one", id="after a look at deals"
        ),
        pytest.param(
            decided(Outcome.LABEL_NONE), 0, "an invitation, a bounce or a receipt", id="by its class"
        ),
        pytest.param(decided(Outcome.LABEL_OFF), 0, "sorting was off", id="sorting off"),
        pytest.param(decided(Outcome.LABEL_USER_CHOICE), 0, "put or removed a CRM label", id="by hand"),
    ],
)
def test_why_a_contacts_mail_has_no_label(one: ConnectionDecision, tries: int, words: str) -> None:
    found = summary(one, step(outcome=one.outcome, tries=tries))
    assert found.startswith("not labelled: ")
    assert words in found


@pytest.mark.parametrize(
    ("one", "steps", "words"),
    [
        pytest.param(
            decided(None),
            (step(Step.ANNOUNCE, State.WAITING, tries=0), step(state=State.BLOCKED, tries=0)),
            "waits to be announced",
            id="not announced yet",
        ),
        pytest.param(
            decided(None),
            (step(state=State.WAITING, tries=3),),
            "waits to be sorted, 3 tried so far",
            id="retried",
        ),
        pytest.param(
            skipped(Outcome.MATCH_FAILED),
            (step(Step.MATCH, State.SET_ASIDE, tries=9),),
            "set aside: it could not be matched in 8 tries (E88)",
            id="set aside",
        ),
        pytest.param(
            decided(Outcome.LABEL_FAILED), (), "set aside after too many failed tries (E88)", id="long ago"
        ),
        pytest.param(
            skipped(Outcome.MATCH_FAILED), (), "set aside after too many failed tries (E88)", id="unmatched"
        ),
    ],
)
def test_a_mail_on_its_way_says_where_it_is(
    one: ConnectionDecision, steps: tuple[StepRecord, ...], words: str
) -> None:
    assert summary(one, *steps) == words


def test_a_mail_that_nobody_has_matched_yet_waits() -> None:
    assert (
        explanations.waiting_for_match(trail(step(Step.MATCH, State.WAITING, tries=0)))
        == "waits to be matched"
    )
    assert explanations.waiting_for_match(trail(step(Step.MATCH), decided=decided(None))) is None


@pytest.mark.parametrize(
    ("matched_by", "words"),
    [
        (MatchedBy.EXACT, "exactly (D5 step 2)"),
        (MatchedBy.PLUS_TAG, "without the +tag (D5 step 3)"),
        (MatchedBy.GMAIL, "by Gmail's dots and domains (D5 step 3)"),
    ],
)
def test_the_match_names_both_addresses_and_the_step(matched_by: MatchedBy, words: str) -> None:
    one = decided(None, author="a+x@example.com", matched_by=matched_by)
    assert explanations.match(one) == f"a+x@example.com is ann@example.com of contact c12 (Ann), {words}"
    gone = replace(one, person=Person("c12", None, None))
    assert explanations.match(gone) == f"a+x@example.com is ann@example.com of former record c12, {words}"
    listed = replace(one, via_list=True)
    assert (
        explanations.match(listed)
        == f"a+x@example.com, via a list (E100), is ann@example.com of contact c12 (Ann), {words}"
    )
    assert explanations.match(skipped(Outcome.SKIP_NO_CONTACT)) is None


@pytest.mark.rule("D2-2", "Z40")
def test_of_a_records_mail_that_sync_left_record_and_step_are_named_and_no_address() -> None:
    left = replace(
        skipped(Outcome.SKIP_NO_CONTACT),
        person=Person("c4", ContactKind.LEAD, "Eve"),
        matched_by=MatchedBy.EXACT,
        mode=Mode.SYNC_GMAIL,
    )
    assert explanations.match(left) == "its author is lead c4 (Eve), exactly (D5 step 2)"
    assert explanations.not_under_customers(trail(), left) is None


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.MAGNET_NOTIFIED, "announced to user uwe by notification 3"),
        (Outcome.MAGNET_NOT_ADDRESSED, "not announced: no own address of the user is in To or Cc (D11)"),
        (Outcome.MAGNET_AUTOMATED, "not announced: it is automated mail (D16)"),
        (Outcome.MAGNET_OFF, "not announced: MailMagnet was off when it arrived"),
    ],
)
def test_what_mailmagnet_did(outcome: Outcome, words: str) -> None:
    one = decided(None, notification_id=3)
    assert explanations.announcement(one, step(Step.ANNOUNCE, outcome=outcome)) == words
    assert explanations.announcement(one, None) is None


def test_what_was_changed_in_gmail_is_told_by_the_labels_names() -> None:
    names = {"Label_1": "Customers", "Label_2": "Open Deals"}
    both = LabelChange(frozenset({"Label_2"}), frozenset({"Label_1"}), leave_inbox=True)
    assert explanations.changes(both, names) == "added Open Deals, removed Customers, out of the Inbox"
    assert explanations.changes(None, names) == "nothing"


def test_how_a_mail_came() -> None:
    came = trail()
    assert explanations.arrival(came) == "the mailbox's history, after a push"
    assert "listing" in explanations.arrival(replace(came, came_by="relist"))
    assert "forgotten" in explanations.arrival(replace(came, came_by=None, seen_at=None))


def message(author: str | None, *, sender: str | None = None, rewritten: bool = False) -> Message:
    mail_class = MailClass.HUMAN
    to = ("uwe@firm.example",)
    return Message(
        "m1", Folder.INBOX, NOW, sender or author, author, rewritten, to, (), (), mail_class, False
    )


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        pytest.param(
            MessageNow(message=message("nora@example.com"), direction=Direction.INBOUND),
            "inbound, from nora@example.com, on no record of the CRM",
            id="a stranger",
        ),
        pytest.param(
            MessageNow(
                message=message("ann@example.com"),
                direction=Direction.INBOUND,
                hit=Hit(Contact("c12", ContactKind.CONTACT, NOW), "ann@example.com", MatchedBy.EXACT),
            ),
            "inbound, from ann@example.com of contact c12",
            id="a contact",
        ),
        pytest.param(
            MessageNow(
                message=message("nora@example.com", sender="list@lists.example", rewritten=True),
                direction=Direction.INBOUND,
            ),
            "inbound, from nora@example.com via a list (list@lists.example), on no record of the CRM",
            id="through a list",
            marks=pytest.mark.rule("E100"),
        ),
        pytest.param(
            MessageNow(message=message("uwe@firm.example"), direction=Direction.OUTBOUND),
            "outbound, from uwe@firm.example",
            id="our own",
        ),
        pytest.param(
            MessageNow(message=message("uwe@old.example"), direction=Direction.INBOUND, by_alias=True),
            "inbound, from uwe@old.example, which is registered as an alias of the mailbox (E14)",
            id="his alias",
        ),
        pytest.param(
            MessageNow(message=message(None), direction=Direction.INBOUND),
            "inbound, its author cannot be read with certainty (E105)",
            id="nobody",
        ),
        pytest.param(
            MessageNow(
                message=message(None, sender="list@lists.example", rewritten=True),
                direction=Direction.INBOUND,
            ),
            "inbound, its author cannot be read with certainty (a list's From that names no author (E100))",
            id="a list",
        ),
        pytest.param(MessageNow(outcome=Outcome.SKIP_GONE), "the mailbox no longer has it", id="gone"),
        pytest.param(
            MessageNow(problem="the provider cannot be asked (backendError)"),
            "not read again: the provider cannot be asked (backendError); this is all the ledger has",
            id="Gmail is away",
        ),
    ],
)
def test_what_gmail_shows_now(seen: MessageNow, words: str) -> None:
    assert explanations.second_look(seen) == words


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        pytest.param(
            MessageNow(message=message("a@example.com"), outcome=Outcome.SKIP_NO_CONTACT), None, id="the same"
        ),
        pytest.param(MessageNow(problem="nobody is signed in"), None, id="not looked at"),
        pytest.param(
            MessageNow(message=message("a@example.com")), "it would be matched, not", id="a contact by now"
        ),
        pytest.param(
            MessageNow(outcome=Outcome.SKIP_GONE), "it would be skip.gone, not skip.no_contact", id="gone"
        ),
    ],
)
def test_a_second_look_that_differs_says_so(seen: MessageNow, words: str | None) -> None:
    found = explanations.differs(skipped(Outcome.SKIP_NO_CONTACT), seen)
    assert (found is None) == (words is None)
    assert (words or "") in (found or "")


@pytest.mark.rule("E88")
def test_of_what_was_never_decided_nothing_has_changed_since() -> None:
    found = explanations.differs(skipped(Outcome.MATCH_FAILED), MessageNow(message=message("a@example.com")))
    assert found == "decided now it would be matched: `lodestone retry` has it decided"


@pytest.mark.parametrize(
    ("signed_in", "lost", "paused", "resting", "state"),
    [
        pytest.param(True, False, None, None, "active", id="at work"),
        pytest.param(True, True, None, None, "active", id="one of two signed in"),
        pytest.param(False, True, None, None, "reauth needed", id="nobody signed in"),
        pytest.param(False, False, None, None, "off", id="nothing switched on"),
        pytest.param(True, False, None, NOW - timedelta(seconds=1), "active", id="rested"),
        pytest.param(
            True,
            False,
            None,
            NOW + timedelta(minutes=1),
            "resting until 2026-03-15 09:01:00 UTC (rateLimitExceeded)",
            id="limited",
        ),
        pytest.param(False, True, NOW, NOW, "paused since 2026-03-15 09:00:00 UTC", id="paused by hand"),
    ],
)
def test_the_state_of_a_mailbox(
    signed_in: bool, lost: bool, paused: datetime | None, resting: datetime | None, state: str
) -> None:
    report = MailboxReport(
        address="uwe@firm.example",
        signed_in=signed_in,
        needs_sign_in=lost,
        paused_at=paused,
        resting_until=resting,
        trouble="rateLimitExceeded" if resting else None,
        synced_at=None,
        watch_until=None,
        pushed_at=None,
        swept_at=None,
        waiting=0,
        set_aside=0,
        oldest_waiting_at=None,
    )
    assert report.state_in_words(NOW) == state
    withdrawn = replace(report, not_permitted=True).state_in_words(NOW)
    assert withdrawn == ("permission withdrawn" if state == "off" else state)


@pytest.mark.parametrize(("minutes", "late"), [(None, False), (9, False), (10, False), (11, True)])
def test_ten_minutes_are_the_limit(minutes: int | None, late: bool) -> None:
    oldest = None if minutes is None else NOW - timedelta(minutes=minutes)
    assert Totals(1, 0, 1, 0, oldest, None).late(NOW) is late
    assert Totals(1, 0, 0, 0, None, oldest).late(NOW) is late, "a look that is due"
