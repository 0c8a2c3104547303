"""What each mail of the corpus must be read as, written beside it by hand; the rules it proves stand in RULES."""

from dataclasses import dataclass
from pathlib import Path

from domain.mail.classes import MailClass

CORPUS = Path(__file__).parent / "corpus"
UWE, ANN = "uwe@firm.example", "ann@example.com"
MALLORY, LIST = "mallory@other.example", "users@lists.example"
ED, JOE, CARLA = "ed@example.net", "joe@example.net", "carla@firm.example"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a mail is read, and how it ends for Uwe, of whose CRM Ann is a contact with an open deal."""

    outcome: str
    author: str | None
    to: tuple[str, ...] = (UWE,)
    cc: tuple[str, ...] = ()
    mail_class: MailClass = MailClass.HUMAN
    notified: bool = False


def anns(
    *,
    author: str = ANN,
    to: tuple[str, ...] = (UWE,),
    cc: tuple[str, ...] = (),
    mail_class: MailClass = MailClass.HUMAN,
    outcome: str = "label.open",
    notified: bool = True,
) -> Reading:
    """A mail that is Ann's."""
    return Reading(outcome, author, to, cc, mail_class, notified)


def nobodys(
    author: str | None = None, to: tuple[str, ...] = (UWE,), mail_class: MailClass = MailClass.HUMAN
) -> Reading:
    """A mail of a stranger's, or of an author who cannot be read with certainty (E105)."""
    return Reading("skip.no_contact", author, to, mail_class=mail_class)


READABLE = {
    "nested-comments": anns(),
    "group-of-one": anns(),
    "folded-everywhere": anns(),
    "raw-latin1": anns(),
    "raw-utf8": anns(),
    "name-repeats-the-address": anns(),
    "odd-spelling": anns(),
    "unknown-charset": anns(),
    "broken-encoded-words": anns(),
    "space-before-the-colon": anns(),
    "plus-tag": anns(author="ann+invoice@example.com"),
    "lonely-at-in-the-name": anns(),
    "empty-entries": anns(),
    "unclosed-bracket": anns(),
    "unclosed-group": anns(),
    "link-as-address": anns(),
    "name-too-long-to-look-through": anns(),
}

UNCERTAIN = {
    "address-in-a-bare-name": nobodys(),
    "address-as-the-name-of-a-group": nobodys(),
    "obsolete-route": nobodys(),
    "folded-inside-the-address": nobodys(),
    "nul-between-encoded-words": nobodys(),
    "nul-in-from": nobodys(),
    "escape-in-from": nobodys(),
    "two-from-fields": nobodys(),
    "two-authors": nobodys(),
    "two-authors-without-a-comma": nobodys(),
    "no-from": nobodys(),
    "empty-from": nobodys(),
    "only-a-name": nobodys(),
    "nobody-disclosed-in-from": nobodys(),
    "unclosed-quote": nobodys(),
    "unclosed-comment": nobodys(),
    "double-brackets": nobodys(),
    "two-at-signs": nobodys(),
    "carriage-return-in-from": nobodys(),
    "zero-width-in-the-address": nobodys(),
    "encoded-address": nobodys(),
}

SOMEBODY_ELSE = {
    "quoted-local-part": nobodys('"ann@example.com"@other.example'),
    "address-in-a-quoted-name": nobodys(MALLORY),
    "address-in-brackets-in-a-name": nobodys(MALLORY),
    "address-in-a-comment": nobodys(MALLORY),
    "address-in-an-encoded-name": nobodys(MALLORY),
    "address-in-two-encoded-words": nobodys(MALLORY),
    "address-in-an-utf7-name": nobodys(MALLORY),
    "address-in-an-encoded-quoted-name": nobodys(MALLORY),
    "address-with-a-full-width-at": nobodys(MALLORY),
    "address-as-a-quoted-local-part": nobodys('"ann@example.com"@other.example'),
    "cyrillic-lookalike": nobodys("аnn@example.com"),
    "reversed-name": nobodys(MALLORY),
    "longer-domain": nobodys("ann@example.com.other.example"),
    "form-with-reply-to": nobodys("form@shop.example"),
    "list-of-somebody-else": nobodys(MALLORY),
    "two-authors-behind-a-list": nobodys(),
}

AS_HE_SAYS = {
    "spoofed-contact": anns(),
    "spoofed-user": Reading("skip.self", UWE),
    "spoofed-user-to-a-contact": Reading("skip.outbound", UWE, (ANN, UWE)),
    "on-behalf-of": anns(),
    "author-behind-a-list": anns(),
    "list-post-of-noise": anns(mail_class=MailClass.LIST),
}

RECIPIENTS = {
    "unlisted-recipients": anns(to=(), notified=False),
    "undisclosed-recipients": anns(to=(), notified=False),
    "no-recipients": anns(to=(), notified=False),
    "group-of-recipients": anns(to=(ED, UWE, JOE)),
    "broken-recipients": anns(to=(UWE, CARLA)),
    "several-recipient-fields": anns(to=(ED, JOE), cc=(UWE,)),
    "nul-in-a-recipient": anns(to=(), notified=False),
    "semicolons-between-recipients": anns(to=(ED, UWE)),
    "own-address-as-a-name-only": anns(to=("sales@firm.example",), notified=False),
    "recipients-in-encoded-words": anns(to=(UWE,)),
}

KINDS = {
    "out-of-office": anns(mail_class=MailClass.AUTO_REPLY, notified=False),
    "automatic-word-in-an-open-comment": anns(),
    "newsletter": anns(mail_class=MailClass.LIST, notified=False),
    "invitation": anns(mail_class=MailClass.CALENDAR, outcome="label.none", notified=False),
    "invitation-in-another-mail": anns(),
    "method-in-a-boundary": anns(),
    "bounce": nobodys("mailer-daemon@example.net", mail_class=MailClass.BOUNCE),
    "bounce-without-an-address": nobodys(mail_class=MailClass.BOUNCE),
    "bounce-under-a-contacts-name": anns(mail_class=MailClass.BOUNCE, outcome="label.none", notified=False),
    "empty-return-path": anns(),
    "read-receipt": anns(mail_class=MailClass.RECEIPT, outcome="label.none", notified=False),
    "forwarded-mail": anns(),
    "redirected-mail": anns(to=("uwe@former.example",), notified=False),
    "invitation-eight-parts-deep": anns(mail_class=MailClass.CALENDAR, outcome="label.none", notified=False),
    "thirty-parts-deep": anns(),
    "boundary-missing": anns(),
    "boundary-inside-itself": anns(),
    "content-type-of-noise": anns(),
}

NOISE = {
    "no-header-at-all": nobodys(to=()),
    "empty": nobodys(to=()),
    "nul-bytes": nobodys(to=()),
    "every-byte": nobodys(to=()),
    "lines-without-a-colon": anns(),
    "dates-beyond-the-calendar": anns(),
    "no-subject": anns(),
    "subject-of-noise": anns(),
    "non-latin-text": anns(),
    "folded-and-bare-ids": anns(),
    "ids-of-noise": anns(),
}

READINGS = READABLE | UNCERTAIN | SOMEBODY_ELSE | AS_HE_SAYS | RECIPIENTS | KINDS | NOISE

RULES = {
    "group-of-one": ("D5",),
    "odd-spelling": ("E13",),
    "plus-tag": ("E13",),
    "form-with-reply-to": ("E24", "E25"),
    "on-behalf-of": ("E24", "E25"),
    "list-of-somebody-else": ("E100",),
    "author-behind-a-list": ("E100",),
    "two-authors-behind-a-list": ("E100", "E105"),
    "spoofed-contact": ("E95",),
    "spoofed-user": ("E95", "D4-1"),
    "spoofed-user-to-a-contact": ("E95", "E33"),
    "own-address-as-a-name-only": ("Z23",),
    "out-of-office": ("E29", "D16-2"),
    "newsletter": ("E30", "D16-3"),
    "invitation": ("E31", "D16-4"),
    "bounce": ("E32", "D16-5"),
    "bounce-without-an-address": ("E32",),
    "bounce-under-a-contacts-name": ("E32", "D16-5"),
    "empty-return-path": ("D16-1",),
    "read-receipt": ("D16-6",),
    "forwarded-mail": ("E27",),
    "redirected-mail": ("E28",),
    "dates-beyond-the-calendar": ("E93",),
    "folded-and-bare-ids": ("E101",),
    "ids-of-noise": ("E104",),
}
"""What single mails prove beyond E102, which all of them do."""


def rules_of(name: str) -> tuple[str, ...]:
    """The rules a mail of the corpus proves."""
    uncertain = ("E23", "E105") if name in UNCERTAIN else ()
    return ("E42", "E102", *uncertain, *RULES.get(name, ()))
