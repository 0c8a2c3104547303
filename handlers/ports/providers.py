"""The way into mailboxes: their providers, sign-in and delegation. What can be done inside stands in `capabilities`,
and what is said there of errors holds here. The contract stands here; adapters need not repeat it."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from domain.connections.permissions import Permission
from domain.connections.sign_ins import SignIn
from domain.mail.composition import EncodedMail, OutgoingMail
from domain.mailboxes.accounts import Grant
from domain.providers import Provider
from handlers.ports.capabilities import Mailbox


class SignInPage(Protocol):
    """The provider's own page, on which a user signs in and grants access: no password ever reaches us (Z8)."""

    def url(self, sign_in: SignIn, state: str, account: str | None) -> str:
        """Where the user goes; `account` is suggested there."""

    def exchange(self, sign_in: SignIn, code: str) -> Grant:
        """The grant for the code that the user was sent back with, with the permissions that he gave.

        Raises AccessRevoked for a code that is no longer good, GiveUp when we are refused, TryAgain.
        """

    def landing(self) -> str | None:
        """Where on this machine the page leads somebody who signs in from a terminal; None for any port. Raises
        Refused where it leads to no machine of his."""


class Delegation(Protocol):
    """Mailboxes that their organisation's administrator lets us into, in place of their users."""

    def grant(self, address: str, permissions: Collection[Permission]) -> Grant:
        """Access to one mailbox. Nothing is asked: the first call tells whether we are let in (NotDelegated, which may
        pass) and whether there is such an address (UnknownAddress)."""

    def refusal(self, grant: Grant) -> str:
        """That we are not let in with this grant, and what the administrator has to do, in a sentence without the
        address. Nothing is asked."""


class MailProvider(Protocol):
    """One kind of mailboxes, and the way into them. One per process, for all threads."""

    @property
    def about(self) -> Provider:
        """Its names, limits and texts for people."""

    @property
    def sign_in(self) -> SignInPage | None:
        """None while the operator has set none up."""

    @property
    def delegation(self) -> Delegation | None:
        """None where the provider has none, or the operator has set none up."""

    def open(self, grant: Grant) -> Mailbox:
        """A session with this grant. Cheap: nothing is asked before the first call."""

    def key(self, grant: Grant, address: str) -> str:
        """What it knows the account by that the grant is for and has this address: something that stays when the
        account is renamed, where there is such a thing. Asks nobody. Gmail: the address. Graph: tenant and user id, of
        the grant."""

    def decode_push(self, data: bytes) -> str | None:
        """The provider's key of the mailbox that a push names; None for anything that is no push of its. Asks nobody.
        Gmail: the address in a Pub/Sub message. Graph: the clientState of a notification, which we have chosen."""

    def encode(self, mail: OutgoingMail, key: str) -> EncodedMail:
        """The mail in the form in which its mailboxes take it. By `key` its draft and the sent mail are found. Asks
        nobody. Raises Unsendable, also for a mail that is larger than the provider takes. Gmail: MIME, the key in a
        header of it. Graph: the key as an extended property."""

    def permissions(self, grant: Grant) -> frozenset[Permission] | None:
        """What the grant lets us do, None where nobody has told us. Asks nobody."""

    def asks_for(self, permissions: Collection[Permission]) -> Mapping[str, str]:
        """What its page asks for these, by the names it shows, each with why we want it ("to …")."""

    def grant_in(self, file: Path) -> Grant:
        """The grant in a file that a tool of the provider's has made. Raises Refused for any other file."""
