"""Two-way sync, the whole way thin: real processes, both databases."""

import pytest

from tests.journeys.talk import ANN, CARLA, CID, EVE, Held, Talk
from tests.journeys.world import UWE


@pytest.mark.rule("D6-1", "D6-4", "D7-2", "D7-8", "D7-11", "H8", "H10", "H14", "E52")
def test_a_contact_writes_the_user_answers_in_gmail_and_her_next_mail_joins(talk: Talk) -> None:
    first = talk.write(ANN)
    talk.settle()
    assert talk.held() == [Held("ann", (first,))]

    answered = talk.stage.gmail.answer(UWE, talk.newest(), "Ten.")
    answer = talk.message_id(UWE, answered.id)
    talk.settle()
    again = talk.write(ANN, answers=answer, cc=CARLA)
    talk.write(EVE)
    other = talk.write(CID, CARLA, subject="Another thing")
    talk.settle()

    assert talk.held() == [Held("ann", tuple(sorted((first, answer, again)))), Held("cid", (other,))]
    talk.check()
