"""What Google is asked for, and why: the smallest set that the permissions need (Z9)."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from domain.connections.permissions import Permission


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

_GIVEN_BY = {
    Permission.READ: {Scope.READONLY, Scope.MODIFY, EVERYTHING},
    Permission.SEND: {Scope.COMPOSE, Scope.MODIFY, EVERYTHING},
    Permission.LABEL: {Scope.MODIFY, EVERYTHING},
}


def scopes_for(permissions: Collection[Permission]) -> tuple[Scope, ...]:
    """Who changes labels needs gmail.modify, and with it nothing else."""
    if Permission.LABEL in permissions:
        return (Scope.MODIFY,)
    each = {Permission.READ: Scope.READONLY, Permission.SEND: Scope.COMPOSE}
    return tuple(scope for permission, scope in each.items() if permission in permissions)


def permissions_of(scopes: Collection[str]) -> frozenset[Permission]:
    """What these scopes let us do."""
    return frozenset(one for one, given_by in _GIVEN_BY.items() if given_by & set(scopes))


def asked_for(permissions: Collection[Permission]) -> Mapping[str, str]:
    """The reason for each scope, by the short name that Google's pages show."""
    return {scope.rpartition("/")[2]: REASONS[scope] for scope in scopes_for(permissions)}
