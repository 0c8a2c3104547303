"""What takes a mailbox away and what brings it back: the CRM's permission, Google's word, the user's own switch."""

import json

from workers.demo.accounts import USER, ids, look, sign_in
from workers.demo.ledger import ConnectionNow
from workers.demo.letters import CTM, NOTIFIED, Letter, Pen, written
from workers.demo.outside import await_told
from workers.demo.people import UWE, WANDA
from workers.demo.receiver import Receiver
from workers.demo.scenes import publish
from workers.demo.show import Sent, Show
from workers.demo.stage import CommandFailed

EXPIRED = "lodestone.connection.expired"


def leave(show: Show, pen: Pen, receiver: Receiver) -> None:
    """Paused and resumed, thrown out and signed in again, and in the end switched off."""
    show.screen.heading("Without permission, and without Google's (D12, E86)")
    _pause(show, pen)
    _revoke(show, pen, receiver)
    await_told(show, receiver)
    show.screen.heading("Switched off (Z42, Z43, Z44, D12)")
    _switch_off(show, pen, _link(show))


def _pause(show: Show, pen: Pen) -> None:
    """A mail that comes meanwhile waits, while another one of a colleague's is handled."""
    _permit(show, version=1, allowed=False)
    paused = show.wait(lambda: _link(show).state == "paused")
    held = _hold(show, pen, "came without permission: handled once it is back")
    show.claim(
        "D12 Z6", "Wanda", "permission withdrawn: nothing is shown or sorted", "paused",
        paused=paused,
        nothing_shown=_shows_nothing(show),
        nothing_sorted=_is_untouched(show, held),
        grant_kept=_link(show).granted and show.stage.gmail.consents(WANDA) == 1,
    )  # fmt: skip
    _permit(show, version=2, allowed=True)
    show.expect([held], [held.letter])


def _revoke(show: Show, pen: Pen, receiver: Receiver) -> None:
    gmail = show.stage.gmail
    gmail.revoke(WANDA)
    held = _hold(show, pen, "came while we were locked out: caught up with")
    noticed = show.wait(lambda: _link(show).state == "reauth_needed")
    await_told(show, receiver)
    show.claim(
        "E86", "Wanda", "Google ends the access: she is told, once", "reauth_needed",
        noticed=noticed,
        nothing_shown=_shows_nothing(show),
        nothing_sorted=_is_untouched(show, held),
        listed_once=show.ledger.count_notifications(_link(show).connection_id, "sign_in_needed") == 1,
        told_once=len({event["id"] for event in receiver.taken if event["type"] == EXPIRED}) == 1,
    )  # fmt: skip
    said = sign_in(show)
    show.claim("D12", "Wanda", "signs in again with the same account", "connected", connected=said.code == 0)
    show.expect([held], [held.letter])


def _switch_off(show: Show, pen: Pen, link: ConnectionNow) -> None:
    """What is counted is what a connection has of its own; the CRM's records of users and contacts stay."""
    gmail = show.stage.gmail
    rows, before = _rows(show, link), gmail.dump(WANDA)
    show.shell.run("disconnect", "--user", USER)
    after = gmail.dump(WANDA)
    late = gmail.deliver(WANDA, pen.of("zoe", WANDA))
    push = {"emailAddress": WANDA, "historyId": after.history_id + 1}
    publish(show.stage.pubsub_host, [json.dumps(push).encode()])
    show.play([_for_uwe(pen)])
    left = _rows(show, link)
    show.claim(
        "Z42", "Wanda", "we are signed out of her Gmail", "grant revoked",
        no_consent_left=gmail.consents(WANDA) == 0,
        no_watch_left=before.watched_topic is not None and after.watched_topic is None,
    )  # fmt: skip
    show.claim(
        "Z44", "Wanda", "labels and mail in Gmail stay as they are", f"{len(after.messages)} mails as before",
        mails=after.messages == before.messages,
        labels=after.labels == before.labels,
        a_late_push_does_nothing=(found := gmail.dump(WANDA).message(late.id)) is not None
        and found.labels == {"INBOX", "UNREAD"},
    )  # fmt: skip
    show.claim("Z43", "all", "nobody sees her mail on Zoe's record", "0 shown", none=_shows_nothing(show))
    show.claim(
        "D12", "Wanda", "what the database holds of it, before and after", f"{sum(left.values())} rows",
        there_were_rows=all(rows[name] for name in ("connections", "decisions", "notifications", "outbox")),
        nothing_is_left=not any(left.values()),
    )  # fmt: skip
    show.screen.table({name: (rows[name], left[name]) for name in rows if rows[name] or left[name]})


def _rows(show: Show, link: ConnectionNow) -> dict[str, int]:
    return show.ledger.rows_about(
        connection_id=link.connection_id, mailbox_id=link.mailbox_id, user_id=USER, address=WANDA
    )


def _permit(show: Show, *, version: int, allowed: bool) -> None:
    """As the CRM tells it, by its queue."""
    profile = {"name": "Wanda", "emails": [WANDA], "may_connect": allowed, "active": True}
    change = {"actor": "crm.upsert_user", "id": USER, "version": version, **profile}
    file = show.stage.folder / "changes.jsonl"
    file.write_text(json.dumps(change))
    show.shell.run("crm", "send", str(file))


def _hold(show: Show, pen: Pen, says: str) -> Sent:
    """A mail to Wanda that nothing may become of yet, and one to Uwe that shows the others going on."""
    held = written("D12", "zoe", says, pen.of("zoe", WANDA), NOTIFIED, CTM, mailbox=WANDA)
    sent = show.deliver([held, _for_uwe(pen)])
    show.expect(sent[1:], [sent[1].letter])
    return sent[0]


def _for_uwe(pen: Pen) -> Letter:
    return written(
        "I4", "ann", "meanwhile, in another mailbox", pen.of("ann", UWE), NOTIFIED, CTM, mailbox=UWE
    )


def _shows_nothing(show: Show) -> bool:
    """To the owner and to a colleague."""
    return not any(ids(look(show, viewer)) for viewer in (USER, "uwe"))


def _is_untouched(show: Show, sent: Sent) -> bool:
    found = show.stage.gmail.dump(WANDA).message(sent.message_id)
    unlabelled = found is not None and found.labels == {"INBOX", "UNREAD"}
    return unlabelled and not show.ledger.ended(_link(show).mailbox_id, [sent.message_id])


def _link(show: Show) -> ConnectionNow:
    found = show.ledger.link(USER)
    if found is None:
        raise CommandFailed(f"the connection of {USER} is gone")
    return found
