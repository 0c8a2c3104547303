"""Mails written to be misread: each is read as the table beside it says, and nothing of them is an error."""

import pytest

from domain.mail.headers import by_name, rfc_message_ids
from domain.mail.messages import Fetched, read
from infra.gmail.mailbox import GmailMailbox
from infra.local.gmail import GmailControl
from tests.hostile.readings import CORPUS, READINGS, RULES, UWE, Reading, rules_of


def fetch(name: str, control: GmailControl, mailbox: GmailMailbox) -> Fetched:
    """Deliver a mail of the corpus and fetch it."""
    message_id = control.deliver(UWE, (CORPUS / f"{name}.eml").read_bytes()).id
    found = mailbox.headers([message_id])[message_id]
    assert isinstance(found, Fetched)
    return found


def test_the_table_and_the_corpus_name_the_same_mails() -> None:
    assert sorted(file.stem for file in CORPUS.glob("*.eml")) == sorted(READINGS)
    assert RULES.keys() <= READINGS.keys()


@pytest.mark.parametrize(
    ("name", "reading"),
    [pytest.param(n, r, id=n, marks=pytest.mark.rule(*rules_of(n))) for n, r in READINGS.items()],
)
def test_each_mail_is_read_as_the_table_says(
    name: str, reading: Reading, control: GmailControl, mailbox: GmailMailbox
) -> None:
    message = read(fetch(name, control, mailbox), frozenset({UWE}))
    assert (message.author, message.to, message.cc, message.mail_class) == (
        reading.author,
        reading.to,
        reading.cc,
        reading.mail_class,
    )


@pytest.mark.rule("E101", "E104")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(
            "folded-and-bare-ids",
            {
                "message-id": [("a-very-long-one@example.com",)],
                "in-reply-to": [("first@example.com", "second@example.com")],
                "references": [("third@example.com", "fourth@example.com")],
            },
            id="folded and bare",
        ),
        pytest.param(
            "ids-of-noise", {"message-id": [(), ()], "in-reply-to": [()], "references": [()]}, id="noise"
        ),
    ],
)
def test_ids_are_read_tolerantly_and_malformed_ones_not_at_all(
    name: str, expected: dict[str, list[tuple[str, ...]]], control: GmailControl, mailbox: GmailMailbox
) -> None:
    fields = by_name(fetch(name, control, mailbox).payload.headers)
    assert {field: [rfc_message_ids(value) for value in fields[field]] for field in expected} == expected
