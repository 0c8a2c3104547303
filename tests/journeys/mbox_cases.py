"""Mails of a file, ordinary and hostile, each with its line of the report as written by hand."""

from collections.abc import Sequence
from typing import Any

ME = "me@firm.example"
CTM, OPEN, CUSTOMERS = "Deals Closing This Month (CTM)", "Open Deals", "Customers"
NEW = ("INBOX", "UNREAD")
READ = "read"

CONTACTS = """id,kind,name,emails,assigned_to,created_at
ann,contact,Ann,ann@example.com;ann.old@example.com,,2024-01-01
bob,contact,Bob,bob@example.com,,2024-01-01
cid,contact,Cid,cid@example.com,,2024-01-01
dora,contact,Dora,dora@example.com,,2024-01-01
lea,lead,Lea,lea@example.com,,2024-01-01
"""
REFUSED_CONTACT = "broken,contact,Broken,this is no address,,2024-01-01\n"
DEALS = """id,contact_ids,stage,category,closing_date
1,ann,offer,OPEN,2026-03-31
2,bob,closed,LOST,2026-03-20
3,cid,closed,WON,2025-11-05
4,dora,offer,OPEN,2026-04-01
"""
USERS = """id,name,emails
carla,Carla,carla@firm.example
"""

Case = tuple[bytes, dict[str, Any]]

ANN = "Ann <ann@example.com>"
LIST = "users@lists.example"
VIA = f"'Ann' via Users <{LIST}>"
POST = f"List-Post: <mailto:{LIST}>"
INVITATION = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/calendar; method=REQUEST\n\nx\n--b--"
REPORT = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nx\n--b--"


def mail(sender: str, *headers: str, to: str = ME) -> bytes:
    """As a file holds it."""
    lines = [f"From: {sender}"] if sender else []
    return "\n".join([*lines, f"To: {to}", *headers, "", "Hello.", ""]).encode()


def labelled(*names: str) -> str:
    """Takeout's header."""
    return f"X-Gmail-Labels: {','.join(names)}"


def case(
    raw: bytes,
    *outcomes: str,
    author: str | None,
    contact: str | None = None,
    labels: Sequence[str] = NEW,
    message_id: str | None = None,
) -> Case:
    """A mail and its line, but for what the run itself decides (n and Gmail's ids)."""
    return raw, {
        "rfc_message_id": message_id,
        "from": author,
        "contact_id": contact,
        "outcomes": list(outcomes),
        "labels": sorted(labels),
        "in_inbox": "INBOX" in labels,
    }


def told(
    contact: str,
    label: str,
    raw: bytes,
    labels: Sequence[str],
    author: str = "",
    magnet: str = "magnet.notified",
    message_id: str | None = None,
) -> Case:
    """A mail of somebody in the CRM, by default from the first of their addresses."""
    author = author or f"{contact}@example.com"
    return case(raw, magnet, label, author=author, contact=contact, labels=labels, message_id=message_id)


def anns(raw: bytes, *others: str, author: str = "", magnet: str = "magnet.notified", **more: Any) -> Case:
    """A mail of Ann's, who has a deal that closes this month; `others` are its other labels, READ for none."""
    kept = [label for label in others or ("UNREAD",) if label != READ]
    return told("ann", "label.ctm", raw, (CTM, *kept), author, magnet, **more)


def strange(raw: bytes, author: str | None = None, labels: Sequence[str] = NEW) -> Case:
    """A mail whose author is nobody in the CRM, or cannot be told."""
    return case(raw, "skip.no_contact", author=author, labels=labels)


def stopped(word: str, raw: bytes, author: str | None, labels: Sequence[str] = NEW) -> Case:
    """A mail that does not pass the gate."""
    return case(raw, f"skip.{word}", author=author, labels=labels)


PEOPLE = [
    anns(mail(ANN, "Message-ID: <1@x>"), message_id="<1@x>"),
    anns(mail("ANN@Example.COM", "Message-ID:\n <folded@x>  "), message_id="<folded@x>"),
    anns(mail("Ann <ann+tag@example.com>", "Message-ID: not an id"), author="ann+tag@example.com",
         message_id="not an id"),
    anns(mail("Ann <ann.old@example.com>"), author="ann.old@example.com"),
    anns(mail(ANN, to="else@example.com"), magnet="magnet.not_addressed"),
    anns(mail(ANN, f"Cc: {ME}", to="else@example.com")),
    told("bob", "label.none", mail("bob@example.com"), NEW),
    told("cid", "label.customer", mail("cid@example.com"), (CUSTOMERS, "UNREAD")),
    told("dora", "label.open", mail("dora@example.com"), (OPEN, "UNREAD")),
    told("lea", "label.none", mail("lea@example.com"), NEW),
    strange(mail("Stranger <x@example.org>"), "x@example.org"),
    strange(mail("a.nn@example.com"), "a.nn@example.com"),
]  # fmt: skip

TAKEOUT = [
    anns(mail(ANN, labelled("Inbox")), READ),
    anns(mail(ANN, labelled("Inbox", "Opened", "Starred", "Category Updates")), "STARRED", "CATEGORY_UPDATES"),
    anns(mail(ANN, labelled("Archived", "Unread", "Projects")), "UNREAD", "Projects"),
    anns(mail(ANN, labelled("Inbox", '"Berlin, Mitte"', "a/b")), "Berlin, Mitte", "a/b"),
    anns(mail(ANN, "X-Gmail-Labels: =?UTF-8?Q?Inbox,Gr=C3=BC=C3?=\n =?UTF-8?Q?=9Fe?="), "Grüße"),
    anns(mail(ANN, labelled("Inbox", "Snoozed", "a//b", "[Gmail]/x", "z" * 300)), READ),
    anns(mail(ANN, labelled("=?UTF-8?Q?Bo=C3=AEte_de_r=C3=A9ception,Non_lus?="))),
    stopped("trash", mail(ANN, labelled("Papierkorb", "=?UTF-8?Q?Ge=C3=B6ffnet?=")), "ann@example.com", ("TRASH",)),
    stopped("spam", mail(ANN, labelled("Spam", "Unread")), "ann@example.com", ("SPAM", "UNREAD")),
    stopped("trash", mail(ANN, labelled("Trash")), "ann@example.com", ("TRASH",)),
    stopped("draft", mail(ME, labelled("Drafts"), to=ANN), ME, ("DRAFT",)),
    stopped("chat", mail(ANN, labelled("Chat")), "ann@example.com", ("CHAT",)),
    stopped("outbound", mail(ME, labelled("Sent"), to=ANN), ME, ("SENT",)),
    stopped("outbound", mail("other@example.net", labelled("Sent"), to=ANN), "other@example.net", ("SENT",)),
    case(mail(ANN, labelled("Inbox", "Customers")), "magnet.notified", "label.user_choice",
         author="ann@example.com", contact="ann", labels=("INBOX", "Customers")),
]  # fmt: skip

INSIDERS = [
    stopped("self", mail(ME), ME),
    stopped("outbound", mail(ME, to="ann@example.com, carla@firm.example"), ME),
    stopped("internal", mail("Carla <carla@firm.example>"), "carla@firm.example"),
    stopped("outbound", mail("carla@firm.example", f"Cc: {ME}", to="ann@example.com"), "carla@firm.example"),
]

AUTOMATIC = [
    anns(mail(ANN, "Auto-Submitted: auto-replied"), magnet="magnet.automated"),
    anns(mail(ANN, "Precedence: bulk"), magnet="magnet.automated"),
    anns(mail(ANN, "List-Id: <users.lists.example>")),
    anns(mail(ANN, "List-Unsubscribe: <mailto:off@example.com>")),
    told("ann", "label.none", mail(ANN, INVITATION), NEW, magnet="magnet.automated"),
    told("ann", "label.none", mail(ANN, REPORT), NEW, magnet="magnet.automated"),
    anns(mail(ANN, "Return-Path: <>")),
    anns(mail(ANN, "Auto-Submitted: auto-generated")),
    strange(mail("MAILER-DAEMON@example.net"), "mailer-daemon@example.net"),
]

REWRITTEN = [
    anns(mail(VIA, POST, f"X-Original-From: {ANN}")),
    anns(mail(VIA, "List-Id: <users.lists.example>", f"X-Original-Sender: {ANN}")),
    anns(mail(VIA, POST, f"Reply-To: {ANN}")),
    strange(mail(VIA, POST)),
    strange(mail(VIA, f"Reply-To: {ANN}"), LIST),
    stopped("internal", mail(VIA, POST, "X-Original-From: carla@firm.example"), "carla@firm.example"),
    stopped("internal", mail(VIA, POST, f"X-Original-From: {ME}"), ME),
]

UNCERTAIN = [
    strange(mail("")),
    strange(mail("<>")),
    strange(mail(f"{ANN}, bob@example.com")),
    strange(mail(ANN, "From: x@example.org")),
    strange(mail('"ann@example.com" <x@example.org>'), "x@example.org"),
    strange(mail("ann@example.com <x@example.org>")),
    strange(mail("=?utf-8?q?ann=40example.com?= <x@example.org>"), "x@example.org"),
    strange(mail("Ann ann@example.com")),
    anns(mail("Ann <ann@example.com")),
    anns(mail('"ann@example.com" <ann@example.com>')),
]

HOSTILE = [
    anns(mail(ANN).replace(b"\n", b"\r\n")),
    anns(mail(ANN) + b"\n>From here on it is quoted\n\nFrom now on at 12:30 there is no new mail\n"),
    anns(
        mail(ANN)
        + b"\nFrom "
        + b"0123456789" * 4
        + b" Mon Sep 17 00:00:00 2001\nFrom: dev@example.org\n\n---\n"
    ),
    anns(mail(ANN, "Subject: \x00\x01\x02")),
    anns(mail(ANN) + bytes(range(256)) * 20),
    anns(mail(ANN, "X-Long: " + "x" * 300_000)),
    anns(mail(ANN, "Message-ID: <" + "9" * 5_000 + "@x>"), message_id="<" + "9" * 5_000 + "@x>"),
    anns(mail(ANN, to=", ".join([*(f"guest{n}@example.net" for n in range(3_000)), ME]))),
    anns(mail(ANN, "Cc: " + "(" * 20_000)),
    anns(mail(ANN).replace(b"Ann <", "Änn <".encode("latin-1"))),
    strange(b"no header at all\n"),
    strange(b"\x00\xff\xfe" * 100),
    strange(b""),
]

CASES: list[Case] = [*PEOPLE, *TAKEOUT, *INSIDERS, *AUTOMATIC, *REWRITTEN, *UNCERTAIN, *HOSTILE]
