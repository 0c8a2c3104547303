"""What is kept of a mail comes back as it was, and no bytes take more than a mail's worth of memory."""

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.content import MAX_DEPTH, MAX_PARTS, MimePart, numbered
from domain.mail.copies import MAX_COPY, UnreadableCopy, from_bytes, own_parts, to_bytes

PROVIDERS_ID = "provider-attachment-id"
LETTER = MimePart(
    "multipart/mixed",
    (("From", "Ann <ann@example.com>"), ("Subject", "Gr\xfc\xdfe \0 \U0001f600")),
    parts=(
        MimePart(
            "multipart/alternative",
            parts=(
                MimePart("text/plain", size=6, content="Grüße".encode("latin-1")),
                MimePart("text/html", size=12, content="<p>Grüße</p>".encode()),
            ),
        ),
        MimePart("application/pdf", (("Content-ID", "<1@x>"),), "offer.pdf", 7, attachment_id=PROVIDERS_ID),
        MimePart("message/rfc822", parts=(MimePart("text/plain", content=b"inner"),)),
    ),
)

_words = st.text(max_size=20)
_leaves = st.builds(
    MimePart,
    st.sampled_from(["text/plain", "text/html", "image/png", ""]) | _words,
    st.lists(st.tuples(_words, _words), max_size=3).map(tuple),
    size=st.integers(0, 1 << 40),
    content=st.none() | st.binary(max_size=50),
)
_trees = st.recursive(
    _leaves,
    lambda inner: st.builds(
        MimePart,
        st.sampled_from(["multipart/mixed", "multipart/alternative"]),
        parts=st.lists(inner, max_size=4).map(tuple),
    ),
)


@given(_trees)
def test_a_mail_comes_back_as_it_was(body: MimePart) -> None:
    assert from_bytes(to_bytes(body)) == body


def test_a_file_is_known_by_its_place_and_nothing_of_it_or_its_provider_is_kept() -> None:
    copy = to_bytes(LETTER)
    kept = from_bytes(copy)
    assert kept.parts[1] == replace(LETTER.parts[1], attachment_id="2")
    assert (kept.parts[0], kept.parts[2]) == (LETTER.parts[0], LETTER.parts[2])
    assert PROVIDERS_ID.encode() not in zlib.decompress(copy[1:])
    assert from_bytes(to_bytes(kept)) == kept


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(MimePart("text/plain", filename="a.txt", content=b"held"), id="with its bytes"),
        pytest.param(
            MimePart("message/rfc822", attachment_id="x", parts=(MimePart("text/plain", content=b"held"),)),
            id="with its parts",
        ),
    ],
)
@pytest.mark.parametrize("where", ["first", "alone"])
def test_what_a_file_holds_is_kept_with_the_file_alone(file: MimePart, where: str) -> None:
    last = MimePart("text/plain", content=b"the end")
    body = file if where == "alone" else MimePart("multipart/mixed", parts=(file, last))
    kept = from_bytes(to_bytes(body))
    shown = kept if where == "alone" else kept.parts[0]
    assert (shown.content, shown.parts) == (None, ())
    assert shown.attachment_id == ("0" if where == "alone" else "1")
    assert where == "alone" or kept.parts[1] == last


def test_half_a_letter_is_no_trouble() -> None:
    body = MimePart("text/plain", (("Subject", "a\ud800b"),))
    assert from_bytes(to_bytes(body)).header("subject") == "a?b"


def test_letters_between_the_pieces_are_whole() -> None:
    body = MimePart("text/plain", (("X", "x"), ("Subject", "\U0001f701" * 2_500_000)))
    assert from_bytes(to_bytes(body)) == body


def nested(depth: int) -> MimePart:
    part = MimePart("text/plain", content=b"deep")
    for _ in range(depth):
        part = MimePart("multipart/mixed", parts=(part,))
    return part


@pytest.mark.rule("E102")
def test_parts_a_thousand_deep_are_kept_as_far_as_anybody_looks() -> None:
    kept = list(numbered(from_bytes(to_bytes(nested(1_000)))))
    assert len(kept) == MAX_DEPTH + 1
    assert kept[-1][0].count(".") == MAX_DEPTH - 1


@pytest.mark.rule("E102")
def test_parts_without_number_are_kept_as_far_as_anybody_looks() -> None:
    body = MimePart("multipart/mixed", parts=(MimePart("text/plain"),) * 1_000_000)
    assert sum(1 for _ in numbered(from_bytes(to_bytes(body)))) == MAX_PARTS


@pytest.mark.rule("E102")
def test_what_a_copy_has_no_room_for_is_left_out() -> None:
    large = MimePart("text/plain", content=bytes(MAX_COPY // 2))
    small = MimePart("text/plain", content=b"first")
    kept = from_bytes(to_bytes(MimePart("multipart/mixed", parts=(small, large, large))))
    assert [part.content and len(part.content) for _, part in numbered(kept)] == [None, 5, MAX_COPY // 2]


@pytest.mark.rule("E102")
def test_a_header_that_a_copy_has_no_room_for_leaves_a_mail_of_nothing() -> None:
    body = MimePart("multipart/mixed", (("X", "x" * MAX_COPY),), parts=(MimePart("text/plain"),))
    assert from_bytes(to_bytes(body)) == MimePart("")


@pytest.mark.rule("E102")
def test_places_are_those_of_writing() -> None:
    assert [place for place, _ in numbered(LETTER)] == ["0", "1", "1.1", "1.2", "2", "3", "3.1"]
    assert [place for place, _ in own_parts(LETTER)] == ["0", "1", "1.1", "1.2", "2", "3", "3.1"]


def packed(text: str | bytes) -> bytes:
    return b"\1" + zlib.compress(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\2" + to_bytes(LETTER)[1:], id="a version to come"),
        pytest.param(to_bytes(LETTER)[:-5], id="cut off"),
        pytest.param(b"\1no zlib", id="not compressed"),
        pytest.param(packed("no JSON"), id="no JSON"),
        pytest.param(packed("[" * 100_000), id="JSON without end"),
        pytest.param(packed("[]"), id="no part"),
        pytest.param(packed('[{"place":0}]'), id="a place that is none"),
        pytest.param(packed('[{"place":"1","type":""}]'), id="no root"),
        pytest.param(packed('[{"place":"0","type":"","content":"*"}]'), id="no base64"),
        pytest.param(
            packed(json.dumps([{"place": "0", "type": ""}, {"place": "1." * 2_000 + "1", "type": ""}])),
            id="a place without end",
        ),
        pytest.param(packed(bytes(MAX_COPY + 1)), id="a small one of a large one"),
    ],
)
def test_what_is_no_copy_is_refused(copy: bytes) -> None:
    with pytest.raises(UnreadableCopy):
        from_bytes(copy)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_copy_or_refused(noise: bytes) -> None:
    for copy in (noise, b"\1" + noise, packed(noise)):
        with pytest.raises(UnreadableCopy):
            from_bytes(copy)
