"""What the contract suites may say of a provider: one mailbox there, and the hand of whoever does something to it.

A provider's own `World` stands in a module of its name beside this one; `conftest.PROVIDERS` has a line for it.
The first three cases of each suite need of it only `provider`, `grant`, `asked`, `unknown_id`, `secrets`, `address`
and, for what the provider does not have, `lacks`, which its `__init__` sets. A case that needs more ends with
NotImplementedError until its world has that too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import pytest

from domain.connections.permissions import Permission
from domain.mail.folders import Folder
from domain.mailboxes.accounts import Grant
from handlers.ports.capabilities import Mailbox
from handlers.ports.providers import MailProvider, SignInPage

ANN = "ann@example.org"
"""Who writes to the owner of the mailbox."""

Lack = Literal[
    "Delegation",
    "LabelEditor",
    "MailSearch",
    "PushSubscription",
    "SignInPage",
    "grant_in",
    "own_addresses",
    "refresh",
    "revoke",
]
"""What a provider may have nothing for: a port, or a method of one. `grant_in`: no tool writes its grants into files.
`own_addresses`: a mailbox has one address only. `refresh`: there are no access tokens, and no grant is renewed.
`revoke`: no call ends a grant."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the provider says that it was asked for: HTTP requests and units."""

    requests: int
    units: int


class World:
    """A mailbox at a provider, new for each test. Trouble lasts until `calm`."""

    lacks: Mapping[Lack, str] = MappingProxyType({})
    """What the provider has nothing for, each with the reason."""

    address: str
    """The mailbox's address in its exact form."""

    grant: Grant
    """Lets us in."""

    batch: ClassVar[int] = 25
    """How many mails share a request, at most 25."""

    unknown_id: ClassVar[str]
    """An id as the provider's are, of no mail."""

    secrets: Sequence[str]
    """What stands in the grant and must not be shown."""

    @property
    def reserved_name(self) -> str:
        """A name that no label of the owner's can have."""
        raise NotImplementedError

    @property
    def target(self) -> str:
        """Where the provider can push to."""
        raise NotImplementedError

    @property
    def other_target(self) -> str:
        """Another such place."""
        raise NotImplementedError

    def must_have(self, what: Lack) -> None:
        """Skip the test, for the provider's reason, where it has nothing for this port or method."""
        if what in self.lacks:
            pytest.skip(f"{what}: {self.lacks[what]}")

    def provider(self, *, patience: float = 30) -> MailProvider:
        """The adapter, with all that its operator can set up. `patience`: seconds of silence that it bears."""
        raise NotImplementedError

    def open(self, grant: Grant | None = None, *, patience: float = 30) -> Mailbox:
        """A session with `grant`, or with the world's own."""
        return self.provider(patience=patience).open(grant or self.grant)

    def open_elsewhere(self) -> Mailbox:
        """The same where no server listens."""
        raise NotImplementedError

    def asked(self) -> Asked:
        """Since this world began."""
        raise NotImplementedError

    # What the owner of the mailbox, or whoever writes to him, does.

    def deliver(self, raw: bytes, folder: Folder = Folder.INBOX, received: datetime | None = None) -> str:
        """A mail is there, just now or since then; returns its id."""
        raise NotImplementedError

    def deliver_many(self, count: int, raw: bytes) -> list[str]:
        """The same mail so many times, in the order of their receipt."""
        raise NotImplementedError

    def folders(self) -> Mapping[str, Folder]:
        """Where each mail of the mailbox lies, by id."""
        raise NotImplementedError

    def move(self, message_id: str, folder: Folder) -> None:
        """By the owner's hand, into the Inbox, Spam, the bin or OTHER."""
        raise NotImplementedError

    def delete(self, message_id: str) -> None:
        """For good."""
        raise NotImplementedError

    def grant_again(self) -> Grant:
        """The owner signs in once more."""
        raise NotImplementedError

    def let_in(self, *permissions: Permission) -> None:
        """The administrator lets us into all mailboxes for these, and for nothing else."""
        raise NotImplementedError

    def revoke(self) -> None:
        """The owner takes back all that he has granted."""
        raise NotImplementedError

    def expire_access(self) -> None:
        """The access tokens are too old; the grant is good."""
        raise NotImplementedError

    def grant_file(self) -> Path:
        """The grant as a tool of the provider's has written it into a file."""
        raise NotImplementedError

    def sign_in_page(self) -> SignInPage:
        """The provider's page; the test is skipped where it has none."""
        self.must_have("SignInPage")
        page = self.provider().sign_in
        assert page is not None, "the world has set none up"
        return page

    def visit(self, url: str) -> str:
        """The owner goes to the sign-in page and agrees; returns where he is sent."""
        raise NotImplementedError

    def untick(self, permission: Permission) -> None:
        """What he will not agree to when he comes."""
        raise NotImplementedError

    def expire_codes(self) -> None:
        """The codes of sign-ins so far are too old."""
        raise NotImplementedError

    def own_addresses(self, verified: Mapping[str, str], pending: Collection[str] = ()) -> None:
        """The mailbox's addresses beside its own, each with a name; one of `verified` may be its own, to be named."""
        raise NotImplementedError

    def watched(self) -> str | None:
        """Where the provider pushes to now."""
        raise NotImplementedError

    def pushed(self) -> bytes:
        """What it has pushed to `target` for this mailbox, one push for each time that this is asked."""
        raise NotImplementedError

    # Labels, where the provider has them.

    def labels(self) -> Mapping[str, str]:
        """Names of the owner's labels by id."""
        raise NotImplementedError

    def labels_of(self, message_id: str) -> Collection[str]:
        """The ids of the labels that a mail carries, those of the provider's own perhaps among them."""
        raise NotImplementedError

    def label(self, message_id: str, name: str) -> str:
        """By the owner's hand, made where it is missing; returns the label's id."""
        raise NotImplementedError

    def unlabel(self, message_id: str, label_id: str) -> None:
        """By the owner's hand."""
        raise NotImplementedError

    def rename_label(self, label_id: str, name: str) -> None:
        """By the owner's hand."""
        raise NotImplementedError

    def delete_label(self, label_id: str) -> None:
        """By the owner's hand."""
        raise NotImplementedError

    def refuse_labels(self) -> None:
        """The mailbox takes no more labels than it has."""
        raise NotImplementedError

    def deny_label(self) -> None:
        """The provider says of each new label that it is there, and shows none."""
        raise NotImplementedError

    # What goes wrong at the provider.

    def throttle(self, seconds: float) -> None:
        """Each call is refused for a limit, with the wish to wait so long."""
        raise NotImplementedError

    def be_away(self) -> None:
        """Each call meets an outage."""
        raise NotImplementedError

    def refuse(self) -> None:
        """Each call is refused for good."""
        raise NotImplementedError

    def refuse_client(self) -> None:
        """No grant is good for a token, by a slip of the operator's."""
        raise NotImplementedError

    def break_line(self) -> None:
        """Each connection is cut before the answer."""
        raise NotImplementedError

    def be_slow(self, seconds: float) -> None:
        """Each answer takes so long."""
        raise NotImplementedError

    def be_silent(self) -> None:
        """No call is answered, and no line cut."""
        raise NotImplementedError

    def trickle(self) -> None:
        """Each answer comes byte by byte, ten a second."""
        raise NotImplementedError

    def poison(self, message_id: str) -> None:
        """Each call about this mail ends in an error of the provider's."""
        raise NotImplementedError

    def hang_on(self, message_id: str) -> None:
        """The connection is cut at each request that is about this mail, among others or alone."""
        raise NotImplementedError

    def lose_history(self) -> None:
        """The cursors of before are too old."""
        raise NotImplementedError

    def refuse_cursors(self) -> None:
        """No cursor of this mailbox is taken, not even one that has just been given out."""
        raise NotImplementedError

    def be_late(self) -> None:
        """Changes are shown later than what comes after them, until `calm`."""
        raise NotImplementedError

    def repeat_changes(self) -> None:
        """Changes are shown twice."""
        raise NotImplementedError

    def empty_pages(self) -> None:
        """Pages without anything stand between the others."""
        raise NotImplementedError

    def hide_folders(self) -> None:
        """Changes do not say where the mail lies."""
        raise NotImplementedError

    def lose_answers(self) -> None:
        """What writes or sends a draft is done, and its answer lost."""
        raise NotImplementedError

    def refuse_sending(self) -> None:
        """The provider's own limit of mails a day is reached."""
        raise NotImplementedError

    def refuse_target(self) -> None:
        """The provider cannot push to `target` any more, not even after `calm`."""
        raise NotImplementedError

    def calm(self) -> None:
        """No more trouble."""
        raise NotImplementedError

    def close(self) -> None:
        """The test is over."""


def promised(port: type) -> set[str]:
    """The names that a port, with all that it is made of, has for its callers."""
    return {name for part in port.__mro__ for name in vars(part) if not name.startswith("_")}


def mail(subject: str = "Hello", *, to: str = "uwe@example.com", text: str = "Text.", **more: Any) -> bytes:
    """A mail as it comes from the internet, by ANN unless `sender` says otherwise; `file` is attached."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = more.get("sender", f"Ann <{ANN}>"), to, subject
    message.set_content(text)
    if "file" in more:
        message.add_attachment(more["file"], maintype="application", subtype="pdf", filename="a.pdf")
    return message.as_bytes()
