"""To whom an answer goes, and what it quotes of the mail it answers (H45)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.mail.classes import Part
from domain.mail.folders import Folder
from domain.mail.headers import by_name
from domain.mail.messages import Fetched, read
from domain.mail.replies import MAX_QUOTED, ReplyRecipients, quoted, reply_recipients

ME, ALIAS = "uwe@firm.example", "sales@firm.example"
ANN, BOB, CY = "ann@example.com", "bob@example.com", "cy@example.net"
LIST = "users@lists.example"
OWN = frozenset({ME, ALIAS})
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
POST = f"List-Post: <mailto:{LIST}>"


def whom(*lines: str, sent: bool = False, to_all: bool = False) -> ReplyRecipients:
    """Of a mail with these header lines; it is Ann's to Uwe where they say nothing else."""
    named = {line.partition(":")[0].lower() for line in lines}
    usual = [
        line for line in (f"From: Ann <{ANN}>", f"To: {ME}") if line.partition(":")[0].lower() not in named
    ]
    headers = tuple(
        (name, value.strip()) for name, _, value in (one.partition(":") for one in (*usual, *lines))
    )
    mail = Fetched("1", Folder.INBOX, NOON, Part("text/plain", headers), sent)
    return reply_recipients(read(mail, OWN), by_name(headers), OWN, to_all=to_all)


TO = [
    pytest.param((), (ANN,), id="the author"),
    pytest.param((f"Reply-To: {BOB}",), (BOB,), id="her Reply-To"),
    pytest.param((f"Reply-To: Ann's office <{BOB}>, {CY}",), (BOB, CY), id="two of them"),
    pytest.param(("Reply-To:",), (ANN,), id="an empty one"),
    pytest.param(("Reply-To: <>",), (ANN,), id="brackets of nothing"),
    pytest.param(("Reply-To: call me",), (ANN,), id="none that can be read"),
    pytest.param((f'Reply-To: "{CY}" <{BOB}>',), (BOB,), id="what stands beside brackets is decoration"),
    pytest.param((f"Reply-To: {BOB} {CY}",), (ANN,), id="uncertain: whom it means nobody can tell"),
    pytest.param((f"Reply-To: {ME}",), (ANN,), id="the owner's own address"),
    pytest.param(("Reply-To: uwe+crm@firm.example",), (ANN,), id="the owner's, with a tag"),
    pytest.param((f"Reply-To: {ALIAS}, {BOB}",), (BOB,), id="the owner's alias and another"),
    pytest.param((POST, f"Reply-To: {LIST}"), (ANN,), id="the list it came through"),
    pytest.param((POST, f"Reply-To: {LIST}, {BOB}"), (BOB,), id="the list and another"),
    pytest.param(("List-Id: <users.lists.example>", f"Reply-To: {LIST}"), (ANN,), id="the list, by its id"),
    pytest.param((f"Reply-To: {LIST}",), (LIST,), id="an address like a list's, but no list"),
    pytest.param(
        (f"From: Ann via Users <{LIST}>", POST, f"X-Original-From: {ANN}"),
        (ANN,),
        id="the author behind a list",
    ),
    pytest.param(
        (f"From: Ann via Users <{LIST}>", POST, f"Reply-To: {ANN}"), (ANN,), id="the author, by Reply-To"
    ),
    pytest.param(
        (f"From: Ann via Users <{LIST}>", POST, f"Reply-To: {LIST}", f"X-Original-Sender: {ANN}"),
        (ANN,),
        id="the author, although Reply-To is the list",
    ),
    pytest.param((f"From: Users <{LIST}>", POST), (), id="only the list is known"),
    pytest.param((f"From: {ANN}, {BOB}",), (), id="two authors"),
    pytest.param((f"From: {ANN}, {BOB}", f"Reply-To: {CY}"), (CY,), id="two authors who say whom to answer"),
    pytest.param((f"Reply-To: {BOB}", f"Reply-To: {CY}"), (BOB, CY), id="two fields"),
    pytest.param((f"From: {ME}", f"To: {ANN}, {BOB}"), (ANN, BOB), id="one's own mail: its To"),
    pytest.param((f"From: {ALIAS}", f"To: {ANN}", f"Reply-To: {BOB}"), (ANN,), id="one's own, by an alias"),
    pytest.param((f"From: {ME}", f"To: {ME}"), (ME,), id="a note to oneself"),
    pytest.param(
        (f"From: {ME}", "To: undisclosed-recipients:;", f"Bcc: {ANN}"), (), id="one's own to nobody seen"
    ),
]


@pytest.mark.rule("H45")
@pytest.mark.parametrize(("lines", "expected"), TO)
def test_an_answer_goes_to(lines: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert whom(*lines) == ReplyRecipients(expected)


@pytest.mark.rule("H45")
def test_mail_that_the_mailbox_marks_as_sent_is_ones_own() -> None:
    """A delegate has sent it, or an address that Gmail lists no more."""
    assert whom("From: old@former.example", f"To: {ANN}", sent=True) == ReplyRecipients((ANN,))


ALL = [
    pytest.param((), (ANN,), (), id="nobody else"),
    pytest.param((f"To: {ME}, {BOB}", f"Cc: {CY}"), (ANN, BOB), (CY,), id="To and Cc, less the owner"),
    pytest.param(
        (f"To: {ALIAS}, uwe+x@firm.example", f"Cc: {ME}, {CY}"), (ANN,), (CY,), id="less his aliases"
    ),
    pytest.param((f"Bcc: {BOB}",), (ANN,), (), id="never Bcc"),
    pytest.param((f"To: {ME}, {ANN}, {BOB}", f"Cc: {ANN}, {BOB}"), (ANN, BOB), (), id="everybody once"),
    pytest.param((f"Reply-To: {BOB}", f"Cc: {CY}"), (BOB,), (CY,), id="beside her Reply-To"),
    pytest.param(
        (POST, f"Reply-To: {LIST}", f"To: {LIST}"), (ANN, LIST), (), id="who answers all answers the list"
    ),
    pytest.param((f"From: {ME}", f"To: {ANN}", f"Cc: {BOB}, {ME}"), (ANN,), (BOB,), id="one's own mail"),
]


@pytest.mark.rule("H45")
@pytest.mark.parametrize(("lines", "to", "cc"), ALL)
def test_an_answer_to_all_goes_to(lines: tuple[str, ...], to: tuple[str, ...], cc: tuple[str, ...]) -> None:
    assert whom(*lines, to_all=True) == ReplyRecipients(to, cc)


@pytest.mark.rule("H45")
def test_the_mail_answered_stands_below_marked_line_by_line() -> None:
    berlin = NOON.astimezone(ZoneInfo("Europe/Berlin"))
    assert quoted("Yes.\n", "Shall we?\n\n> Before.\n\nAnn", f"Ann <{ANN}>", berlin) == (
        "Yes.\n\nOn 2026-11-20 13:00 CET, Ann <ann@example.com> wrote:\n> Shall we?\n>\n>> Before.\n>\n> Ann\n"
    )


@pytest.mark.rule("H45")
@pytest.mark.parametrize("nothing", ["", " \r\n\t\n"])
def test_where_there_is_nothing_to_quote_nothing_is_said(nothing: str) -> None:
    assert quoted("Yes.\n", nothing, ANN, NOON) == "Yes.\n"


@pytest.mark.rule("H45", "E102")
def test_what_is_quoted_is_bounded_and_harmless() -> None:
    text = quoted(
        "Yes.", "a\0b\x1b[2J\ud800\u2028c\x85d\te\n" + "x\n" * MAX_QUOTED, "\u202eAnn\r\nBcc: eve", NOON
    )
    lines = text.split("\n")
    assert lines[:7] == [
        "Yes.",
        "",
        "On 2026-11-20 12:00 UTC, Ann Bcc: eve wrote:",
        "> a b [2J",
        "> c",
        "> d    e",
        "> x",
    ]
    assert lines[-2] == "> […]"
    assert len(text) < 3 * MAX_QUOTED
    assert quoted("Yes.", "x", "", NOON).splitlines()[2] == "On 2026-11-20 12:00 UTC, somebody wrote:"
