"""What may be kept of a mail, and how much is forgotten at once."""

import pytest

from domain.connections.connections import Mode
from domain.retention import ENDED, FEWEST, LONG, MOST, NOTHING, Admission, Data, kept, next_stretch

NO, YES, MAGNET = "no", "yes", "with MailMagnet"
LIVE = [(Mode.LIVE, admission) for admission in Admission]
SYNC = (Mode.SYNC_GMAIL, Mode.SYNC_OUTLOOK)
ADMITTED = [(mode, Admission.ADMITTED) for mode in SYNC]
REFUSED = [(mode, admission) for mode in SYNC for admission in Admission if admission != Admission.ADMITTED]


@pytest.mark.rule("D2")
@pytest.mark.parametrize(
    ("data", "live", "refused", "admitted"),
    [
        pytest.param(Data.MESSAGE_ID, MAGNET, YES, YES, marks=pytest.mark.rule("D2-1"), id="message id"),
        pytest.param(Data.AUTHOR, MAGNET, MAGNET, YES, marks=pytest.mark.rule("D2-2"), id="From address"),
        pytest.param(Data.RECEIVED_AT, MAGNET, MAGNET, YES, marks=pytest.mark.rule("D2-3"), id="received"),
        pytest.param(Data.CONTENT, NO, NO, YES, marks=pytest.mark.rule("D2-4"), id="all the rest of it"),
        pytest.param(Data.FACTS, MAGNET, YES, YES, marks=pytest.mark.rule("D2-5"), id="our own facts"),
        pytest.param(Data.CONNECTION, YES, YES, YES, marks=pytest.mark.rule("D2-6"), id="the connection's"),
    ],
)
def test_what_may_be_kept(data: Data, live: str, refused: str, admitted: str) -> None:
    for expected, column in ((live, LIVE), (refused, REFUSED), (admitted, ADMITTED)):
        for mode, admission in column:
            for magnet in (False, True):
                allowed = data in kept(mode, admission, magnet=magnet)
                assert allowed is (expected == YES or (expected == MAGNET and magnet)), (mode, admission)


@pytest.mark.rule("D2")
def test_the_table_has_a_row_for_everything() -> None:
    """And what is written of each mail that ends, its id and its outcome, every feature that is on allows."""
    assert [data.value for data in Data] == [f"D2-{row}" for row in range(1, 7)]
    assert kept(Mode.LIVE, Admission.NOT_THIS_MODE, magnet=False) == NOTHING
    for mode in Mode:
        for admission in Admission:
            assert kept(mode, admission, magnet=True) >= ENDED
            assert mode is Mode.LIVE or kept(mode, admission, magnet=False) >= ENDED


@pytest.mark.rule("W11", "W16")
@pytest.mark.parametrize(
    ("rows", "seconds", "expected"),
    [
        pytest.param(FEWEST, 0.001, 2 * FEWEST, id="what goes quickly goes twice as far"),
        pytest.param(FEWEST, 0, 2 * FEWEST, id="also where no clock has seen it"),
        pytest.param(MOST, 0.001, MOST, id="never further than that"),
        pytest.param(100, LONG, 100, id="as long as it may be"),
        pytest.param(200, 2 * LONG, 100, id="too long"),
        pytest.param(200, 4 * LONG, 50, id="on a machine that has come to be busy"),
        pytest.param(MOST, 5.0, FEWEST, id="who waited for a lock gets on still"),
    ],
)
def test_a_stretch_is_about_as_long_on_any_machine(rows: int, seconds: float, expected: int) -> None:
    assert next_stretch(rows, seconds) == expected
