"""Sending requests, alone or up to 25 in one batch, and sorting what comes back."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard, TypeVar

from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.errors import BatchError, HttpError

from domain.errors import AccessRevoked, GiveUp, GrantRefused, NotAsked, TryAgain, Unanswered
from infra.gmail.api import ME, Api, call_name
from infra.gmail.batch import Batch
from infra.gmail.errors import BROKEN, TOKEN_TROUBLE, Kind, Refusal, read
from infra.gmail.transport import UNREACHABLE, Access, Hung, Meter, TooLarge, remote

T = TypeVar("T")
Answer = dict[str, Any]
Trouble = Refusal | TryAgain

BATCH = 25
"""Calls per batch: more meet "Too many concurrent requests for user" (FACTS §4)."""

HUNG = 2
"""Mails on which Gmail hangs: after so many the rest is left for another time."""

_OF_A_MAIL = frozenset({"messages.get", "messages.modify"})
_SILENT = frozenset({"messages.batchModify", "stop", "drafts.delete"})
_UNREADABLE = (BatchError, LookupError, ValueError, TypeError, AttributeError)


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """In order, at most `size` at a time."""
    return (items[i : i + size] for i in range(0, len(items), size))


class Calls:
    """The one way out for a mailbox's calls. Nothing is repeated here but for a fresh token:
    retries belong to the ledger (W4)."""

    def __init__(self, api: Api, meter: Meter, access: Access, costs: Mapping[str, int]) -> None:
        self.api = api
        self.costs = costs
        self._meter = meter
        self._access = access
        self._http = AuthorizedHttp(access, http=meter, max_refresh_attempts=1)
        self._quota_user = access.quota_user and f"quotaUser={access.quota_user}"

    def one(self, request: Any) -> Answer:
        """Raises LookupError for 404, FileExistsError for 409, else what Mailbox names."""
        return self._only(self._alone(request))

    def _only(self, outcome: Answer | Trouble) -> Answer:
        if isinstance(outcome, dict):
            return outcome
        settled = _settle([outcome])[0]
        raise settled if isinstance(settled, Exception) else GiveUp("unexpected")

    def once(self, request: Any) -> Answer:
        """As `one`, for what must not be done twice: nothing on the way repeats it, and Unanswered is raised when
        nobody can tell whether it was done."""
        line = self._meter.once()
        try:
            outcome = self._alone(request, AuthorizedHttp(self._access, http=line, max_refresh_attempts=1))
        finally:
            line.close()
        if isinstance(outcome, Trouble) and not _is_certain(outcome):
            raise Unanswered(outcome.reason, after=outcome.after)
        return self._only(outcome)

    def many(self, requests: Sequence[Any]) -> list[Answer | Exception]:
        """An answer for each, in order: TryAgain, GiveUp, LookupError for 404, LabelUnknown.

        Once the mailbox as a whole is refused the rest is not sent, for it would meet the same. Where it hangs on
        single mails the rest is NotAsked after the second.
        """
        answers: list[Answer | Exception] = []
        for batch in slices(requests, BATCH):
            stopped = whole_mailbox_trouble(answers) or _left_out(answers)
            answers += [stopped] * len(batch) if stopped else _settle(self._together(batch))
        return answers

    def _alone(self, request: Any, http: AuthorizedHttp | None = None) -> Answer | Trouble:
        name = call_name(self._for_its_user(request))
        content = self._exchange(name, 1, lambda: request.execute(http=http or self._http, num_retries=0))
        return content if isinstance(content, Trouble) else _decode(name, content)

    def _together(self, requests: Sequence[Any]) -> list[Answer | Trouble]:
        if len(requests) == 1:
            return [self._judged(requests[0])]
        name = call_name(requests[0])
        got: dict[str, bytes | HttpError] = {}

        def send() -> None:
            batch = Batch(batch_uri=self.api.batch_uri)
            for number, request in enumerate(requests):
                request.headers = {k: v for k, v in request.headers.items() if k == "content-type"}
                batch.add(self._for_its_user(request), callback=_keep_in(got), request_id=str(number))
            batch.execute(http=self._http)

        trouble = self._exchange(name, len(requests), send)
        if trouble is None:
            return [self._part(name, got.get(str(number), b"")) for number in range(len(requests))]
        return [trouble] * len(requests) if _is_everybodys(trouble) else self._one_by_one(requests)

    def _one_by_one(self, requests: Sequence[Any]) -> list[Answer | Trouble]:
        """When a batch hangs, is refused or too large, or its answers cannot be told apart (FACTS §1): were it tried
        again in the same way, one mail could hold the mailbox up for good."""
        found: list[Answer | Trouble] = []
        for request in requests:
            found.append(_end_of(found) or self._judged(request))
        return found

    def _judged(self, request: Any) -> Answer | Trouble:
        """Where nothing comes of one mail, Gmail is asked for something else: if that is answered it is the mail's
        own trouble, else everybody's."""
        outcome = self._alone(request)
        if call_name(request) not in _OF_A_MAIL or not _is_doubtful(outcome):
            return outcome
        other = self._alone(self.api.users.getProfile(userId=ME, fields="historyId"))
        if isinstance(other, Refusal) and other.passing:
            return other.later(whole_mailbox=True)
        if isinstance(other, TryAgain):
            return TryAgain(other.reason, after=other.after)
        if isinstance(other, Refusal) and other.kind is Kind.MAILBOX:
            return other
        return Hung(outcome.reason, whole_mailbox=False)

    def _part(self, name: str, part: bytes | HttpError) -> Answer | Trouble:
        return self._refusal(name, part) if isinstance(part, HttpError) else _decode(name, part)

    def _exchange(self, name: str, calls: int, send: Callable[[], T]) -> T | Trouble:
        """Errors leave as values: raised anew, they drag along no frame and no answer of Google's (D2)."""
        self._meter.due = self.costs[name] * calls
        ended: Callable[[str], Exception]
        try:
            return remote(name, send)
        except _UNREADABLE:  # BatchError, although it is an HttpError
            return BROKEN
        except HttpError as error:
            return self._refusal(name, error)
        except GrantRefused as error:
            ended, reason = type(error), error.reason
        except TooLarge as error:  # of a batch each is asked for alone
            return Refusal(Kind.ODD, error.reason)
        except TryAgain as error:
            return error.with_traceback(None)
        except AccessRevoked as error:
            ended, reason = type(error), str(error)
        raise ended(reason)

    def _for_its_user(self, request: Any) -> Any:
        """Calls of a service account name the user they are for, or all of them might share one user's quota
        (FACTS §5). Each part of a batch is a call of its own."""
        if self._quota_user and self._quota_user not in request.uri:
            request.uri += f"{'&' if '?' in request.uri else '?'}{self._quota_user}"
        return request

    def _refusal(self, name: str, error: HttpError) -> Refusal:
        return read(name, int(error.resp.status), error.resp, error.content, self._meter.now())


def whole_mailbox_trouble(answers: Sequence[object]) -> TryAgain | None:
    """The refusal that everything else would meet too, if there was one."""
    return next((a for a in answers if isinstance(a, TryAgain) and a.whole_mailbox), None)


def _left_out(answers: Sequence[object]) -> NotAsked | None:
    """What is said of the rest when Gmail hangs on one mail after another."""
    hung = [a for a in answers if isinstance(a, Hung)]
    return NotAsked(hung[-1].reason) if len(hung) >= HUNG else None


def _end_of(found: Sequence[Answer | Trouble]) -> Trouble | None:
    """What is said of the rest without asking. Where Gmail has answered for no mail at all it is the mailbox's."""
    last = found[-1] if found else None
    if isinstance(last, NotAsked) or (isinstance(last, Trouble) and _is_everybodys(last)):
        return last
    left_out = _left_out(found)
    return TryAgain(left_out.reason) if left_out and len(found) == HUNG else left_out


def _keep_in(got: dict[str, bytes | HttpError]) -> Callable[[str, bytes, HttpError | None], None]:
    def keep(number: str, content: bytes, error: HttpError | None) -> None:
        got[number] = error or content

    return keep


def _decode(name: str, content: bytes) -> Answer | Refusal:
    if name in _SILENT and not content.strip():
        return {}
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return BROKEN
    return answer if isinstance(answer, dict) else BROKEN


def _settle(outcomes: Sequence[Answer | Trouble]) -> list[Answer | Exception]:
    """Refusals as errors. One message's is its own while others get through; all of them, the mailbox's."""
    refused = [o for o in outcomes if isinstance(o, Refusal)]
    for refusal in refused:
        if refusal.kind is Kind.MAILBOX:
            raise refusal.error()
    everyone = len(outcomes) > 1 and all(isinstance(o, Trouble) and _passing(o) for o in outcomes)
    return [_settled(o, alone=len(outcomes) == 1, everyone=everyone) for o in outcomes]


def _settled(outcome: Answer | Trouble, *, alone: bool, everyone: bool) -> Answer | Exception:
    if not isinstance(outcome, Refusal):
        return outcome
    if outcome.kind is Kind.MISSING:
        return LookupError(outcome.reason)
    if outcome.kind is Kind.CONFLICT:
        return FileExistsError(outcome.reason)
    if alone:
        return outcome.error()
    return outcome.error(whole_mailbox=everyone or outcome.kind is Kind.LIMIT)


def _is_certain(trouble: Trouble) -> bool:
    """Whether the call has certainly not been done: it was refused, or never got there."""
    if isinstance(trouble, Refusal):
        return trouble.kind not in (Kind.AWAY, Kind.ODD)
    return trouble.reason == UNREACHABLE or trouble.reason.startswith(TOKEN_TROUBLE)


def _is_everybodys(trouble: Trouble) -> bool:
    """Whether every other call would meet the same. A line that hangs, or an odd refusal of a batch, may be for one
    mail's sake."""
    if isinstance(trouble, Refusal):
        return trouble.kind in (Kind.LIMIT, Kind.MAILBOX)
    return trouble.whole_mailbox and not isinstance(trouble, Hung)


def _is_doubtful(outcome: Answer | Trouble) -> TypeGuard[Trouble]:
    """Nobody can tell from it whether it was for the mail's sake."""
    if isinstance(outcome, Refusal):
        return outcome.kind in (Kind.AWAY, Kind.UNREADY)
    return isinstance(outcome, Hung)


def _passing(trouble: Trouble) -> bool:
    return trouble.whole_mailbox if isinstance(trouble, TryAgain) else trouble.passing
