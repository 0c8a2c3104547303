"""What is true of a provider, whichever mailbox: its names, its limits, and what people are told to do there."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.connections.connections import Mode
from domain.quota import Quota
from domain.sorting.label_names import LabelNameRules


@dataclass(frozen=True, slots=True)
class Remedy:
    """A trouble that passes only when the operator does something: what it is, and what to do."""

    says: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Provider:
    """`name` stands in rows and checks. People read `title`, what its mailboxes are called, and `company`, whose
    accounts, grants and pages they are. `push_target` is where it is to push what happens in a mailbox.

    `sync_mode` is the mode of its two-way sync, None where it has none. `max_mail_size` are the bytes of a mail that it
    takes, encoded, `max_recipients` how many a mail may have (D14).

    `not_signed_in` is half a sentence: those of all providers, joined by " or ", end "user … is not signed in: ".
    `no_sign_in` and `no_delegation` say what the operator has to set up for these; where no provider has a page to sign
    in on, the `no_sign_in` of all are joined by "; ". `refused` says what to do where it refuses for good. `remedies`
    are by the reason words of its errors; `no_push` says by the reason words of NoPush what to do, also where it never
    pushes (E85). `label_names` are its rules for the names of labels, None where it has no rules, or no labels.
    """

    name: str
    title: str
    company: str
    quota: Quota
    push_target: str
    max_mail_size: int
    max_recipients: int
    not_signed_in: str
    no_sign_in: str
    no_delegation: str
    refused: str
    remedies: Mapping[str, Remedy]
    no_push: Mapping[str, str]
    label_names: LabelNameRules | None = None
    sync_mode: Mode | None = None
