"""The figures that the demo prints."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from workers.demo.latency import Latency, labelled_at, measure, percentile
from workers.demo.letters import Letter
from workers.demo.show import Sent

NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
LETTER = Letter("D9", "Ann", "a mail", b"", ())


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7
    assert percentile([float(n) for n in range(1, 101)], 50) == 50
    assert percentile([float(n) for n in range(1, 101)], 99) == 99


def test_from_the_push_to_the_first_label_that_the_log_tells_of(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text(
        '{"event": "message.sorted", "message_id": "1", "changed": true, "timestamp": "2026-03-15T12:00:00.1Z"}\n'
        '{"event": "message.sorted", "message_id": "1", "changed": true, "timestamp": "2026-03-15T12:00:09Z"}\n'
        '{"event": "message.sorted", "message_id": "2", "changed": false, "timestamp": "2026-03-15T12:00:01Z"}\n'
        'no JSON\n["nor an event"]\n'
    )
    moments = labelled_at(log)
    assert moments == {"1": NOON + timedelta(milliseconds=100)}
    assert measure([Sent(LETTER, "1", NOON), Sent(LETTER, "2", NOON)], moments) == Latency(1, 100, 100)
    assert measure([Sent(LETTER, "2", NOON)], moments) is None
