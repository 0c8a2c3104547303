"""Reading a mail, however it was written."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.folders import Folder
from domain.mail.messages import (
    Direction,
    Exclusions,
    Fetched,
    Insiders,
    MailClass,
    Message,
    Part,
    direction,
    read,
)
from domain.outcomes import Outcome
from tests.worlds import stopped

ME, CARLA, DIRK = "uwe@firm.example", "carla@firm.example", "dirk@firm.example"
ANN, BOB, LIST = "ann@example.com", "bob@example.org", "users@lists.example"
INSIDERS = Insiders(own=frozenset({ME}), users=frozenset({CARLA, DIRK}))
EXCLUDED = Exclusions(domains=frozenset({"example.org"}))
START = datetime(2026, 3, 15, 12, tzinfo=UTC)
NOBODY = Exclusions()


def fetched(*headers: tuple[str, str]) -> Fetched:
    return Fetched("18c0ffee", Folder.INBOX, START, Part("text/plain", headers))


@pytest.mark.rule("D5", "E13", "E42", "E43")
def test_what_is_read_from_the_headers() -> None:
    mail = fetched(
        ("FROM", "=?utf-8?Q?Ann?= <Ann@Example.com>"),
        ("to", "Uwe <uwe@firm.example>"),
        ("To", "carla@firm.example"),
        ("cc", "Team: dirk@firm.example;"),
        ("Bcc", "bob@example.org"),
        ("Delivered-To", "other@firm.example"),
        ("Reply-To", "else@example.com"),
        ("Sender", "sender@example.com"),
        ("Precedence", "bulk"),
        ("Subject", "\udcff\x00"),
    )
    marked = replace(mail, sent=True, label_ids=frozenset({"Label_1"}))
    assert read(marked, frozenset({ME})) == Message(
        message_id="18c0ffee",
        folder=Folder.INBOX,
        sent=True,
        label_ids=frozenset({"Label_1"}),
        received_at=START,
        sender=ANN,
        author=ANN,
        rewritten=False,
        to=(ME, CARLA),
        cc=(DIRK,),
        bcc=(BOB,),
        mail_class=MailClass.LIST,
        bulk=True,
    )


@pytest.mark.rule("E42", "E105")
def test_a_mail_without_headers_is_a_mail() -> None:
    message = read(fetched(), frozenset())
    assert (message.author, message.to, message.mail_class) == (None, (), MailClass.HUMAN)
    assert stopped(message, INSIDERS, NOBODY, START) is Outcome.SKIP_NO_CONTACT


NAMES = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Reply-To",
    "X-Original-From",
    "X-Original-Sender",
    "List-Post",
    "List-Id",
]
NAMES += ["X-Google-Group-Id", "Mailing-list", "X-BeenThere", "Return-Path", "Precedence", "Auto-Submitted"]
NAMES += ["Content-Type", "X-Autoreply", ""]
VALUES = st.text(max_size=40) | st.sampled_from(
    [
        ANN,
        f"Uwe <{ME}>",
        f"<mailto:{LIST}>",
        "<>",
        f"list {LIST};",
        "((",
        '"',
        "list",
        "multipart/report; report-type=x",
    ]
)


@pytest.mark.rule("E42", "E102", "E105")
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=12),
    st.sampled_from(["text/plain", "multipart/report", "text/calendar", ""]),
    st.sampled_from(Folder),
    st.booleans(),
)
def test_every_mail_ends_in_an_outcome(
    headers: list[tuple[str, str]], mime_type: str, folder: Folder, sent: bool
) -> None:
    message = read(Fetched("id", folder, START, Part(mime_type, tuple(headers)), sent), INSIDERS.own)
    outcome = stopped(message, INSIDERS, EXCLUDED, START)
    assert (outcome is None) <= (
        message.author is not None and direction(message, INSIDERS) is Direction.INBOUND
    )


@pytest.mark.rule("E102")
@pytest.mark.parametrize(
    "piece", ["(", "<,", '"', "a@b.c,", "=?utf-8?q?a?=", ";", "mailto:a@b.c,", "<a@b.c>"]
)
def test_a_mail_of_hostile_headers_comes_to_an_end(piece: str) -> None:
    value = piece * (200_000 // len(piece))
    message = read(
        fetched(*((name, value) for name in NAMES), ("From", ANN), *[("To", value)] * 20), INSIDERS.own
    )
    assert message.author in (None, ANN)
    assert stopped(message, INSIDERS, EXCLUDED, START) in (None, Outcome.SKIP_NO_CONTACT)
