"""Mails by kind: the gate (D3), directions (D4), automated mail (D16)."""

from collections.abc import Sequence

from workers.demo.letters import (
    AUTOMATED,
    CTM,
    NONE,
    NOT_ADDRESSED,
    NOTIFIED,
    Letter,
    Pen,
    parts,
    skipped,
    written,
)
from workers.demo.people import CARLA, DOMAIN, SALES, SECOND_LOGIN, UWE, UWE_ALIAS

_ANN = "Ann <ann@example.com>"
_STAFF = f"pia@{DOMAIN}"


def gates(pen: Pen) -> list[Letter]:
    """Every row of D3 that a mail can meet by itself."""
    to_ann = pen.mail(UWE, _ANN)
    to_excluded = pen.mail(UWE, "eva@excluded.example, max@example.org", third=False)
    coras = pen.mail(f"Cora <{SECOND_LOGIN}>", UWE, third=False)
    return [
        skipped("D3 E34", "Uwe", "a draft", to_ann, "skip.draft", labels=("DRAFT",)),
        skipped("D3 E36", "Ann", "in Spam", pen.of("ann"), "skip.spam", labels=("SPAM", "UNREAD")),
        skipped("D3 E37", "Ann", "in Trash", pen.of("ann"), "skip.trash", labels=("TRASH",)),
        skipped("D3", "Ann", "a chat", pen.of("ann"), "skip.chat", labels=("CHAT",)),
        skipped(
            "D3", "Ann", "received before the feature's start", pen.of("ann"), "skip.too_old", hours_old=1
        ),
        skipped("D3", "Ann", "received a year ago", pen.of("ann"), "skip.too_old", hours_old=8_760),
        skipped("D3 E33", "Uwe", "to himself", pen.mail(UWE, UWE, third=False), "skip.self"),
        skipped("D3 E14", "Uwe", "to his alias", pen.mail(UWE, UWE_ALIAS, third=False), "skip.self"),
        skipped("D3", "Carla", "among colleagues", pen.mail(CARLA, UWE, third=False), "skip.internal"),
        skipped(
            "D3 E18", "Pia", "staff of our domain", pen.mail(_STAFF, SALES, third=False), "skip.internal"
        ),
        skipped("D3 E19", "Eva", "of an excluded domain", pen.of("eva"), "skip.excluded"),
        skipped("D3 E19", "Max", "of an excluded address", pen.of("max"), "skip.excluded"),
        skipped("D3 E19", "Max", "with a +tag", pen.mail("max+1@example.org"), "skip.excluded"),
        skipped("D3 E19", "Uwe", "to excluded people only", to_excluded, "skip.excluded", labels=("SENT",)),
        skipped("X16", "Cora", "her address is Carla's login, too: a colleague", coras, "skip.internal"),
    ]


def directions(pen: Pen) -> list[Letter]:
    """D4: who wrote it, and to whom."""
    sent, both = ("SENT",), ("SENT", "INBOX")
    outbound = "skip.outbound"
    copy = pen.mail(UWE, _ANN, f"Cc: {UWE}")
    colleague = pen.mail(CARLA, f"{UWE}, ann@example.com")
    insiders = pen.mail(CARLA, f"{UWE}, {_STAFF}", third=False)
    delegate = pen.mail(f"Buero <{pen.canaries.third_party('buero')}>", _ANN)
    return [
        skipped("D4", "Uwe", "his own mail", pen.mail(UWE, _ANN), outbound, labels=sent),
        skipped("D4 E14", "Uwe", "from his alias", pen.mail(UWE_ALIAS, _ANN), outbound, labels=sent),
        skipped("D4 E33", "Uwe", "with himself in copy", copy, outbound, labels=both),
        skipped("D4 E75", "delegate", "sent for Uwe under another address", delegate, outbound, labels=sent),
        skipped("D4", "Carla", "a colleague's mail to a contact", colleague, outbound),
        skipped("D4 E17", "Carla", "to insiders only", insiders, "skip.internal"),
    ]


def classes(pen: Pen) -> list[Letter]:
    """D16, each sign by itself. All are Ann's, whose own mail gets a label."""
    return [*_automatic(pen), *_lists(pen), *_special(pen)]


def _automatic(pen: Pen) -> list[Letter]:
    signs: Sequence[tuple[str, str]] = (
        ("Auto-Submitted: auto-replied", "out of office"),
        ("Auto-Submitted: auto-generated\r\nReturn-Path: <>", "generated, and nobody to answer to"),
        ("X-Autoreply: yes", "an older sign of an automatic reply"),
        ("X-Autorespond: out of office", "another one"),
        ("X-Apple-Action: VACATION", "Apple's"),
        ("Precedence: auto_reply", "and another"),
    )
    humans = (
        ("Auto-Submitted: no", "Auto-Submitted: no is a person"),
        ("Auto-Submitted: auto-generated", "auto-generated alone is redirected mail"),
        ("X-Autoreply: no", "a sign that says no is none"),
    )
    return [
        *(
            written("D16 E29", "ann", f"{says}: not announced", pen.of("ann", UWE, sign), AUTOMATED, CTM)
            for sign, says in signs
        ),
        *(written("D16", "ann", says, pen.of("ann", UWE, sign), NOTIFIED, CTM) for sign, says in humans),
    ]


def _lists(pen: Pen) -> list[Letter]:
    list_id, users = "List-Id: Users <users.lists.example>", "users@lists.example"
    elsewhere = pen.of("ann", users, list_id)
    marked = (("bulk", AUTOMATED), ("junk", AUTOMATED), ("list", NOTIFIED))
    bulk = [
        written(
            "D16 E30", "ann", f"Precedence: {word}", pen.of("ann", UWE, f"Precedence: {word}"), magnet, CTM
        )
        for word, magnet in marked
    ]
    return [
        *bulk,
        written("D16", "ann", "a list's post, not to Uwe himself", elsewhere, NOT_ADDRESSED, CTM),
        written("D16", "ann", "a list's post to Uwe, too", pen.of("ann", UWE, list_id), NOTIFIED, CTM),
    ]


def _special(pen: Pen) -> list[Letter]:
    plain = ("text/plain", pen.canaries.body)
    ics = f"BEGIN:VCALENDAR\r\nSUMMARY:{pen.canaries.body}\r\nEND:VCALENDAR"
    invitation = parts("multipart/alternative", plain, ("text/calendar; method=REQUEST", ics))
    nested = parts("multipart/mixed", ("multipart/related; boundary=inner", _inner(ics)))
    ticket = parts("multipart/mixed", plain, ("text/calendar", ics))
    report = parts(
        "multipart/report; report-type=delivery-status", plain, ("message/delivery-status", "Action: failed")
    )
    read = ("message/disposition-notification", "Disposition: manual-action; displayed")
    receipt = parts("multipart/report; report-type=disposition-notification", plain, read)
    returned = parts("multipart/mixed", plain, ("message/rfc822", "Subject: x\r\n\r\nx"))
    forwarded = parts(
        "multipart/mixed", plain, ("message/rfc822", f"Content-Type: {report[0]}\r\n\r\n{report[1]}")
    )

    def ann(*headers: str, content: tuple[str, str] | None = None) -> bytes:
        return pen.mail(_ANN, UWE, *headers, content=content)

    stays = (AUTOMATED, NONE)
    daemon = f"Mail Delivery <MAILER-DAEMON@{pen.canaries.third_party().partition('@')[2]}>"
    return [
        written("D16 E31", "ann", "an invitation stays in the Inbox", ann(content=invitation), *stays),
        written("D16 E31", "ann", "one that is nested deeper", ann(content=nested), *stays),
        written("D16", "ann", "a ticket's calendar file is no invitation", ann(content=ticket), NOTIFIED, CTM),
        written("D16", "ann", "an empty return path alone proves nothing", ann("Return-Path: <>"), NOTIFIED, CTM),
        written("D16 E32", "ann", "with her mail in it: a bounce", ann("Return-Path: <>", content=returned), *stays),
        written("D16 E32", "ann", "a delivery report", ann(content=report), *stays),
        written("D16", "ann", "a read receipt", ann(content=receipt), *stays),
        written("D16 E27", "ann", "a forwarded bounce is a mail", ann(content=forwarded), NOTIFIED, CTM),
        skipped("D16 E32", "daemon", "a bounce of nobody we know", pen.mail(daemon), "skip.no_contact"),
    ]  # fmt: skip


def _inner(ics: str) -> str:
    return f"--inner\r\nContent-Type: text/calendar; method=REPLY\r\n\r\n{ics}\r\n--inner--"
