"""The mails of contacts: categories (D9), matching (D5), what changes in Gmail (D10), who is told (D11)."""

from collections.abc import Iterator, Sequence
from itertools import cycle

from workers.demo.letters import (
    AUTOMATED,
    CTM,
    CUSTOMER,
    NONE,
    NOT_ADDRESSED,
    NOTIFIED,
    OPEN,
    Letter,
    Pen,
    parts,
    skipped,
    written,
)
from workers.demo.people import BY_ID, CARLA, DOMAIN, DRY, NOTHING, SALES, TEAM, UWE, UWE_ALIAS

PROJECTS = "Projects"
FILTERS: Sequence[tuple[str, str, bool]] = (
    ("dora", PROJECTS, True),
    ("rolf", PROJECTS, False),
    ("mona", "Customers", False),
)
"""Uwe's own filters: whose mail, which label, whether it skips the Inbox."""

_MATCHES = (
    ("ann", "Ann@Example.COM", "letter case does not matter", CTM),
    ("ann", "Ann <ann+shop@example.com>", "nor does a +tag", CTM),
    ("ann", "Ann <ann.old@example.com>", "her second address counts", CTM),
    ("gmx", "Ines <erfundenekundin.77+x@gmail.com>", "Gmail ignores dots and has two names", CUSTOMER),
    ("idn", "Jost <jost@xn--bcher-kva.example>", "an international domain in its ASCII form", CUSTOMER),
    ("tag", "Toni <toni+shop@example.com>", "a tag that is a contact of its own is no other", CTM),
    ("shop", "Toni <toni+news@example.com>", "any other tag means both; the better deal counts", CTM),
    ("late", "Vera <vera@example.com>", "a contact beats a lead, however old that is", CTM),
    ("pa", "Family <family@home.example>", "two contacts: the older is named, the better deal counts", OPEN),
)
_CATEGORIES = (
    *(("ann", CTM), ("dora", OPEN), ("egon", OPEN), ("fee", CTM), ("gabi", OPEN), ("hugo", OPEN)),
    *(("ilse", CUSTOMER), ("jan", OPEN), ("kim", CTM), ("mona", CUSTOMER), ("nils", CTM), ("petra", CTM)),
    *(("quirin", OPEN), ("rolf", CUSTOMER), ("cid", CUSTOMER)),
)


def one_at_a_time(pen: Pen) -> list[Letter]:
    """Mails that end under a label, each delivered on an idle queue: the latency that a user feels."""
    boxes = cycle(TEAM[1:])
    found = []
    for contact, label in _CATEGORIES:
        box = next(boxes)
        rule = {"ann": "D9 X1", "petra": "D9 E8", "quirin": "D9 E9"}.get(contact, "D9")
        raw = pen.of(contact, box)
        says = BY_ID[contact].shows
        found.append(written(rule, contact, says, raw, NOTIFIED, label, mailbox=box, alone=True))
    for contact, sender, says, label in _MATCHES:
        box = next(boxes)
        rule = "D5 X15" if contact == "pa" else "D5"
        raw = pen.mail(sender, box)
        found.append(written(rule, contact, says, raw, NOTIFIED, label, mailbox=box, alone=True))
    return [*found, *_states(pen, boxes)]


def _states(pen: Pen, boxes: Iterator[str]) -> Iterator[Letter]:
    """Mail in other states than new, and automated mail that is somebody's all the same."""
    states = (
        ("D10 E62", "starred and important stay so", ("INBOX", "UNREAD", "STARRED", "IMPORTANT")),
        ("E39", "already read: labelled, and still read", ("INBOX",)),
        ("E61", "already archived by the user: labelled there", ("UNREAD", "Archive 2026")),
        ("D10", "Gmail's category stays", ("INBOX", "UNREAD", "CATEGORY_UPDATES")),
    )
    for rule, says, labels in states:
        box = next(boxes)
        raw = pen.of("cid", box)
        yield written(rule, "cid", says, raw, NOTIFIED, CUSTOMER, mailbox=box, labels=labels, alone=True)
    for says, header in (
        ("a list's post that also went to the user himself", "List-Id: Users <users.lists.example>"),
        ("List-Unsubscribe alone makes no bulk mail", "List-Unsubscribe: <mailto:off@example.com>"),
    ):
        box = next(boxes)
        raw = pen.of("jan", box, header)
        yield written("D16", "jan", says, raw, NOTIFIED, OPEN, mailbox=box, alone=True)


def contacts_and_strangers(pen: Pen) -> list[Letter]:
    """The rows of D9 and D5 that end without a label."""
    none = (
        ("D9 X3", "bob", "only a lost deal: stays in the Inbox"),
        ("D9", "lutz", "lost deal, closing this month"),
        ("D9", "olaf", "a contact without deals"),
        ("D9 X4", "lea", "a lead is announced, never sorted"),
    )
    strangers = (
        ("D5", "a.nn@example.com", "dots matter outside Gmail"),
        ("D5", "ann@example.org", "another domain is somebody else"),
        ("D5", f"Fremd <{pen.canaries.third_party('fremd')}>", "unknown to the CRM: no trace but the id"),
        ("E20", "nobody@example.com", "a contact without address matches nobody"),
    )
    return [
        *(written(rule, who, says, pen.of(who), NOTIFIED, NONE) for rule, who, says in none),
        *(
            skipped(rule, "stranger", says, pen.mail(sender), "skip.no_contact")
            for rule, sender, says in strangers
        ),
    ]


def addressed(pen: Pen) -> list[Letter]:
    """D11: who is told of a mail, and what sorting makes of it all the same."""
    other = "Chef <chef@example.com>"
    answer = pen.of("ann", UWE, f"Reply-To: {pen.canaries.third_party('formular')}")
    sent_for = pen.of("ann", UWE, f"Sender: {pen.canaries.third_party('sekretariat')}")
    in_copy = pen.of("ann", other, f"Cc: {UWE}")
    subject = f"Subject: Re: {pen.subject(1)}"
    thread = ("Message-ID: <thread@mail.example>", subject)
    reply = ("Message-ID: <thread-2@mail.example>", "In-Reply-To: <thread@mail.example>", subject)
    return [
        written("D11", "ann", "somebody else's, Uwe in Cc", in_copy, NOTIFIED, CTM),
        written("D11 E14", "ann", "to Uwe's alias", pen.of("ann", UWE_ALIAS), NOTIFIED, CTM),
        written("D11", "ann", "Uwe only in Bcc", pen.of("ann", other), NOT_ADDRESSED, CTM),
        written("D11", "ann", "Bcc, and no recipient shown", pen.of("ann", ""), NOT_ADDRESSED, CTM),
        written("D11 X5", "cid", "to the group sales@", pen.of("cid", SALES), NOT_ADDRESSED, CUSTOMER),
        written("D11", "hugo", "a first mail of a thread", pen.of("hugo", UWE, *thread), NOTIFIED, OPEN),
        written("D11", "hugo", "a second: told again", pen.of("hugo", UWE, *reply), NOTIFIED, OPEN),
        written("E24", "ann", "From decides, not Reply-To", answer, NOTIFIED, CTM),
        written("E25", "ann", "From decides, not Sender", sent_for, NOTIFIED, CTM),
    ]


def filtered(pen: Pen) -> list[Letter]:
    """D10 where the user's own order came first."""
    kept = {"UNREAD", PROJECTS}
    projects = "Uwe's filter filed it under Projects: found under both"
    in_inbox = "his filter labelled it, still in the Inbox: found under both"
    ours = "his filter has put one of our labels on it: left alone"
    other = "he has put another of our labels on it: left alone"
    choice = "label.user_choice"
    by_hand = ("INBOX", "UNREAD", "Open Deals")
    return [
        written("D10 X6", "dora", projects, pen.of("dora"), NOTIFIED, OPEN, after=(*kept, "Open Deals")),
        written("D10 E61", "rolf", in_inbox, pen.of("rolf"), NOTIFIED, CUSTOMER, after=(*kept, "Customers")),
        written(
            "D10 E60", "mona", ours, pen.of("mona"), NOTIFIED, choice, after=("INBOX", "UNREAD", "Customers")
        ),
        written("D10 E60", "kim", other, pen.of("kim"), NOTIFIED, choice, labels=by_hand, after=by_hand),
    ]


def elsewhere(pen: Pen) -> list[Letter]:
    """Mailboxes with other settings: MailMagnet only, a dry run, and nothing switched on."""
    off, dry = "label.off", "a dry run decides, and changes nothing in Gmail"
    inbox = ("INBOX", "UNREAD")
    nothing = "nothing switched on: nothing is stored"
    only = "MailMagnet on, sorting off"
    calendar = parts("multipart/mixed", ("text/calendar; method=REQUEST", "BEGIN:VCALENDAR"))
    invitation = pen.mail("ann@example.com", CARLA, content=calendar)
    sent = Letter(
        "D4", "Carla", "her own mail", pen.mail(CARLA, "ann@example.com"), ("skip.outbound",), CARLA
    )
    return [
        written("X7", "ann", only, pen.of("ann", CARLA), NOTIFIED, off, mailbox=CARLA),
        written("X7", "bob", only, pen.of("bob", CARLA), NOTIFIED, off, mailbox=CARLA),
        written("X7", "lea", only, pen.of("lea", CARLA), NOTIFIED, off, mailbox=CARLA),
        written("X7 D11", "cid", "to the group", pen.of("cid", SALES), NOT_ADDRESSED, off, mailbox=CARLA),
        written("X7 D16", "ann", "an invitation", invitation, AUTOMATED, off, mailbox=CARLA),
        sent,
        written("dry run", "ann", dry, pen.of("ann", DRY), NOTIFIED, CTM, mailbox=DRY, after=inbox),
        written("dry run", "dora", dry, pen.of("dora", DRY), NOTIFIED, OPEN, mailbox=DRY, after=inbox),
        written("dry run", "cid", dry, pen.of("cid", DRY), NOTIFIED, CUSTOMER, mailbox=DRY, after=inbox),
        written("dry run", "bob", dry, pen.of("bob", DRY), NOTIFIED, NONE, mailbox=DRY),
        *(
            Letter("X8", BY_ID[who].name, nothing, pen.of(who, NOTHING), (), NOTHING)
            for who in ("ann", "cid")
        ),
        Letter("X8", "stranger", nothing, pen.mail("x@example.org", NOTHING), (), NOTHING),
    ]


def rush(pen: Pen, mails: int) -> list[Letter]:
    """A burst: customers, a lead, strangers and colleagues all at once, into every sorted mailbox."""
    found = []
    senders = cycle([*_CATEGORIES, ("lea", NONE), ("bob", NONE), ("", ""), ("carla", "")])
    boxes = cycle(TEAM[1:])
    for _ in range(mails):
        (contact, label), box = next(senders), next(boxes)
        if contact == "":
            sender = f"Fremd <{pen.canaries.third_party('werbung')}>"
            found.append(
                skipped("rush", "stranger", "unknown", pen.mail(sender, box), "skip.no_contact", mailbox=box)
            )
        elif contact == "carla":
            raw = pen.mail(f"Carla <{CARLA}>", f"{box}, pia@{DOMAIN}", third=False)
            found.append(skipped("rush", "Carla", "among colleagues only", raw, "skip.internal", mailbox=box))
        else:
            raw = pen.of(contact, box)
            found.append(written("rush", contact, BY_ID[contact].shows, raw, NOTIFIED, label, mailbox=box))
    return found
