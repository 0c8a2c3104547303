"""A mail's MIME form: what is built parses back to what was written, and no input adds a header."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.mail.composition import (
    KEY_HEADER,
    Attachment,
    OutgoingMail,
    Person,
    RepliedMail,
    Unsendable,
    for_header,
    reply_subject,
)
from infra.mime import encode

ANN, UWE = Person("ann@example.com", "Ann Smith"), Person("uwe@firm.example", "Uwe Müller")
MAIL = OutgoingMail(UWE, (ANN,), "Our offer", "Dear Ann,\nour offer.\n")
HEADERS = {
    *("from", "to", "cc", "subject", "in-reply-to", "references"),
    *(KEY_HEADER.lower(), "mime-version", "content-type", "content-transfer-encoding"),
}


def parsed(mail: OutgoingMail) -> EmailMessage:
    found = message_from_bytes(encode(mail, "key-1"), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def lines(text: str) -> list[str]:
    """A text's lines; how they end is MIME's own affair, and the last one ends in any case."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def tidy(name: str) -> str:
    return " ".join(name.split())


@pytest.mark.rule("Z16")
def test_a_mail_has_the_headers_of_its_parts_and_our_key() -> None:
    mail = parsed(replace(MAIL, cc=(Person("max@example.org"),)))
    assert mail["From"] == "Uwe Müller <uwe@firm.example>"
    assert mail["To"] == "Ann Smith <ann@example.com>"
    assert mail["Cc"] == "max@example.org"
    assert mail["Subject"] == "Our offer"
    assert mail[KEY_HEADER] == "key-1"
    assert mail.get_content_type() == "text/plain"
    assert lines(mail.get_content()) == lines(MAIL.text)


@pytest.mark.rule("Z16")
def test_the_bytes_of_a_mail_are_these() -> None:
    """Written down, so that a change of Python or of ours is seen: what has gone out always went out in this form."""
    mail = OutgoingMail(
        UWE,
        (ANN, Person("jürgen@müller.example")),
        "Re: Grüße an alle, die heute in der Zentrale an der langen Besprechung teilnehmen",
        "Dear Ann,\n\nGrüße from here.\n",
        (Person("max@example.org", "=?x?="),),
        (Attachment("Preis liste.pdf", bytes(range(100))), Attachment("ä.tar.gz", b"x")),
        RepliedMail("m1", "t1", "<3@example.com>", "<1@example.com> <2@example.com>", "Grüße"),
    )
    raw = encode(mail, "key-1")
    boundary = raw.partition(b'boundary="')[2].partition(b'"')[0]
    assert raw.replace(boundary, b"BOUNDARY") == "\r\n".join(WHOLE).encode()


WHOLE = [
    "From: =?utf-8?q?Uwe_M=C3=BCller?= <uwe@firm.example>",
    'To: "Ann Smith" <ann@example.com>,',
    " jürgen@xn--mller-kva.example",
    "Cc: =?utf-8?b?PT94Pz0=?= <max@example.org>",
    "Subject: =?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe_an_alle=2C_die_heute_in_der_Zentral?=",
    " =?utf-8?q?e_an_der_langen_Besprechung_teilnehmen?=",
    "In-Reply-To: <3@example.com>",
    "References: <1@example.com>",
    " <2@example.com>",
    " <3@example.com>",
    "X-Lodestone-Key: key-1",
    "MIME-Version: 1.0",
    'Content-Type: multipart/mixed; boundary="BOUNDARY"',
    "",
    "--BOUNDARY",
    'Content-Type: text/plain; charset="utf-8"',
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "Dear Ann,",
    "",
    "Gr=C3=BC=C3=9Fe from here.",
    "",
    "--BOUNDARY",
    "Content-Type: application/pdf",
    "Content-Transfer-Encoding: base64",
    'Content-Disposition: attachment; filename="Preis liste.pdf"',
    "MIME-Version: 1.0",
    "",
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4",
    "OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiYw==",
    "",
    "--BOUNDARY",
    "Content-Type: application/octet-stream",
    "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment; filename*=utf-8''%C3%A4.tar.gz",
    "MIME-Version: 1.0",
    "",
    "eA==",
    "",
    "--BOUNDARY--",
    "",
]


@pytest.mark.rule("Z16")
def test_a_mail_of_text_alone_has_one_part() -> None:
    assert encode(replace(MAIL, to=(Person("ann@example.com"),)), "key-2") == (
        b"From: =?utf-8?q?Uwe_M=C3=BCller?= <uwe@firm.example>\r\n"
        b"To: ann@example.com\r\n"
        b"Subject: Our offer\r\n"
        b"X-Lodestone-Key: key-2\r\n"
        b'Content-Type: text/plain; charset="utf-8"\r\n'
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"MIME-Version: 1.0\r\n"
        b"\r\n"
        b"Dear Ann,\r\nour offer.\r\n"
    )


texts = st.text(st.characters(), max_size=200)
names = st.text(st.characters(), max_size=80)
files = st.lists(
    st.builds(Attachment, st.text(st.characters(), max_size=80), st.binary(max_size=100)), max_size=3
)


@pytest.mark.rule("Z16", "E42")
@given(subject=texts, name=names, text=st.text(st.characters(), max_size=500), attachments=files)
@example(subject="=?utf-8?q?X?=", name='"Ann" =?utf-8?q?X?=', text="", attachments=[])
@example(subject="a  b" + " x" * 300, name="a\\", text="." + "\n" + "From x", attachments=[])
@example(
    subject="X" * 900,
    name="Ü" * 80,
    text="x" * 2_000 + "\r\ry",
    attachments=[Attachment("é\"';=\\.txt", b"\n")],
)
def test_what_is_built_parses_back_to_what_was_written_and_adds_no_header(
    subject: str, name: str, text: str, attachments: list[Attachment]
) -> None:
    mail = replace(
        MAIL,
        sender=Person("uwe@firm.example", name),
        to=(Person("ann@example.com", name), Person("bob@example.com")),
        subject=subject,
        text=text,
        attachments=tuple(attachments),
    )
    try:
        raw = encode(mail, "key-1")
    except Unsendable:
        return
    assert all(len(line) <= 998 and not {*line} & {*b"\r\n"} for line in raw.split(b"\r\n"))
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    fields = [field.lower() for field in found]
    assert len(fields) == len(set(fields))
    assert set(fields) <= HEADERS - {"cc", "in-reply-to", "references"}
    assert found["Subject"] == subject
    assert [one.addr_spec for one in found["To"].addresses] == ["ann@example.com", "bob@example.com"]
    # Python 3.11 leaves a space between two encoded words of a display name.
    assert ["".join(one.display_name.split()) for one in found["To"].addresses] == ["".join(name.split()), ""]
    body = found.get_body()
    assert body is not None
    assert lines(body.get_content()) == lines(text)
    parts = list(found.iter_attachments())
    assert [part.get_filename() for part in parts] == [tidy(one.name) for one in attachments]
    assert [part.get_payload(decode=True) for part in parts] == [one.content for one in attachments]


CONTROLS = ["\r", "\n", "\0", "\x0b", "\x0c", "\x1b", "\x1e", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"]


@pytest.mark.rule("Z16")
@pytest.mark.parametrize("char", CONTROLS, ids=[f"U+{ord(char):04X}" for char in CONTROLS])
@pytest.mark.parametrize("place", ["subject", "name", "address", "domain", "file", "sender"])
def test_what_could_end_a_header_is_refused_wherever_it_stands(place: str, char: str) -> None:
    forged = f"a{char}Bcc: eve@example.com"
    mails = {
        "subject": replace(MAIL, subject=forged),
        "name": replace(MAIL, to=(Person("ann@example.com", forged),)),
        "address": replace(MAIL, cc=(Person(f"ann{char}@example.com"),)),
        "domain": replace(MAIL, to=(Person(f"ann@exa{char}mple.com"),)),
        "file": replace(MAIL, attachments=(Attachment(forged, b""),)),
        "sender": replace(MAIL, sender=Person("uwe@firm.example", forged)),
    }
    with pytest.raises(Unsendable) as refused:
        encode(mails[place], "key-1")
    assert "eve" not in str(refused.value)


@pytest.mark.parametrize("name", ["Ü" * 80, "Ann " * 20, "=?utf-8?q?X?=", "Ann (Sales), Dr."])
def test_a_name_comes_through_whole(name: str) -> None:
    raw = encode(replace(MAIL, to=(Person("ann@example.com", name),)), "key-1")
    found = message_from_bytes(raw, policy=policy.compat32)["To"]
    assert str(make_header(decode_header(found))).replace('"', "") == f"{tidy(name)} <ann@example.com>"


@pytest.mark.rule("E13")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ann@example.com", "ann@example.com"),
        (" Ann.Smith@EXAMPLE.com ", "Ann.Smith@example.com"),
        ("ann@müller.example", "ann@xn--mller-kva.example"),
        ("ann@faß.example", "ann@xn--fa-hia.example"),
        ("jürgen@example.com", "jürgen@example.com"),
        ('"ann smith"@example.com', '"ann smith"@example.com'),
        ("ann..smith@example.jp", '"ann..smith"@example.jp'),
    ],
)
def test_the_local_part_stays_as_it_was_given_and_the_domain_gets_its_ascii_form(
    address: str, expected: str
) -> None:
    assert for_header(address) == expected
    [one] = parsed(replace(MAIL, to=(Person(address),)))["To"].addresses
    assert one.domain == expected.rpartition("@")[2]


@pytest.mark.rule("Z16")
def test_a_local_part_that_is_not_ascii_is_utf8() -> None:
    raw = encode(replace(MAIL, to=(Person("jürgen@example.com", "Jürgen"),)), "key-1")
    assert "<jürgen@example.com>".encode() in raw


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("offer.pdf", "application/pdf"),
        ("photo.JPG", "image/jpeg"),
        ("notes.txt", "text/plain"),
        ("backup.tar.gz", "application/octet-stream"),
        ("mail.eml", "application/octet-stream"),
        ("C:\\x", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
    ],
)
def test_an_attachment_has_the_type_of_its_name(name: str, kind: str) -> None:
    [part] = parsed(replace(MAIL, attachments=(Attachment(name, b"\xff\x00"),))).iter_attachments()
    assert part.get_content_type() == kind
    assert part.get_payload(decode=True) == b"\xff\x00"
    assert part.get_content_disposition() == "attachment"


# Answers

ORIGINAL = RepliedMail("m1", "t1", "<3@example.com>", "<1@example.com> <2@example.com>", "Question")


@pytest.mark.rule("E44")
def test_an_answer_names_its_chain() -> None:
    mail = parsed(replace(MAIL, replies_to=ORIGINAL))
    assert mail["In-Reply-To"] == "<3@example.com>"
    assert mail["References"].split() == ["<1@example.com>", "<2@example.com>", "<3@example.com>"]


def test_a_long_chain_keeps_its_first_and_its_last_and_is_folded_whole() -> None:
    many = [f"<{'x' * 100}{n}@example.com>" for n in range(200)]
    raw = encode(replace(MAIL, replies_to=replace(ORIGINAL, references="\r\n ".join(many))), "key-1")
    found = message_from_bytes(raw, policy=policy.compat32)["References"].split()
    assert found == [many[0], *many[-50:], "<3@example.com>"]


@given(
    references=st.text(max_size=300),
    message_id=st.text(max_size=100),
    subject=st.text(st.characters(), max_size=300),
)
@example(references="<a@b>\r\nBcc: eve@example.com", message_id="<x@y>\nX: y", subject="Hi\r\nBcc: eve")
def test_the_headers_of_a_hostile_mail_add_none_to_the_answer(
    references: str, message_id: str, subject: str
) -> None:
    original = RepliedMail("m1", "t1", message_id, references, subject)
    mail = replace(MAIL, replies_to=original, subject=reply_subject(original, None))
    fields = [name.lower() for name in parsed(mail)]
    assert len(fields) == len(set(fields))
    assert set(fields) <= HEADERS
