"""What happens after a mail was handled, or in spite of trouble: the user's hand, lost and doubled pushes."""

import json
from datetime import UTC, datetime

import grpc
from google.pubsub_v1.types import PublishRequest

from infra.local.gmail.push import PUBLISH
from workers.demo.letters import CTM, CUSTOMER, NOTIFIED, OPEN, Letter, Pen, skipped, written
from workers.demo.people import TEAM
from workers.demo.show import Sent, Show, changed

TOPIC = "projects/lodestone/topics/gmail"
UNDER_CTM = {"Deals Closing This Month (CTM)", "UNREAD"}
_, EMIL, FRIDA, GERT, HANNA, IDA = TEAM


def trouble(show: Show, pen: Pen) -> None:
    """All scenes; those that wait for the sweep wait together."""
    show.screen.heading("The user's own hand, and trouble on the way")
    moved = show.play(
        [
            written("D10 X17", "ann", "a mail that he will move", pen.of("ann", EMIL), NOTIFIED, CTM, mailbox=EMIL),
            written("E59", "kim", "one whose label he will remove", pen.of("kim", EMIL), NOTIFIED, CTM, mailbox=EMIL),
        ]
    )  # fmt: skip
    by_hand = _change_by_hand(show, moved)
    lost = _lose_push(show, pen)
    _rescue(show, pen)
    _push_again(show, pen)
    show.expect(lost, [one.letter for one in lost])
    _judge_way(show, lost[0])
    swept = show.wait(lambda: _swept_since(show, EMIL, by_hand))
    kept = [
        changed(moved[0].letter, "moved back to the Inbox: the sweep leaves it", moved[0].letter.outcomes,
                UNDER_CTM | {"INBOX"}),
        changed(moved[1].letter, "our label removed: it is not put back", moved[1].letter.outcomes, {"UNREAD"}),
    ]  # fmt: skip
    show.expect(moved, kept)
    if not swept:
        moved[0].faults.append("expected a sweep of the mailbox, found none")


def _change_by_hand(show: Show, moved: list[Sent]) -> datetime:
    show.stage.gmail.change_labels(EMIL, [moved[0].message_id], add=["INBOX"])
    show.stage.gmail.change_labels(EMIL, [moved[1].message_id], remove=["Deals Closing This Month (CTM)"])
    return datetime.now(UTC)


def _swept_since(show: Show, address: str, moment: datetime) -> bool:
    swept_at = show.ledger.last_sweep(show.mailbox_id(address) or 0)
    return swept_at is not None and swept_at > moment


def _lose_push(show: Show, pen: Pen) -> list[Sent]:
    """One mail whose push is lost, and one that is deleted for good before anybody has seen it."""
    gmail = show.stage.gmail
    gmail.push(lost=True)
    try:
        sent = show.deliver(
            [
                written("E82", "cid", "its push is lost: the sweep finds it", pen.of("cid", FRIDA),
                        NOTIFIED, CUSTOMER, mailbox=FRIDA),
                Letter("E38", "Ann", "deleted before it was handled", pen.of("ann", GERT), ("skip.gone",),
                       GERT, after=frozenset()),
            ]
        )  # fmt: skip
        gmail.delete(GERT, [sent[1].message_id])
    finally:
        gmail.push(lost=False)
    return sent


def _judge_way(show: Show, sent: Sent) -> None:
    way = show.ledger.came_by(show.mailbox_id(sent.letter.mailbox) or 0, sent.message_id)
    if way != "sweep":
        sent.faults.append(f"expected the sweep to find it, found {way}")


def _rescue(show: Show, pen: Pen) -> None:
    """Out of Spam, out of Trash, and a draft that is sent: handled as if it had just arrived (W9)."""
    box = HANNA
    to_ann = pen.mail(box, "ann@example.com")
    sent = show.play(
        [
            skipped("E36", "Ann", "in Spam", pen.of("ann", box), "skip.spam", mailbox=box, labels=("SPAM", "UNREAD")),
            skipped("E37", "Dora", "in Trash", pen.of("dora", box), "skip.trash", mailbox=box, labels=("TRASH",)),
            skipped("E34", "Hanna", "a draft", to_ann, "skip.draft", mailbox=box, labels=("DRAFT",)),
        ]
    )  # fmt: skip
    show.rest(box)
    for one, (away, there) in zip(
        sent, (("SPAM", "INBOX"), ("TRASH", "INBOX"), ("DRAFT", "SENT")), strict=True
    ):
        show.stage.gmail.change_labels(box, [one.message_id], add=[there], remove=[away])
    contacts = ("ann", "dora", None)
    ends = (
        ("no spam, says the user: handled now", (NOTIFIED, CTM), UNDER_CTM),
        ("taken out of the Trash: handled now", (NOTIFIED, OPEN), {"Open Deals"}),
        ("the draft is sent", ("skip.outbound",), {"SENT"}),
    )
    letters = [
        changed(one.letter, *end, contact=contact)
        for one, contact, end in zip(sent, contacts, ends, strict=True)
    ]
    show.expect(sent, letters)


def _push_again(show: Show, pen: Pen) -> None:
    """The same notification three times more, and some that nobody should believe."""
    letter = written("E80", "nils", "one push", pen.of("nils", IDA), NOTIFIED, CTM, mailbox=IDA)
    sent = show.play([letter])
    before = _version(show, sent[0])
    data = json.dumps({"emailAddress": IDA, "historyId": 1}).encode()
    foreign = json.dumps(
        {"emailAddress": f"wer.{pen.canaries.token}@elsewhere.example", "historyId": 2}
    ).encode()
    publish(show.stage.pubsub_host, [data, data, data, foreign, b"{", pen.canaries.subject.encode()])
    again = show.deliver(
        [written("E80", "nils", "a next mail", pen.of("nils", IDA), NOTIFIED, CTM, mailbox=IDA)]
    )
    show.expect(again, [one.letter for one in again])
    show.expect(
        sent,
        [changed(letter, "the same push four times: once told, once labelled", letter.outcomes, UNDER_CTM)],
    )
    if _version(show, sent[0]) != before:
        sent[0].faults.append("expected one label change, found a second")


def _version(show: Show, sent: Sent) -> int:
    """Gmail's number of the last change of a mail."""
    found = show.stage.gmail.dump(sent.letter.mailbox).message(sent.message_id)
    return found.history_id if found else 0


def publish(host: str, messages: list[bytes]) -> None:
    """Notifications as if Gmail had sent them."""
    with grpc.insecure_channel(host) as channel:
        publish = channel.unary_unary(
            PUBLISH, request_serializer=PublishRequest.serialize, response_deserializer=lambda data: data
        )
        publish(PublishRequest(topic=TOPIC, messages=[{"data": data} for data in messages]), timeout=5)
