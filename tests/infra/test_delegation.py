"""Mailboxes entered by a service account with domain-wide delegation."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import AccessRevoked, TryAgain
from domain.mailboxes import Grant
from domain.scopes import Scope
from infra.gmail import Gmail, NoServiceAccount, ServiceAccount
from infra.local.gmail import GmailControl, GmailServer

SERVICE = "lodestone@local.iam.gserviceaccount.com"
TOPIC = "projects/lodestone/topics/gmail"


@pytest.fixture
def key(control: GmailControl, tmp_path: Path) -> Path:
    """The key file; gmail.readonly is delegated."""
    file = tmp_path / "service.json"
    file.write_text(json.dumps(control.service_account(SERVICE, [Scope.READONLY])))
    return file


@pytest.fixture
def delegating(server: GmailServer, key: Path) -> Iterator[Gmail]:
    """The adapter with the service account."""
    gmail = Gmail(server.url, timeout_seconds=5, service_account=ServiceAccount(key))
    yield gmail
    gmail.close()


@pytest.fixture
def delegated(key: Path, grant: Grant, address: str) -> Grant:
    """The service account's grant for the mailbox of `address`."""
    return ServiceAccount(key).grant(address, [Scope.READONLY])


def test_a_mailbox_is_entered_with_one_token_for_many_calls(
    delegating: Gmail, delegated: Grant, address: str, control: GmailControl
) -> None:
    mailbox = delegating.open(delegated)
    assert mailbox.address() == address
    assert mailbox.watch(TOPIC).expires_at > datetime.now(UTC)
    kept = mailbox.grant
    assert kept.expires_at is not None
    assert timedelta(minutes=58) < kept.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert delegating.open(kept).address() == address
    assert control.counters().token_requests == 1
    control.expire_access_tokens(address)
    assert mailbox.address() == address
    assert control.counters().token_requests == 2
    mailbox.revoke()
    assert mailbox.address() == address, "only the administrator ends it"


@pytest.mark.rule("E86")
def test_what_the_administrator_takes_away_is_gone(
    delegating: Gmail, delegated: Grant, control: GmailControl
) -> None:
    mailbox = delegating.open(delegated)
    mailbox.cursor_now()
    control.service_account(SERVICE)
    control.expire_access_tokens(delegated.subject or "")
    for opened in (mailbox, delegating.open(delegated)):
        with pytest.raises(AccessRevoked, match=r"^unauthorized_client$"):
            opened.cursor_now()
    control.service_account(SERVICE, [Scope.READONLY])
    with pytest.raises(AccessRevoked, match=r"^invalid_grant$"):
        delegating.open(replace(delegated, subject="nobody@example.com")).cursor_now()


def test_the_operators_slip_ends_nobodys_access(
    delegating: Gmail, gmail: Gmail, delegated: Grant, control: GmailControl
) -> None:
    with pytest.raises(TryAgain, match=r"^no_service_account$"):
        gmail.open(delegated).cursor_now()
    control.service_account(SERVICE, [Scope.READONLY], new_key=True)
    with pytest.raises(TryAgain, match=r"^invalid_jwt$"):
        delegating.open(delegated).cursor_now()
    control.fault("503", ["token"])
    with pytest.raises(TryAgain, match=r"^token_http_503$"):
        delegating.open(delegated).cursor_now()


@pytest.mark.rule("I10")
def test_no_key_shows(key: Path, delegated: Grant, delegating: Gmail) -> None:
    account = ServiceAccount(key)
    mailbox = delegating.open(delegated)
    mailbox.cursor_now()
    token = mailbox.grant.access_token
    assert token
    shown = "".join(
        repr(value) for value in (account, delegated, mailbox, mailbox.grant, *vars(mailbox).values())
    )
    for secret in (token, json.loads(key.read_text())["private_key"][30:60]):
        assert secret not in shown


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"client_email": "x", "token_uri": "y", "private_key": "z"}']
)
def test_what_is_no_key_file_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "file.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(NoServiceAccount):
        ServiceAccount(file)
