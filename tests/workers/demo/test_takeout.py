"""Whose mailbox a file comes from, and the labels of its mails."""

import pytest

from workers.demo.takeout import Addressees, Labels, label_names, read_fields


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("Inbox,Unread", ["Inbox", "Unread"], id="plain"),
        pytest.param('Inbox,"Berlin, Mitte",x', ["Inbox", "Berlin, Mitte", "x"], id="quoted"),
        pytest.param('"a ""b"" c","d \\" e"', ['a "b" c', 'd " e'], id="quotes in quotes"),
        pytest.param(" Inbox , Foo Bar ,,", ["Inbox", "Foo Bar"], id="blanks and empty entries"),
        pytest.param("=?UTF-8?Q?Inbox,Gr=C3=BC=C3=9Fe?=", ["Inbox", "Grüße"], id="encoded"),
        pytest.param("=?UTF-8?B?SW5ib3gs?=\r\n =?UTF-8?B?R3LDvMOfZQ==?=", ["Inbox", "Grüße"], id="two words"),
        pytest.param("=?UTF-8?Q?Gr=C3?=\r\n =?UTF-8?Q?=BC=C3=9Fe?=", ["Grüße"], id="a character cut in two"),
        pytest.param('=?UTF-8?Q?"B=C3=BCro,_Nord",Inbox?=', ["Büro, Nord", "Inbox"], id="encoded and quoted"),
        pytest.param("Inbox,\r\n Projects/2026", ["Inbox", "Projects/2026"], id="folded"),
        pytest.param("=?klingon?Q?x?=", ["=?klingon?Q?x?="], id="an unknown charset"),
        pytest.param('"never closed,x', ['"never closed', "x"], id="a quote that never closes"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_names_in_takeouts_header(header: str, expected: list[str]) -> None:
    assert label_names([header]) == expected


def test_a_mail_is_delivered_with_the_labels_it_had() -> None:
    made: list[str] = []

    def make(name: str) -> bool:
        made.append(name)
        return name != "refused"

    labels = Labels(make)
    assert labels.of({}) is None
    found = labels.of({"x-gmail-labels": ["Inbox,Unread,Sent,Projects,Opened"]})
    assert found == ["INBOX", "UNREAD", "SENT", "Projects"]
    found = labels.of({"x-gmail-labels": ["Archived,refused,Label_1,projects,Category Social"]})
    assert found == ["projects", "CATEGORY_SOCIAL"]
    assert labels.of({"x-gmail-labels": [""]}) == []
    assert made == ["Projects", "refused"]


@pytest.mark.parametrize(
    ("mails", "expected"),
    [
        pytest.param(["Delivered-To: me@x.example\nTo: list@y.example"] * 3, "me@x.example", id="delivered to me"),
        pytest.param(["To: Me <ME@x.example>, a@y.example", "To: me@x.example"], "me@x.example", id="to me"),
        pytest.param(["To: me@x.example", "To: me@x.example", "Delivered-To: b@y.example"], "me@x.example", id="most"),
        pytest.param(["To: a@x.example, a@x.example", "To: b@y.example", "To: b@y.example"], "b@y.example", id="once"),
        pytest.param(["To: undisclosed-recipients:;", "Cc: b@y.example", ""], None, id="nobody"),
    ],
)  # fmt: skip
def test_the_mailbox_is_whom_most_mails_name(mails: list[str], expected: str | None) -> None:
    addressees = Addressees()
    for mail in mails:
        addressees.add(read_fields(mail.encode() + b"\n\nTo: nobody@body.example\n"))
    assert addressees.commonest() == expected
