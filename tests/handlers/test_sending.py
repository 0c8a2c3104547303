"""Mail that a user writes in the CRM: refused before anything leaves, or in Gmail's Sent exactly once."""

import threading
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from sqlalchemy import delete, insert, select, update
from structlog.testing import capture_logs

from domain.connections.connections import ConnectionState
from domain.errors import GiveUp, Refused, TryAgain, Unanswered
from domain.ids import MailboxId
from domain.mail.addresses import loose
from domain.mail.composition import Attachment, MailKind, MailRequest, Person
from domain.outbox import LOOKS, SendState
from handlers import retention
from handlers.connections import disconnecting
from handlers.context import Context
from handlers.outbox import delivery, drafts
from infra.db.store import Store
from infra.db.tables.connections import connections as connection_table
from infra.db.tables.crm import contact_addresses, contact_viewers, users
from infra.db.tables.ledger import outbox as outbox_table
from infra.db.tables.mailboxes import mailboxes
from infra.gmail.about import MAX_MAIL_SIZE
from infra.local.gmail.control.client import DumpedMessage
from tests import sweep
from tests.handlers.conftest import LONG_AGO, House
from tests.journeys.world import UWE
from tests.providers import changed
from tests.worlds import HERE, ONE_DATABASE

pytestmark = ONE_DATABASE

ANN = "ann@example.com"
TO_ANN = MailRequest("uwe", "Dear Ann,\nour offer.\n", "Our offer", contact_id="ann")


@pytest.fixture
def uwe(house: House) -> int:
    """Uwe's mailbox without MailMagnet, and Ann's; returns his connection's id."""
    house.gmail.create_mailbox(ANN)
    return house.connect(magnet=False, sorting=False)


def due(house: House) -> None:
    """Whatever waits is due, and the sweep asks for it."""
    with house.store.engine.begin() as db:
        db.execute(update(outbox_table).values(ready_at=LONG_AGO, redrive_at=LONG_AGO))
    sweep.redrive(house.context)
    house.pump()


def rows(house: House) -> list[Any]:
    with house.store.engine.connect() as db:
        return list(db.execute(select(outbox_table).order_by(outbox_table.c.id)))


def states(house: House) -> list[tuple[str, str | None]]:
    return [(row.state, row.reason) for row in rows(house)]


def in_label(house: House, label: str, address: str = UWE) -> list[DumpedMessage]:
    return [one for one in house.gmail.dump(address).messages if label in one.label_ids]


def read(house: House, message_id: str, address: str = UWE) -> EmailMessage:
    found = message_from_bytes(house.gmail.raw(address, message_id), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def nothing_left(house: House) -> bool:
    """Neither a row, nor a draft, nor a mail."""
    return rows(house) == [] and list(house.gmail.dump(UWE).messages) == []


@pytest.mark.rule("Z16", "D15")
def test_a_mail_to_a_contact_goes_out_through_the_users_gmail_and_lies_in_his_sent(
    house: House, uwe: int
) -> None:
    asked = drafts.ask(replace(TO_ANN, attachments=(Attachment("Preis.pdf", b"%PDF"),)), house.context)

    assert asked.state is SendState.WAITING
    assert house.pump() == ["outbox.deliver"]
    [sent] = in_label(house, "SENT")
    mail = read(house, sent.id)
    assert mail["From"] == UWE
    assert mail["To"] == ANN
    assert mail["Subject"] == "Our offer"
    body = mail.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == TO_ANN.text
    [attachment] = mail.iter_attachments()
    assert attachment.get_content() == b"%PDF"
    [arrived] = in_label(house, "INBOX", ANN)
    assert read(house, arrived.id, ANN)["Subject"] == "Our offer"
    assert in_label(house, "DRAFT") == []
    [row] = rows(house)
    assert (row.state, row.sent_id, row.contact_id, row.reason) == ("sent", sent.id, "ann", None)


@pytest.mark.rule("T2")
def test_the_log_says_in_which_location_a_mail_was_sent(house: House, uwe: int) -> None:
    with capture_logs() as logs:
        drafts.ask(TO_ANN, house.context)
        house.pump()
    assert [(line["event"], line["connection_id"], line["location_id"]) for line in logs] == [
        ("sending.accepted", uwe, HERE.id),
        ("sending.sent", uwe, HERE.id),
    ]


NAMES = [
    pytest.param(None, "Uwe Müller", "Uwe Müller", id="the CRM knows no user"),
    pytest.param("", "Uwe Müller", "Uwe Müller", id="the CRM has no name"),
    pytest.param(" \u200b\r\n", "Uwe", "Uwe", id="the CRM has a name of nothing"),
    pytest.param("Uwe of the CRM", "Uwe Müller", "Uwe of the CRM", id="the CRM's name comes first"),
    pytest.param(None, "", "", id="nobody has one"),
    pytest.param(None, "U\r\nBcc: eve@example.com", "UBcc: eve@example.com", id="no header of its own"),
    pytest.param(None, "Uwe " * 70, "Uwe " * 63 + "Uwe", id="no longer than a header takes"),
]


@pytest.mark.rule("Z16")
@pytest.mark.parametrize(("in_crm", "in_gmail", "shown"), NAMES)
def test_the_senders_name_is_the_crms_or_the_one_he_shows_in_gmail(
    house: House, in_crm: str | None, in_gmail: str, shown: str
) -> None:
    house.gmail.create_mailbox(UWE)
    house.gmail.set_aliases(UWE, (), names={UWE: in_gmail})
    house.connect(magnet=False, sorting=False)
    if in_crm is not None:
        with house.store.engine.begin() as db:
            db.execute(
                insert(users).values(
                    organisation_id=1, id="uwe", name=in_crm, roles_above=[], may_connect=True
                )
            )
    house.gmail.reset_counters()

    drafts.ask(TO_ANN, house.context)

    counted = house.gmail.counters()
    assert counted.calls == counted.calls_of("drafts.create") == 1, "nothing is asked for the name's sake"
    [draft] = in_label(house, "DRAFT")
    [sender] = read(house, draft.id)["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (shown, UWE)


@pytest.mark.rule("Z17a")
def test_the_owner_may_write_to_any_address_and_copy_anybody(house: House, uwe: int) -> None:
    to, cc = (Person("nora@example.com", "Nora Müller"),), (Person("max@example.org"),)

    drafts.ask(MailRequest("uwe", "Hello.", "Hello", to=to, cc=cc), house.context)

    house.pump()
    [sent] = in_label(house, "SENT")
    mail = read(house, sent.id)
    assert mail["To"] == "Nora Müller <nora@example.com>"
    assert mail["Cc"] == "max@example.org"
    assert rows(house)[0].contact_id is None


@pytest.mark.rule("Z16")
def test_of_a_contact_with_two_addresses_one_has_to_be_named(house: House, uwe: int) -> None:
    with house.store.engine.begin() as db:
        more = {"contact_id": "ann", "address": "ann@home.example", "loose": loose("ann@home.example")}
        db.execute(insert(contact_addresses).values({"location_id": 1} | more))

    with pytest.raises(Refused, match="has 2 addresses"):
        drafts.ask(TO_ANN, house.context)
    drafts.ask(replace(TO_ANN, to=(Person("Ann@Home.example", "Ann"),)), house.context)

    house.pump()
    [sent] = in_label(house, "SENT")
    assert read(house, sent.id)["To"].addresses[0].addr_spec == "Ann@home.example"


@pytest.mark.rule("Z16", "Z45", "D13")
def test_an_address_that_the_contact_has_no_more_is_refused(house: House, uwe: int) -> None:
    written = replace(TO_ANN, to=(Person(ANN),))
    with house.store.engine.begin() as db:
        moved = {"address": "ann@new.example", "loose": "ann@new.example"}
        db.execute(update(contact_addresses).where(contact_addresses.c.contact_id == "ann").values(moved))

    with pytest.raises(Refused, match="does not have this address now"):
        drafts.ask(written, house.context)
    assert nothing_left(house)


@pytest.mark.rule("D13")
def test_a_contact_that_does_not_exist_and_one_that_may_not_be_opened_get_the_same_answer(
    house: House, uwe: int
) -> None:
    with house.store.engine.begin() as db:
        db.execute(insert(contact_viewers).values(location_id=1, contact_id="cid", user_id="eve"))
    said = set()
    for contact_id in ("cid", "nobody"):
        with pytest.raises(Refused) as refused:
            drafts.ask(replace(TO_ANN, contact_id=contact_id), house.context)
        said.add(str(refused.value).replace(contact_id, "…"))

    assert len(said) == 1
    assert nothing_left(house)


def test_a_contact_without_an_address_is_refused(house: House, uwe: int) -> None:
    with house.store.engine.begin() as db:
        db.execute(delete(contact_addresses).where(contact_addresses.c.contact_id == "ann"))
    with pytest.raises(Refused, match="has no e-mail address"):
        drafts.ask(TO_ANN, house.context)


KINDS = [
    pytest.param(MailKind.INDIVIDUAL, ConnectionState.ACTIVE, None, id="individual, connected: his mailbox"),
    pytest.param(MailKind.INDIVIDUAL, None, "own provider", id="individual, no connection: the provider"),
    pytest.param(MailKind.INDIVIDUAL, ConnectionState.OFF, "own provider", id="individual, switched off"),
    pytest.param(MailKind.INDIVIDUAL, ConnectionState.REAUTH_NEEDED, "sign in again", id="reauth_needed"),
    pytest.param(MailKind.INDIVIDUAL, ConnectionState.PAUSED, "no permission", id="permission withdrawn"),
    pytest.param(MailKind.BULK, ConnectionState.ACTIVE, "rule D15", id="bulk, connected: the provider"),
    pytest.param(MailKind.BULK, None, "rule D15", id="bulk, no connection: the provider"),
    pytest.param(MailKind.WORKFLOW, ConnectionState.ACTIVE, "rule D15", id="workflow, connected"),
    pytest.param(MailKind.WORKFLOW, None, "rule D15", id="workflow, no connection"),
]


@pytest.mark.rule("D15-1", "D15-2", "D15-3", "D15", "Z6")
@pytest.mark.parametrize(("kind", "state", "refused"), KINDS)
def test_which_channel_sends_a_mail(
    house: House, kind: MailKind, state: ConnectionState | None, refused: str | None
) -> None:
    house.gmail.create_mailbox(UWE)
    if state is not None:
        house.connect(magnet=False, sorting=False)
        with house.store.engine.begin() as db:
            db.execute(update(connection_table).values(state=state.value))
    written = replace(TO_ANN, kind=kind)
    if refused is None:
        drafts.ask(written, house.context)
        house.pump()
        assert states(house) == [("sent", None)]
        return
    with pytest.raises(Refused, match=refused):
        drafts.ask(written, house.context)
    assert nothing_left(house)


@pytest.mark.rule("Z6")
def test_a_user_without_the_permission_sends_nothing(house: House, uwe: int) -> None:
    with house.store.engine.begin() as db:
        db.execute(
            insert(users).values(organisation_id=1, id="uwe", name="Uwe", roles_above=[], may_connect=False)
        )
    with pytest.raises(Refused, match="no permission"):
        drafts.ask(TO_ANN, house.context)
    assert nothing_left(house)


@pytest.mark.rule("Z9")
def test_a_grant_that_lets_us_only_read_is_refused(house: House, uwe: int) -> None:
    with house.store.begin("tests.scopes") as tx:
        [one] = tx.of(HERE).connections.of_user("uwe")
        assert one.grant is not None
        scopes = ("https://www.googleapis.com/auth/gmail.readonly",)
        tx.connections.keep_grant(one, changed(one.grant, scopes=scopes))
    with pytest.raises(Refused, match="only read"):
        drafts.ask(TO_ANN, house.context)
    assert nothing_left(house)


BAD = [
    pytest.param({"subject": "Offer\r\nBcc: eve@example.com"}, "the subject has a line break", id="subject"),
    pytest.param({"subject": "Offer\x00"}, "the subject has", id="NUL in the subject"),
    pytest.param({"subject": "Offer\u2028X: y"}, "the subject has", id="line separator"),
    pytest.param({"contact_id": None, "to": (Person("ann"),)}, "no e-mail address", id="no address"),
    pytest.param({"contact_id": None, "to": ()}, "needs a recipient", id="nobody"),
    pytest.param({"cc": (Person("a@x.example\nBcc: b@x.example"),)}, "no e-mail address", id="in an address"),
    pytest.param({"cc": (Person("a@x.example", "A\nBcc: b"),)}, "a name has a line break", id="in a name"),
    pytest.param(
        {"attachments": (Attachment("a\r\nX: y", b""),)}, "name of an attachment has", id="in a file's name"
    ),
    pytest.param(
        {"attachments": (Attachment("a", b"0" * MAX_MAIL_SIZE),)}, "larger than Gmail", id="too large"
    ),
    pytest.param(
        {"attachments": (Attachment("a", b"0" * (MAX_MAIL_SIZE * 3 // 4)),)},
        "larger than Gmail",
        id="too large once it is encoded",
    ),
    pytest.param(
        {"cc": tuple(Person(f"a{n}@x.example") for n in range(500))}, "500 recipients", id="too many"
    ),
    pytest.param({"reply_to": "18c2f0aa00bb11cc"}, "no mail 18c2f0aa00bb11cc", id="nothing to answer"),
]


@pytest.mark.rule("D14", "Z16")
@pytest.mark.parametrize(("change", "said"), BAD)
def test_what_may_not_be_sent_is_refused_before_anything_leaves(
    house: House, uwe: int, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(Refused, match=said):
        drafts.ask(replace(TO_ANN, **change), house.context)
    assert nothing_left(house)
    assert house.sent == []


@pytest.mark.rule("D15")
def test_beyond_the_daily_limit_a_mail_fails_at_once_and_is_not_queued(house: House, uwe: int) -> None:
    context = replace(house.context, daily_limit=2)
    drafts.ask(TO_ANN, context)
    drafts.ask(TO_ANN, context)

    with pytest.raises(Refused, match=r"its 2 mails of 24 hours; the next may go at: \d{4}-"):
        drafts.ask(TO_ANN, context)
    house.pump()
    assert [state for state, _ in states(house)] == ["sent", "sent"]
    assert len(in_label(house, "SENT")) == 2

    a_day_ago = rows(house)[0].created_at - timedelta(hours=24)
    with house.store.engine.begin() as db:
        db.execute(update(outbox_table).where(outbox_table.c.id == 1).values(created_at=a_day_ago))
    drafts.ask(TO_ANN, context)
    with pytest.raises(Refused, match="its 2 mails"):
        drafts.ask(TO_ANN, context)


@pytest.mark.rule("D15")
def test_the_limit_is_one_for_all_connections_of_a_mailbox(house: House, uwe: int) -> None:
    house.connect(user="eva", magnet=False, sorting=False)
    context = replace(house.context, daily_limit=1)
    drafts.ask(TO_ANN, context)
    with pytest.raises(Refused, match="its 1 mails"):
        drafts.ask(replace(TO_ANN, user_id="eva"), context)


@pytest.mark.rule("D15")
def test_two_who_ask_at_once_do_not_both_get_the_last_place(
    house: House, uwe: int, second_store: Store
) -> None:
    works = [replace(house.context, daily_limit=1, store=store) for store in (house.store, second_store)]
    together = threading.Barrier(2)
    refused: list[str] = []

    def ask(context: Context) -> None:
        together.wait()
        try:
            drafts.ask(TO_ANN, context)
        except Refused as error:
            refused.append(str(error))

    threads = [threading.Thread(target=ask, args=(context,)) for context in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1
    assert len(rows(house)) == 1


@pytest.mark.rule("D15")
def test_gmails_own_limit_is_final_and_visible(house: House, uwe: int) -> None:
    house.gmail.limit_sending(UWE, 0)
    drafts.ask(TO_ANN, house.context)
    house.pump()
    assert states(house) == [("failed", "sendingLimit")]
    house.gmail.limit_sending(UWE, 10)
    due(house)
    assert states(house) == [("failed", "sendingLimit")]
    assert in_label(house, "SENT") == []
    assert len(in_label(house, "DRAFT")) == 1, "the words are the user's, and nowhere else"


@pytest.mark.rule("E87", "W4")
def test_while_gmail_limits_the_mail_waits_and_goes_out_then(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.gmail.fault("403.userRateLimitExceeded", ["drafts.send"], times=2)
    house.pump()
    assert states(house) == [("waiting", "userRateLimitExceeded")]
    due(house)
    due(house)
    assert states(house) == [("sent", None)]
    assert len(in_label(house, "SENT")) == 1


@pytest.mark.rule("D15", "E86")
def test_access_that_is_revoked_meanwhile_ends_in_sign_in_again(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.gmail.expire_access_tokens(UWE)
    house.gmail.revoke(UWE)
    house.pump()
    assert states(house) == [("failed", "sign_in")]
    with pytest.raises(Refused, match="sign in again"):
        drafts.ask(TO_ANN, house.context)


@pytest.mark.rule("D15", "E86")
def test_access_that_is_revoked_before_the_draft_leaves_nothing(house: House, uwe: int) -> None:
    house.gmail.expire_access_tokens(UWE)
    house.gmail.revoke(UWE)
    with pytest.raises(Refused, match="sign in again"):
        drafts.ask(TO_ANN, house.context)
    assert house.pump() == []
    assert in_label(house, "DRAFT") == []


@pytest.mark.rule("E92", "D12")
def test_a_permission_withdrawn_meanwhile_holds_for_mail_that_waits(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    with house.store.engine.begin() as db:
        db.execute(
            insert(users).values(organisation_id=1, id="uwe", name="Uwe", roles_above=[], active=False)
        )
    house.pump()
    assert states(house) == [("failed", "no_permission")]
    assert in_label(house, "SENT") == []


@pytest.mark.rule("D12")
def test_disconnecting_deletes_what_was_kept_of_sent_mail(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    disconnecting.disconnect("uwe", house.context)
    house.pump()
    assert rows(house) == []
    assert in_label(house, "SENT") == []


def test_a_paused_mailbox_sends_nothing_until_it_goes_on(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(paused_at=LONG_AGO))
    due(house)
    assert states(house) == [("waiting", None)]
    with pytest.raises(Refused, match="paused"):
        drafts.ask(TO_ANN, house.context)
    with house.store.engine.begin() as db:
        db.execute(update(mailboxes).values(paused_at=None))
    due(house)
    assert states(house) == [("sent", None)]


# What was sent, and what may have been


LOST = [
    pytest.param("cut", {"after": True}, id="the answer is cut off"),
    pytest.param("timeout", {"after": True, "delay": 4}, id="the answer never comes"),
    pytest.param("half_answer", {"half": "json"}, id="half an answer"),
    pytest.param("cut", {"after": False}, id="the request never got through"),
    pytest.param("503", {}, id="away"),
]


@pytest.mark.rule("I2", "E83")
@pytest.mark.parametrize(("kind", "how"), LOST)
def test_an_answer_that_is_lost_is_looked_up_and_the_mail_is_sent_once(
    house: House, uwe: int, kind: str, how: dict[str, Any]
) -> None:
    drafts.ask(TO_ANN, house.context)
    house.gmail.fault(kind, ["drafts.send"], times=1, **how)
    house.pump()
    assert [state for state, _ in states(house)] == ["sending"]
    due(house)
    assert states(house) == [("sent", None)]
    [sent] = in_label(house, "SENT")
    assert rows(house)[0].sent_id == sent.id
    assert len(in_label(house, "INBOX", ANN)) == 1


@pytest.mark.rule("I2")
def test_a_connection_that_goes_stale_under_the_request_is_not_used_again_by_the_library(
    house: House, uwe: int
) -> None:
    """httplib2 repeats what was cut off without an answer; then Gmail would have two drafts."""
    house.gmail.fault("cut", ["drafts.create"], times=1, after=True)
    with pytest.raises(Unanswered):
        drafts.ask(TO_ANN, house.context)
    assert len(in_label(house, "DRAFT")) == 1
    due(house)
    assert states(house) == [("failed", "interrupted")]
    assert in_label(house, "DRAFT") == []
    assert in_label(house, "SENT") == []


@pytest.mark.rule("I2", "W7")
def test_a_sent_mail_is_found_although_lists_lag(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.gmail.fault("cut", ["drafts.send"], times=1, after=True)
    house.pump()
    lag = house.gmail.fault("search_lag", ["messages.list"], delay=600)
    due(house)
    assert states(house) == [("sending", "looked_for")]
    house.gmail.clear_faults(lag)
    due(house)
    assert states(house) == [("sent", None)]
    assert len(in_label(house, "SENT")) == 1


@pytest.mark.rule("I2")
def test_a_draft_that_reads_show_although_it_was_sent_is_not_sent_again(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.gmail.fault("cut", ["drafts.send"], times=1, after=True)
    house.pump()
    house.gmail.fault("read_lag", ["drafts.get"], delay=600)
    due(house)
    house.gmail.clear_faults()
    due(house)
    assert states(house) == [("sent", None)]
    assert len(in_label(house, "SENT")) == 1


@pytest.mark.rule("I2")
def test_a_draft_that_its_user_deleted_is_never_sent(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    [draft] = in_label(house, "DRAFT")
    house.gmail.delete(UWE, draft.id)
    house.pump()
    for _ in range(LOOKS - 1):
        assert states(house) == [("sending", "looked_for")]
        due(house)
    assert states(house) == [("sending", "looked_for")]
    due(house)
    assert states(house) == [("failed", "draft_gone")]
    assert in_label(house, "SENT") == []


@pytest.mark.rule("D15", "E86")
def test_what_may_have_been_sent_is_not_called_failed_before_gmail_was_asked(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.gmail.fault("cut", ["drafts.send"], times=1, after=True)
    house.pump()
    house.gmail.expire_access_tokens(UWE)
    house.gmail.revoke(UWE)
    due(house)
    assert states(house) == [("sending", "sign_in")]
    house.connect(magnet=False, sorting=False)
    due(house)
    assert states(house) == [("sent", None)]


@pytest.mark.rule("D15")
def test_a_mail_that_could_not_be_sent_for_a_day_is_sent_no_more(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    with house.store.engine.begin() as db:
        db.execute(update(outbox_table).values(created_at=LONG_AGO))
    house.pump()
    assert states(house) == [("failed", "too_late")]
    assert in_label(house, "SENT") == []
    assert len(in_label(house, "DRAFT")) == 1


@pytest.mark.rule("I2")
def test_whoever_takes_too_long_to_hand_it_over_sends_nothing(house: House, uwe: int) -> None:
    """The cleaner came first: its caller is told, and the draft goes."""

    def clean(sent: int, total: int) -> None:
        with house.store.engine.begin() as db:
            db.execute(update(outbox_table).values(ready_at=LONG_AGO))
        delivery.deliver(MailboxId(1), replace(house.context, owner="worker"))

    with pytest.raises(Refused, match="too long"):
        drafts.ask(TO_ANN, house.context, progress=clean)
    assert states(house) == [("failed", "interrupted")]
    assert list(house.gmail.dump(UWE).messages) == []


@pytest.mark.rule("W2")
def test_what_another_has_claimed_is_left_to_him_until_his_lease_is_over(
    house: House, uwe: int, second_store: Store
) -> None:
    drafts.ask(TO_ANN, house.context)
    with second_store.begin("tests.claim") as tx:
        assert tx.outbox.claim(MailboxId(1), "another", 60) is not None
    house.pump()
    assert states(house) == [("sending", None)]
    assert in_label(house, "SENT") == []
    due(house)
    assert states(house) == [("sent", None)]


@pytest.mark.rule("W13", "I1")
def test_redis_away_at_the_end_does_not_make_the_caller_ask_again(
    house: House, uwe: int, redis: Redis
) -> None:
    class Deaf:
        def mark(self, kind: str, mailbox_id: MailboxId) -> bool:
            raise ConnectionError

        def __getattr__(self, name: str) -> Any:
            return getattr(house.queue, name)

    asked = drafts.ask(TO_ANN, replace(house.context, queue=Deaf()))
    assert asked.state is SendState.WAITING
    redis.flushall()
    due(house)
    assert states(house) == [("sent", None)]


# Keys


@pytest.mark.rule("I2")
def test_asked_twice_with_one_key_it_is_sent_once(house: House, uwe: int) -> None:
    first = drafts.ask(TO_ANN, house.context, key="offer-17")
    again = drafts.ask(TO_ANN, house.context, key="offer-17")
    house.pump()
    late = drafts.ask(TO_ANN, house.context, key="offer-17")
    other = drafts.ask(TO_ANN, house.context, key="offer-18")

    assert {first.id, again.id, late.id} == {first.id}
    assert late.state is SendState.SENT
    assert other.id != first.id
    assert len(in_label(house, "SENT")) == 1


def test_a_key_is_one_users_own_and_never_leaves_as_it_is(house: House, uwe: int) -> None:
    house.connect(user="eva", magnet=False, sorting=False)
    first = drafts.ask(TO_ANN, house.context, key="secret-17")
    second = drafts.ask(replace(TO_ANN, user_id="eva"), house.context, key="secret-17")
    house.pump()
    assert first.id != second.id
    for one in in_label(house, "INBOX", ANN):
        assert b"secret-17" not in house.gmail.raw(ANN, one.id)


@pytest.mark.rule("I2")
def test_what_gmail_never_had_may_be_asked_for_again_with_its_key(house: House, uwe: int) -> None:
    fault = house.gmail.fault("403.userRateLimitExceeded", ["drafts.create"])
    with pytest.raises(TryAgain):
        drafts.ask(TO_ANN, house.context, key="offer-17")
    house.gmail.clear_faults(fault)
    drafts.ask(TO_ANN, house.context, key="offer-17")
    house.pump()
    assert states(house) == [("sent", None)]


@pytest.mark.rule("I2")
def test_a_key_whose_caller_was_interrupted_is_free_again_after_the_clearing(house: House, uwe: int) -> None:
    house.gmail.fault("cut", ["drafts.create"], times=1, after=True)
    with pytest.raises(Unanswered):
        drafts.ask(TO_ANN, house.context, key="offer-17")
    with pytest.raises(Refused, match="ask again in a few minutes"):
        drafts.ask(TO_ANN, house.context, key="offer-17")
    due(house)
    drafts.ask(TO_ANN, house.context, key="offer-17")
    house.pump()
    assert states(house) == [("sent", None)]
    assert len(in_label(house, "SENT")) == 1


@pytest.mark.rule("D14", "I2")
def test_asked_again_too_large_the_row_of_the_first_time_stays_as_it_was(house: House, uwe: int) -> None:
    house.gmail.fault("403.domainPolicy", ["drafts.create"], times=1)
    with pytest.raises(GiveUp):
        drafts.ask(TO_ANN, house.context, key="offer-17")
    before = rows(house)
    larger = replace(TO_ANN, attachments=(Attachment("a", b"0" * (MAX_MAIL_SIZE * 3 // 4)),))
    with pytest.raises(Refused, match="larger than Gmail"):
        drafts.ask(larger, house.context, key="offer-17")
    assert rows(house) == before
    asked = drafts.ask(TO_ANN, house.context, key="offer-17")
    house.pump()
    [row] = rows(house)
    assert (row.id, row.state, row.reason) == (before[0].id, "sent", None) == (asked.id, "sent", None)


def test_a_mail_that_gmail_refuses_for_good_is_told_at_once(house: House, uwe: int) -> None:
    house.gmail.fault("403.domainPolicy", ["drafts.create"], times=1)
    with pytest.raises(GiveUp):
        drafts.ask(TO_ANN, house.context)
    assert states(house) == [("failed", "domainPolicy")]
    context = replace(house.context, daily_limit=1)
    drafts.ask(TO_ANN, context)  # what never went out does not count


# Answers


@pytest.mark.rule("Z16")
@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param("Question", "Re: Question", id="first answer"),
        pytest.param("Re: Question", "Re: Question", id="Re once"),
        pytest.param("RE: re:Question", "Re: Question", id="Re of others"),
        pytest.param("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Re: Grüße", id="encoded words"),
    ],
)
def test_an_answer_lands_in_its_thread(house: House, uwe: int, subject: str, expected: str) -> None:
    raw = (
        f"From: ann@example.com\r\nTo: {UWE}\r\nSubject: {subject}\r\nMessage-ID: <2@example.com>\r\n"
        "References: <0@example.com>\r\n <1@example.com>\r\n\r\nHow much?\r\n"
    )
    asked = house.gmail.deliver(UWE, raw.encode())

    drafts.ask(replace(TO_ANN, subject=None, reply_to=asked.id), house.context)

    house.pump()
    [sent] = in_label(house, "SENT")
    mail = read(house, sent.id)
    assert sent.thread_id == asked.thread_id
    assert mail["Subject"] == expected
    assert mail["In-Reply-To"] == "<2@example.com>"
    assert mail["References"].split() == ["<0@example.com>", "<1@example.com>", "<2@example.com>"]


def test_an_answer_with_another_subject_is_refused(house: House, uwe: int) -> None:
    raw = f"From: ann@example.com\r\nTo: {UWE}\r\nSubject: Question\r\nMessage-ID: <2@x.example>\r\n\r\nA\r\n"
    asked = house.gmail.deliver(UWE, raw.encode())
    with pytest.raises(Refused, match="keeps the subject"):
        drafts.ask(replace(TO_ANN, subject="Other", reply_to=asked.id), house.context)
    drafts.ask(replace(TO_ANN, subject="re: Question", reply_to=asked.id), house.context)


# Nothing is kept


@pytest.mark.rule("D2-4", "D2", "I3")
def test_nothing_of_the_content_is_kept_or_logged(
    house: House,
    uwe: int,
    redis: Redis,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    canary = f"canary{uuid4().hex}"
    written = MailRequest(
        "uwe",
        f"text {canary}",
        f"subject {canary}",
        contact_id="ann",
        to=(Person(ANN, f"name {canary}"),),
        cc=(Person(f"{canary}@example.com"),),
        attachments=(Attachment(f"{canary}.txt", canary.encode()),),
    )
    drafts.ask(written, house.context, key=canary)
    house.gmail.fault("cut", ["drafts.send"], times=1, after=True)
    house.pump()
    due(house)
    assert states(house) == [("sent", None)]
    with house.store.engine.connect() as db:
        tables = db.execute(select(outbox_table)).mappings().all()
    assert canary not in str(tables)
    if database_url.startswith("sqlite"):
        folder = Path(database_url.removeprefix("sqlite:///")).parent
        for file in folder.glob("lodestone.db*"):
            assert canary.encode() not in file.read_bytes()
    assert canary not in str(list(map(redis.dump, redis.scan_iter())))
    assert canary not in caplog.text
    said = capsys.readouterr()
    assert "sending.sent" in said.out
    assert canary not in said.out + said.err


def test_an_interrupted_one_says_so_in_the_report(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.pump()
    [report] = delivery.reports("uwe", UWE, SendState.SENT, 10, house.context)
    assert (report.user_id, report.mailbox, report.item.contact_id) == ("uwe", UWE, "ann")
    assert delivery.reports("eva", None, None, 10, house.context) == ()
    assert delivery.look_up(report.item.id, house.context) == report.item


def test_what_was_asked_for_35_days_ago_is_forgotten(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.pump()
    drafts.ask(TO_ANN, house.context)
    with house.store.engine.begin() as db:
        db.execute(update(outbox_table).where(outbox_table.c.id == 1).values(created_at=LONG_AGO))
    retention.purge(house.context)
    assert [row.id for row in rows(house)] == [2]


def test_of_more_than_a_transaction_takes_nothing_stays_behind(house: House, uwe: int) -> None:
    drafts.ask(TO_ANN, house.context)
    house.pump()
    with house.store.engine.begin() as db:
        kept = dict(db.execute(select(outbox_table)).one()._mapping) | {"created_at": LONG_AGO}
        many = [kept | {"id": n, "key": f"key-{n}"} for n in range(2, 1_503)]
        db.execute(insert(outbox_table), many)
    retention.purge(house.context)
    assert [row.id for row in rows(house)] == [1]
