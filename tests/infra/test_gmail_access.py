"""The Gmail adapter against the local Gmail, over real sockets: tokens, threads and secrets."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGKILL

import pytest

import infra
from domain.errors import TryAgain
from domain.mail.messages import Fetched
from domain.mailboxes.accounts import Grant
from infra.gmail.mailbox import GmailMailbox
from infra.gmail.provider import Gmail
from infra.local.gmail import GmailControl, GmailServer
from tests.providers import changed, held

TOPIC = "projects/lodestone/topics/gmail"
RAW = b"From: Bob <bob@example.com>\r\nTo: ana@example.com\r\nSubject: Hello\r\n\r\nA secret.\r\n"


def test_an_access_token_is_kept_until_it_expires(
    gmail: Gmail, mailbox: GmailMailbox, control: GmailControl
) -> None:
    assert held(mailbox.grant).access_token is None
    mailbox.cursor_now()
    kept = mailbox.grant
    expires_at = held(kept).expires_at
    assert expires_at is not None
    assert timedelta(minutes=59) < expires_at - datetime.now(UTC) <= timedelta(hours=1)
    again = gmail.open(kept)
    again.cursor_now()
    assert again.grant == kept
    assert control.counters().token_requests == 1
    late = gmail.open(changed(kept, expires_at=datetime.now(UTC) + timedelta(minutes=1)))
    late.headers(["18a", "18b"])
    assert held(late.grant).access_token != held(kept).access_token
    assert control.counters().token_requests == 2


@pytest.mark.parametrize("messages", [1, 2], ids=["alone", "in a batch"])
def test_a_token_that_is_no_longer_good_is_renewed_once(
    mailbox: GmailMailbox, control: GmailControl, address: str, messages: int
) -> None:
    ids = [control.deliver(address, RAW).id for _ in range(messages)]
    mailbox.cursor_now()
    control.expire_access_tokens(address)
    assert all(isinstance(message, Fetched) for message in mailbox.headers(ids).values())
    assert mailbox.spent.units == 1 + 20 * messages
    assert mailbox.spent.requests == 2 + 3
    control.fault("401")
    for trouble in mailbox.headers(ids).values():
        assert isinstance(trouble, TryAgain), "only invalid_grant proves that the grant is gone"
        assert (str(trouble), trouble.whole_mailbox) == ("authError", True)
    assert control.counters().token_requests == 3


def test_a_token_server_that_is_away_is_asked_once_and_later(
    gmail: Gmail, grant: Grant, control: GmailControl
) -> None:
    control.fault("503", ["token"])
    for messages in (1, 30):
        mailbox = gmail.open(grant)
        troubles = mailbox.headers([f"18{n}" for n in range(messages)]).values()
        assert {(str(t), t.whole_mailbox) for t in troubles if isinstance(t, TryAgain)} == {
            ("token_http_503", True)
        }
        assert (mailbox.spent.units, mailbox.spent.requests) == (0, 1)
    control.clear_faults()
    with pytest.raises(TryAgain, match=r"^invalid_client$"):
        gmail.open(changed(grant, client_secret="another")).cursor_now()


def test_no_secret_shows(mailbox: GmailMailbox, grant: Grant) -> None:
    mailbox.cursor_now()
    shown = "".join(repr(value) for value in (mailbox, mailbox.grant, *vars(mailbox).values()))
    token = held(mailbox.grant).access_token
    assert token
    for secret in (held(grant).refresh_token, held(grant).client_secret, token):
        assert secret not in shown


DYING = """
import sys
from domain.sorting.label_changes import LabelChange
from infra.gmail.grants import GoogleGrant
from infra.gmail.provider import Gmail
url, message_id, *grant = sys.argv[1:]
mailbox = Gmail(url).open(GoogleGrant(*grant).written())
mailbox.labels.change({message_id: LabelChange(frozenset({"STARRED"}), frozenset())})
"""


@pytest.mark.rule("W5")
@pytest.mark.parametrize(
    ("place", "code", "starred"),
    [
        ("gmail.messages.modify.before", -SIGKILL, False),
        ("gmail.messages.modify.after", -SIGKILL, True),
        ("gmail.oauth2.token.after", -SIGKILL, False),
        ("gmail.history.list.before", 0, True),
    ],
)
def test_a_test_can_make_us_die_on_either_side_of_a_call(
    server: GmailServer,
    control: GmailControl,
    grant: Grant,
    address: str,
    place: str,
    code: int,
    starred: bool,
) -> None:
    message_id = control.deliver(address, RAW).id
    arguments = [
        server.url,
        message_id,
        held(grant).client_id,
        held(grant).client_secret,
        held(grant).refresh_token,
        held(grant).token_uri,
    ]
    root = str(Path(infra.__path__[0]).parent)
    ended = subprocess.run(
        [sys.executable, "-c", DYING, *arguments],
        env={**os.environ, "LODESTONE_DIE_AT": place, "PYTHONPATH": root},
        check=False,
    )
    assert ended.returncode == code
    message = control.dump(address).message(message_id)
    assert message is not None
    assert ("STARRED" in message.label_ids) == starred
