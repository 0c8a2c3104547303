"""With a Gmail in any kind of trouble, every mail ends as it would without: later, but once and rightly."""

import time
from typing import Any

import pytest

from tests import sweep
from tests.handlers.conftest import House
from tests.journeys.world import EXPECTED, UWE
from tests.worlds import ONE_DATABASE

pytestmark = ONE_DATABASE

TROUBLES: dict[str, dict[str, Any]] = {
    "parts fail": {"kind": "batch_part", "share": 0.4},
    "parts without ids, all the time": {"kind": "batch_no_ids"},
    "parts in any order": {"kind": "batch_shuffled"},
    "cut before": {"kind": "cut", "share": 0.4},
    "cut after": {"kind": "cut", "share": 0.4, "after": True},
    "half": {"kind": "half_answer", "share": 0.4},
    "silent": {"kind": "timeout", "share": 0.4, "delay": 0.01},
    "history empty": {"kind": "empty_page"},
    "history repeated": {"kind": "repeat_page"},
    "history expired": {"kind": "expire_history", "share": 0.5},
    "no labels in history": {"kind": "omit_label_ids"},
    "reads lag": {"kind": "read_lag", "share": 0.5, "delay": 0.4},
    "busy token endpoint": {"kind": "token_limited", "share": 0.5},
    "403": {"kind": "403.userRateLimitExceeded", "share": 0.3},
    "429": {"kind": "429", "share": 0.3},
    "500": {"kind": "500", "share": 0.3},
    "503": {"kind": "503", "share": 0.3},
    "401": {"kind": "401", "share": 0.3},
}


@pytest.mark.rule("E87", "I1", "I2")
@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_mail_is_announced_once_and_sorted(trouble: str, house: House) -> None:
    house.connect()
    house.catch_up()
    house.gmail.expire_access_tokens(UWE)
    house.gmail.fault(**{"seed": 3, **TROUBLES[trouble]}, mailbox=UWE)
    senders = ("ann", "cid", "lea", "nora") * 5
    mails = {house.deliver(sender, number): sender for number, sender in enumerate(senders)}
    deadline = time.monotonic() + 180
    while set(house.outcomes()) != set(mails) or None in house.outcomes().values():
        assert time.monotonic() < deadline, house.outcomes()
        house.let_time_pass()
        house.catch_up()
        sweep.redrive(house.context)
        house.pump()
    outcomes = {
        sender: {house.outcomes()[i] for i, by in mails.items() if by == sender} for sender in senders
    }
    assert outcomes == {sender: {EXPECTED[sender][0][-1]} for sender in senders}
    known = [message_id for message_id, sender in mails.items() if sender != "nora"]
    assert sorted(house.notified()) == sorted(known), "each once"
    for message in house.gmail.dump(UWE).messages:
        _, label, in_inbox = EXPECTED[mails[message.id]]
        assert message.labels == {"UNREAD"} | ({label} if label else set()) | (
            {"INBOX"} if in_inbox else set()
        )
