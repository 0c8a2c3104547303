"""What becomes of one mail: what is still to be changed on it, and why (D10, W5), and which mail is sorted (D16)."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.crm.categories import ByCategory, Category, ContactCategory, outcome_of
from domain.crm.contacts import MatchedBy
from domain.ids import ConnectionId
from domain.ledger import Claim, Link
from domain.mail.folders import Folder
from domain.mail.messages import MailClass, Message
from domain.outcomes import Outcome
from domain.sorting.label_changes import LabelChange, LabelledMail
from domain.sorting.plans import PlannedSorting, acknowledged, relabelling, sortable

CTM, OPENED, CUSTOMER = "Label_1", "Label_2", "Label_3"
LABELS: ByCategory = {Category.CTM: CTM, Category.OPEN: OPENED, Category.CUSTOMER: CUSTOMER}
MOMENT = datetime(2026, 3, 15, tzinfo=UTC)


def rule(*ids: str) -> pytest.MarkDecorator:
    return pytest.mark.rule(*ids)


def planned(
    category: Category = Category.OPEN, *tried: Category, in_inbox: bool = True, dry_run: bool = False
) -> PlannedSorting:
    """A mail of Ann's that is to be sorted by this category."""
    link = Link("ann", "ann@example.com", MatchedBy.EXACT, "ann@example.com", MOMENT, in_inbox)
    wanted = ContactCategory(category, "d1")
    return PlannedSorting(Claim("m1", ConnectionId(1), 1), link, wanted, outcome_of(category), tried, dry_run)


def shown(folder: Folder, *label_ids: str) -> LabelledMail:
    return LabelledMail(folder, frozenset(label_ids), "thread")


def change(add: str = "", remove: str = "", *, leave_inbox: bool = False) -> LabelChange:
    return LabelChange(frozenset(add.split()), frozenset(remove.split()), leave_inbox=leave_inbox)


@pytest.mark.rule("D10", "W5")
def test_a_first_try_takes_the_mail_to_be_where_the_match_saw_it() -> None:
    for in_inbox in (True, False):
        found = relabelling(planned(in_inbox=in_inbox), None, LABELS, history_unusable=False)
        assert found is not None
        assert found.change == found.in_all == change(OPENED, leave_inbox=in_inbox)


OUT = change(OPENED, leave_inbox=True)
AGAIN = [
    pytest.param((), shown(Folder.INBOX), change(OPENED, leave_inbox=True), None, id="nothing was done"),
    pytest.param((), shown(Folder.OTHER, OPENED), change(), OUT, id="all was"),
    pytest.param(
        (), shown(Folder.INBOX, OPENED), change(), OUT, marks=rule("E58"), id="and he moved it back"
    ),
    pytest.param(
        (Category.CTM,), shown(Folder.OTHER, CTM), change(OPENED, CTM), OUT, id="by another category"
    ),
    pytest.param(
        (Category.CTM,),
        shown(Folder.INBOX, CTM),
        change(OPENED, CTM),
        OUT,
        marks=rule("E58"),
        id="and moved back",
    ),
    pytest.param(
        (Category.CTM,), shown(Folder.INBOX), change(OPENED, leave_inbox=True), None, id="not by another"
    ),
]


@pytest.mark.rule("W5", "D10", "I6")
@pytest.mark.parametrize(("tried", "mail", "still", "in_all"), AGAIN)
def test_after_a_try_that_was_cut_off_the_rest_is_changed(
    tried: tuple[Category, ...], mail: LabelledMail, still: LabelChange, in_all: LabelChange | None
) -> None:
    found = relabelling(planned(Category.OPEN, Category.OPEN, *tried), mail, LABELS, history_unusable=True)
    assert found is not None
    assert (found.change, found.in_all, found.thread_id) == (still, in_all or still, "thread")


@pytest.mark.rule("E58")
def test_a_mail_that_was_filed_when_it_was_matched_stays_in_the_inbox_where_its_user_has_put_it() -> None:
    found = relabelling(planned(in_inbox=False), shown(Folder.INBOX), LABELS, history_unusable=False)
    assert found is not None
    assert not found.change.leave_inbox


@pytest.mark.rule("I6")
@pytest.mark.parametrize(
    ("mail", "history_unusable"),
    [
        pytest.param(shown(Folder.INBOX, CUSTOMER), False, marks=rule("E60"), id="another CRM label"),
        pytest.param(shown(Folder.OTHER, CUSTOMER, CTM), False, marks=rule("E60"), id="one beside ours"),
        pytest.param(shown(Folder.TRASH), False, id="in the bin"),
        pytest.param(shown(Folder.SPAM, CTM), False, id="in spam, under our label"),
        pytest.param(shown(Folder.OTHER), True, marks=rule("E84"), id="archived, and no history tells"),
    ],
)
def test_what_the_user_has_chosen_stays(mail: LabelledMail, history_unusable: bool) -> None:
    tried = (Category.CTM,)
    found = relabelling(planned(Category.OPEN, *tried), mail, LABELS, history_unusable=history_unusable)
    assert found is None


@pytest.mark.rule("Z39", "W5")
@pytest.mark.parametrize(
    ("mail", "outcome", "made"),
    [
        pytest.param(
            shown(Folder.OTHER, CTM), Outcome.LABEL_CTM, change(CTM, leave_inbox=True), id="it stands"
        ),
        pytest.param(shown(Folder.INBOX, CUSTOMER), Outcome.LABEL_NONE, None, id="the user's label"),
        pytest.param(shown(Folder.INBOX), Outcome.LABEL_NONE, None, id="none"),
    ],
)
def test_a_label_that_a_try_has_put_stands_also_where_none_is_due_any_more(
    mail: LabelledMail, outcome: Outcome, made: LabelChange | None
) -> None:
    one = planned(Category.NONE, Category.CTM)
    assert one.in_doubt
    found = acknowledged(one, mail, LABELS)
    assert (found.outcome, found.change) == (outcome, made)


def test_only_what_gets_a_label_and_is_no_dry_run_is_to_be_changed() -> None:
    assert planned().to_change
    assert not planned(dry_run=True).to_change
    assert not planned(Category.NONE).to_change
    off = replace(planned(), outcome=Outcome.LABEL_OFF)
    assert not off.to_change
    assert not off.in_doubt


def mail_of(mail_class: MailClass) -> Message:
    return Message(
        message_id="id",
        folder=Folder.INBOX,
        received_at=datetime(2026, 3, 15, tzinfo=UTC),
        sender="ann@example.com",
        author="ann@example.com",
        rewritten=False,
        to=("uwe@firm.example",),
        cc=(),
        bcc=(),
        mail_class=mail_class,
        bulk=False,
    )


@pytest.mark.rule("D16")
@pytest.mark.parametrize(
    ("mail_class", "expected"),
    [
        pytest.param(MailClass.HUMAN, True, marks=rule("D16-1")),
        pytest.param(MailClass.AUTO_REPLY, True, marks=rule("D16-2", "E29")),
        pytest.param(MailClass.LIST, True, marks=rule("D16-3", "E30")),
        pytest.param(MailClass.CALENDAR, False, marks=rule("D16-4", "D10-4", "E31")),
        pytest.param(MailClass.BOUNCE, False, marks=rule("D16-5", "E32")),
        pytest.param(MailClass.RECEIPT, False, marks=rule("D16-6")),
    ],
)
def test_which_classes_are_sorted(mail_class: MailClass, expected: bool) -> None:
    assert sortable(mail_of(mail_class)) is expected
