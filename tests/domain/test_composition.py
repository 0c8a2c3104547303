"""What may be sent, and what an answer keeps of the mail it answers."""

from dataclasses import replace
from typing import Any

import pytest

from domain.mail.composition import (
    Attachment,
    OutgoingMail,
    Person,
    RepliedMail,
    Unsendable,
    check,
    may_fit,
    reply_subject,
)
from domain.mail.subjects import subject_of_reply
from domain.providers import Provider
from domain.quota import Quota

ANN, UWE = Person("ann@example.com", "Ann Smith"), Person("uwe@firm.example", "Uwe Müller")
MAIL = OutgoingMail(UWE, (ANN,), "Our offer", "Dear Ann,\nour offer.\n")
MAX_SIZE = 1_000_000
MB = 1_048_576
PROVIDER = Provider(
    name="example",
    title="Example Mail",
    company="Example",
    quota=Quota(1, 1, 1),
    push_target="",
    max_mail_size=MAX_SIZE,
    max_recipients=500,
    not_signed_in="",
    no_sign_in="",
    no_delegation="",
    refused="",
    remedies={},
    no_push={},
)
ORIGINAL = RepliedMail("m1", "t1", "<3@example.com>", "<1@example.com> <2@example.com>", "Question")


@pytest.mark.rule("D14")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"to": ()}, "needs a recipient", id="nobody"),
        pytest.param({"to": (ANN,) * 501}, "500 recipients", id="too many"),
        pytest.param({"to": (ANN,) * 500, "cc": (ANN,)}, "500 recipients", id="copies count"),
        pytest.param({"to": (Person("ann"),)}, "address 1 of To is no e-mail address", id="no address"),
        pytest.param({"cc": (ANN, Person("a"))}, "address 2 of Cc is no e-mail address", id="nor a copy's"),
        pytest.param({"to": (Person("a@x.example, b@x.example"),)}, "no e-mail address", id="two in one"),
        pytest.param({"to": (Person("Ann <a@x.example>"),)}, "no e-mail address", id="with brackets"),
        pytest.param({"text": "a\0b"}, "text file in UTF-8", id="a binary file"),
        pytest.param({"text": "a\ud800b"}, "text file in UTF-8", id="half a character"),
        pytest.param({"subject": "x" * 999}, "longer than 998", id="long subject"),
        pytest.param({"attachments": (Attachment(" ", b""),)}, "has no name", id="nameless file"),
        pytest.param(
            {"attachments": (Attachment("a", bytes(MAX_SIZE + 1)),)},
            "larger than Example Mail takes",
            id="size",
        ),
    ],
)
def test_what_the_provider_would_not_take_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Unsendable, match=said):
        check(replace(MAIL, **change), PROVIDER, kept=False)


@pytest.mark.rule("D14", "H39")
@pytest.mark.parametrize(
    ("sizes", "fits"),
    [
        pytest.param((10 * MB, 15 * MB), True, id="D14-2g: together exactly at the limit"),
        pytest.param((10 * MB, 15 * MB + 1), False, id="D14-3g: one byte above"),
    ],
)
def test_D14_3g_what_is_sent_with_two_way_sync_has_files_of_25_mb(  # noqa: N802
    sizes: tuple[int, ...], fits: bool
) -> None:
    large = replace(PROVIDER, max_mail_size=100 * MB)
    mail = replace(MAIL, attachments=tuple(Attachment("a", bytes(size)) for size in sizes))
    check(mail, large, kept=False)
    if fits:
        check(mail, large, kept=True)
        return
    with pytest.raises(Unsendable, match="25 MB together, which is the limit"):
        check(mail, large, kept=True)


@pytest.mark.rule("D14")
def test_in_live_only_the_whole_mails_size_counts_and_of_files_what_base64_makes_of_them() -> None:
    assert may_fit([MAX_SIZE * 3 // 4], MAX_SIZE)
    assert may_fit([MAX_SIZE // 2, MAX_SIZE // 4], MAX_SIZE)
    assert not may_fit([MAX_SIZE // 2, MAX_SIZE // 4 + 1], MAX_SIZE)


@pytest.mark.rule("E44")
@pytest.mark.parametrize(
    ("rfc_message_id", "references", "chain"),
    [
        pytest.param("<3@x>", "<1@x> <2@x>", ("1@x", "2@x", "3@x"), id="its chain and itself"),
        pytest.param("<3@x>", "<1@x> <3@x>", ("1@x", "3@x"), id="itself once, as the last"),
        pytest.param("<3@x>", "", ("3@x",), id="a first mail"),
        pytest.param("", "<1@x>", (), id="no id, no chain"),
    ],
)
def test_an_answer_names(rfc_message_id: str, references: str, chain: tuple[str, ...]) -> None:
    assert replace(ORIGINAL, rfc_message_id=rfc_message_id, references=references).chain() == chain


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("Question", "Re: Question"),
        ("Re: Question", "Re: Question"),
        ("RE : re:Re: Question", "Re: Question"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Re: Grüße"),
        ("Report", "Re: Report"),
        ("", "Re: "),
        ("a\r\nBcc: eve", "Re: a  Bcc: eve"),
    ],
)
def test_an_answer_has_re_once(original: str, expected: str) -> None:
    assert subject_of_reply(original) == expected
    assert reply_subject(RepliedMail("m", "t", "", "", original), None) == expected


def test_an_answer_cannot_have_another_subject() -> None:
    assert reply_subject(ORIGINAL, "re: Question") == "Re: Question"
    with pytest.raises(Unsendable, match="keeps the subject"):
        reply_subject(ORIGINAL, "Another question")


def test_nothing_of_a_mail_is_shown_where_it_is_printed() -> None:
    shown = repr(replace(MAIL, attachments=(Attachment("secret.txt", b"secret"),), replies_to=ORIGINAL))
    for word in ("ann@", "Ann", "offer", "secret", "Question", "example.com"):
        assert word not in shown
