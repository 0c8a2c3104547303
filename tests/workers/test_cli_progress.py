"""What long commands say while they delete, and to whoever does not wait for the end (D12)."""

import pytest

from workers.cli.terminal.progress import deleting, now_and_then


@pytest.mark.rule("D12-3")
@pytest.mark.parametrize("mails", [0, 3], ids=["nothing yet", "some"])
def test_whoever_stops_it_is_told_what_becomes_of_the_rest(
    capsys: pytest.CaptureFixture[str], mails: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted(mails)
    said = capsys.readouterr().err
    assert said == (
        "stopped: nothing of it is shown any more, and the sweep does the rest\n" if mails else ""
    )


def _interrupted(mails: int) -> None:
    with deleting() as told:
        told(mails)
        raise KeyboardInterrupt


def test_what_is_done_piece_by_piece_says_now_and_then_what_is_at_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now_and_then("migrating", every=0)("contacts")
    now_and_then("migrating", every=60)("deals")

    assert capsys.readouterr().err == "migrating, 0 s: contacts\n"
