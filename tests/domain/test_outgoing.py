"""A mail written in the CRM as it is kept before its sent copy is there: it reads as what was written (H7, H40)."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.composition import Attachment, OutgoingMail, Person, RepliedMail, Unsendable, check_words
from domain.mail.copied import Role, copied
from domain.mail.copies import from_bytes, is_file, to_bytes
from domain.mail.headers import rfc_message_ids
from domain.mail.messages import MailClass
from domain.mail.outgoing import as_content

NOW = datetime(2026, 12, 1, 9, 30, 5, tzinfo=UTC)
UWE = Person("uwe@firm.example", 'Uwe "U" Müller\\')
OWN = frozenset({"uwe@firm.example"})
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), max_size=40)


MAIL = OutgoingMail(
    UWE,
    (Person("ann@example.com", "Ann"), Person("bob@bücher.example")),
    "Our offer",
    "Dear Ann,\nour offer.\n",
    cc=(Person("cy@example.com", "=?utf-8?q?Cy?="),),
)


@pytest.mark.rule("H7", "H40")
def test_it_says_who_wrote_what_to_whom_and_when() -> None:
    content = as_content(MAIL, NOW)
    message = content.message(OWN)
    row = copied(content, message, is_own=True)
    assert (message.sender, message.to) == (
        "uwe@firm.example",
        ("ann@example.com", "bob@xn--bcher-kva.example"),
    )
    assert message.mail_class is MailClass.HUMAN
    assert (row.subject, row.preview, row.sent_at) == ("Our offer", "Dear Ann, our offer.", NOW)
    assert [(one.role, one.address, one.name) for one in row.participants] == [
        (Role.FROM, "uwe@firm.example", 'Uwe "U" Müller\\'),
        (Role.TO, "ann@example.com", "Ann"),
        (Role.TO, "bob@xn--bcher-kva.example", ""),
        (Role.CC, "cy@example.com", "=?utf-8?q?Cy?="),
    ]
    assert content.text() == "Dear Ann,\nour offer."


@pytest.mark.rule("H45")
def test_an_answer_names_the_mails_of_its_chain() -> None:
    original = RepliedMail("m1", "t1", "<3@example.com>", "<1@example.com> <2@example.com>", "Question")
    fields = as_content(replace(MAIL, replies_to=original), NOW).fields()
    assert rfc_message_ids(fields["in-reply-to"][0]) == ("3@example.com",)
    assert rfc_message_ids(fields["references"][0]) == ("1@example.com", "2@example.com", "3@example.com")


@pytest.mark.rule("H39")
def test_its_files_are_kept_on_their_own_and_its_text_stays() -> None:
    files = (Attachment("Preis.pdf", b"%PDF"), Attachment("a.tar.gz", b""))
    content = as_content(replace(MAIL, attachments=files), NOW)
    row = copied(content, content.message(OWN), is_own=True)
    assert [(one.place, one.name, one.claimed_type, one.size) for one in row.files] == [
        ("2", "Preis.pdf", "application/pdf", 4),
        ("3", "a.tar.gz", "application/octet-stream", 0),
    ]
    back = from_bytes(to_bytes(content.body))
    assert back.text() == content.text()
    assert all(map(is_file, back.parts[1:]))
    assert all(one.content is None for one in back.parts[1:])


@pytest.mark.rule("H7")
@given(subject=TEXT, name=TEXT, text=st.text(max_size=80))
def test_whatever_may_be_sent_reads_as_it_was_written(subject: str, name: str, text: str) -> None:
    mail = replace(MAIL, subject=subject, text=text, to=(Person("ann@example.com", name),), cc=())
    try:
        check_words(mail)
    except Unsendable:
        return
    content = as_content(mail, NOW)
    message = content.message(OWN)
    assert (message.to, message.cc, message.sender) == (("ann@example.com",), (), "uwe@firm.example")
    assert content.header("subject") == subject.strip()
    [said] = [one.name for one in copied(content, message, is_own=True).participants if one.role is Role.TO]
    assert said in (" ".join(name.split()), "")
