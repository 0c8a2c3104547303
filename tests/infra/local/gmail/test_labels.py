"""Labels: names, conflicts, colours, counts."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local.gmail import GmailControl

ANA = "ana@example.com"
Refused = Callable[[Any], tuple[int, str]]


@pytest.fixture
def labels(users: Any) -> Any:
    return users.labels()


def create(labels: Any, name: str, **more: Any) -> Any:
    return labels.create(userId="me", body={"name": name, **more})


def test_a_new_label(labels: Any) -> None:
    made = create(labels, "Customers").execute()
    assert made == {
        "id": "Label_1",
        "name": "Customers",
        "type": "user",
        "messageListVisibility": "show",
        "labelListVisibility": "labelShow",
    }
    found = labels.list(userId="me").execute()["labels"]
    assert made in found
    assert {"id": "INBOX", "name": "INBOX", "type": "system"} in found


@pytest.mark.parametrize("name", ["Customers", "CUSTOMERS", " customers "])
def test_a_name_that_exists_is_409(name: str, labels: Any, refused: Refused) -> None:
    create(labels, "Customers").execute()
    assert refused(create(labels, name)) == (409, "aborted")


@pytest.mark.parametrize(
    "name",
    ["Inbox", "TRASH", "Drafts", "muted", "[Gmail]", "[gmail]/x", "", "  ", "a//b", "/a", "a/", "x" * 226],
)
def test_a_reserved_or_impossible_name_is_400(name: str, labels: Any, refused: Refused) -> None:
    assert refused(create(labels, name)) == (400, "invalidArgument")


def test_colours_come_from_google_s_palette_and_in_pairs(labels: Any, refused: Refused) -> None:
    good = {"textColor": "#ffffff", "backgroundColor": "#16A766"}
    assert create(labels, "Good", color=good).execute()["color"]["backgroundColor"] == "#16a766"
    assert refused(create(labels, "Bad", color={**good, "textColor": "#123456"})) == (400, "invalidArgument")
    assert refused(create(labels, "Half", color={"textColor": "#ffffff"})) == (400, "invalidArgument")


def test_patch_keeps_and_update_resets(labels: Any, refused: Refused) -> None:
    made = create(labels, "One", labelListVisibility="labelHide").execute()
    create(labels, "Two").execute()
    patched = labels.patch(userId="me", id=made["id"], body={"name": "one"}).execute()
    assert (patched["name"], patched["labelListVisibility"]) == ("one", "labelHide")
    updated = labels.update(userId="me", id=made["id"], body={"name": "Uno"}).execute()
    assert (updated["name"], updated["labelListVisibility"]) == ("Uno", "labelShow")
    assert refused(labels.patch(userId="me", id=made["id"], body={"name": "TWO"})) == (409, "aborted")
    assert refused(labels.update(userId="me", id=made["id"], body={})) == (400, "invalidArgument")
    assert refused(labels.patch(userId="me", id="Label_9", body={"name": "x"})) == (404, "notFound")
    assert refused(labels.patch(userId="me", id="INBOX", body={"name": "x"})) == (400, "invalidArgument")
    assert create(labels, "One").execute()["id"] == "Label_3"


def test_a_deleted_label_leaves_its_messages(
    labels: Any, control: GmailControl, users: Any, refused: Refused
) -> None:
    made = create(labels, "Gone").execute()
    start = users.getProfile(userId="me").execute()["historyId"]
    control.deliver(ANA, b"Subject: x\r\n\r\n", ["INBOX", "Gone"])
    labels.delete(userId="me", id=made["id"]).execute()
    assert control.dump(ANA).messages[0].label_ids == {"INBOX"}
    records = users.history().list(userId="me", startHistoryId=start, historyTypes="labelRemoved").execute()
    assert records["history"][0]["labelsRemoved"][0]["labelIds"] == [made["id"]]
    assert refused(labels.get(userId="me", id=made["id"])) == (404, "notFound")
    assert refused(labels.delete(userId="me", id=made["id"])) == (404, "notFound")
    assert refused(labels.delete(userId="me", id="INBOX")) == (400, "invalidArgument")


def test_counts(labels: Any, control: GmailControl) -> None:
    first = control.deliver(ANA, b"Subject: x\r\n\r\n")
    control.deliver(ANA, b"Subject: x\r\n\r\n", ["INBOX"], thread_id=first.thread_id)
    found = labels.get(userId="me", id="INBOX").execute()
    counts = [found[f"{what}{which}"] for what in ("messages", "threads") for which in ("Total", "Unread")]
    assert counts == [2, 1, 1, 1]
