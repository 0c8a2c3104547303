"""Whose mailbox a file comes from, and the labels of its mails."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from workers.demo import takeout
from workers.demo.takeout import Addressees, Labels, label_names, plain, read_fields


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
    ("header", "expected"),
    [
        ("Posteingang,Ungelesen,Wichtig", ["INBOX", "UNREAD", "IMPORTANT"]),
        ("=?UTF-8?Q?Posteingang,Ge=C3=B6ffnet,Kategorie:_=22Neuigkeiten=22?=", ["INBOX", "CATEGORY_UPDATES"]),
        ("=?UTF-8?Q?Entw=C3=BCrfe?=", ["DRAFT"]),
        ("Gesendet,=?UTF-8?Q?Ge=C3=B6ffnet?=", ["SENT"]),
        ("Papierkorb", ["TRASH"]),
        ("=?UTF-8?Q?Bo=C3=AEte_de_r=C3=A9ception,Non_lus?=", ["INBOX", "UNREAD"]),
        (
            "=?UTF-8?Q?Messages_archiv=C3=A9s,Ouvert,Cat=C3=A9gorie=C2=A0:_E-mails_?=\r\n =?UTF-8?Q?personnels?=",
            ["CATEGORY_PERSONAL"],
        ),
        ("=?UTF-8?Q?Archiv=C3=A9s,Envoy=C3=A9?=", ["SENT"]),
        ("Corbeille", ["TRASH"]),
        ("=?UTF-8?Q?Recibidos,No_le=C3=ADdos?=", ["INBOX", "UNREAD"]),
        ("Papelera", ["TRASH"]),
        ("Posta in arrivo,Da leggere", ["INBOX", "UNREAD"]),
        ("Posta inviata", ["SENT"]),
        ("Caixa de entrada,Importante", ["INBOX", "IMPORTANT"]),
        ("Prullenbak", ["TRASH"]),
        ("Odebrane", ["INBOX"]),
        ("GELEN KUTUSU", ["INBOX"]),
        ("Корзина", ["TRASH"]),
        (
            "=?UTF-8?Q?Archivov=C3=A1no,Kategorie:_Soci=C3=A1?=\r\n =?UTF-8?Q?ln=C3=AD_s=C3=ADt=C4=9B?=",
            ["CATEGORY_SOCIAL"],
        ),
        ("受信トレイ,未読", ["INBOX", "UNREAD"]),
        ("받은편지함", ["INBOX"]),
        ("收件箱", ["INBOX"]),
        ("收件匣", ["INBOX"]),
        ("IMAP_$Forwarded,IMAP_NotJunk,Label_12", []),
    ],
)  # fmt: skip
def test_gmails_own_labels_in_the_languages_of_its_users(header: str, expected: list[str]) -> None:
    labels = Labels(lambda name: True)
    assert labels.of({"x-gmail-labels": [header]}) == expected
    assert labels.own == {}


def test_what_is_no_word_of_gmails_is_counted_as_the_users_own() -> None:
    labels = Labels(lambda name: name != "refused")
    for header in ("Posteingang,Projekte", "Projekte,refused", "Innboksen"):
        labels.of({"x-gmail-labels": [header]})
    assert labels.own == Counter({"Projekte": 2, "refused": 1, "Innboksen": 1})


def test_no_word_means_two_labels() -> None:
    """Read from the file itself: in the lookup the second would have replaced the first."""
    file = Path(takeout.__file__).with_name("takeout_words.tsv")
    labels, *languages = csv.reader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t")
    meanings: dict[str, set[str]] = {}
    for cells in languages:
        for label, cell in zip(labels, cells, strict=True):
            assert all(word.strip() == word != "" for word in cell.split("|")), (cells[0], label)
            for word in cell.split("|"):
                meanings.setdefault(plain(word), set()).add(label)
    assert [word for word, found in meanings.items() if len(found) > 1] == []
    assert len(languages) >= 20


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
