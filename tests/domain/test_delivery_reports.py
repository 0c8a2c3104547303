"""What mail systems report of a mail that did not arrive (D16-5). All are shaped like real ones."""

from collections.abc import Mapping
from dataclasses import replace
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.composition import KEY_HEADER
from domain.mail.content import MimePart
from domain.mail.delivery_reports import MAX_NAMED, Action, DeliveryReport, outcomes, read_report, wanted
from tests.mail_parts import parsed

ANN, BOB = "ann@example.com", "bob@example.net"
FAILED, DELAYED = Action.FAILED, Action.DELAYED
OURS = "offer-1@firm.example"


def report(text: str) -> MimePart:
    return parsed(dedent(text).lstrip("\n").replace("\n", "\r\n").encode())


ATTACHED = f"""\
Received: from firm.example by mx.example; Sun, 22 Nov 2026 10:00:00 +0000
From: Uwe <uwe@firm.example>
To: Ann <{ANN}>, Bob <{BOB}>
Subject: Our offer
Message-ID: <{OURS}>
{KEY_HEADER}: key-1

Dear Ann,"""

POSTFIX = f"""
Return-Path: <>
From: MAILER-DAEMON@mx.example (Mail Delivery System)
To: uwe@firm.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <report-1@mx.example>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.

<{ANN}>: host mx.example.com[192.0.2.1] said: 550 5.1.1 unknown user
--b
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
X-Postfix-Queue-ID: 1234
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; {ANN}
Original-Recipient: rfc822;{ANN}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1
    unknown user

--b
Content-Description: Undelivered Message
Content-Type: message/rfc822

{ATTACHED}
--b--
"""

CUT = POSTFIX.replace("Content-Type: message/rfc822", "Content-Type: text/rfc822-headers")

EXCHANGE = f"""
From: <postmaster@firm.example>
To: <uwe@firm.example>
Subject: Undeliverable: Our offer
Content-Type: multipart/report; report-type=delivery-status; boundary="b"
In-Reply-To: <{OURS}>

--b
Content-Type: multipart/alternative; boundary="c"

--c
Content-Type: text/plain; charset="us-ascii"

{ANN}
Your message to {ANN} couldn't be delivered.
--c
Content-Type: text/html; charset="us-ascii"

<p>Your message couldn't be delivered.</p>
--c--
--b
Content-Type: message/delivery-status

Reporting-MTA: dns;mail.firm.example
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822;{ANN}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound

Final-Recipient: rfc822;{BOB}
Action: relayed
Status: 2.0.0

--b
Content-Type: message/rfc822

{ATTACHED}
--b--
"""

BROWSERS = f"""
From: Mail Delivery Subsystem <mailer-daemon@provider.example>
To: uwe@firm.example
Auto-Submitted: auto-replied
Subject: Delivery Status Notification (Delay)
References: <{OURS}>
In-Reply-To: <{OURS}>
Content-Type: multipart/report; boundary="b"; report-type=delivery-status

--b
Content-Type: text/plain; charset=UTF-8

** Delivery incomplete **

There was a temporary problem while delivering your message to {ANN}.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; provider.example
X-Original-Message-ID: <{OURS}>

Final-Recipient: rfc822; {ANN}
Action: delayed
Status: 4.4.1
Will-Retry-Until: Tue, 24 Nov 2026 10:00:00 +0000 (UTC)

--b
Content-Type: message/rfc822

{ATTACHED}
--b--
"""

EXIM = f"""
X-Failed-Recipients: {ANN}
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@mx.example>
To: uwe@firm.example
Subject: Mail delivery failed: returning message to sender
Content-Type: text/plain; charset=us-ascii

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {ANN}
    Unrouteable address

------ This is a copy of the message, including all the headers. ------

Return-path: <uwe@firm.example>
From: Uwe <uwe@firm.example>
To: {ANN}, {BOB}
Message-Id: <{OURS}>
{KEY_HEADER}: key-1

Dear Ann,
"""

EXIM_WARNS = EXIM.replace(f"X-Failed-Recipients: {ANN}\n", "").replace(
    "Mail delivery failed: returning message to sender", "Warning: message 1abc-000 delayed 24 hours"
)

QMAIL = f"""
Return-Path: <>
From: MAILER-DAEMON@mx.example
To: uwe@firm.example
Subject: failure notice

Hi. This is the qmail-send program at mx.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{ANN}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <uwe@firm.example>
To: {ANN}, {BOB}
Message-ID: <{OURS}>
Subject: Our offer

Dear Ann,
"""

ATTACHED_ALONE = f"""
Return-Path: <>
From: Mail System <mail@mx.example>
To: uwe@firm.example
Subject: Nicht zustellbar
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset=utf-8

Die Nachricht konnte nicht zugestellt werden.
--b
Content-Type: message/rfc822

{ATTACHED}
--b--
"""

REDIRECTED = POSTFIX.replace(f"Original-Recipient: rfc822;{ANN}\n", "").replace(
    f"Final-Recipient: rfc822; {ANN}", "Final-Recipient: rfc822; inner@mailstore.example"
)
REMEMBERED = POSTFIX.replace(
    f"Final-Recipient: rfc822; {ANN}", "Final-Recipient: rfc822; inner@mailstore.example"
)

TABLE = [
    pytest.param(POSTFIX, {ANN: FAILED}, id="Postfix"),
    pytest.param(CUT, {ANN: FAILED}, id="Sendmail: the mail's header alone"),
    pytest.param(
        POSTFIX.replace("rfc822; ", "rfc822;<").replace(f"<{ANN}\nO", f"<{ANN}>\nO"),
        {ANN: FAILED},
        id="brackets",
    ),
    pytest.param(
        POSTFIX.replace("Action: failed", "ACTION: Failed (really)"), {ANN: FAILED}, id="case and comments"
    ),
    pytest.param(
        POSTFIX.replace("+0000\n\nFinal", "+0000\nFinal"), {ANN: FAILED}, id="no line between the blocks"
    ),
    pytest.param(EXCHANGE, {ANN: FAILED}, id="Exchange: one failed, one was relayed"),
    pytest.param(BROWSERS, {ANN: DELAYED}, id="delayed"),
    pytest.param(BROWSERS.replace("Action: delayed", "Action: failed"), {ANN: FAILED}, id="failed after all"),
    pytest.param(POSTFIX.replace("Action: failed", "Action: delivered"), {}, id="delivered"),
    pytest.param(POSTFIX.replace("Action: failed", "Action: expanded"), {}, id="expanded"),
    pytest.param(POSTFIX.replace("Action: failed\n", ""), {}, id="a status alone is no action"),
    pytest.param(REMEMBERED, {ANN: FAILED}, id="redirected: the first address is named"),
    pytest.param(REDIRECTED, {}, id="redirected: nobody can tell whose it was"),
    pytest.param(EXIM, {ANN: FAILED}, id="Exim: no delivery-status, a header names him"),
    pytest.param(EXIM.replace(f"X-Failed-Recipients: {ANN}\n", ""), {ANN: FAILED}, id="no such header"),
    pytest.param(EXIM_WARNS, {ANN: DELAYED}, id="Exim: it warns"),
    pytest.param(QMAIL, {ANN: FAILED}, id="qmail: words alone"),
    pytest.param(ATTACHED_ALONE, {ANN: FAILED, BOB: FAILED}, id="no delivery-status and nobody named"),
]


@pytest.mark.rule("D16-5")
@pytest.mark.parametrize(("text", "expected"), TABLE)
def test_D16_5_what_became_of_the_mail_for_each_recipient(text: str, expected: Mapping[str, Action]) -> None:  # noqa: N802
    found = read_report(report(text), {})
    assert found.rfc_message_ids == (OURS,)
    assert outcomes(found, (ANN, BOB)) == expected


@pytest.mark.rule("D16-5")
@pytest.mark.parametrize(
    ("text", "keys"),
    [
        pytest.param(POSTFIX, ("key-1",), id="in the attached mail"),
        pytest.param(CUT, ("key-1",), id="in its header"),
        pytest.param(EXIM, ("key-1",), id="in the words"),
        pytest.param(QMAIL, (), id="nowhere"),
    ],
)
def test_our_own_key_is_found(text: str, keys: tuple[str, ...]) -> None:
    assert read_report(report(text), {}).keys == keys


@pytest.mark.rule("D16-5")
def test_where_the_attached_mail_has_no_id_the_status_and_the_reply_headers_know_it() -> None:
    nameless = BROWSERS.replace(f"Message-ID: <{OURS}>\n{KEY_HEADER}", KEY_HEADER, 1)
    nameless = nameless.replace(f"\nSubject: Our offer\nMessage-ID: <{OURS}>", "\nSubject: Our offer")
    assert read_report(report(nameless), {}).rfc_message_ids == (OURS,)
    without = nameless.replace(f"X-Original-Message-ID: <{OURS}>\n", "")
    assert read_report(report(without), {}).rfc_message_ids == (OURS,)
    alone = without.replace(f"References: <{OURS}>\n", "").replace(f"In-Reply-To: <{OURS}>\n", "")
    assert read_report(report(alone), {}).rfc_message_ids == ()


@pytest.mark.rule("D16-5")
def test_a_redirected_mail_to_one_recipient_is_his() -> None:
    assert outcomes(read_report(report(REDIRECTED), {}), (ANN,)) == {ANN: FAILED}


@pytest.mark.rule("D16-5", "E13")
def test_a_recipient_is_found_in_any_spelling() -> None:
    spelled = POSTFIX.replace(f"rfc822; {ANN}", "rfc822; ANN+x@Example.COM").replace(
        f"rfc822;{ANN}", "rfc822;"
    )
    assert outcomes(read_report(report(spelled), {}), (ANN, BOB)) == {ANN: FAILED}


@pytest.mark.rule("D16-5")
def test_failed_outweighs_delayed() -> None:
    block = f"Final-Recipient: rfc822; {ANN}\nAction: delayed\n\n"
    both = POSTFIX.replace("Final-Recipient", f"{block}Final-Recipient", 1) + f"\n\n{block}"
    assert outcomes(read_report(report(both), {}), (ANN,)) == {ANN: FAILED}


@pytest.mark.rule("D16-5")
def test_a_report_within_the_attached_mail_says_nothing() -> None:
    inner = POSTFIX.lstrip("\n")
    outer = POSTFIX.replace("Action: failed", "Action: delivered").replace('"b"', '"o"').replace("--b", "--o")
    assert outcomes(read_report(report(outer.replace(ATTACHED, inner)), {}), (ANN,)) == {}


@pytest.mark.rule("D16-5")
def test_parts_that_have_not_come_along_are_asked_for() -> None:
    whole = report(CUT)
    away = tuple(
        replace(part, content=None, attachment_id=str(number)) if number else part
        for number, part in enumerate(whole.parts)
    )
    body = replace(whole, parts=(*away, MimePart("message/rfc822", size=10**9, attachment_id="too large")))
    assert [part.attachment_id for part in wanted(body)] == ["1", "2"]
    assert read_report(body, {}).recipients == ()
    fetched = {str(number): part.content or b"" for number, part in enumerate(whole.parts)}
    assert outcomes(read_report(body, fetched), (ANN, BOB)) == {ANN: FAILED}
    assert read_report(body, fetched).rfc_message_ids == (OURS,)
    assert wanted(whole) == ()


@pytest.mark.rule("D16-5")
def test_a_status_whose_blocks_are_parts_is_read() -> None:
    whole = report(POSTFIX)
    blocks = tuple(
        MimePart("text/plain", content=one) for one in (whole.parts[1].content or b"").split(b"\n\n")
    )
    body = replace(whole, parts=(replace(whole.parts[1], content=None, parts=blocks),))
    assert outcomes(read_report(body, {}), (ANN,)) == {ANN: FAILED}


@pytest.mark.rule("E102", "D16-5")
@pytest.mark.parametrize(
    "piece",
    [
        b"Action: failed\n\n",
        b"Final-Recipient: rfc822; a@example.com\nAction: failed\n\n",
        b"\n",
        b" \n",
        b"a:",
        b":\n",
        b"(",
        b"a@",
    ],
)
def test_a_status_without_end_is_read_in_part(piece: bytes) -> None:
    content = piece * (10_000_000 // len(piece))
    status = MimePart("message/delivery-status", content=content)
    words = MimePart("text/plain", content=content)
    whole = MimePart("multipart/report", (("X-Failed-Recipients", ""),), parts=(words, *[status] * 20))
    found = read_report(whole, {})
    assert len(found.recipients or ()) <= MAX_NAMED
    assert len(outcomes(read_report(words, {}), (ANN,))) == 1


@pytest.mark.rule("E102", "D16-5")
@given(
    st.lists(
        st.sampled_from(["message/delivery-status", "text/plain", "message/rfc822", "text/rfc822-headers"]),
        max_size=4,
    ),
    st.text(st.sampled_from("aA@.:;<>()\n\r \t\0é-")) | st.binary().map(lambda raw: raw.decode("latin-1")),
)
def test_any_report_is_read(kinds: list[str], text: str) -> None:
    content = f"Action: failed\nFinal-Recipient: {text}\nMessage-ID: {text}\n\n{text}".encode(
        "utf-8", "replace"
    )
    body = MimePart("multipart/report", parts=tuple(MimePart(kind, content=content) for kind in kinds))
    found = read_report(body, {})
    assert isinstance(found, DeliveryReport)
    assert set(outcomes(found, (ANN, BOB))) <= {ANN, BOB}


@pytest.mark.rule("I3")
def test_nothing_of_a_report_stands_in_a_repr() -> None:
    assert "example" not in repr(read_report(report(POSTFIX), {}))
    assert "example" not in repr(read_report(report(QMAIL), {}))
