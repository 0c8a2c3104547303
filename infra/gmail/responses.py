"""Google's answers as domain values. What cannot be read is an odd answer, never a guess."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from domain.errors import GiveUp, TryAgain
from domain.mail.messages import Fetched, Part, gate_by_folder
from domain.sorting.label_changes import LabelledMail
from infra.gmail.api import ME
from infra.gmail.client import Answer, Calls
from infra.gmail.errors import ODD_ANSWER
from infra.gmail.folders import SENT, folder_of

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MALFORMED = (LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


@contextmanager
def sense() -> Iterator[None]:
    """Reading an answer that lacks what it must have ends in TryAgain, and says nothing of what was in it."""
    try:
        yield
    except _MALFORMED:
        raise TryAgain(ODD_ANSWER) from None


@contextmanager
def refusing() -> Iterator[None]:
    """Where nothing can be missing or be there already, both are refusals."""
    try:
        yield
    except (LookupError, FileExistsError) as error:
        raise GiveUp(str(error)) from None


def from_epoch(milliseconds: object) -> datetime:
    """Epoch milliseconds, as number or text, without a float's rounding."""
    return EPOCH + timedelta(milliseconds=int(str(milliseconds)))


def fetched(message_id: str, answer: Answer) -> Fetched | TryAgain:
    """A message; of another id than the one asked for it is nobody's."""
    try:
        if answer["id"] == message_id:
            label_ids = texts(answer.get("labelIds", ()))
            return Fetched(
                message_id,
                folder_of(label_ids),
                from_epoch(answer["internalDate"]),
                _part(answer.get("payload", {})),
                SENT in label_ids,
                label_ids,
            )
    except _MALFORMED:
        return TryAgain(ODD_ANSWER, whole_mailbox=False)
    return TryAgain(ODD_ANSWER, whole_mailbox=False)


def _part(node: dict[str, Any]) -> Part:
    return Part(
        text(node.get("mimeType", "")),
        tuple((text(header["name"]), text(header.get("value", ""))) for header in node.get("headers", ())),
        tuple(_part(part) for part in node.get("parts", ())),
    )


def text(value: object) -> str:
    """A value of another kind would be an error wherever it is used."""
    if not isinstance(value, str):
        raise TypeError
    return value


def texts(values: Iterable[object]) -> frozenset[str]:
    return frozenset(map(text, values))


def labelled_mail(message_id: str, answer: Answer) -> LabelledMail | TryAgain:
    """The labels of the message asked for, and its thread."""
    thread = thread_id(message_id, answer)
    if isinstance(thread, TryAgain):
        return thread
    try:
        label_ids = texts(answer.get("labelIds", ()))
        return LabelledMail(folder_of(label_ids), label_ids, thread)
    except _MALFORMED:
        return TryAgain(ODD_ANSWER, whole_mailbox=False)


def thread_id(message_id: str, answer: Answer) -> str | TryAgain:
    """The thread of the message asked for."""
    thread = answer.get("threadId")
    if answer.get("id") != message_id or not isinstance(thread, str):
        return TryAgain(ODD_ANSWER, whole_mailbox=False)
    return thread


def thread(calls: Calls, thread_id: str) -> tuple[str, ...]:
    """Ids of a thread's mails but those put away."""
    request = calls.api.threads.get(
        userId=ME, id=thread_id, format="minimal", fields="messages(id,labelIds)", prettyPrint=False
    )
    try:
        answer = calls.one(request)
    except LookupError:
        return ()
    except FileExistsError as error:
        raise GiveUp(str(error)) from None
    with sense():
        found = {text(one["id"]): texts(one.get("labelIds", ())) for one in answer.get("messages", ())}
        return tuple(one for one, label_ids in found.items() if gate_by_folder(folder_of(label_ids)) is None)


def listed(calls: Calls, **query: Any) -> Iterator[dict[str, str]]:
    """Pages of messages.list, as threads by message id; a query that Gmail does not take is refused for good."""
    token: str | None = None
    while True:
        page, token = list_page(calls, token, 500, **query)
        yield page
        if not token:
            return


def list_page(calls: Calls, token: str | None, size: int, **query: Any) -> tuple[dict[str, str], str | None]:
    """One page of messages.list, newest first, as threads by message id, and the token of the next."""
    request = calls.api.messages.list(
        userId=ME,
        maxResults=size,
        pageToken=token,
        fields="messages(id,threadId),nextPageToken",
        prettyPrint=False,
        **query,
    )
    try:
        answer = calls.one(request)
    except (LookupError, FileExistsError) as error:
        raise GiveUp(str(error)) from None
    with sense():
        page = {str(one["id"]): str(one["threadId"]) for one in answer.get("messages", ())}
        following = answer.get("nextPageToken")
    return page, following if isinstance(following, str) else None


def each(
    calls: Calls,
    message_ids: Sequence[str],
    request: Callable[[str], Any],
    read: Callable[[str, Answer], T | TryAgain],
) -> dict[str, T | TryAgain | GiveUp | None]:
    """What `read` makes of the answer for each message, None where there is none of the id. Each is asked for once."""
    ids = list(dict.fromkeys(message_ids))
    found: dict[str, T | TryAgain | GiveUp | None] = {}
    for message_id, answer in zip(ids, calls.many([request(i) for i in ids]), strict=True):
        if isinstance(answer, LookupError):
            found[message_id] = None
        elif isinstance(answer, TryAgain | GiveUp):
            found[message_id] = answer
        elif isinstance(answer, Exception):
            found[message_id] = GiveUp(str(answer))
        else:
            found[message_id] = read(message_id, answer)
    return found
