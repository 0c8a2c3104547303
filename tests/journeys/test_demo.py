"""The demo as an outsider starts it: as a command, by itself, and on a file of somebody's mail."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

ME = "me@firm.example"
CTM, OPEN, CUSTOMERS = "Deals Closing This Month (CTM)", "Open Deals", "Customers"
NEW = ("INBOX", "UNREAD")
FROM_LINE = b"From 1234567890@xxx Sun Mar 15 12:00:00 +0000 2026\n"

CONTACTS = """id,kind,name,emails,assigned_to,created_at
ann,contact,Ann,ann@example.com;ann.old@example.com,,2024-01-01
bob,contact,Bob,bob@example.com,,2024-01-01
cid,contact,Cid,cid@example.com,,2024-01-01
dora,contact,Dora,dora@example.com,,2024-01-01
lea,lead,Lea,lea@example.com,,2024-01-01
broken,contact,Broken,this is no address,,2024-01-01
"""
DEALS = """id,contact_ids,stage,category,closing_date
1,ann,offer,OPEN,2026-03-28
2,bob,closed,LOST,2026-03-20
3,cid,closed,WON,2025-11-05
4,dora,offer,OPEN,2026-05-04
"""
USERS = """id,name,emails
carla,Carla,carla@firm.example
"""

Case = tuple[bytes, dict[str, Any]]


def mail(sender: str, *headers: str, to: str = ME) -> bytes:
    """A mail as a file holds it: line feeds only, or whatever `headers` bring along."""
    lines = [f"From: {sender}"] if sender else []
    return "\n".join([*lines, f"To: {to}", *headers, "", "Hello.", ""]).encode()


def case(
    raw: bytes,
    *outcomes: str,
    author: str | None = None,
    contact: str | None = None,
    labels: tuple[str, ...] = NEW,
    message_id: str | None = None,
) -> Case:
    """A mail and its line in the report."""
    return raw, {
        "message_id_header": message_id,
        "author": author,
        "contact_id": contact,
        "outcomes": list(outcomes),
        "labels": sorted(labels),
        "in_inbox": "INBOX" in labels,
    }


def anns(raw: bytes, *labels: str, magnet: str = "magnet.notified", **more: Any) -> Case:
    """A mail of Ann's that ends under CTM."""
    labelled = (CTM, *(labels or ("UNREAD",)))
    return case(
        raw, magnet, "label.ctm", author="ann@example.com", contact="ann", labels=labelled, **more
    )


def nobodys(raw: bytes, author: str | None = None, labels: tuple[str, ...] = NEW) -> Case:
    """A mail whose author is not in the CRM, or not to be told."""
    return case(raw, "skip.no_contact", author=author, labels=labels)


def labelled(*names: str) -> str:
    """Takeout's header."""
    return f"X-Gmail-Labels: {','.join(names)}"


ANN = "Ann <ann@example.com>"
LIST = "users@lists.example"
VIA = f"'Ann' via Users <{LIST}>"
POST = f"List-Post: <mailto:{LIST}>"
INVITATION = (
    "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/calendar; method=REQUEST\n\nx\n--b--"
)

CASES: list[Case] = [
    # customers, leads and strangers
    anns(mail(ANN, "Message-ID: <1@x>"), message_id="<1@x>"),
    anns(mail("ANN@Example.COM", "Message-ID:\n <folded@x> "), message_id="<folded@x>"),
    anns(mail("Ann <ann+tag@example.com>"))
    if False
    else case(
        mail("Ann <ann+tag@example.com>"),
        *("magnet.notified", "label.ctm"),
        author="ann+tag@example.com",
        contact="ann",
        labels=(CTM, "UNREAD"),
    ),
    case(
        mail("bob@example.com"), "magnet.notified", "label.none", author="bob@example.com", contact="bob"
    ),
    case(
        mail("cid@example.com"),
        *("magnet.notified", "label.customer"),
        author="cid@example.com",
        contact="cid",
        labels=(CUSTOMERS, "UNREAD"),
    ),
    case(
        mail("dora@example.com"),
        *("magnet.notified", "label.open"),
        author="dora@example.com",
        contact="dora",
        labels=(OPEN, "UNREAD"),
    ),
    case(
        mail("lea@example.com"), "magnet.notified", "label.none", author="lea@example.com", contact="lea"
    ),
    nobodys(mail("Stranger <x@example.org>"), "x@example.org"),
    nobodys(mail("a.nn@example.com"), "a.nn@example.com"),
]
