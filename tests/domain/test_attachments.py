"""Which of a mail's files are copied, and whether they may be sent together (D14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.attachments import MAX_ATTACHMENTS, all_fit, fits, which_fit

MB = 1_048_576

pytestmark = pytest.mark.rule("D14")


@pytest.mark.rule("D14-1g")
def test_D14_1g_the_limit_is_25_megabytes_of_decoded_files() -> None:  # noqa: N802
    assert MAX_ATTACHMENTS == 26_214_400


@pytest.mark.parametrize(
    ("sizes", "copied"),
    [
        pytest.param((), (), marks=pytest.mark.rule("D14-1g"), id="no file"),
        pytest.param((0, 0), (True, True), marks=pytest.mark.rule("D14-1g"), id="empty files"),
        pytest.param(
            (10 * MB, 15 * MB),
            (True, True),
            marks=pytest.mark.rule("D14-2g"),
            id="together exactly at the limit",
        ),
        pytest.param((25 * MB,), (True,), marks=pytest.mark.rule("D14-2g"), id="alone exactly at the limit"),
        pytest.param((25 * MB + 1,), (False,), marks=pytest.mark.rule("D14-4g"), id="one byte above"),
        pytest.param(
            (10 * MB, 15 * MB + 1),
            (True, False),
            marks=pytest.mark.rule("D14-4g"),
            id="together one byte above",
        ),
        pytest.param(
            (25 * MB, 1), (True, False), marks=pytest.mark.rule("D14-4g"), id="no room for one byte"
        ),
        pytest.param(
            (25 * MB, 0), (True, True), marks=pytest.mark.rule("D14-4g"), id="an empty file always has room"
        ),
        pytest.param(
            (30 * MB, 20 * MB, 5 * MB),
            (False, True, True),
            marks=pytest.mark.rule("D14-4g"),
            id="those that fit",
        ),
        pytest.param(
            (20 * MB, 10 * MB, 5 * MB),
            (True, False, True),
            marks=pytest.mark.rule("D14-4g"),
            id="in written order",
        ),
        pytest.param((-(10**12), 25 * MB, 1), (True, True, False), id="a size that lies makes no room"),
        pytest.param((10**30, 1), (False, True), id="a size without measure"),
    ],
)
def test_D14_which_files_of_a_mail_are_copied(sizes: tuple[int, ...], copied: tuple[bool, ...]) -> None:  # noqa: N802
    assert which_fit(sizes) == copied


@pytest.mark.parametrize(
    ("sizes", "allowed"),
    [
        pytest.param((), True, marks=pytest.mark.rule("D14-1g"), id="no file"),
        pytest.param((10 * MB, 15 * MB), True, marks=pytest.mark.rule("D14-2g"), id="exactly at the limit"),
        pytest.param((10 * MB, 15 * MB, 1), False, marks=pytest.mark.rule("D14-3g"), id="one byte above"),
    ],
)
def test_D14_3g_what_may_be_sent(sizes: tuple[int, ...], allowed: bool) -> None:  # noqa: N802
    assert all_fit(sizes) is allowed


@pytest.mark.rule("D14-4g")
@given(st.lists(st.integers(0, 30 * MB), max_size=20))
def test_D14_4g_what_is_copied_is_within_the_limit_and_what_is_not_had_no_room(sizes: list[int]) -> None:  # noqa: N802
    copied = which_fit(sizes)
    taken = 0
    for size, is_copied in zip(sizes, copied, strict=True):
        assert is_copied is fits(size, taken)
        taken += size if is_copied else 0
    assert taken <= MAX_ATTACHMENTS
