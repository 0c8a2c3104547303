"""Gmail's refusals, by the local Gmail's faults and in Google's own words."""

import json
import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import (
    AccessRevoked,
    GiveUp,
    GrantRefused,
    LabelUnknown,
    NotDelegated,
    TryAgain,
    UnknownAddress,
)
from domain.mail.messages import Fetched
from infra.gmail.errors import of_token, read
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from tests.providers import granted, held

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RAW = b"From: Bob <bob@example.com>\r\nSubject: Hello\r\n\r\nHi.\r\n"


@pytest.fixture
def mailbox(server: GmailServer, control: GmailControl, address: str) -> Iterator[GmailMailbox]:
    gmail = Gmail(server.url, timeout_seconds=5)
    user = control.create_mailbox(address)
    mailbox = gmail.open(granted(user))
    mailbox.cursor_now()
    yield mailbox
    gmail.close()


def google(code: int, reason: str, message: str, **more: Any) -> bytes:
    entry = {"message": message, "domain": "global", "reason": reason}
    return json.dumps({"error": {"code": code, "message": message, "errors": [entry], **more}}).encode()


@pytest.mark.rule("E87")
@pytest.mark.parametrize(
    ("kind", "reason", "whole_mailbox", "seconds"),
    [
        ("403.rateLimitExceeded", "rateLimitExceeded", True, None),
        ("403.userRateLimitExceeded", "userRateLimitExceeded", True, 40),
        ("429", "rateLimitExceeded", True, 40),
        ("500", "backendError", False, None),
        ("503", "backendError", True, None),
    ],
)
def test_what_passes_is_tried_again(
    mailbox: GmailMailbox,
    control: GmailControl,
    kind: str,
    reason: str,
    whole_mailbox: bool,
    seconds: float | None,
) -> None:
    before = mailbox.spent.requests
    control.fault(kind, retry_after=40)
    with pytest.raises(TryAgain) as caught:
        mailbox.cursor_now()
    assert (caught.value.reason, caught.value.whole_mailbox) == (reason, whole_mailbox)
    told = caught.value.after
    assert (told is None) == (seconds is None)
    if told is not None and seconds is not None:
        assert seconds - 2 < told.total_seconds() < seconds + 2
    together = mailbox.headers(["18a", "18b"])
    assert all(
        isinstance(t, TryAgain) and (t.reason, t.whole_mailbox) == (reason, True) for t in together.values()
    )
    assert mailbox.spent.requests == before + 2


def test_a_day_s_quota_is_waited_for_until_the_next_day(mailbox: GmailMailbox, control: GmailControl) -> None:
    control.fault("403.dailyLimitExceeded")
    with pytest.raises(TryAgain) as caught:
        mailbox.cursor_now()
    assert caught.value.after is not None
    assert timedelta() < caught.value.after <= timedelta(hours=25)


def test_a_closed_domain_is_final(mailbox: GmailMailbox, control: GmailControl) -> None:
    control.fault("403.domainPolicy")
    for call in (
        mailbox.cursor_now,
        lambda: mailbox.headers(["18a"]),
        lambda: mailbox.headers(["18a", "18b"]),
    ):
        with pytest.raises(GiveUp, match=r"^domainPolicy$"):
            call()


def test_a_scope_that_was_not_granted_is_final(
    server: GmailServer, control: GmailControl, address: str
) -> None:
    gmail = Gmail(server.url)
    user = control.create_mailbox(address, scopes=["https://www.googleapis.com/auth/gmail.labels"])
    grant = granted(user)
    with pytest.raises(GiveUp, match=r"^insufficientPermissions$"):
        gmail.open(grant).headers(["18a", "18b"])
    gmail.close()


def test_a_poisonous_message_is_not_its_neighbours_trouble(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    ids = [control.deliver(address, RAW).id for _ in range(27)]
    control.poison(address, ids[3])
    found = mailbox.headers(ids)
    trouble = found.pop(ids[3])
    assert isinstance(trouble, TryAgain)
    assert (trouble.reason, trouble.whole_mailbox) == ("backendError", False)
    assert all(isinstance(message, Fetched) for message in found.values())
    alone = mailbox.headers([ids[3]])[ids[3]]
    assert isinstance(alone, TryAgain)
    assert not alone.whole_mailbox


@pytest.mark.rule("E87")
def test_a_limited_batch_is_the_mailbox_s_trouble(
    mailbox: GmailMailbox, control: GmailControl, address: str
) -> None:
    ids = [control.deliver(address, RAW).id for _ in range(30)]
    before = mailbox.spent.requests
    control.fault("429", ["batch"])
    found = mailbox.headers(ids)
    assert list(found) == ids
    assert all(isinstance(trouble, TryAgain) and trouble.whole_mailbox for trouble in found.values())
    assert mailbox.spent.requests == before + 1


@pytest.mark.rule("E88")
@pytest.mark.parametrize("kind", ["404", "500", "503"])
def test_a_refused_batch_says_nothing_of_its_messages_which_are_asked_for_one_by_one(
    mailbox: GmailMailbox, control: GmailControl, address: str, kind: str
) -> None:
    ids = [control.deliver(address, RAW).id for _ in range(5)]
    before = mailbox.spent.requests
    control.fault(kind, ["batch"])
    assert [type(message) for message in mailbox.headers(ids).values()] == [Fetched] * 5
    assert mailbox.spent.requests == before + 6


def test_errors_carry_reasons_and_nothing_else(
    mailbox: GmailMailbox, control: GmailControl, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    message_id = control.deliver(address, RAW).id
    token = str(held(mailbox.grant).access_token)
    for kind in ("403.userRateLimitExceeded", "403.domainPolicy", "500", "401"):
        control.clear_faults()
        control.fault(kind)
        with pytest.raises((TryAgain, GiveUp, AccessRevoked)) as caught:
            next(mailbox.listed_since(NOW))
        control.fault(kind, ["batch"])
        shown = "".join(traceback.format_exception(caught.value)) + repr(mailbox.headers) + caplog.text
        assert caught.value.__cause__ is None
        for secret in (address, message_id, token, "Retry after", "after:"):
            assert secret not in shown


@pytest.mark.rule("E86", "E87")
@pytest.mark.parametrize(
    ("error", "text", "alone", "delegated"),
    [
        ("invalid_grant", "Token has been expired or revoked.", AccessRevoked, AccessRevoked),
        ("invalid_grant", "", AccessRevoked, AccessRevoked),
        ("invalid_grant", "Invalid email or User ID", AccessRevoked, UnknownAddress),
        ("invalid_grant", "Not a valid email or user ID.", AccessRevoked, UnknownAddress),
        ("invalid_grant", "Invalid JWT Signature.", AccessRevoked, GrantRefused),
        ("invalid_grant", "Invalid JWT: Token must be a short-lived token", AccessRevoked, GrantRefused),
        ("invalid_grant", "Invalid grant: account not found", AccessRevoked, GrantRefused),
        (
            "unauthorized_client",
            "Client is unauthorized to retrieve access tokens",
            GrantRefused,
            NotDelegated,
        ),
        ("access_denied", "Requested client not authorized.", GrantRefused, NotDelegated),
        ("invalid_client", "The OAuth client was not found.", GrantRefused, GrantRefused),
        ("deleted_client", "The OAuth client was deleted.", GrantRefused, GrantRefused),
        ("disabled_client", "The OAuth client was disabled.", GrantRefused, GrantRefused),
        ("invalid_scope", "Some requested scopes were invalid.", GrantRefused, GrantRefused),
        ("admin_policy_enforced", "", GrantRefused, GrantRefused),
        ("org_internal", "", GrantRefused, GrantRefused),
        ("internal_failure", "Invalid email or User ID", TryAgain, TryAgain),
        (["invalid_client"], "", TryAgain, TryAgain),
        (None, "", TryAgain, TryAgain),
    ],
)
def test_why_there_is_no_token(
    error: object, text: str, alone: type[Exception], delegated: type[Exception]
) -> None:
    for expected, is_delegated in ((alone, False), (delegated, True)):
        found = of_token(400, error, text, delegated=is_delegated)
        assert type(found) is expected
        assert str(found) in (error, "invalid_jwt", "account_not_found", "token_http_400")


@pytest.mark.parametrize(
    ("call", "status", "reason", "text", "expected"),
    [
        ("messages.modify", 400, "invalidArgument", "Invalid label: Label_9", LabelUnknown),
        ("messages.batchModify", 400, "invalidArgument", "labelId not found", LabelUnknown),
        ("messages.get", 400, "invalidArgument", "Invalid label: x", GiveUp),
        ("messages.modify", 400, "invalidArgument", "Invalid id value", GiveUp),
        ("labels.create", 400, "invalidArgument", "Invalid label name", GiveUp),
        ("watch", 400, "failedPrecondition", "Mail service not enabled", GiveUp),
        ("getProfile", 403, "forbidden", "Delegation denied for ana@example.com", GiveUp),
        ("getProfile", 403, "accessNotConfigured", "Gmail API has not been used", TryAgain),
        ("getProfile", 429, "rateLimitExceeded", "Too many concurrent requests for user", TryAgain),
        ("getProfile", 401, "authError", "Invalid Credentials", TryAgain),
    ],
)
def test_google_s_words(call: str, status: int, reason: str, text: str, expected: type[Exception]) -> None:
    error = read(call, status, {}, google(status, reason, text), NOW).error()
    assert (type(error), str(error)) == (expected, reason)


@pytest.mark.parametrize(
    ("status", "body", "reason", "expected"),
    [
        (403, b"<html>ana@example.com</html>", "http_403", TryAgain),
        (400, google(400, "invalidArgument", "Invalid label: x")[:-9], "http_400", TryAgain),
        (502, b"<html>ana@example.com</html>", "http_502", TryAgain),
        (302, b"", "http_302", TryAgain),
        (408, b"", "http_408", TryAgain),
        (400, b'{"error": "ana@example.com"}', "http_400", GiveUp),
        (400, google(400, "ana@example.com", "Bad"), "http_400", GiveUp),
        (400, b'{"error": {"errors": [7]}}', "http_400", GiveUp),
        (500, b'{"error": {"status": "INTERNAL"}}', "INTERNAL", TryAgain),
        (500, b"[" * 100_000, "http_500", TryAgain),
        (
            400,
            google(400, "x", "Only one user push notification client allowed"),
            "onlyOnePushClient",
            GiveUp,
        ),
    ],
)
def test_what_is_not_in_google_s_words(
    status: int, body: bytes, reason: str, expected: type[Exception]
) -> None:
    error = read("getProfile", status, {}, body, NOW).error()
    assert (type(error), str(error)) == (expected, reason)


@pytest.mark.parametrize(
    ("header", "text", "expected"),
    [
        ("30", "", timedelta(seconds=30)),
        ("Thu, 01 Jan 2026 12:01:00 GMT", "", timedelta(minutes=1)),
        ("", "Retry after 2026-01-01T12:05:00.500Z", timedelta(minutes=5, seconds=0.5)),
        ("30", "Retry after 2026-01-01T12:05:00Z", timedelta(minutes=5)),
        ("600", "Retry after 2026-01-01T12:05:00Z", timedelta(minutes=10)),
        ("", "Retry after 2025-12-31T12:05:00Z", timedelta()),
        ("", "Retry after 2025-13-31T12:05:00Z", None),
        ("soon", "", None),
        ("-5", "", None),
        ("9" * 5_000, "", None),
        ("99999999", "", timedelta(hours=25)),
    ],
)
def test_the_provider_s_wish_is_heard(header: str, text: str, expected: timedelta | None) -> None:
    body = google(403, "userRateLimitExceeded", f"User-rate limit exceeded.  {text}")
    assert read("getProfile", 403, {"retry-after": header}, body, NOW).after == expected


def test_a_day_ends_at_midnight_in_california() -> None:
    assert read("watch", 403, {}, google(403, "dailyLimitExceeded", ""), NOW).after == timedelta(hours=20)
