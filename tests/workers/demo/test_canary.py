"""A search that misses what is there would prove anything."""

import base64
import json
import quopri
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from workers.demo.canary import Canaries, Search, self_test

WORD = "Grüße-bdfgklm"
FORMS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "in capitals": lambda word: word.upper().encode(),
    "in small letters": lambda word: word.lower().encode(),
    "in JSON": lambda word: json.dumps(word).encode(),
    "quoted-printable": lambda word: quopri.encodestring(word.encode()),
    "latin-1": lambda word: word.encode("latin-1"),
    "base64": lambda word: base64.b64encode(word.encode()),
    "base64, one byte later": lambda word: base64.b64encode(b"a" + word.encode() + b"b"),
    "base64, two bytes later": lambda word: base64.b64encode(b"ab" + word.encode()),
    "base64url": lambda word: base64.urlsafe_b64encode(b"\xff\xff" + word.encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_word_is_found_in_whatever_form(form: str) -> None:
    assert Search([WORD]).in_bytes(b"\x00before " + FORMS[form](WORD) + b" after\xff") == {WORD}


def test_what_is_not_there_is_not_found() -> None:
    data = FORMS["base64"]("Grüße-bdfgkl") + b"Gruesse-bdfgklm" + bytes(range(256))
    assert Search([WORD]).in_bytes(data) == set()


def test_a_word_across_two_pieces_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "lodestone.db-wal").write_bytes(b"x" * 60 + WORD.encode() + b"x" * 60)
    proof = Search([WORD], piece=64).in_folder(tmp_path)
    assert proof.found == [("deep/lodestone.db-wal", WORD)]
    assert (proof.files, proof.size) == (1, 120 + len(WORD.encode()))


def test_every_kind_of_value_in_redis(redis: "Redis") -> None:
    redis.set("string", WORD)
    redis.hset("hash", mapping={"field": f"x{WORD}"})
    redis.rpush("list", WORD)
    redis.sadd("set", WORD)
    redis.zadd("zset", {WORD: 1})
    redis.set(f"key-{WORD}", "")
    redis.set("clean", "nothing")
    proof = Search([WORD]).in_redis(redis)
    assert {where for where, _ in proof.found} == {
        f"redis {key}" for key in ("string", "hash", "list", "set", "zset", f"key-{WORD}")
    }
    assert proof.redis_keys == 7


def test_the_search_proves_itself_and_leaves_nothing(tmp_path: Path) -> None:
    assert self_test(Canaries().words, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_run_has_words_of_its_own() -> None:
    assert not set(Canaries().words) & set(Canaries().words)
