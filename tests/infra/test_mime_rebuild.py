"""A kept mail becomes MIME that says the same, whatever it holds."""

from dataclasses import replace
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.content import MimePart, numbered
from domain.mail.copies import from_bytes, own_parts, to_bytes
from infra.mime_rebuild import NOT_COPIED, REBUILT, rebuild
from tests.mail_parts import parsed

OURS = {"content-type", "content-transfer-encoding", "content-length", "mime-version", REBUILT.lower()}
UNEQUAL = {
    "boundary-missing": "a multipart of no parts becomes text",
    "content-type-of-noise": "the email package reads a file's name out of noise, and another out of that name",
}
CORPUS = sorted((Path(__file__).parents[1] / "hostile" / "corpus").glob("*.eml"))


def told(body: MimePart) -> list[tuple[str, str, list[tuple[str, str]], str, bytes | None]]:
    """All that a mail says, but for how it is encoded."""
    return [
        (
            place,
            part.mime_type.lower(),
            [
                (name, " ".join(value.replace("\0", " ").split()))
                for name, value in part.headers
                if name.lower() not in OURS
            ],
            part.filename,
            part.content or None,
        )
        for place, part in numbered(body)
    ]


def text(content: bytes, charset: str = "utf-8", kind: str = "plain") -> MimePart:
    return MimePart(
        f"text/{kind}", (("Content-Type", f'text/{kind}; charset="{charset}"'),), "", len(content), content
    )


def multi(kind: str, *parts: MimePart) -> MimePart:
    return MimePart(
        f"multipart/{kind}", (("Content-Type", f'multipart/{kind}; boundary="old"'),), parts=parts
    )


def file(name: str, content: bytes, kind: str = "application/pdf") -> MimePart:
    headers = (
        ("Content-Type", f'{kind}; name="{name}"'),
        ("Content-Disposition", f'attachment; filename="{name}"'),
    )
    return MimePart(kind, headers, name, len(content), content)


HEAD = (("From", "Ann <ann@example.com>"), ("Subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n and more"))
LETTER = replace(
    multi(
        "mixed",
        multi("alternative", text("Grüße\r\n".encode()), text("<p>Grüße</p>".encode(), kind="html")),
        file("plan.pdf", b"%PDF\0\xff"),
        MimePart(
            "message/rfc822",
            (("Content-Type", "message/rfc822"),),
            parts=(replace(text(b"inner\r\n"), headers=(*HEAD, *text(b"").headers)),),
        ),
    ),
    headers=(*HEAD, ("Content-Type", 'multipart/mixed; boundary="old"')),
)


def files_of(body: MimePart) -> dict[str, bytes]:
    return {place: part.content or b"" for place, part in own_parts(body)}


def test_a_kept_mail_says_what_the_mail_said() -> None:
    kept = from_bytes(to_bytes(LETTER))
    raw = rebuild(kept, files_of(LETTER))
    assert told(parsed(raw)) == told(LETTER)
    assert raw.startswith(f"{REBUILT}: ".encode())
    assert raw == rebuild(kept, files_of(LETTER))


@pytest.mark.rule("E42")
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_hostile_mails_say_what_they_said(path: Path) -> None:
    body = parsed(path.read_bytes())
    found = parsed(rebuild(from_bytes(to_bytes(body)), files_of(body)))
    assert (told(found) == told(body)) is (path.stem not in UNEQUAL)
    assert found.content == body.content


def test_what_is_not_in_the_copy_is_named() -> None:
    kept = from_bytes(to_bytes(LETTER))
    found = parsed(rebuild(kept, {})).parts[1]
    assert dict(found.headers)[NOT_COPIED] == "2"
    assert found.content == b"The file plan.pdf (6 bytes) is not in this copy.\r\n"
    assert not found.filename


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param(text("Grüße".encode()), "Grüße", id="UTF-8"),
        pytest.param(text("Grüße".encode("latin-1"), "iso-8859-1"), "Grüße", id="Latin 1"),
        pytest.param(text("Grüße".encode(), "iso-8859-1"), "Grüße", id="recoded by the provider"),
        pytest.param(text("世界".encode("iso-2022-jp"), "iso-2022-jp"), "世界", id="escape sequences"),
        pytest.param(text(b"a\nb\rc\0d"), "a\nb\rc\0d", id="lines that end oddly"),
        pytest.param(text(b"x" * 5_000), "x" * 5_000, id="a line without end"),
        pytest.param(text(b"--old--\r\n--old"), "--old--\r\n--old", id="the boundary that it had"),
    ],
)
def test_a_text_reads_as_before(part: MimePart, expected: str) -> None:
    (found,) = parsed(rebuild(multi("mixed", part), {})).parts
    assert found.content == part.content
    assert found.text() == part.text() == expected
    whole = message_from_bytes(rebuild(part, {}))
    raw = whole.get_payload(decode=True)
    assert isinstance(raw, bytes)
    assert raw.decode(str(whole.get_content_charset())) == expected


@pytest.mark.parametrize("root", [text(b"alone\r\n"), file("a.pdf", b"\0"), multi("mixed"), MimePart("")])
def test_a_mail_of_one_part_is_one(root: MimePart) -> None:
    found = parsed(rebuild(from_bytes(to_bytes(root)), files_of(root)))
    assert (found.content or b"", found.filename) == (root.content or b"", root.filename)
    assert not found.parts


def test_an_attached_mail_is_not_encoded() -> None:
    raw = b"From: ann@example.com\r\nSubject: inner\r\n\r\nGr\xfc\xdfe\r\n"
    part = MimePart("message/rfc822", (("Content-Type", "message/rfc822"),), "a.eml", len(raw), raw, "x")
    (found,) = parsed(rebuild(multi("mixed", part), {"1": raw})).parts
    assert found.filename == "a.eml"
    assert found.parts[0].header("subject") == "inner"
    assert raw in rebuild(multi("mixed", part), {"1": raw})


@pytest.mark.rule("E102")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((("Subject", "a\r\nBcc: evil@example.com"),), id="a second field in a value"),
        pytest.param((("Subject", "a\n\n<script>"),), id="the end of the header"),
        pytest.param((("Subject", "a\rBcc: evil@example.com\0\ud800"),), id="a bare return"),
        pytest.param((("Subject: a\r\nBcc", "evil@example.com"),), id="a name of two lines"),
        pytest.param(
            (
                ("Subject", "a"),
                ("Content-Type", 'text/html; boundary="\r\n\r\n--'),
            ),
            id="a type of lines",
        ),
        pytest.param((("Content-Type", "text/plain; " + 'a="' * 1_000_000),), id="a type without end"),
    ],
)
def test_no_header_adds_another(headers: tuple[tuple[str, str], ...]) -> None:
    found = message_from_bytes(rebuild(MimePart("text/plain", headers, content=b"the text"), {}))
    assert found["Bcc"] is None
    assert found.get_payload(decode=True) == b"the text"


@pytest.mark.rule("E102")
def test_parts_a_thousand_deep_are_written() -> None:
    body = text(b"deep")
    for _ in range(1_000):
        body = multi("mixed", text(b"one"), body)
    assert rebuild(body, {}).count(b"\r\n\r\none") == 100


WILD = st.text(st.one_of(st.characters(), st.sampled_from("\0\r\n\t ;:=\"'\ud800")), max_size=20)
LEAVES = st.builds(
    MimePart,
    st.sampled_from(["text/plain", "text/html", "application/pdf", "multipart/mixed", "image/png"]) | WILD,
    st.lists(
        st.tuples(st.sampled_from(["Subject", "Content-Type", "Content-Transfer-Encoding"]) | WILD, WILD)
    ).map(tuple),
    WILD,
    content=st.binary(max_size=100),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        MimePart, st.just("multipart/mixed"), parts=st.lists(inner, max_size=3).map(tuple)
    ),
)


@pytest.mark.rule("E102")
@given(TREES)
def test_whatever_it_holds_its_parts_are_parts_and_its_bytes_its_bytes(body: MimePart) -> None:
    found = list(numbered(parsed(rebuild(from_bytes(to_bytes(body)), files_of(body)))))
    before = list(own_parts(body))
    assert [place for place, _ in found] == [place for place, _ in before]
    for (_, new), (_, old) in zip(found, before, strict=True):
        if not old.parts and not old.mime_type.lower().startswith("multipart/"):
            assert (new.content or b"") == (old.content or b"")
