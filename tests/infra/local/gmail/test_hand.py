"""The user's own hand, by control: mails and labels moved, renamed and deleted while others work."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.local.gmail import ControlError, GmailControl

ANA = "ana@example.com"
RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\nbody"
Refused = Callable[[Any], tuple[int, str]]

MOVES = [
    ("archive", ["INBOX", "UNREAD"], {"UNREAD"}),
    ("unarchive", ["UNREAD"], {"INBOX", "UNREAD"}),
    ("spam", ["INBOX", "UNREAD"], {"SPAM", "UNREAD"}),
    ("unspam", ["SPAM"], {"INBOX"}),
    ("trash", ["INBOX", "UNREAD"], {"TRASH", "UNREAD"}),
    ("trash", ["SPAM"], {"TRASH"}),
    ("untrash", ["TRASH", "UNREAD"], {"UNREAD"}),
]


@pytest.mark.parametrize(("move", "before", "after"), MOVES)
def test_moves_and_what_history_tells_of_them(
    move: str, before: list[str], after: set[str], users: Any, control: GmailControl
) -> None:
    one, two, other = (control.deliver(ANA, RAW, before).id for _ in range(3))
    start = users.getProfile(userId="me").execute()["historyId"]
    getattr(control, move)(ANA, one)
    getattr(control, move)(ANA, [two])
    labels = {message.id: message.label_ids for message in control.dump(ANA).messages}
    assert labels == {one: after, two: after, other: set(before)}
    records = users.history().list(userId="me", startHistoryId=start).execute()["history"]
    told = [
        (record["messages"][0]["id"], name, frozenset(record[name][0]["labelIds"]))
        for record in records
        for name in ("labelsAdded", "labelsRemoved")
        if name in record
    ]
    changes = {"labelsAdded": after - set(before), "labelsRemoved": set(before) - after}
    assert told == [(i, name, frozenset(ids)) for i in (one, two) for name, ids in changes.items() if ids]


def test_labels_on_and_off_and_mails_deleted(users: Any, control: GmailControl, refused: Refused) -> None:
    one = control.deliver(ANA, RAW).id
    control.change_labels(ANA, one, add=["Mine", "STARRED"], remove=["UNREAD"])
    found = control.dump(ANA).message(one)
    assert found is not None
    assert found.labels == {"INBOX", "Mine", "STARRED"}
    control.delete(ANA, one)
    assert control.dump(ANA).messages == ()
    assert refused(users.messages().get(userId="me", id=one)) == (404, "notFound")


def test_a_renamed_label_keeps_its_id_and_its_mails(users: Any, control: GmailControl) -> None:
    one = control.deliver(ANA, RAW, ["INBOX", "Deals", "Other"]).id
    label_id = {name: key for key, name in control.dump(ANA).labels.items()}["Deals"]
    start = users.getProfile(userId="me").execute()["historyId"]
    control.rename_label(ANA, label_id, "Offers")
    dump = control.dump(ANA)
    assert dump.labels[label_id] == "Offers"
    assert "Deals" not in dump.labels.values()
    found = dump.message(one)
    assert found is not None
    assert found.labels == {"INBOX", "Offers", "Other"}
    assert "history" not in users.history().list(userId="me", startHistoryId=start).execute()
    for label, name, status in ((label_id, "OTHER", 409), ("Label_99", "x", 404), ("INBOX", "x", 400)):
        with pytest.raises(ControlError) as caught:
            control.rename_label(ANA, label, name)
        assert caught.value.status == status


def test_one_label_too_many(users: Any, control: GmailControl, refused: Refused) -> None:
    labels = users.labels()
    control.limit_labels(ANA, 14 + 1)
    label_id = labels.create(userId="me", body={"name": "One"}).execute()["id"]
    assert refused(labels.create(userId="me", body={"name": "Two"})) == (400, "invalidArgument")
    labels.patch(userId="me", id=label_id, body={"name": "Uno"}).execute()
    control.delete_label(ANA, label_id)
    labels.create(userId="me", body={"name": "Two"}).execute()
    control.limit_labels(ANA)
    labels.create(userId="me", body={"name": "Three"}).execute()


def test_a_dump_is_of_one_moment_while_mail_flows(users: Any, control: GmailControl) -> None:
    """Whoever is in the Inbox is not archived, whatever is done meanwhile; the last id is the last change's."""
    ids = [control.deliver(ANA, RAW).id for _ in range(20)]
    ended = threading.Event()

    def deliver() -> None:
        while not ended.is_set():
            control.deliver(ANA, RAW, ["INBOX"])

    def move() -> None:
        while not ended.is_set():
            control.change_labels(ANA, ids, add=["Done"], remove=["INBOX"])
            control.change_labels(ANA, ids, add=["INBOX"], remove=["Done"])

    with ThreadPoolExecutor(3) as threads:
        works = [threads.submit(deliver), threads.submit(move)]
        try:
            for _ in range(50):
                dump = control.dump(ANA)
                places = {
                    message.labels & {"INBOX", "Done"} for message in dump.messages if message.id in ids
                }
                assert len(places) == 1
                assert dump.history_id == max(message.history_id for message in dump.messages)
        finally:
            ended.set()
        for work in works:
            work.result()
