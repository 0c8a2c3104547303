"""Other addresses of a mailbox: verified or not yet, and those it had before an administrator renamed it."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest
from google.auth.exceptions import RefreshError

from infra.local.gmail import ControlError, GmailControl, GmailServer
from tests.infra.local.gmail.conftest import ANA, BEA, Refused, profile

NEW = "ana.maria@example.com"
RAW = b"From: bob@client.example\r\nSubject: x\r\n\r\nbody"


def send_as(users: Any) -> list[tuple[str, str | None, bool]]:
    found = users.settings().sendAs().list(userId="me").execute()["sendAs"]
    return [(one["sendAsEmail"], one.get("verificationStatus"), one.get("isPrimary", False)) for one in found]


def test_aliases_are_verified_or_pending(users: Any, control: GmailControl, refused: Refused) -> None:
    control.set_aliases(ANA, ["sales@example.com", "ana@other.example"], pending=["new@example.com"])
    assert send_as(users) == [
        (ANA, None, True),
        ("sales@example.com", None, False),
        ("ana@other.example", "accepted", False),
        ("new@example.com", "pending", False),
    ]
    get = users.settings().sendAs().get
    assert get(userId="me", sendAsEmail="NEW@example.com").execute()["verificationStatus"] == "pending"
    assert refused(get(userId="me", sendAsEmail="other@example.com")) == (404, "notFound")


def test_a_name_is_there_where_the_address_has_one(users: Any, control: GmailControl) -> None:
    control.set_aliases(ANA, ["sales@example.com"], names={ANA: "Ana Example"})
    found = users.settings().sendAs().list(userId="me").execute()["sendAs"]
    assert [one.get("displayName") for one in found] == ["Ana Example", None]
    assert [sorted(one) for one in found] == [
        ["displayName", "isDefault", "isPrimary", "replyToAddress", "sendAsEmail", "signature"],
        ["replyToAddress", "sendAsEmail", "signature"],
    ]
    control.rename_mailbox(ANA, NEW)
    get = users.settings().sendAs().get
    assert get(userId="me", sendAsEmail=NEW).execute()["displayName"] == "Ana Example"


def test_a_renamed_mailbox_is_the_same_account(
    users: Any, control: GmailControl, server: GmailServer, refused: Refused
) -> None:
    one = control.deliver(ANA, RAW).id
    control.rename_mailbox(ANA, NEW)
    assert profile(users).execute()["emailAddress"] == NEW
    assert send_as(users) == [
        (NEW, None, True),
        (ANA, None, False),
        ("sales@example.com", None, False),
    ]
    assert users.messages().get(userId=NEW, id=one).execute()["id"] == one
    assert refused(users.getProfile(userId=ANA)) == (403, "forbidden")
    assert control.mailboxes() == [NEW]
    assert control.dump(NEW).message(one) == control.dump(ANA).message(one)
    server.world.deliver(ANA, RAW)
    assert len(control.dump(NEW).messages) == 2


def test_mail_to_the_former_address_still_arrives(users: Any, bea: Any, control: GmailControl) -> None:
    control.rename_mailbox(ANA, NEW)
    for to in (ANA, NEW):
        raw = f"From: {BEA}\r\nTo: {to}\r\n\r\nbody".encode()
        bea.messages().send(userId="me", body={"raw": urlsafe_b64encode(raw).decode()}).execute()
    assert len(control.dump(NEW).having("INBOX")) == 2


def test_faults_and_ends_of_consent_follow_the_new_address(
    users: Any, control: GmailControl, refused: Refused
) -> None:
    profile(users).execute()
    control.rename_mailbox(ANA, NEW)
    control.fault("500", mailbox=NEW, times=1)
    assert refused(profile(users))[0] == 500
    control.expire_access_tokens(NEW)
    before = control.counters().token_requests
    profile(users).execute()
    assert control.counters().token_requests == before + 1
    control.revoke(NEW)
    with pytest.raises(RefreshError, match="invalid_grant"):
        profile(users).execute()


def test_there_and_back_again(users: Any, control: GmailControl) -> None:
    control.rename_mailbox(ANA, NEW)
    control.rename_mailbox(NEW, ANA)
    assert [address for address, _, _ in send_as(users)] == [ANA, NEW, "sales@example.com"]


def test_an_address_that_is_taken(users: Any, control: GmailControl) -> None:
    control.create_mailbox(BEA)
    with pytest.raises(ControlError, match="there is a mailbox"):
        control.rename_mailbox(ANA, BEA)
