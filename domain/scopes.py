"""What Google is asked for, and why: the smallest set that the chosen features need (Z9)."""

from collections.abc import Collection
from enum import StrEnum


class Scope(StrEnum):
    """The OAuth scopes that we ever ask for; Google counts both gmail.readonly and gmail.modify as restricted."""

    READONLY = "https://www.googleapis.com/auth/gmail.readonly"
    COMPOSE = "https://www.googleapis.com/auth/gmail.compose"
    MODIFY = "https://www.googleapis.com/auth/gmail.modify"


EVERYTHING = "https://mail.google.com/"
"""Never asked for; a grant from elsewhere may have it."""

REASONS = {
    Scope.READONLY: "to show mail beside the contact and to notice new mail (MailMagnet)",
    Scope.COMPOSE: "to send what is written in the CRM, by way of a draft",
    Scope.MODIFY: "to put customers' mail under labels, to show and notice mail, and to send",
}

_COVERED_BY = {
    Scope.READONLY: {Scope.MODIFY, EVERYTHING},
    Scope.COMPOSE: {Scope.MODIFY, EVERYTHING},
    Scope.MODIFY: {EVERYTHING},
}


def needed(*, labels: bool) -> tuple[Scope, ...]:
    """What a connection needs. Who changes labels needs gmail.modify, and with it nothing else."""
    return (Scope.MODIFY,) if labels else (Scope.READONLY, Scope.COMPOSE)


def missing(wanted: Collection[str], granted: Collection[str]) -> tuple[Scope, ...]:
    """Which of the wanted scopes no granted one stands for."""
    have = set(granted)
    return tuple(scope for scope in Scope if scope in wanted and not have & {scope, *_COVERED_BY[scope]})


def named(scopes: Collection[Scope]) -> str:
    """For people, by the short name that Google's pages show: gmail.readonly (to …)."""
    return ", ".join(f"{scope.rpartition('/')[2]} ({REASONS[scope]})" for scope in scopes)
