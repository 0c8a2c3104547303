"""Two-way sync, the whole way thin: real processes, both databases."""

import pytest
from redis import Redis
from sqlalchemy import select

from infra.db.tables.schema import metadata
from tests.journeys.talk import ANN, CARLA, CID, EVE, Held, Talk
from tests.journeys.world import UWE
from workers.demo.canary import Canaries, Search, self_test

KIM = "kim@firm.example"


@pytest.mark.rule("D6-1", "D6-4", "D7-2", "D7-8", "D7-11", "H8", "H10", "H14", "E52")
def test_a_contact_writes_the_user_answers_in_gmail_and_her_next_mail_joins(talk: Talk) -> None:
    first = talk.write(ANN)
    talk.settle()
    assert talk.held() == [Held("ann", (first,))]

    answered = talk.stage.gmail.answer(UWE, talk.newest(), "Ten.")
    answer = talk.message_id(UWE, answered.id)
    talk.settle()
    again = talk.write(ANN, answers=answer, cc=CARLA)
    talk.write(EVE)
    other = talk.write(CID, CARLA, subject="Another thing")
    talk.settle()

    assert talk.held() == [Held("ann", tuple(sorted((first, answer, again)))), Held("cid", (other,))]
    talk.check()


@pytest.mark.rule("D7-1a", "D7-2", "H8", "H14", "H16", "H41", "Z16")
def test_an_answer_from_the_crm_lies_in_sent_and_in_the_conversation_and_what_answers_it_too(
    talk: Talk,
) -> None:
    first = talk.write(ANN, subject="From the CRM")
    talk.settle()
    listing = talk.ask("conversations", "ann", "--as", "uwe")["conversations"]
    [listed] = [one for one in listing if one["subject"] == "From the CRM"]
    body = talk.stage.folder / "answer.txt"
    body.write_text("Ten.\n")
    words = ["--as", "uwe", "--conversation", listed["conversation_id"], "--body-file", str(body), "--yes"]
    made = talk.ask("send", *words)
    answer = talk.message_id(UWE, made["message_id"])
    talk.settle()
    again = talk.write(ANN, answers=answer, subject="Re: From the CRM")
    talk.settle()

    sent = talk.stage.gmail.dump(UWE).message(made["message_id"])
    assert sent is not None
    assert "SENT" in sent.labels
    assert Held("ann", tuple(sorted((first, answer, again)))) in talk.held()
    talk.check()
    shown = talk.ask("conversation", "show", listed["conversation_id"], "--as", "uwe")
    assert len(shown["mails"]) == 3


@pytest.mark.rule("D2-4", "D2-6", "D7-10", "D7-11", "D7-13", "I3", "Z44")
def test_beside_kept_mail_nothing_is_kept_of_live_mail_nor_of_what_is_refused(talk: Talk) -> None:
    """One database, one Redis, one folder of logs and objects: words that stand in such mails are nowhere in them. Of a
    kept mail what it says lies sealed; that the search finds things is tried with its subject."""
    live, refused, kept = Canaries(), Canaries(), Canaries()
    talk.stage.connect("kim", KIM, "--magnet")
    talk.stage.gmail.deliver(KIM, hiding(ANN, KIM, live))
    for raw in (hiding(EVE, UWE, refused), hiding(CID, UWE, refused)):
        talk.stage.gmail.deliver(UWE, raw)
    talk.stage.gmail.write(UWE, hiding(UWE, EVE, refused))
    talk.stage.gmail.deliver(UWE, hiding(ANN, UWE, kept))
    talk.settle((UWE, CARLA, KIM))

    assert self_test(live.words, talk.stage.folder)
    assert found(talk, Search([*live.words, *refused.words])) == []
    assert {where for where, _ in found(talk, Search([kept.subject]))} >= {"mails", "conversations"}
    assert found(talk, Search([kept.attachment]), but="files") == []
    assert Search(kept.words).in_folder(talk.objects).found == []


def hiding(sender: str, to: str, words: Canaries) -> bytes:
    """A mail with these words in all that D2 may forbid."""
    head = [
        f"From: {sender}",
        f"To: {to}",
        f"Cc: {words.name} <{words.third_party()}>",
        f"Subject: {words.subject}",
        f"Message-ID: <{words.token}.{sender}.{to}>",
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=b",
    ]
    text = ["--b", "Content-Type: text/plain; charset=utf-8", "", "x" * 400, words.body]
    file = [
        "--b",
        "Content-Type: application/pdf",
        f"Content-Disposition: attachment; filename={words.attachment}",
        "",
        words.body,
    ]
    return "\r\n".join([*head, "", *text, *file, "--b--", ""]).encode()


def found(talk: Talk, search: Search, but: str = "") -> list[tuple[str, str]]:
    """Where these words are: table, key of Redis or file."""
    stage = talk.stage
    rows = {name: str(talk.rows(select(table))).encode() for name, table in metadata.tables.items()}
    with Redis.from_url(stage.redis.url) as redis:
        proof = search.in_redis(redis)
    in_files = search.in_folder(stage.folder, but=stage.pubsub_folder).found if not but else []
    in_rows = [(name, word) for name, data in rows.items() if name != but for word in search.in_bytes(data)]
    return [*proof.found, *in_rows, *in_files]
