"""What the user writes in Gmail by hand: what leaves, where it lies, and who gets it."""

import email
import email.policy
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

from infra.local.gmail import ControlError, GmailControl
from tests.infra.local.gmail.conftest import ANA, BEA, Refused

Compose = Callable[..., bytes]
BOB = "bob@client.example"


@pytest.fixture(autouse=True)
def _mailboxes(ana: Any, bea: Any) -> None:
    """Ana and Bea have mailboxes in every test here."""


@pytest.fixture
def read(control: GmailControl) -> Callable[[str, str], EmailMessage]:
    def read(mailbox: str, message_id: str) -> EmailMessage:
        found = email.message_from_bytes(control.raw(mailbox, message_id), policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found

    return read


def test_a_mail_is_written_and_reaches_whom_it_is_for(
    control: GmailControl, mail: Compose, read: Any
) -> None:
    sent = control.write(ANA, mail(ANA, To=BOB, Bcc=BEA, Message_ID="<mine@example.com>"))
    [copy] = control.dump(ANA).messages
    assert (copy.id, set(copy.label_ids), copy.thread_id) == (sent.id, {"SENT"}, sent.id)
    [arrived] = control.dump(BEA).messages
    assert arrived.label_ids == {"INBOX", "UNREAD"}
    mine, hers = read(ANA, sent.id), read(BEA, arrived.id)
    assert (mine["Bcc"], hers["Bcc"]) == (BEA, None)
    assert mine["Message-ID"] == hers["Message-ID"] != "<mine@example.com>"


def test_an_answer_names_what_it_answers_quotes_it_and_lies_in_its_thread(
    control: GmailControl, mail: Compose, read: Any
) -> None:
    asked = control.deliver(
        ANA,
        mail("Bea <bea@example.com>", "Offer", "One\r\nTwo", Message_ID="<2@x>", References="<1@x>", Cc=BOB),
        internal_date=1_700_000_000_000,
    )
    control.set_aliases(ANA, names={ANA: "Ana A"})
    sent = control.answer(ANA, asked.id, "Grüße")
    copy = read(ANA, sent.id)
    assert (copy["From"], copy["To"], copy["Cc"]) == (
        "Ana A <ana@example.com>",
        "Bea <bea@example.com>",
        None,
    )
    assert (copy["Subject"], copy["In-Reply-To"], copy["References"]) == ("Re: Offer", "<2@x>", "<1@x> <2@x>")
    day = "On Tue, Nov 14, 2023 at 10:13\u202fPM"
    assert copy.get_content().splitlines() == [
        *("Grüße", "", f"{day} Bea <bea@example.com> wrote:", "> One", "> Two"),
    ]
    assert sent.thread_id == asked.thread_id
    assert len(control.dump(BEA).having("INBOX")) == 1


@pytest.mark.parametrize(
    ("asked", "how", "to", "cc"),
    [
        ({"Cc": f"Bea <{BEA}>, {ANA}"}, {"everyone": True}, BOB, f"Bea <{BEA}>"),
        ({"Reply_To": "desk@client.example"}, {}, "desk@client.example", None),
        ({"sender": ANA, "To": BOB}, {}, BOB, None),
        ({}, {"to": [BEA], "cc": [BOB]}, BEA, BOB),
    ],
)
def test_whom_an_answer_goes_to(
    asked: dict[str, str],
    how: dict[str, Any],
    to: str,
    cc: str | None,
    control: GmailControl,
    mail: Compose,
    read: Any,
) -> None:
    one = control.deliver(ANA, mail(**{"sender": BOB, **asked}))
    copy = read(ANA, control.answer(ANA, one.id, "Yes", **how).id)
    assert (copy["To"], copy["Cc"]) == (to, cc)


def test_with_another_subject_an_answer_begins_a_thread_and_still_names_what_it_answers(
    control: GmailControl, mail: Compose, read: Any
) -> None:
    asked = control.deliver(ANA, mail(Message_ID="<1@x>"))
    sent = control.answer(ANA, asked.id, "Yes", subject="Something else", bcc=[BEA])
    assert sent.thread_id == sent.id
    copy = read(ANA, sent.id)
    assert (copy["Subject"], copy["In-Reply-To"], copy["Bcc"]) == ("Something else", "<1@x>", BEA)


def test_an_answer_to_an_answer_has_one_prefix_and_the_whole_chain(
    control: GmailControl, mail: Compose, read: Any
) -> None:
    first = control.write(ANA, mail(ANA, To=BEA))
    at_bea = control.dump(BEA).messages[0]
    control.answer(BEA, at_bea.id, "Why?")
    [back] = control.dump(ANA).having("INBOX")
    assert back.thread_id == first.thread_id
    third = control.answer(ANA, back.id, "So.")
    copy = read(ANA, third.id)
    ids = [read(ANA, one)["Message-ID"] for one in (first.id, back.id)]
    assert (copy["Subject"], copy["References"].split()) == ("Re: Offer", ids)
    assert {one.thread_id for one in control.dump(BEA).messages} == {at_bea.thread_id}


def test_a_forwarded_mail_takes_its_files_along_and_stays_in_the_thread(
    control: GmailControl, read: Any
) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"], message["Message-ID"] = BOB, ANA, "Grüße", "<1@x>"
    message.set_content("The words.")
    message.add_attachment(b"\0\xff\r\n", maintype="application", subtype="pdf", filename="ä.pdf")
    one = control.deliver(ANA, message.as_bytes())
    sent = control.forward(ANA, one.id, BEA, text="See below.")
    assert sent.thread_id == one.thread_id
    [arrived] = control.dump(BEA).messages
    copy = read(BEA, arrived.id)
    assert (copy["Subject"], copy["References"]) == ("Fwd: Grüße", "<1@x>")
    said = copy.get_body().get_content()
    assert said.startswith("See below.")
    assert "Forwarded message" in said
    assert "The words." in said
    [file] = copy.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("ä.pdf", b"\0\xff\r\n")


@pytest.mark.rule("E34", "E35")
@pytest.mark.parametrize(("save", "label"), [("save_draft", "DRAFT"), ("schedule", "SCHEDULED")])
def test_what_is_kept_for_later_reaches_nobody_before_it_is_sent(
    save: str, label: str, users: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    asked = control.deliver(ANA, mail(Message_ID="<1@x>"))
    later = mail(ANA, To=BEA, subject="Re: Offer", References="<1@x>", In_Reply_To="<1@x>")
    kept = getattr(control, save)(ANA, later)
    shown = users.messages().get(userId="me", id=kept.id, format="minimal").execute()
    assert (shown["labelIds"], shown["threadId"]) == ([label], asked.thread_id)
    assert control.dump(BEA).messages == ()
    sent = control.send_saved(ANA, kept.id)
    assert sent.id != kept.id
    assert sent.thread_id == asked.thread_id
    assert refused(users.messages().get(userId="me", id=kept.id)) == (404, "notFound")
    assert len(control.dump(BEA).messages) == 1
    for gone in (kept.id, sent.id):
        with pytest.raises(ControlError):
            control.send_saved(ANA, gone)


def test_the_label_of_scheduled_mail_is_in_no_list_and_nobody_can_give_it(
    users: Any, control: GmailControl, mail: Compose, refused: Refused
) -> None:
    control.schedule(ANA, mail(ANA, To=BOB))
    known = [label["id"] for label in users.labels().list(userId="me").execute()["labels"]]
    assert "SCHEDULED" not in known
    one = control.deliver(ANA, mail())
    body = {"addLabelIds": ["SCHEDULED"]}
    assert refused(users.messages().modify(userId="me", id=one.id, body=body))[0] == 400


def test_what_cannot_be_sent_by_hand_either(control: GmailControl, mail: Compose) -> None:
    with pytest.raises(ControlError) as caught:
        control.write(ANA, mail(ANA, To=""))
    assert caught.value.status == 400
    with pytest.raises(ControlError) as caught:
        control.answer(ANA, "18c0000000000000", "Yes")
    assert caught.value.status == 404
    assert control.dump(ANA).messages == ()


@pytest.mark.rule("D16-5")
@pytest.mark.parametrize(
    ("named", "how", "action", "status"),
    [
        ((), {}, "failed", "5.1.1"),
        ((BOB,), {"status": "5.2.2"}, "failed", "5.2.2"),
        ((BOB,), {"status": "4.4.1", "delayed": True}, "delayed", "4.4.1"),
    ],
)
def test_gmail_reports_of_a_sent_mail_that_does_not_arrive(
    named: tuple[str, ...],
    how: dict[str, Any],
    action: str,
    status: str,
    control: GmailControl,
    mail: Compose,
    read: Any,
) -> None:
    sent = control.write(ANA, mail(ANA, To=f"{BOB}, eve@client.example"))
    told = control.report(ANA, sent.id, *named, **how)
    assert told.thread_id == sent.thread_id
    report = read(ANA, told.id)
    mine = read(ANA, sent.id)["Message-ID"]
    assert (report.get_content_type(), report["In-Reply-To"]) == ("multipart/report", mine)
    assert (report["X-Failed-Recipients"] is None) == (action == "delayed")
    _, fields, original = report.iter_parts()
    of_mail, *of_people = fields.get_payload()
    assert of_mail["X-Original-Message-ID"] == mine
    people = list(named) or [BOB, "eve@client.example"]
    assert [(one["Final-Recipient"], one["Action"], one["Status"]) for one in of_people] == [
        (f"rfc822; {one}", action, status) for one in people
    ]
    assert original.get_content()["Message-ID"] == mine
    with pytest.raises(ControlError):
        control.report(ANA, told.id)
