"""The direction of a mail (D4) and the gate it has to pass (D3)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.mail.folders import Folder
from domain.mail.messages import (
    Direction,
    Exclusions,
    Insiders,
    MailClass,
    Message,
    direction,
    gate_by_folder,
)
from domain.outcomes import Outcome
from tests.worlds import stopped

ME, ALIAS = "uwe@firm.example", "u.w@firm.example"
CARLA, DIRK = "carla@firm.example", "dirk@firm.example"
STAFF = "staff@inside.example"
ANN, BOB = "ann@example.com", "bob@example.org"
LIST = "users@lists.example"

INSIDERS = Insiders(
    own=frozenset({ME, ALIAS}), users=frozenset({CARLA, DIRK, ME}), domains=frozenset({"inside.example"})
)
OLD = "uwe@old.example"
"""Registered as an alias of the mailbox; Gmail does not list it."""
WITH_ALIAS = replace(
    INSIDERS, own=INSIDERS.own | {OLD}, users=INSIDERS.users | {OLD}, aliases=frozenset({OLD})
)
EXCLUDED = Exclusions(addresses=frozenset({ANN}), domains=frozenset({"example.org"}))
START = datetime(2026, 3, 15, 12, tzinfo=UTC)
NOBODY = Exclusions()


def mail(
    author: str | None,
    to: list[str],
    *,
    cc: tuple[str, ...] = (),
    bcc: tuple[str, ...] = (),
    folder: Folder = Folder.INBOX,
    sent: bool = False,
    through: str | None = None,
    at: datetime = START,
) -> Message:
    """`through` is the list whose address stands in From instead of the author's."""
    return Message(
        message_id="id",
        folder=folder,
        sent=sent,
        received_at=at,
        sender=through or author,
        author=author,
        rewritten=through is not None,
        to=tuple(to),
        cc=cc,
        bcc=bcc,
        mail_class=MailClass.HUMAN,
        bulk=False,
    )


def rule(*ids: str) -> pytest.MarkDecorator:
    return pytest.mark.rule(*ids)


DIRECTIONS = [
    pytest.param(mail(ME, [ME]), Direction.SELF, marks=rule("D4-1", "E33"), id="to himself"),
    pytest.param(mail(ME, [ALIAS], cc=(ME,)), Direction.SELF, marks=rule("D4-1", "E14"), id="to his alias"),
    pytest.param(
        mail(ME, ["uwe+todo@firm.example"]), Direction.SELF, marks=rule("D4-1", "E13"), id="to his tag"
    ),
    pytest.param(mail(ME, []), Direction.SELF, marks=rule("D4-1"), id="to nobody"),
    pytest.param(
        mail(ME, [ME], folder=Folder.SENT, sent=True),
        Direction.SELF,
        marks=rule("D4-1"),
        id="to himself, marked as sent",
    ),
    pytest.param(mail(ME, [ANN]), Direction.OUTBOUND, marks=rule("D4-2", "Z22"), id="to somebody"),
    pytest.param(mail(ALIAS, [ANN]), Direction.OUTBOUND, marks=rule("D4-2", "E14"), id="from his alias"),
    pytest.param(
        mail(ME, [ANN], cc=(ME,)), Direction.OUTBOUND, marks=rule("D4-2", "E33"), id="himself in copy"
    ),
    pytest.param(
        mail(ME, [ME], bcc=(ANN,)), Direction.OUTBOUND, marks=rule("D4-2"), id="somebody in blind copy"
    ),
    pytest.param(mail(ME, [CARLA]), Direction.OUTBOUND, marks=rule("D4-2"), id="to a colleague"),
    pytest.param(
        mail("shared@other.example", [ANN], sent=True),
        Direction.OUTBOUND,
        marks=rule("D4-3"),
        id="under an unregistered alias",
    ),
    pytest.param(
        mail(CARLA, [ANN], folder=Folder.SENT, sent=True),
        Direction.OUTBOUND,
        marks=rule("D4-3", "E75"),
        id="by a delegate",
    ),
    pytest.param(
        mail(None, [ANN], folder=Folder.SENT, sent=True),
        Direction.OUTBOUND,
        marks=rule("D4-3"),
        id="by nobody known",
    ),
    pytest.param(
        mail(CARLA, [ANN], cc=(ME,)), Direction.OUTBOUND, marks=rule("D4-4", "E17"), id="by a colleague"
    ),
    pytest.param(
        mail(STAFF, [ME], cc=(ANN,)), Direction.OUTBOUND, marks=rule("D4-4", "E18"), id="by the staff"
    ),
    pytest.param(mail(CARLA, [ME]), Direction.INTERNAL, marks=rule("D4-5", "E17"), id="colleague to user"),
    pytest.param(
        mail(CARLA, [DIRK], cc=(STAFF,)), Direction.INTERNAL, marks=rule("D4-5"), id="colleagues only"
    ),
    pytest.param(mail(STAFF, [ME]), Direction.INTERNAL, marks=rule("D4-5", "E18"), id="staff to user"),
    pytest.param(mail(ANN, [ME]), Direction.INBOUND, marks=rule("D4-6"), id="from outside"),
    pytest.param(
        mail(ANN, [CARLA], cc=(ME,)), Direction.INBOUND, marks=rule("D4-6"), id="from outside, in copy"
    ),
    pytest.param(mail(ANN, [BOB]), Direction.INBOUND, marks=rule("D4-6"), id="from outside, in blind copy"),
    pytest.param(mail(None, [ME]), Direction.INBOUND, marks=rule("D4-6", "E105"), id="from nobody readable"),
    pytest.param(mail(ANN, [LIST], through=LIST), Direction.INBOUND, marks=rule("E100"), id="through a list"),
    pytest.param(
        mail(ME, [LIST, ANN], through=LIST),
        Direction.INTERNAL,
        marks=rule("E100"),
        id="his own post comes back",
    ),
    pytest.param(
        mail(CARLA, [LIST], through=LIST), Direction.INTERNAL, marks=rule("E100"), id="a colleague's post"
    ),
    pytest.param(
        mail(STAFF, [LIST], through=LIST),
        Direction.OUTBOUND,
        marks=rule("E100", "D4-4"),
        id="a staff member's post",
    ),
    pytest.param(
        mail(ANN, [ALIAS], through=ALIAS),
        Direction.SELF,
        marks=rule("E100", "D4-1"),
        id="rows 1-3 see raw From only",
    ),
]


@pytest.mark.rule("D4")
@pytest.mark.parametrize(("message", "expected"), DIRECTIONS)
def test_direction(message: Message, expected: Direction) -> None:
    assert direction(message, INSIDERS) is expected


FOLDERS = [
    pytest.param(Folder.DRAFTS, Outcome.SKIP_DRAFT, marks=rule("D3-3"), id="a draft"),
    pytest.param(Folder.SPAM, Outcome.SKIP_SPAM, marks=rule("D3-4"), id="spam"),
    pytest.param(Folder.TRASH, Outcome.SKIP_TRASH, marks=rule("D3-5"), id="in the trash"),
    pytest.param(Folder.CHAT, Outcome.SKIP_CHAT, marks=rule("D3-6"), id="a chat"),
    pytest.param(Folder.INBOX, None, marks=rule("D3-11"), id="in the Inbox"),
    pytest.param(Folder.OTHER, None, marks=rule("D3-11"), id="archived"),
]


@pytest.mark.rule("D3")
@pytest.mark.parametrize(("folder", "expected"), FOLDERS)
def test_gate_by_folder(folder: Folder, expected: Outcome | None) -> None:
    old_mail_to_himself = mail(ME, [ME], folder=folder, at=START - timedelta(days=1))
    assert gate_by_folder(folder) is expected
    assert stopped(old_mail_to_himself, INSIDERS, NOBODY, START) is (expected or Outcome.SKIP_TOO_OLD)


def test_a_folder_that_nobody_has_named_stops_nothing() -> None:
    assert gate_by_folder(None) is None


GATE = [
    pytest.param(
        mail(ME, [ME], at=START - timedelta(seconds=1)),
        Outcome.SKIP_TOO_OLD,
        marks=rule("D3-7"),
        id="before the start",
    ),
    pytest.param(mail(ANN, [ME], at=START), None, marks=rule("D3-7", "D3-11"), id="at the very start"),
    pytest.param(mail(ME, [ALIAS]), Outcome.SKIP_SELF, marks=rule("D3-8", "E33", "E14"), id="to himself"),
    pytest.param(
        mail(CARLA, [ME]), Outcome.SKIP_INTERNAL, marks=rule("D3-9", "E16", "E17"), id="a colleague's mail"
    ),
    pytest.param(
        mail("carla+x@firm.example", [ME]),
        Outcome.SKIP_INTERNAL,
        marks=rule("D3-9", "E13", "E16"),
        id="with a tag",
    ),
    pytest.param(
        mail(STAFF, [ME, CARLA]), Outcome.SKIP_INTERNAL, marks=rule("D3-9", "E18"), id="a staff member's"
    ),
    pytest.param(
        mail("staff@sub.inside.example", [ME]),
        None,
        marks=rule("D3-9", "E18"),
        id="another domain than the internal",
    ),
    pytest.param(mail(ME, [CARLA]), Outcome.SKIP_INTERNAL, marks=rule("D3-9", "E17"), id="to a colleague"),
    pytest.param(
        mail(CARLA, [ME], folder=Folder.SENT, sent=True),
        Outcome.SKIP_INTERNAL,
        marks=rule("D3-9"),
        id="a delegate's to the user",
    ),
    pytest.param(
        mail(CARLA, [LIST], through=LIST), Outcome.SKIP_INTERNAL, marks=rule("E100"), id="a colleague's post"
    ),
    pytest.param(
        mail(ME, [LIST], through=LIST), Outcome.SKIP_INTERNAL, marks=rule("E100"), id="the user's own post"
    ),
    pytest.param(
        mail(STAFF, [ME], through=LIST), Outcome.SKIP_INTERNAL, marks=rule("E100", "D3-9"), id="staff's post"
    ),
    pytest.param(
        mail(None, [ME]),
        Outcome.SKIP_NO_CONTACT,
        marks=rule("D3-8", "D3-9", "E105", "E23"),
        id="no readable sender",
    ),
    pytest.param(
        mail(None, [ME], through=LIST),
        Outcome.SKIP_NO_CONTACT,
        marks=rule("E100"),
        id="no author behind the list",
    ),
    pytest.param(mail(ANN, [LIST], through=LIST), None, marks=rule("E100"), id="a contact's post"),
    pytest.param(mail(ANN, [ME]), None, marks=rule("D3-11"), id="from outside"),
    pytest.param(
        mail(CARLA, [ANN]), Outcome.SKIP_OUTBOUND, marks=rule("D4-4"), id="a colleague's to outside"
    ),
    pytest.param(
        mail(ME, [ANN]), Outcome.SKIP_OUTBOUND, marks=rule("D3-11", "Z22"), id="the user's to outside"
    ),
    pytest.param(
        mail("shared@other.example", [CARLA], folder=Folder.SENT, sent=True),
        Outcome.SKIP_OUTBOUND,
        marks=rule("D3-9", "D4-3"),
        id="an unregistered alias is a participant",
    ),
]


@pytest.mark.rule("D3")
@pytest.mark.parametrize(("message", "expected"), GATE)
def test_gate(message: Message, expected: Outcome | None) -> None:
    assert stopped(message, INSIDERS, NOBODY, START) is expected


ALIASES = [
    pytest.param(
        mail(ME, [OLD]), Direction.SELF, Outcome.SKIP_SELF, marks=rule("D4-1", "D3-8"), id="to his alias"
    ),
    pytest.param(
        mail(ALIAS, [ME], cc=("uwe+x@old.example",)),
        Direction.SELF,
        Outcome.SKIP_SELF,
        marks=rule("D4-1", "D3-8", "E13"),
        id="to his alias with a tag",
    ),
    pytest.param(
        mail(OLD, [ANN], folder=Folder.SENT, sent=True),
        Direction.OUTBOUND,
        Outcome.SKIP_OUTBOUND,
        marks=rule("D4-3"),
        id="from his alias, marked as sent",
    ),
    pytest.param(
        mail(OLD, [ME, ANN]),
        Direction.INBOUND,
        None,
        marks=rule("D4-2", "D4-6"),
        id="from his alias, not marked as sent",
    ),
    pytest.param(
        mail(OLD, [CARLA], cc=(ANN,)),
        Direction.INBOUND,
        None,
        marks=rule("D4-4", "D4-6"),
        id="he is no colleague of his own",
    ),
    pytest.param(
        mail(OLD, [ME]),
        Direction.INBOUND,
        Outcome.SKIP_SELF,
        marks=rule("D3-8"),
        id="from his alias to himself",
    ),
    pytest.param(
        mail(OLD, []), Direction.INBOUND, Outcome.SKIP_SELF, marks=rule("D3-8"), id="from his alias to nobody"
    ),
    pytest.param(
        mail(OLD, [OLD, ME], folder=Folder.SENT, sent=True),
        Direction.OUTBOUND,
        Outcome.SKIP_SELF,
        marks=rule("D4-3", "D3-8"),
        id="from his alias to himself, marked as sent",
    ),
    pytest.param(
        mail(OLD, [ME, CARLA]),
        Direction.INBOUND,
        Outcome.SKIP_INTERNAL,
        marks=rule("D3-9"),
        id="from his alias to a colleague",
    ),
    pytest.param(
        mail(CARLA, [OLD]),
        Direction.INTERNAL,
        Outcome.SKIP_INTERNAL,
        marks=rule("D4-5"),
        id="a colleague's to it",
    ),
    pytest.param(mail(ANN, [OLD]), Direction.INBOUND, None, marks=rule("D4-6"), id="a contact's to it"),
    pytest.param(
        mail(ANN, [OLD], through=OLD),
        Direction.INBOUND,
        None,
        marks=rule("E100", "D4-1", "D3-8"),
        id="a contact's through a group of that address",
    ),
    pytest.param(
        mail(OLD, [LIST, ANN], through=LIST),
        Direction.INTERNAL,
        Outcome.SKIP_INTERNAL,
        marks=rule("E100"),
        id="his post by it comes back",
    ),
]


@pytest.mark.rule("E14")
@pytest.mark.parametrize(("message", "way", "expected"), ALIASES)
def test_an_alias_that_gmail_does_not_list(
    message: Message, way: Direction, expected: Outcome | None
) -> None:
    assert direction(message, WITH_ALIAS) is way
    assert stopped(message, WITH_ALIAS, NOBODY, START) is expected


@pytest.mark.rule("D3", "D3-10", "E19")
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(mail(ANN, [ME]), Outcome.SKIP_EXCLUDED, id="an excluded sender"),
        pytest.param(mail("ann+x@example.com", [ME]), Outcome.SKIP_EXCLUDED, id="with a tag"),
        pytest.param(
            mail(BOB, [ME], cc=("cid@example.net",)), Outcome.SKIP_EXCLUDED, id="an excluded domain"
        ),
        pytest.param(mail("bob@sub.example.org", [ME]), None, id="not the domains below it"),
        pytest.param(
            mail("cid@example.net", [ME], cc=(ANN,)), None, id="an excluded recipient does not matter"
        ),
        pytest.param(mail(ANN, [ME], through=LIST), Outcome.SKIP_EXCLUDED, id="an excluded author of a post"),
        pytest.param(
            mail(ME, [ANN], cc=(BOB, CARLA)), Outcome.SKIP_EXCLUDED, id="outbound to excluded ones only"
        ),
        pytest.param(
            mail(ME, [ANN], cc=("cid@example.net",)), Outcome.SKIP_OUTBOUND, id="outbound to one more"
        ),
        pytest.param(mail(CARLA, [BOB]), Outcome.SKIP_EXCLUDED, id="a colleague's to excluded ones only"),
        pytest.param(
            mail("shared@other.example", [ANN], folder=Folder.SENT, sent=True),
            Outcome.SKIP_EXCLUDED,
            id="by an unregistered alias",
        ),
        pytest.param(mail(None, [ME]), Outcome.SKIP_NO_CONTACT, id="nobody readable"),
    ],
)
def test_gate_with_exclusions(message: Message, expected: Outcome | None) -> None:
    assert stopped(message, INSIDERS, EXCLUDED, START) is expected
