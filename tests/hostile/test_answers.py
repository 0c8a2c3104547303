"""Gmail's answers with anything in them: what cannot be read is TryAgain, and no other error leaves the reader."""

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import TryAgain
from domain.mail.content import MailContent
from domain.mail.messages import Fetched, read
from domain.mailboxes.history import HistoryPage, digest
from infra.gmail import changes, responses
from infra.gmail.client import Answer, Calls
from infra.gmail.content import content

fuzz = settings(derandomize=True, max_examples=400)

ENTRY = {"message": {"id": "18c0ffee", "labelIds": ["INBOX", "Label_1"]}, "labelIds": ["SPAM"]}
KINDS = ("messagesAdded", "labelsAdded", "labelsRemoved", "messagesDeleted")
HISTORY: Answer = {
    "history": [{"id": "7", **{kind: [ENTRY, ENTRY] for kind in KINDS}}, {"id": "8"}],
    "historyId": "9",
    "nextPageToken": "2",
}
PART: Answer = {"mimeType": "text/plain", "headers": [{"name": "From", "value": "Ann <ann@example.com>"}]}
MAIL: Answer = {
    "id": "18c0ffee",
    "threadId": "18c0ffee",
    "labelIds": ["INBOX", "Label_1"],
    "internalDate": "1773565200000",
    "payload": {**PART, "mimeType": "multipart/report", "parts": [PART, {**PART, "parts": [PART]}]},
}
TEXT: Answer = {**PART, "filename": "", "body": {"size": 2, "data": "aGk="}}
FILE: Answer = {**PART, "filename": "a.pdf", "body": {"size": 9, "attachmentId": "ANGjdJ8"}}
KEY = {"name": "X-Lodestone-Key", "value": "key-1"}
WHOLE: Answer = {
    **MAIL,
    "labelIds": ["SENT"],
    "snippet": "hi",
    "payload": {"mimeType": "multipart/mixed", "headers": [KEY], "parts": [TEXT, FILE]},
}

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("7" * 5_000),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


def places(answer: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value within an answer."""
    inner = (
        answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list) else ()
    )
    for key, value in inner:
        yield (*way, key)
        yield from places(value, (*way, key))


@st.composite
def damaged(draw: st.DrawFn, answer: Answer) -> Answer:
    """The answer with up to three values replaced or left out."""
    found = deepcopy(answer)
    for _ in range(draw(st.integers(0, 3))):
        *way, last = draw(st.sampled_from(list(places(found)) or [("id",)]))
        holder: Any = found
        for key in way:
            holder = holder[key]
        if draw(st.booleans()) or last not in holder:
            holder[last] = draw(JUNK)
        else:
            del holder[last]
    return found


@dataclass
class Answers:
    """Calls that answer what they are told to, in order."""

    answers: Iterator[Answer]

    @property
    def api(self) -> "Answers":
        return self

    @property
    def threads(self) -> "Answers":
        return self

    def get(self, **asked: object) -> None:
        """As for history."""

    def history_since(self, cursor: str, page_token: str | None) -> None:
        """Whatever is asked, `one` has the answer."""

    def one(self, request: object) -> Answer:
        return next(self.answers)


@pytest.mark.rule("E102")
@fuzz
@given(st.lists(damaged(HISTORY), max_size=3))
def test_any_history_is_read_as_texts_or_tried_again(pages: list[Answer]) -> None:
    calls = cast(Calls, Answers(iter([*pages, {"historyId": "9"}])))
    found: list[HistoryPage] = []
    with suppress(TryAgain):
        found.extend(islice(changes.pages(calls, "1"), 9))
    for page in found:
        assert int(page.cursor) >= 1
        for change in page.changes:
            assert isinstance(change.message_id, str)
            assert all(isinstance(label, str) for label in change.label_ids)
        digest(page.changes, frozenset({"Label_1"}))


@pytest.mark.rule("E102")
@fuzz
@given(damaged(MAIL))
def test_any_message_is_read_or_tried_again(answer: Answer) -> None:
    found = responses.fetched("18c0ffee", answer)
    if isinstance(found, Fetched):
        read(found, frozenset())
        assert all(isinstance(label, str) for label in found.label_ids)
    else:
        assert not found.whole_mailbox


@pytest.mark.rule("E102")
@fuzz
@given(damaged(WHOLE))
def test_any_whole_mail_is_read_or_tried_again(answer: Answer) -> None:
    found = content("18c0ffee", answer)
    if isinstance(found, MailContent):
        found.message(frozenset())
        assert {type(one) for one in (found.thread_id, found.key)} <= {str, type(None)}
        assert found.key is None or found.sent
        assert {type(part.content) for part in (found.body, *found.attachments())} <= {bytes, type(None)}
    else:
        assert not found.whole_mailbox


@pytest.mark.rule("E102", "E103")
@fuzz
@given(damaged({"messages": [{"id": "18c0ffee", "labelIds": ["INBOX"]}, {"id": "18c0ffef"}]}))
def test_any_thread_is_read_as_ids_or_tried_again(answer: Answer) -> None:
    with suppress(TryAgain):
        found = responses.thread(cast(Calls, Answers(iter([answer]))), "18c0ffee")
        assert all(isinstance(message_id, str) for message_id in found)


@pytest.mark.rule("E102")
@fuzz
@given(damaged({name: MAIL[name] for name in ("id", "threadId", "labelIds")}))
def test_any_labelled_mail_is_read_as_texts_or_tried_again(answer: Answer) -> None:
    found = responses.labelled_mail("18c0ffee", answer)
    if isinstance(found, TryAgain):
        assert not found.whole_mailbox
    else:
        assert all(isinstance(label, str) for label in found.label_ids)
