"""What is shown of a mail: sent, failed, not delivered, answered (H41), and for whom it is new (H52)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.conversations.states import ComingMail, MailState, SentMail, answers, new_for, outcome_shown
from domain.mail.classes import MailClass
from domain.mail.messages import Direction

NINE = datetime(2026, 3, 15, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANN, BOB = "ann@example.com", "bob@example.com"

SENT = SentMail(NINE, frozenset({(1, "t1")}))
ANSWER = ComingMail(
    NINE + MINUTE, Direction.INBOUND, MailClass.HUMAN, ANN, names_at=NINE, lies=frozenset({(2, "t9")})
)


@pytest.mark.rule("H41")
@pytest.mark.parametrize(
    ("mail", "is_answer"),
    [
        pytest.param(ANSWER, True, id="it names the mail"),
        pytest.param(replace(ANSWER, names_at=NINE + MINUTE), True, id="it names a later mail"),
        pytest.param(replace(ANSWER, names_at=NINE - MINUTE), False, id="it names an earlier mail"),
        pytest.param(replace(ANSWER, names_at=None), False, id="it names nothing and lies elsewhere"),
        pytest.param(replace(ANSWER, names_at=None, lies=SENT.lies), True, id="it has the thread id"),
        pytest.param(
            replace(ANSWER, names_at=None, lies=frozenset({(2, "t1")})),
            False,
            id="another mailbox's thread id",
        ),
        pytest.param(replace(ANSWER, author=None), True, id="whoever wrote it, if from outside"),
        pytest.param(replace(ANSWER, way=Direction.OUTBOUND), False, id="a colleague's, or the user's own"),
        pytest.param(replace(ANSWER, at=NINE), False, id="not later"),
        *(
            pytest.param(
                replace(ANSWER, mail_class=kind), False, marks=pytest.mark.rule("E29", "D16-2"), id=kind.value
            )
            for kind in MailClass
            if kind is not MailClass.HUMAN
        ),
    ],
)
def test_a_later_mail_from_outside_that_goes_on_from_it_answers_a_mail(
    mail: ComingMail, is_answer: bool
) -> None:
    assert answers(SENT, mail) is is_answer


@pytest.mark.rule("H40", "H41", "E32")
@pytest.mark.parametrize(
    ("state", "failed", "delayed", "answered", "shown"),
    [
        pytest.param(MailState.SENDING, [], [], [], MailState.SENDING, id="on its way"),
        pytest.param(MailState.FAILED, [], [], [], MailState.FAILED, id="failed"),
        pytest.param(MailState.SENT, [], [], [], MailState.SENT, id="sent"),
        pytest.param(MailState.SENT, [], [ANN], [], MailState.DELAYED, id="delayed"),
        pytest.param(
            MailState.SENT, [ANN], [ANN], [], MailState.NOT_DELIVERED, id="not delivered after a delay"
        ),
        pytest.param(MailState.SENT, [], [ANN], [BOB], MailState.ANSWERED, id="answered"),
        pytest.param(MailState.SENT, [ANN], [], [BOB], MailState.NOT_DELIVERED, id="one has it, one has not"),
        pytest.param(MailState.SENT, [ANN], [], [ANN], MailState.ANSWERED, id="reported lost, and answered"),
        pytest.param(
            MailState.FAILED, [], [], [ANN], MailState.FAILED, id="a failed mail is not shown as sent"
        ),
    ],
)
def test_of_all_that_is_known_of_a_mail_the_most_telling_is_shown(
    state: MailState, failed: list[str], delayed: list[str], answered: list[str], shown: MailState
) -> None:
    assert outcome_shown(state, failed_for=failed, delayed_for=delayed, answered_by=answered) is shown


@pytest.mark.rule("H52")
@pytest.mark.parametrize(
    ("way", "assigned_to", "brought_by", "read_by", "users"),
    [
        pytest.param(Direction.INBOUND, "uwe", ["carla"], [], {"uwe", "carla"}, id="for both"),
        pytest.param(Direction.INBOUND, "uwe", ["carla"], ["uwe"], {"carla"}, id="until each has opened it"),
        pytest.param(
            Direction.INBOUND, "uwe", ["uwe"], ["uwe", "dirk"], set(), id="somebody's reading counts for him"
        ),
        pytest.param(Direction.INBOUND, None, ["carla"], [], {"carla"}, id="nobody is assigned"),
        pytest.param(Direction.OUTBOUND, "uwe", ["carla"], [], set(), id="what we wrote is not new"),
    ],
)
def test_a_mail_is_new_until_each_whom_it_concerns_has_opened_it(
    way: Direction, assigned_to: str | None, brought_by: list[str], read_by: list[str], users: set[str]
) -> None:
    assert new_for(way, assigned_to, brought_by, read_by) == users
