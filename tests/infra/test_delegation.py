"""Mailboxes entered by a service account with domain-wide delegation."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.connections.permissions import Permission
from domain.errors import GrantRefused, NotDelegated, TryAgain, UnknownAddress
from domain.mail.messages import Fetched
from domain.mailboxes.accounts import Grant
from infra.gmail.delegation import NoServiceAccount, ServiceAccount
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.gmail.scopes import Scope
from infra.local.gmail import GmailControl, GmailServer
from infra.local.gmail.http.errors import NO_TOKEN
from tests.providers import changed, held

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
    return ServiceAccount(key).grant(address, [Permission.READ])


def test_a_mailbox_is_entered_with_one_token_for_many_calls(
    delegating: Gmail, delegated: Grant, address: str, control: GmailControl
) -> None:
    mailbox = delegating.open(delegated)
    assert mailbox.address() == address
    assert mailbox.watch(TOPIC).expires_at > datetime.now(UTC)
    kept = mailbox.grant
    expires_at = held(kept).expires_at
    assert expires_at is not None
    assert timedelta(minutes=58) < expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert delegating.open(kept).address() == address
    assert control.counters().token_requests == 1
    control.expire_access_tokens(address)
    assert mailbox.address() == address
    assert control.counters().token_requests == 2
    mailbox.revoke()
    assert mailbox.address() == address, "only the administrator ends it"


@pytest.mark.rule("E86")
def test_what_the_administrator_takes_away_may_come_back(
    delegating: Gmail, delegated: Grant, control: GmailControl
) -> None:
    mailbox = delegating.open(delegated)
    mailbox.cursor_now()
    control.service_account(SERVICE)
    control.expire_access_tokens(held(delegated).subject or "")
    for opened in (mailbox, delegating.open(delegated)):
        with pytest.raises(NotDelegated, match=r"^unauthorized_client$") as refused:
            opened.cursor_now()
        assert refused.value.after == timedelta(hours=1)
        with pytest.raises(NotDelegated):
            opened.headers(["1", "2"])
    control.service_account(SERVICE, [Scope.READONLY])
    assert mailbox.cursor_now()


@pytest.mark.rule("E86")
def test_an_address_that_google_does_not_know_is_told_as_that(delegating: Gmail, delegated: Grant) -> None:
    for call in (GmailMailbox.cursor_now, GmailMailbox.own_addresses):
        with pytest.raises(UnknownAddress, match=r"^invalid_grant$"):
            call(delegating.open(changed(delegated, subject="nobody@example.com")))


def test_every_call_and_each_part_of_a_batch_names_the_mailbox_and_no_address(
    delegating: Gmail, delegated: Grant, key: Path, address: str, control: GmailControl
) -> None:
    account = ServiceAccount(key)
    other = "bea@example.com"
    control.create_mailbox(other)
    for mailbox in (delegated, delegated, account.grant(other, [Permission.READ])):
        opened = delegating.open(mailbox)
        ids = [
            control.deliver(held(mailbox).subject or "", b"From: x@example.com\r\n\r\n").id for _ in range(3)
        ]
        assert all(isinstance(one, Fetched) for one in opened.headers(ids).values())
        opened.watch(TOPIC)
        opened.stop_watch()
        next(opened.changes_since(opened.cursor_now()), None)
    names = [account.quota_user(address), account.quota_user(other)]
    counters = control.counters()
    assert {name: counter["calls"] for name, counter in counters.by_quota_user.items()} == dict(
        zip(names, (14, 7), strict=True)
    )
    assert ServiceAccount(key).quota_user(address) == names[0], "in every process"
    assert all(len(name) <= 40 and name.isalnum() for name in names), "as Google takes them"


@pytest.mark.rule("E87")
def test_a_mailbox_has_its_own_quota(
    delegating: Gmail, delegated: Grant, key: Path, control: GmailControl
) -> None:
    control.create_mailbox("bea@example.com")
    control.quota(enforced=True, per_minute=2)
    for subject in (held(delegated).subject, "bea@example.com"):
        opened = delegating.open(changed(delegated, subject=subject))
        assert opened.cursor_now()
        assert opened.cursor_now()
        with pytest.raises(TryAgain, match="userRateLimitExceeded"):
            opened.cursor_now()


@pytest.mark.parametrize("kind", sorted(NO_TOKEN))
def test_what_the_operator_has_to_mend_ends_nobodys_access(
    delegating: Gmail, gmail: Gmail, grant: Grant, delegated: Grant, control: GmailControl, kind: str
) -> None:
    control.fault(kind)
    word = kind.partition(".")[2]
    for opened in (gmail.open(grant), delegating.open(delegated)):
        with pytest.raises(GrantRefused, match=f"^{word}$"):
            opened.cursor_now()
        with pytest.raises(GrantRefused):
            opened.drafts.send("r1")


def test_the_operators_slip_ends_nobodys_access(
    delegating: Gmail, gmail: Gmail, delegated: Grant, control: GmailControl
) -> None:
    with pytest.raises(GrantRefused, match=r"^no_service_account$"):
        gmail.open(delegated).cursor_now()
    control.service_account(SERVICE, [Scope.READONLY], new_key=True)
    with pytest.raises(GrantRefused, match=r"^invalid_jwt$"):
        delegating.open(delegated).cursor_now()
    control.fault("503", ["token"])
    with pytest.raises(TryAgain, match=r"^token_http_503$"):
        delegating.open(delegated).cursor_now()


@pytest.mark.rule("I10")
def test_no_key_shows(key: Path, delegated: Grant, delegating: Gmail) -> None:
    account = ServiceAccount(key)
    mailbox = delegating.open(delegated)
    mailbox.cursor_now()
    token = held(mailbox.grant).access_token
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
