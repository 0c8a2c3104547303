"""Which mail of a contact or lead the user is told of (D11, D16)."""

from datetime import UTC, datetime

import pytest

from domain.crm.contacts import Contact, ContactAddress, ContactKind, hits
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
from domain.notifications import verdict
from domain.outcomes import Outcome
from tests.worlds import stopped

ME, ALIAS, CARLA, SALES = "uwe@firm.example", "u.w@firm.example", "carla@firm.example", "sales@firm.example"
ANN = "ann@example.com"
OWN = frozenset({ME, ALIAS})
INSIDERS = Insiders(OWN, frozenset({CARLA}))
NOW = datetime(2026, 3, 15, tzinfo=UTC)

NOTIFIED = Outcome.MAGNET_NOTIFIED
NOT_ADDRESSED = Outcome.MAGNET_NOT_ADDRESSED
AUTOMATED = Outcome.MAGNET_AUTOMATED


def mail(
    *,
    to: str = ME,
    cc: str = "",
    bcc: str = "",
    mail_class: MailClass = MailClass.HUMAN,
    marked: bool = False,
    message_id: str = "id",
) -> Message:
    return Message(
        message_id=message_id,
        folder=Folder.INBOX,
        received_at=NOW,
        sender=ANN,
        author=ANN,
        rewritten=False,
        to=tuple(to.split()),
        cc=tuple(cc.split()),
        bcc=tuple(bcc.split()),
        mail_class=mail_class,
        bulk=marked,
    )


def rule(*ids: str) -> pytest.MarkDecorator:
    return pytest.mark.rule(*ids)


ADDRESSED = [
    pytest.param(
        mail(to=ME), NOTIFIED, marks=rule("D11-1", "D11-3", "Z28"), id="to the user, by contact or lead"
    ),
    pytest.param(
        mail(to=CARLA, cc=ME), NOTIFIED, marks=rule("D11-2"), id="to somebody else, the user in copy"
    ),
    pytest.param(mail(to=f"{CARLA} {ALIAS}"), NOTIFIED, marks=rule("D11-1", "E14"), id="to his alias"),
    pytest.param(mail(to="uwe+crm@firm.example"), NOTIFIED, marks=rule("D11-1", "E13"), id="to his tag"),
    pytest.param(mail(to=CARLA, bcc=ME), NOT_ADDRESSED, marks=rule("D11-4", "Z23"), id="only in blind copy"),
    pytest.param(mail(to=SALES), NOT_ADDRESSED, marks=rule("D11-4", "Z23"), id="through a group address"),
    pytest.param(mail(to=""), NOT_ADDRESSED, marks=rule("D11-4", "Z23"), id="to nobody to be seen"),
    pytest.param(mail(message_id="second"), NOTIFIED, marks=rule("D11-6"), id="a second mail of the thread"),
]


@pytest.mark.rule("D11")
@pytest.mark.parametrize(("message", "expected"), ADDRESSED)
def test_who_is_addressed(message: Message, expected: Outcome) -> None:
    assert verdict(message, OWN) is expected


CLASSES = [
    pytest.param(MailClass.HUMAN, False, NOTIFIED, NOT_ADDRESSED, marks=rule("D16-1"), id="a person's"),
    pytest.param(
        MailClass.HUMAN, True, NOTIFIED, NOT_ADDRESSED, marks=rule("D16-1"), id="the marking is the list's"
    ),
    pytest.param(
        MailClass.AUTO_REPLY,
        False,
        AUTOMATED,
        NOT_ADDRESSED,
        marks=rule("D16-2", "D11-7", "E29"),
        id="out of office",
    ),
    pytest.param(
        MailClass.LIST, False, NOTIFIED, NOT_ADDRESSED, marks=rule("D16-3", "E30"), id="a list, unmarked"
    ),
    pytest.param(
        MailClass.LIST,
        True,
        AUTOMATED,
        NOT_ADDRESSED,
        marks=rule("D16-3", "D11-7", "E30"),
        id="a newsletter, marked",
    ),
    pytest.param(
        MailClass.CALENDAR,
        False,
        AUTOMATED,
        AUTOMATED,
        marks=rule("D16-4", "D11-7", "E31"),
        id="an invitation",
    ),
    pytest.param(
        MailClass.BOUNCE, False, AUTOMATED, AUTOMATED, marks=rule("D16-5", "D11-7", "E32"), id="a bounce"
    ),
    pytest.param(
        MailClass.RECEIPT, False, AUTOMATED, AUTOMATED, marks=rule("D16-6", "D11-7"), id="a receipt"
    ),
]


@pytest.mark.rule("D11", "D16")
@pytest.mark.parametrize(("mail_class", "marked", "addressed", "elsewhere"), CLASSES)
def test_which_classes_are_announced(
    mail_class: MailClass, marked: bool, addressed: Outcome, elsewhere: Outcome
) -> None:
    assert verdict(mail(mail_class=mail_class, marked=marked), OWN) is addressed
    assert verdict(mail(to=SALES, mail_class=mail_class, marked=marked), OWN) is elsewhere


@pytest.mark.rule("D11", "D11-8")
def test_the_same_mail_twice_has_the_same_verdict() -> None:
    assert verdict(mail(), OWN) is verdict(mail(), OWN)


def received(*headers: tuple[str, str]) -> Message:
    return read(Fetched("id", Folder.INBOX, NOW, Part("text/plain", headers)), OWN)


@pytest.mark.rule("D11", "D11-5", "Z22", "Z37", "E16", "E17")
@pytest.mark.parametrize(
    ("author", "expected"),
    [
        pytest.param(ME, Outcome.SKIP_OUTBOUND, id="the user's own mail"),
        pytest.param(CARLA, Outcome.SKIP_OUTBOUND, id="a colleague's mail, contact or not"),
        pytest.param(ANN, None, id="a contact's mail"),
    ],
)
def test_only_mail_from_outside_comes_this_far(author: str, expected: Outcome | None) -> None:
    message = received(("From", author), ("To", f"{ME}, bob@example.com"))
    assert stopped(message, INSIDERS, Exclusions(), NOW) is expected


@pytest.mark.rule("D11", "E24", "E25", "E100")
def test_from_decides_who_is_looked_up() -> None:
    known = [ContactAddress(Contact("1", ContactKind.LEAD, NOW), ANN)]
    form = received(("From", "form@shop.example"), ("Reply-To", ANN), ("Sender", ANN), ("To", ME))
    assert form.author == "form@shop.example"
    assert not hits(form.author, known)

    group = ("List-Post", f"<mailto:{SALES}>")
    post = received(("From", f"Ann via Sales <{SALES}>"), group, ("X-Original-From", ANN), ("To", SALES))
    assert post.author is not None
    assert direction(post, INSIDERS) is Direction.INBOUND
    assert [hit.contact.kind for hit in hits(post.author, known)] == [ContactKind.LEAD]
    assert verdict(post, OWN) is NOT_ADDRESSED
