"""Mails whose author is hard to tell, or hidden on purpose: E100, E105, and headers as attackers write them."""

from collections.abc import Callable
from itertools import cycle

from workers.demo.letters import CTM, NOT_ADDRESSED, NOTIFIED, OPEN, Letter, Pen, skipped, written
from workers.demo.people import CARLA, SALES, TEAM, UWE

_LIST = "users@lists.example"
_ANN_VIA = f"'Ann' via Users <{_LIST}>"
_POST = f"List-Post: <mailto:{_LIST}>"
_ID = "List-Id: Users <users.lists.example>"
_ANN = "Ann <ann@example.com>"


def rewritten(pen: Pen) -> list[Letter]:
    """E100: a list has put its own address into From; another header names the writer."""

    def post(*headers: str, sender: str = _ANN_VIA, to: str = UWE) -> bytes:
        return pen.mail(sender, to, *headers)

    group = ("X-Google-Group-Id: 4711", f"X-Original-Sender: {_ANN}")
    via_sales = f"'Ann' via Sales <{SALES}>"
    nobody = "skip.no_contact"
    both = (f"X-Original-From: {_LIST}", f"X-Original-Sender: {_ANN}")
    two = f"Reply-To: {_ANN}, {pen.canaries.third_party('zweite')}"
    found = [
        ("X-Original-From names her", post(_POST, f"X-Original-From: {_ANN}"), NOTIFIED),
        ("X-Original-Sender names her", post(_ID, f"X-Original-Sender: {_ANN}"), NOTIFIED),
        ("the one Reply-To that is not the list", post(_POST, f"Reply-To: {_LIST}, {_ANN}"), NOTIFIED),
        ("a header that names the list is passed over", post(_POST, *both), NOTIFIED),
        ("a Google group", post(*group, sender=via_sales, to=SALES), NOT_ADDRESSED),
        ("a list that left From alone", post(_ID, sender=_ANN), NOTIFIED),
    ]
    return [
        *(written("E100", "ann", says, raw, magnet, CTM) for says, raw, magnet in found),
        skipped("E100", "a list", "nobody is named: never the list", post(_POST), nobody),
        skipped("E100", "a list", "two Reply-To: not to be told", post(_POST, two), nobody),
        skipped("E100", "a list", "'via' without a list's headers", post(f"Reply-To: {_ANN}"), nobody),
        skipped("E100", "Uwe", "his own post", post(_POST, f"X-Original-From: {UWE}"), "skip.internal"),
        skipped("E100", "Carla", "a colleague's", post(_POST, f"X-Original-From: {CARLA}"), "skip.internal"),
    ]


def uncertain(pen: Pen) -> list[Letter]:
    """E105: who cannot be read with certainty is nobody. Every one of them would like to be Ann."""
    evil = pen.canaries.third_party("boese")
    senders = (
        ("no From at all", ""),
        ("an empty From", "<>"),
        ("two authors", f"{_ANN}, Bob <bob@example.com>"),
        ("Ann's address as somebody's name", f'"ann@example.com" <{evil}>'),
        ("the same without quotes", f"ann@example.com <{evil}>"),
        ("the same in an encoded word", f"=?utf-8?q?ann=40example.com?= <{evil}>"),
        ("the same in a comment", f"(ann@example.com) {evil}"),
        ("a full-width @", f'"ann\uff20example.com" <{evil}>'),
        ("a quote that never closes", '"Ann <ann@example.com>'),
        ("a control character", "Ann <ann@example.com>\x01"),
    )
    twice = pen.mail(_ANN, UWE, f"From: {evil}")
    unclosed = pen.mail("Ann <ann@example.com")
    repeated = pen.mail('"ann@example.com" <ann@example.com>')
    return [
        *(skipped("E105", "?", says, pen.mail(sender), "skip.no_contact") for says, sender in senders),
        skipped("E105", "?", "two From lines", twice, "skip.no_contact"),
        written("E105", "ann", "her own address as her name is no defect", repeated, NOTIFIED, CTM),
        written("E105", "ann", "a bracket that the field's end closes", unclosed, NOTIFIED, CTM),
    ]


def hostile(pen: Pen) -> list[Letter]:
    """E42, E43, E102: whatever the header holds, there is an outcome, and soon."""
    boxes = cycle(TEAM)
    token = pen.canaries.token
    many = ", ".join(f"gast{n}.{token}@elsewhere.example" for n in range(2_000))
    deep = "(" * 5_000 + ")" * 5_000
    mazes = "".join(f"--m{n}\r\nContent-Type: multipart/mixed; boundary=m{n + 1}\r\n\r\n" for n in range(80))
    nested = ("multipart/mixed; boundary=m0", mazes)
    garbage = bytes(range(256)) * 40
    words = ("X-Name: =?klingon-9?q?=FF?=", "Comments: =?utf-8?b?%%%?=")
    writers: list[tuple[str, Callable[[str], bytes]]] = [
        (
            "a date from 1970: Gmail's own time counts",
            lambda box: pen.of("jan", box, "Date: 1 Jan 1970 00:00"),
        ),
        ("2,000 recipients, the user the last", lambda box: pen.of("jan", f"{many}, {box}")),
        ("comments nested 5,000 deep", lambda box: pen.of("jan", f"{deep} {box}")),
        ("a field of 300,000 characters", lambda box: pen.of("jan", box, f"X-Field: {token * 30_000}")),
        ("10,000 fields", lambda box: pen.of("jan", box, *(f"X-{n}: {token}" for n in range(10_000)))),
        ("parts nested 80 deep", lambda box: pen.mail("jan@example.com", box, content=nested)),
        ("8-bit garbage for a body", lambda box: pen.of("jan", box) + garbage),
        ("bare line feeds", lambda box: pen.of("jan", box).replace(b"\r\n", b"\n")),
        ("an unknown charset", lambda box: pen.of("jan", box, *words)),
    ]
    nobody = "skip.no_contact"
    return [
        *(
            written("E102", "jan", text, write(box), NOTIFIED, OPEN, mailbox=box)
            for (text, write), box in zip(writers, boxes, strict=False)
        ),
        skipped("E102", "?", "an empty mail", b"", nobody, mailbox=next(boxes)),
        skipped("E102", "?", "nothing but garbage", garbage + token.encode(), nobody, mailbox=next(boxes)),
    ]
