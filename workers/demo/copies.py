"""Two users with two-way sync: which of their mail is kept, and in whose conversation."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.local.gmail import Mail
from workers.demo.letters import CRM_LABELS, OPEN, Pen
from workers.demo.people import BY_ID, CLARA, SECOND_LOGIN, UTE, write_assigned
from workers.demo.shell import CommandAnswer
from workers.demo.show import PUSH_REST, Show

ANN, BOB = BY_ID["ann"].address, BY_ID["bob"].address
FAMILY = BY_ID["pa"].address
EVE = "eve@stranger.example"
"""Nobody knows her: she comes into the database with the mail that she is written, and as no contact."""

STARTED, APPENDED = "sync.started", "sync.appended"


@dataclass(frozen=True, slots=True)
class Kept:
    """How a mail ended for two-way sync; its conversation and that one's owner, both empty for a mail not kept."""

    message_id: str
    outcome: str
    conversation_id: str = ""
    owner: str = ""

    def is_under(self, contact: str) -> bool:
        """It has begun a conversation of this contact's, or joined one."""
        return self.owner == contact and self.outcome in (STARTED, APPENDED)

    @property
    def is_refused(self) -> bool:
        """Nothing of it is kept."""
        return not self.conversation_id and self.outcome.startswith("skip.")


def keep(show: Show, pen: Pen, kept: Pen) -> None:
    """The worked examples of two-way sync. `kept` writes the mail that we are to keep; words of `pen` must be nowhere
    in the end."""
    show.screen.heading("Two-way sync: of Ute's and Clara's mail what counts is kept (D6, D7)")
    _assign(show, "ute", "ann", "bob", "pa", "ma")
    for user, mailbox in (("ute", UTE), ("clara", CLARA)):
        show.shell.run("connect", *show.stage.sign_in(user, mailbox), "--sync", "--magnet", "--sorting")
    _while_ann_is_utes(show, pen, kept)
    _assign(show, "clara", "ann")
    _while_ann_is_claras(show, pen, kept)
    _above_the_limit(show, kept)


def _assign(show: Show, user_id: str, *ids: str) -> None:
    show.shell.run("crm", "import", "--contacts", str(write_assigned(show.stage.folder, user_id, *ids)))


def _while_ann_is_utes(show: Show, pen: Pen, kept: Pen) -> None:
    """All at once, into both mailboxes."""
    to_both = kept.mail(f"Ann <{ANN}>", CLARA, f"Cc: {UTE}")
    to_three = kept.mail(f"Ute <{UTE}>", f"{EVE}, {ANN}, {BOB}", third=False)
    family = kept.mail(f"Family <{FAMILY}>", UTE, third=False)
    second_login = pen.mail(f"Cora <{SECOND_LOGIN}>", UTE, third=False)
    mails = [
        *(Mail(CLARA, to_both), Mail(UTE, to_both), Mail(UTE, to_three, ["SENT"])),
        *(Mail(UTE, family), Mail(UTE, second_login)),
    ]
    claras, utes, sent, pas, cora = _deliver(show, mails)
    # Clara's copy begins nothing (D7-10): handled second it joins what Ute's began, handled first it is refused.
    show.claim(
        "X9", "Clara", "has a mail from Ute's Ann, Ute in copy: Ute's copy counts", _said(utes),
        under_Ann=utes.is_under("ann"),
        one_conversation=claras.conversation_id in ("", utes.conversation_id),
        the_other_copy_joins_or_is_refused=claras.is_under("ann") or claras.outcome == "skip.not_assigned",
    )  # fmt: skip
    show.claim(
        "X12", "Ute", "writes in Gmail to a stranger, Ann and Bob", _said(sent),
        under_the_first_contact=sent.is_under("ann") and sent.outcome == STARTED,
        the_stranger_is_no_contact=not show.ledger.is_contact(EVE),
    )  # fmt: skip
    label = CRM_LABELS[OPEN]
    found = show.stage.gmail.dump(UTE).message(pas.message_id)
    show.claim(
        "X15", "Pa, Ma", "share an address: Pa is older, the deal of Ma counts", _said(pas),
        under_Pa=pas.is_under("pa"),
        labelled_for_the_deal_of_Ma=found is not None and label in found.labels,
    )  # fmt: skip
    show.claim(
        "X16", "Cora", "her address is a login of Carla's, too", _said(cora),
        ignored_as_internal=cora.is_refused and cora.outcome == "skip.internal",
    )  # fmt: skip


def _while_ann_is_claras(show: Show, pen: Pen, kept: Pen) -> None:
    """The same sender, the same mailbox: what counts is whose contact she is and who began."""
    [refused] = _deliver(show, [Mail(UTE, pen.of("ann", UTE))])
    show.claim(
        "X10", "Ann", "is Clara's now and writes to Ute: not kept", _said(refused),
        not_assigned_to_him=refused.is_refused and refused.outcome == "skip.not_assigned",
    )  # fmt: skip
    asked = _send(show, kept).good().value
    written = _headers(show, asked["message_id"])["message-id"]
    answer = kept.mail(f"Ann <{ANN}>", UTE, f"In-Reply-To: {written}", f"References: {written}", third=False)
    [joined] = _deliver(show, [Mail(UTE, answer)])
    first = _kept(show, UTE, asked["message_id"])
    show.claim(
        "X11", "Ann", "answers what Ute wrote to her from the CRM: kept", _said(joined),
        joined=joined.is_under("ann") and joined.outcome == APPENDED,
        beside_what_he_wrote=joined.conversation_id == first.conversation_id,
    )  # fmt: skip


def _above_the_limit(show: Show, kept: Pen) -> None:
    """Ute has sent one mail today: with 1 in place of the 500 that the limit is, the next one is above it."""
    before = len(show.stage.gmail.dump(UTE).having("SENT"))
    refused = _send(show, kept, daily_limit=1)
    show.claim(
        "X18", "Ute", "sends above his daily limit, here 1: fails visibly", "refused",
        he_is_told=refused.code == 2 and "D15" in refused.said,
        nothing_left=len(show.stage.gmail.dump(UTE).having("SENT")) == before,
    )  # fmt: skip
    show.screen.say("         (X18's other half, a campaign that goes on meanwhile, is not built)", "dim")


def _send(show: Show, kept: Pen, daily_limit: int | None = None) -> CommandAnswer:
    """From Ute to Ann, from the CRM; with a limit in a process of its own."""
    with TemporaryDirectory() as place:
        text = Path(place, "text")
        text.write_text(f"Guten Tag,\n\n{kept.canaries.body}.\n", encoding="utf-8")
        words = [
            "send",
            "--as",
            "ute",
            "--to",
            "ann",
            "--to-address",
            ANN,
            "--subject",
            kept.canaries.subject,
        ]
        words += ["--body-file", str(text), "--json"]
        if daily_limit is None:
            return show.shell.ask(*words)
        return show.stage.ask(*words, LODESTONE_DAILY_LIMIT=str(daily_limit))


def _deliver(show: Show, mails: Sequence[Mail]) -> list[Kept]:
    """Once Gmail would announce their mailboxes; what has become of each in the end."""
    time.sleep(PUSH_REST)
    ids = [one.id for one in show.stage.gmail.deliver_many(mails)]
    places = [(mail.mailbox, message_id) for mail, message_id in zip(mails, ids, strict=True)]
    show.wait(lambda: all(_has_ended(show, *place) for place in places))
    return [_kept(show, *place) for place in places]


def _has_ended(show: Show, mailbox: str, message_id: str) -> bool:
    mailbox_id = show.mailbox_id(mailbox) or 0
    return bool(show.ledger.ended(mailbox_id, [message_id])) and show.ledger.is_quiet(mailbox_id)


def _kept(show: Show, mailbox: str, message_id: str) -> Kept:
    mailbox_id = show.mailbox_id(mailbox) or 0
    ending = show.ledger.ended(mailbox_id, [message_id]).get(message_id)
    place = show.ledger.conversations(mailbox_id).get(message_id, ("", ""))
    return Kept(message_id, ending.outcomes[0] if ending else "(nothing)", *place)


def _headers(show: Show, message_id: str) -> dict[str, str]:
    """Of a mail in Ute's mailbox, by lower-case name."""
    head = show.stage.gmail.raw(UTE, message_id).partition(b"\r\n\r\n")[0].decode()
    pairs = (line.partition(":") for line in head.split("\r\n"))
    return {name.lower(): value.strip() for name, _, value in pairs}


def _said(kept: Kept) -> str:
    return f"{kept.outcome} under {BY_ID[kept.owner].name}" if kept.owner else kept.outcome
