"""Quoted text is told from what its author wrote, and what he wrote is never hidden."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail.quotes import FoldedText, folded
from domain.mail.replies import quoted as answered
from domain.mail.subjects import is_forward
from tests.domain.test_content import NOW

ANN = "Ann Smith <ann@example.com>"

FOLDED = [
    pytest.param(
        "Thanks!",
        f"On Sun, Nov 22, 2026 at 10:00\u202fAM {ANN} wrote:\n\n> Hello,\n>\n> see you.",
        "",
        id="en: a browser",
    ),
    pytest.param(
        "Thanks!",
        f"On Sun, 22 Nov 2026 at 10:00, {ANN.replace(' <', chr(10) + '<')}\nwrote:\n\n> Hello",
        "",
        id="en: the introduction over three lines",
    ),
    pytest.param("Yes.", "On 22/11/2026 10:00, Ann Smith wrote:\n> Hello\n>\n> Ann", "", id="en: a program"),
    pytest.param("Yes.", f"> On 22 Nov 2026, at 10:00, {ANN} wrote:\n> \n> Hello", "", id="en: a phone"),
    pytest.param(
        "Yes.\n\nSent from my phone", f"> On 22 Nov 2026, {ANN} wrote:\n> Hello", "", id="en: signed"
    ),
    pytest.param(
        "Yes.",
        f"On Sunday, November 22, 2026, 10:00:00 AM GMT+1, {ANN} wrote:  \n \n Hello,\n see you.",
        "",
        id="en: without marks",
    ),
    pytest.param(
        "Yes.",
        f"On Sun, Nov 22, 2026 at 10:00 AM {ANN}\nwrote:\n\nHello",
        "",
        id="en: without marks over two lines",
    ),
    pytest.param("Ja.", f"Am 22.11.26 um 10:00 schrieb {ANN}:\n> Hallo\n>> Du", "", id="de: a program"),
    pytest.param(
        "Ja.", f"Am So., 22. Nov. 2026 um 10:00 Uhr schrieb {ANN}:\n\n> Hallo", "", id="de: a browser"
    ),
    pytest.param("Ja.", f"{ANN} schrieb am 22.11.2026 10:00:\n> Hallo", "", id="de: the name first"),
    pytest.param("Ja.", f"{ANN} schrieb am 22.11.2026 10:00:\nHallo\ndu", "", id="de: without marks"),
    pytest.param(
        "Oui.", f"Le dim. 22 nov. 2026 à 10:00, {ANN} a écrit\xa0:\n\n> Bonjour", "", id="fr: a browser"
    ),
    pytest.param("Oui.", f"Le 22/11/2026 à 10h00, {ANN} a écrit :\n> Bonjour", "", id="fr: a program"),
    pytest.param(
        "Sí.", f"El dom, 22 nov 2026 a las 10:00, {ANN} escribió:\n\n> Hola", "", id="es: a browser"
    ),
    pytest.param("Sí.", f"El 22/11/26 a las 10:00, {ANN} escribió:\n> Hola", "", id="es: a program"),
    pytest.param(
        "Ano.", "Dne 22. 11. 2026 v 10:00 Ann napsala:\n> Ahoj", "", id="a language nobody knows here"
    ),
    pytest.param(
        "Yes.",
        "-----Original Message-----\nFrom: Ann Smith <ann@example.com>\nSent: Sunday, November 22, 2026 10:00 AM\n"
        "To: Uwe\nSubject: Offer\n\nHello",
        "",
        id="en: a header under its title",
    ),
    pytest.param(
        "Yes.\n\nGet Mail for iOS<https://app.example>",
        "________________________________\nFrom: Ann\nSent: Sunday, November 22, 2026 10:00\nTo: Uwe\n"
        "Cc: Max\nSubject: Offer\n\nHello",
        "",
        id="en: a header under a rule",
    ),
    pytest.param(
        "Yes.",
        "From: Ann <ann@example.com>\nDate: Sunday, 22 November 2026 at 10:00\nTo: Uwe\nSubject: Offer\nHello",
        "",
        id="en: a header alone",
    ),
    pytest.param(
        "Yes.",
        "*From:* Ann\n*Sent:* Sunday\n*To:* Uwe; Max; Cy;\n Dee; Eve\n*Subject:* Offer\n\nHello",
        "",
        id="en: a header in bold, one line broken",
    ),
    pytest.param(
        "Ja.",
        "Von: Ann Smith\nGesendet: Sonntag, 22. November 2026 10:00\nAn: Uwe\nBetreff: Angebot\n\nHallo",
        "",
        id="de: a header",
    ),
    pytest.param(
        "Ja.",
        'Gesendet: Sonntag, 22. November 2026 um 10:00 Uhr\nVon: "Ann" <ann@example.com>\nAn: uwe@firm.example\n'
        "Betreff: Angebot\nHallo",
        "",
        id="de: a header that begins with the day",
    ),
    pytest.param(
        "Ja.",
        "-----Ursprüngliche Nachricht-----\nVon: Ann\nGesendet: Sonntag\nAn: Uwe\nBetreff: Angebot\n\nHallo",
        "",
        id="de: a header under its title",
    ),
    pytest.param(
        "Oui.",
        "De : Ann Smith\nEnvoyé : dimanche 22 novembre 2026 10:00\nÀ : Uwe\nObjet : Offre\n\nBonjour",
        "",
        id="fr: a header",
    ),
    pytest.param(
        "Oui.",
        "-----Message d'origine-----\nDe : Ann\nEnvoyé : dimanche\nÀ : Uwe\nObjet : Offre\n\nBonjour",
        "",
        id="fr: a header under its title",
    ),
    pytest.param(
        "Sí.",
        "De: Ann Smith\nEnviado el: domingo, 22 de noviembre de 2026 10:00\nPara: Uwe\nAsunto: Oferta\n\nHola",
        "",
        id="es: a header",
    ),
    pytest.param(
        "Sí.",
        "-----Mensaje original-----\nDe: Ann\nEnviado: domingo\nPara: Uwe\nAsunto: Oferta\n\nHola",
        "",
        id="es: a header under its title",
    ),
    pytest.param("Yes.", "> Hello\n> you", "", id="marks alone"),
    pytest.param("Yes.", "> Hello\n\n> you\n", "", id="marks with a gap"),
    pytest.param(
        "Yes.", "On 2026-11-22 10:00 UTC, Ann wrote:\n> Hello", "-- \nUwe\nFirm", id="a signature below"
    ),
    pytest.param(
        "Yes.\n\n-- \nUwe\nFirm", "On 2026-11-22 10:00 UTC, Ann wrote:\n> Hello", "", id="a signature above"
    ),
    pytest.param(
        "Yes.",
        "On 2026-11-22 10:00 UTC, Ann wrote:\n> Hello",
        "_______________________________________________\nUsers mailing list\nusers@lists.example",
        id="a list's own words below",
    ),
    pytest.param(
        "> a\n\nNo.\n\n> b\n\nYes.", "> c", "", id="what is answered between stays, the rest does not"
    ),
    pytest.param("a\r\n", "On 2026-11-22 10:00 UTC, Ann wrote:\r\n> b\r", "", id="carriage returns"),
]


@pytest.mark.parametrize(("above", "quoted", "below"), FOLDED)
def test_what_is_folded(above: str, quoted: str, below: str) -> None:
    text = "\n\n".join(filter(None, (above, quoted, below)))
    assert folded(text) == FoldedText(above.rstrip(), quoted.strip("\r\n"), below)
    assert folded(text).quoted_lines == quoted.strip("\r\n").count("\n") + 1


FORWARD = "From: Ann\nSent: Sunday 10:00\nTo: Uwe\nSubject: Offer\n\nHello"

WHOLE = [
    pytest.param("Hello,\nsee you.", id="no quote"),
    pytest.param("", id="nothing"),
    pytest.param("> all of it", id="all is quoted"),
    pytest.param(
        "On 22 Nov 2026 at 10:00 Ann wrote:\n> Hello\n\n-- \nUwe", id="all but a signature is quoted"
    ),
    pytest.param(f"\n \n{FORWARD}", id="a header and nothing above it"),
    pytest.param("On 22/11/2026 10:00, Ann wrote:\n> Hello\n\nYes.", id="the answer is below"),
    pytest.param("Hi,\n\n> When?\n\nMonday.\n\n> Where?\n\nHere.", id="the answers are between"),
    pytest.param("Hi,\n> one\nlost its mark\n> two\nbye", id="a broken line"),
    pytest.param(f"See below.\n\n---------- Forwarded message ---------\n{FORWARD}", id="en: forwarded"),
    pytest.param(
        f"See below.\n\nBegin forwarded message:\n\n{FORWARD}\n> older", id="en: forwarded by a phone"
    ),
    pytest.param(
        f"Siehe unten.\n\n-------- Weitergeleitete Nachricht --------\n{FORWARD}", id="de: forwarded"
    ),
    pytest.param(f"Siehe unten.\n\nAnfang der weitergeleiteten Nachricht:\n\n{FORWARD}", id="de: by a phone"),
    pytest.param(f"Voir.\n\n---------- Message transféré ----------\n{FORWARD}", id="fr: forwarded"),
    pytest.param(f"Début du message réexpédié :\n\n{FORWARD}", id="fr: forwarded by a phone"),
    pytest.param(f"Mira.\n\n---------- Mensaje reenviado ---------\n{FORWARD}", id="es: forwarded"),
    pytest.param("Our trip:\nFrom: Berlin\nDate: 3 May 10:00\nTo: Paris\nThanks", id="a form"),
    pytest.param("In 2020 he wrote:\nall is well", id="somebody wrote something"),
    pytest.param("On Monday at 10:00 Bob wrote:\nfine", id="no day of the calendar"),
    pytest.param("Done at 10:00.\nThe 3 of us wrote:\nfine", id="words over two lines"),
    pytest.param("one\n-----\ntwo\n________\nthree", id="rules in a text"),
    pytest.param("if a > b:\n 5 > 4", id="a sign within a line"),
]


@pytest.mark.parametrize("text", WHOLE)
def test_what_is_not(text: str) -> None:
    assert folded(text) == FoldedText(text)


@pytest.mark.parametrize(
    ("subject", "forwards"),
    [
        ("Fwd: Offer", True),
        ("WG: Angebot", True),
        ("[sales] TR : Offre", True),
        ("Re: Fwd: Offer", False),
        ("", False),
    ],
)
def test_the_header_of_what_a_mail_forwards_is_no_quote(subject: str, forwards: bool) -> None:
    text = f"See below.\n\n{FORWARD}"
    assert is_forward(subject) is forwards
    assert (folded(text, subject) == FoldedText(text)) is forwards


@pytest.mark.rule("H45")
def test_our_own_answers_are_folded() -> None:
    text = answered("Yes.\n-- \nUwe", "Hello,\n> older\n\nAnn", ANN, NOW)
    assert folded(text).above == "Yes.\n-- \nUwe"
    assert not folded(text).below


LINES = st.sampled_from(
    [
        *(
            "",
            " ",
            "Yes.",
            "> a",
            ">> b",
            "-- ",
            "Uwe",
            "wrote:",
            "On 22/11/2026 10:00, Ann wrote:",
            "________",
        ),
        *(
            "From: Ann",
            "Sent: Sunday",
            "Subject: Offer",
            "Begin forwarded message:",
            "Ann <a@example.com> 10:00:",
        ),
        *("-----Original Message-----", "Sent from my phone", "\r", "\0\ud800"),
    ]
)


@given(st.lists(LINES | st.text(max_size=10), max_size=30).map("\n".join))
def test_nothing_is_lost_and_something_is_always_shown(text: str) -> None:
    three = folded(text)
    words = " ".join(f"{three.above}\n{three.quoted}\n{three.below}".split())
    assert words == " ".join(text.split())
    assert three.above.strip() or not text.strip()


@given(st.lists(st.sampled_from(["Yes.", "No, on Monday.", "> a", ">> b", ""]), max_size=12))
def test_no_line_without_a_mark_is_folded_where_nothing_introduces_it(lines: list[str]) -> None:
    assert all(line.startswith(">") or not line for line in folded("\n".join(lines)).quoted.split("\n"))


HOSTILE = [
    pytest.param(">\n", id="a million marks"),
    pytest.param("x", id="no break"),
    pytest.param(">", id="marks without a break"),
    pytest.param(">a\nb\n", id="quotes without end"),
    pytest.param("\n", id="blank lines"),
    pytest.param(" ", id="blanks"),
    pytest.param("\nYes.\n> ", id="answers between"),
    pytest.param("From: a\n", id="headers"),
    pytest.param("________\n", id="rules"),
    pytest.param("On 1 10:00 wrote\n", id="introductions"),
    pytest.param("On 1 10:00 wrote:\n\n\n> a\nb\n", id="introductions of quotes"),
    pytest.param("On 1 10:00 wrote: ", id="introductions without a break"),
    pytest.param("---------- ", id="dashes"),
    pytest.param("10:00", id="times"),
    pytest.param("a écrit ", id="words that introduce"),
]


@pytest.mark.rule("E102")
@pytest.mark.parametrize("piece", HOSTILE)
def test_four_times_the_text_takes_no_more_than_some_four_times_as_long(piece: str) -> None:
    def seconds(length: int) -> float:
        text = "Yes.\n\n" + piece * (length // len(piece))
        best = float("inf")
        for _ in range(3):
            start = process_time()
            folded(text)
            best = min(best, process_time() - start)
        return best

    assert seconds(400_000) < 10 * seconds(100_000) + 0.05
