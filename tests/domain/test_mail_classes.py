"""Automated mail: how each class of D16 is recognised."""

from datetime import UTC, datetime

import pytest

from domain.messages import Fetched, MailClass, Part, read

OWN = frozenset({"uwe@firm.example"})
HUMAN = Part("text/plain", ())
Header = tuple[str, str]


def part(mime_type: str, *parts: Part, content_type: str = "") -> Part:
    return Part(mime_type, (("Content-Type", content_type or mime_type),), parts)


def class_of(*headers: Header, payload: Part = HUMAN) -> MailClass:
    headers = (("Return-Path", "<ann@example.com>"), *headers, *payload.headers)
    if not any(name.lower() == "from" for name, _ in headers):
        headers = (("From", "Ann <ann@example.com>"), *headers)
    whole = Part(payload.mime_type, headers, payload.parts)
    return read(Fetched("id", frozenset(), datetime(2026, 3, 15, tzinfo=UTC), whole), OWN).mail_class


@pytest.mark.rule("D16", "D16-1")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("Subject", "Out of office"), id="words in the subject mean nothing"),
        pytest.param(
            ("List-Unsubscribe", "<https://shop.example/out>"), id="sales tools put this on personal mail"
        ),
        pytest.param(("Auto-Submitted", "no"), id="said to be no automatic one"),
        pytest.param(("Auto-Submitted", "No (a person wrote this)"), id="with a comment"),
        pytest.param(("Auto-Submitted", ""), id="nothing said"),
        pytest.param(("Precedence", "first-class"), id="another precedence"),
        pytest.param(("List-Id", " "), id="an empty List-Id"),
        pytest.param(("From", "Ann Postmaster <ann.postmaster@example.com>"), id="a name that sounds alike"),
    ],
)
def test_human(header: Header) -> None:
    assert class_of(header) is MailClass.HUMAN


@pytest.mark.rule("D16", "D16-2", "E29")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("Auto-Submitted", "auto-replied"), id="replied"),
        pytest.param(("AUTO-SUBMITTED", " Auto-Replied; owner-email=ann@example.com"), id="with a parameter"),
        pytest.param(("auto-submitted", "(vacation) auto-replied"), id="with a comment"),
        pytest.param(("Auto-Submitted", "auto-generated"), id="generated"),
        pytest.param(("X-Autoreply", "yes"), id="X-Autoreply"),
        pytest.param(("X-Autorespond", "Away"), id="X-Autorespond"),
        pytest.param(("Precedence", "auto_reply"), id="Precedence"),
        pytest.param(("Precedence", "Auto_Reply"), id="in capitals"),
    ],
)
def test_auto_reply(header: Header) -> None:
    assert class_of(header) is MailClass.AUTO_REPLY


@pytest.mark.rule("D16", "D16-3", "E30")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("List-Id", "<news.shop.example>"), id="List-Id"),
        pytest.param(("Precedence", "bulk"), id="bulk"),
        pytest.param(("Precedence", "List"), id="list"),
        pytest.param(("precedence", "junk (really)"), id="junk"),
    ],
)
def test_list_or_bulk(header: Header) -> None:
    assert class_of(header) is MailClass.LIST


@pytest.mark.rule("D16", "D16-4", "E31")
@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        pytest.param("text/calendar; method=REQUEST; charset=utf-8", MailClass.CALENDAR, id="an invitation"),
        pytest.param(
            'text/calendar; charset="utf-8";\r\n METHOD="REPLY"', MailClass.CALENDAR, id="an answer, folded"
        ),
        pytest.param("text/calendar; name=ticket.ics", MailClass.HUMAN, id="a ticket's calendar file"),
        pytest.param(
            'text/calendar; name="x; method=REQUEST"', MailClass.HUMAN, id="a method in the file's name"
        ),
    ],
)
def test_calendar(content_type: str, expected: MailClass) -> None:
    calendar = part("Text/Calendar", content_type=content_type)
    alternative = part("multipart/alternative", part("text/plain"), calendar)
    assert class_of(payload=calendar) is expected
    assert class_of(payload=part("multipart/mixed", alternative)) is expected


@pytest.mark.rule("D16", "D16-5", "E32")
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(("From", "Mail Delivery Subsystem <mailer-daemon@mail.example>"), id="mailer-daemon"),
        pytest.param(("From", "MAILER-DAEMON (Mail Delivery System)"), id="a daemon without an address"),
        pytest.param(("From", "Postmaster <POSTMASTER@mail.example>"), id="postmaster"),
        pytest.param(
            ("From", '"ann@example.com" <postmaster@mail.example>'), id="postmaster under another's name"
        ),
    ],
)
def test_bounce_by_its_sender(header: Header) -> None:
    assert class_of(header) is MailClass.BOUNCE
    assert class_of(header, ("Auto-Submitted", "auto-replied")) is MailClass.BOUNCE


@pytest.mark.rule("D16", "D16-5", "E32")
@pytest.mark.parametrize("path", ["<>", "< >", ""])
def test_bounce_by_its_empty_return_path(path: str) -> None:
    def returned(*headers: Header, payload: Part = HUMAN) -> MailClass:
        whole = Part(payload.mime_type, (("Return-Path", path), *headers, *payload.headers), payload.parts)
        return read(Fetched("id", frozenset(), datetime(2026, 3, 15, tzinfo=UTC), whole), OWN).mail_class

    assert returned() is MailClass.BOUNCE
    assert returned(("List-Id", "<x.example>")) is MailClass.BOUNCE
    assert returned(("Auto-Submitted", "auto-generated")) is MailClass.BOUNCE
    assert returned(("Auto-Submitted", "auto-replied")) is MailClass.AUTO_REPLY
    assert returned(("X-Autoreply", "yes")) is MailClass.AUTO_REPLY
    invitation = part("text/calendar", content_type="text/calendar; method=REPLY")
    assert returned(payload=invitation) is MailClass.CALENDAR


@pytest.mark.rule("D16", "D16-5")
def test_a_return_path_from_before_a_redirection_means_nothing() -> None:
    assert class_of(("Return-Path", "<>")) is MailClass.HUMAN


@pytest.mark.rule("D16", "D16-5", "D16-6")
@pytest.mark.parametrize(
    ("content_type", "child", "expected"),
    [
        pytest.param(
            "multipart/report; report-type=delivery-status",
            "text/plain",
            MailClass.BOUNCE,
            id="a delivery report",
        ),
        pytest.param(
            'multipart/report; boundary="x";\r\n report-type="Delivery-Status"',
            "text/plain",
            MailClass.BOUNCE,
            id="quoted and folded",
        ),
        pytest.param("multipart/report", "message/delivery-status", MailClass.BOUNCE, id="known by its part"),
        pytest.param(
            "multipart/report; report-type=disposition-notification",
            "text/plain",
            MailClass.RECEIPT,
            id="a receipt",
        ),
        pytest.param(
            "multipart/report", "message/disposition-notification", MailClass.RECEIPT, id="by its part"
        ),
        pytest.param(
            "multipart/report; report-type=tlsrpt", "text/plain", MailClass.HUMAN, id="another report"
        ),
    ],
)
def test_reports(content_type: str, child: str, expected: MailClass) -> None:
    report = part("multipart/report", part("text/plain"), part(child), content_type=content_type)
    assert class_of(payload=report) is expected
    assert class_of(payload=part("multipart/mixed", report, part("text/plain"))) is expected


@pytest.mark.rule("D16")
def test_a_forwarded_invitation_or_bounce_is_a_mail() -> None:
    invitation = part("text/calendar", content_type="text/calendar; method=REQUEST")
    report = part("multipart/report", content_type="multipart/report; report-type=delivery-status")
    for attached in (invitation, report):
        forwarded = part("multipart/mixed", part("text/plain"), part("message/rfc822", attached))
        assert class_of(payload=forwarded) is MailClass.HUMAN


@pytest.mark.rule("D16")
def test_where_several_classes_fit_the_plainest_counts() -> None:
    calendar = part("text/calendar", content_type="text/calendar; method=REQUEST")
    report = part(
        "multipart/report", calendar, content_type="multipart/report; report-type=disposition-notification"
    )
    replied, listed = ("Auto-Submitted", "auto-replied"), ("List-Id", "<x.example>")
    daemon = ("From", "mailer-daemon@mail.example")
    assert class_of(daemon, replied, listed, payload=report) is MailClass.RECEIPT
    assert class_of(daemon, replied, listed, payload=calendar) is MailClass.BOUNCE
    assert class_of(replied, listed, payload=calendar) is MailClass.CALENDAR
    assert class_of(replied, listed) is MailClass.AUTO_REPLY


@pytest.mark.rule("E102")
def test_a_tree_of_any_depth_is_walked() -> None:
    tree = part("text/calendar", content_type="text/calendar; method=REQUEST")
    for _ in range(50_000):
        tree = part("multipart/mixed", tree)
    found = class_of(payload=tree)
    while tree.parts:  # taken apart from the top: freeing it at once would recurse in Python itself
        tree = tree.parts[0]
    assert found is MailClass.CALENDAR
