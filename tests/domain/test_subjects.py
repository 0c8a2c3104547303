"""An answer has one reply prefix, whatever language the mail before it spoke (H45)."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.mail.subjects import MAX_SUBJECT, REPLY_WORDS, is_same, subject_of_reply

SUBJECTS = [
    ("Question", "Re: Question"),
    ("", "Re: "),
    ("Re: Question", "Re: Question"),
    ("RE: Question", "Re: Question"),
    ("re:Question", "Re: Question"),
    ("RE : re:Re: Question", "Re: Question"),
    ("Re[2]: Question", "Re: Question"),
    ("Re(3): Question", "Re: Question"),
    ("RE^4: Question", "Re: Question"),
    ("AW: Angebot", "AW: Angebot"),
    ("Aw: AW: Angebot", "AW: Angebot"),
    ("Re: AW: Angebot", "AW: Angebot"),
    ("AW: Re: Offer", "Re: Offer"),
    ("SV: Tilbud", "SV: Tilbud"),
    ("VS: Tarjous", "VS: Tarjous"),
    ("Antw: Offerte", "Antw: Offerte"),
    ("Odp: Oferta", "Odp: Oferta"),
    ("RIF: Offerta", "RIF: Offerta"),
    ("R: Offerta", "R: Offerta"),
    ("RES: Oferta", "RES: Oferta"),
    ("YNT: Teklif", "YNT: Teklif"),
    ("ΑΠ: Προσφορά", "ΑΠ: Προσφορά"),
    ("Vá: Ajánlat", "Vá: Ajánlat"),
    ("НА: Вопрос", "НА: Вопрос"),
    ("回复：报价", "回复: 报价"),
    ("答复: Re: 报价", "Re: 报价"),
    ("返信: 見積", "返信: 見積"),
    ("=?utf-8?b?5Zue5aSN77ya5oql5Lu3?=", "回复: 报价"),
    ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Re: Grüße"),
    ("[Users] Question", "Re: [Users] Question"),
    ("[Users] Re: Question", "[Users] Re: Question"),
    ("Re: [Users] Re: Question", "[Users] Re: Question"),
    ("AW: [Ticket#17] Re: Broken", "[Ticket#17] Re: Broken"),
    ("Fwd: Question", "Re: Fwd: Question"),
    ("WG: Angebot", "Re: WG: Angebot"),
    ("AW: WG: Angebot", "AW: WG: Angebot"),
    ("Fwd: Re: Question", "Re: Fwd: Question"),
    ("Report: a year", "Re: Report: a year"),
    ("Reply", "Re: Reply"),
    ("Ref: 4711", "Re: Ref: 4711"),
    ("Swag: new", "Re: Swag: new"),
    ("12:30 at the station", "Re: 12:30 at the station"),
    ("a\r\nBcc: eve", "Re: a  Bcc: eve"),
    ("Re: " * 400 + "x", "Re: x"),
]


@pytest.mark.rule("H45")
@pytest.mark.parametrize(("original", "expected"), SUBJECTS, ids=[one or "none" for one, _ in SUBJECTS])
def test_an_answer_has_one_reply_prefix(original: str, expected: str) -> None:
    assert subject_of_reply(original) == expected
    assert is_same(original, expected)
    if expected.strip() != "Re:":
        assert subject_of_reply(expected) == expected, "the next answer adds nothing"


@pytest.mark.rule("H45")
@pytest.mark.parametrize("word", REPLY_WORDS)
@pytest.mark.parametrize("counter", ["", "[2]", "(12)", " [3]"])
def test_no_language_gets_a_second_prefix(word: str, counter: str) -> None:
    for written in (word, word.upper(), word.capitalize()):
        answer = subject_of_reply(f"{written}{counter}: Re: {written}: Offer")
        assert answer in (f"{written}: Offer", "Re: Offer")
        assert not subject_of_reply(f"{written}{counter}: Offer").startswith("Re: " + written)


@pytest.mark.rule("H45")
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("AW: Angebot", "re:  angebot", True),
        ("[Users] Re: Offer", "Re: [Users] Offer", True),
        ("Offer", "Offer 2", False),
        ("Fwd: Offer", "Offer", False),
    ],
)
def test_subjects_are_the_same_prefixes_aside(one: str, other: str, expected: bool) -> None:
    assert is_same(one, other) is expected


@pytest.mark.rule("H45", "E102")
@given(st.text(st.characters(), max_size=300))
@example("[" * 100_000)
@example("[a]" * 50_000)
@example("AW: " * 50_000)
def test_any_subject_can_be_answered(original: str) -> None:
    answer = subject_of_reply(original)
    assert 0 < len(answer) <= MAX_SUBJECT
    assert not any(char in answer for char in "\r\n\0\u2028\u2029")
