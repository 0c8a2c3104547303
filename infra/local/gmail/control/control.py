"""/control makes mailboxes, delivers mail, acts as the user, switches faults on and reads the meters. `GmailControl` in
client.py calls it."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from infra.local.gmail.control import hand, writing
from infra.local.gmail.http.errors import ApiError, Json, OAuthError
from infra.local.gmail.http.wire import Answer, Request
from infra.local.gmail.mailbox import Mailbox, Message
from infra.local.gmail.sign_in import oauth
from infra.local.gmail.sign_in.accounts import Grant
from infra.local.gmail.world import World

PREFIX = "/control/"
RAW_TYPE = "message/rfc822"
Query = dict[str, list[str]]


class Control:
    """Answers commands. `stop` ends the server; `root` returns its URL, for credentials."""

    def __init__(self, world: World, root: Callable[[], str], stop: Callable[[], None]) -> None:
        self._world = world
        self._root = root
        self._stop = stop

    def answer(self, request: Request) -> Answer:
        """JSON in and out; 404 for an unknown mailbox, message or command, 400 for a bad value."""
        name, _, rest = request.path.removeprefix(PREFIX).partition("/")
        try:
            if name == "mailboxes" and rest:
                return self._mailbox(request, rest)
            if consent := oauth.CONTROLS.get(f"{request.verb} {name}{rest}"):
                return _json(consent(_body(request), self._world, self._root()))
            command = COMMANDS.get(f"{request.verb} {name}")
            if command is None or rest:
                return _error(404, f"no such command: {request.verb} {request.path}")
            return _json(command(self, _body(request), request))
        except KeyError as error:
            return _error(404, f"not found: {error}")
        except (ValueError, TypeError) as error:
            return _error(400, str(error))
        except (ApiError, OAuthError) as error:
            return _error(error.code, str(error))

    def credentials(self, grant: Grant) -> Json:
        """What google-auth calls an authorized user."""
        return {
            "type": "authorized_user",
            "client_id": grant.client_id,
            "client_secret": grant.client_secret,
            "refresh_token": grant.refresh_token,
            "token_uri": f"{self._root()}{oauth.TOKEN_PATH}",
            "scopes": list(grant.scopes),
        }

    def _mailbox(self, request: Request, rest: str) -> Answer:
        address, *tail = rest.split("/")
        mailbox = self._world.mailbox(unquote(address))
        if request.verb == "GET" and len(tail) == 3 and (tail[0], tail[2]) == ("messages", "raw"):
            return Answer(200, self._world.raw(mailbox.get(tail[1])), RAW_TYPE)
        if request.verb == "POST" and tail == ["deliver"]:
            return _json(self._deliver(mailbox, request))
        if request.verb == "POST" and tail == ["expire_access"]:
            for name in (mailbox.address, *mailbox.former):
                self._world.accounts.expire(name)
            return _json({})
        if request.verb == "POST" and tail == ["aliases"]:
            body = _body(request)
            self._world.set_aliases(mailbox, body["aliases"], body.get("pending", ()), body.get("names"))
            return _json({})
        if request.verb == "POST" and tail == ["rename"]:
            self._world.rename(mailbox, str(_body(request)["address"]))
            return _json({})
        named = f"{request.verb} {'/'.join(tail)}"
        if pen := writing.COMMANDS.get(named):
            return _json(_delivered(pen(self._world, mailbox, _body(request))))
        command = hand.COMMANDS.get(named)
        if command is None:
            raise KeyError(request.path)
        return _json(command(mailbox, _body(request)))

    def _deliver(self, mailbox: Mailbox, request: Request) -> Json:
        query: Query = parse_qs(request.query, keep_blank_values=True)
        date = query.get("internal_date")
        labels = query.get("labels")
        message = self._world.deliver(
            mailbox.address,
            request.body,
            [label for label in labels if label] if labels else None,
            int(date[0]) if date else None,
            query.get("thread_id", [None])[0],
        )
        return _delivered(message)

    def deliver_many(self, _: Json, request: Request) -> Json:
        """Frames of one JSON line {mailbox, size, labels?, internal_date?, thread_id?} and the raw mail."""
        found: list[Json] = []
        body, at = request.body, 0
        while at < len(body):
            line_end = body.index(b"\n", at)
            head: Json = json.loads(body[at:line_end])
            at = line_end + 1 + int(head["size"])
            message = self._world.deliver(
                head["mailbox"],
                body[line_end + 1 : at],
                head.get("labels"),
                head.get("internal_date"),
                head.get("thread_id"),
            )
            found.append(_delivered(message))
        return {"delivered": found}

    def create_mailbox(self, body: Json, _: Request) -> Json:
        """A mailbox, or one more consent for one that exists."""
        mailbox = self._world.create_mailbox(body["address"], body.get("aliases", ()))
        return self.credentials(self._world.accounts.grant(mailbox.address, tuple(body.get("scopes", ()))))

    def list_mailboxes(self, _: Json, __: Request) -> Json:
        """The addresses."""
        return {"mailboxes": [mailbox.address for mailbox in self._world.mailboxes()]}

    def revoke(self, body: Json, _: Request) -> Json:
        """One consent by its refresh token, or all of a mailbox."""
        if "refresh_token" in body:
            self._world.accounts.revoke_one(body["refresh_token"])
        else:
            mailbox = self._world.mailbox(body["mailbox"])
            for name in (mailbox.address, *mailbox.former):
                self._world.accounts.revoke_all(name)
        return {}

    def add_fault(self, body: Json, _: Request) -> Json:
        """The fields of Faults.add."""
        return self._world.faults.add(body.pop("kind"), **body).as_json()

    def list_faults(self, _: Json, __: Request) -> Json:
        """Those switched on."""
        return {"faults": [fault.as_json() for fault in self._world.faults.all()]}

    def remove_faults(self, body: Json, _: Request) -> Json:
        """One by id, or all."""
        self._world.faults.remove(body.get("id"))
        return {}

    def set_quota(self, body: Json, _: Request) -> Json:
        """The fields of Meter.set."""
        self._world.meter.set(**body)
        return {}

    def counters(self, _: Json, __: Request) -> Json:
        """What the meter counted."""
        return self._world.meter.snapshot()

    def reset_counters(self, _: Json, __: Request) -> Json:
        """Back to zero."""
        self._world.meter.reset()
        return {}

    def set_push(self, body: Json, _: Request) -> Json:
        """Seconds between two notifications of a mailbox; `lost` loses them all."""
        push = self._world.push
        push.interval = float(body.get("interval", push.interval))
        push.lost = bool(body.get("lost", push.lost))
        return {}

    def shutdown(self, _: Json, __: Request) -> Json:
        """End the server after this answer."""
        self._stop()
        return {}


def _delivered(message: Message) -> Json:
    return {"id": message.id, "threadId": message.thread_id, "historyId": str(message.history_id)}


def _body(request: Request) -> Json:
    if not request.body or request.path == f"{PREFIX}deliver":
        return {}
    value: Any = json.loads(request.body)
    if not isinstance(value, dict):
        raise TypeError("a JSON object is needed")
    return value


def _json(value: Json, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value, separators=(",", ":")).encode("ascii"))


def _error(status: int, message: str) -> Answer:
    return _json({"error": message}, status)


COMMANDS: Mapping[str, Callable[[Control, Json, Request], Json]] = {
    "POST mailboxes": Control.create_mailbox,
    "GET mailboxes": Control.list_mailboxes,
    "POST deliver": Control.deliver_many,
    "POST revoke": Control.revoke,
    "POST faults": Control.add_fault,
    "GET faults": Control.list_faults,
    "DELETE faults": Control.remove_faults,
    "PUT quota": Control.set_quota,
    "GET counters": Control.counters,
    "DELETE counters": Control.reset_counters,
    "PUT push": Control.set_push,
    "POST shutdown": Control.shutdown,
}
