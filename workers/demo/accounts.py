"""One more mailbox: signed in on Google's page, seen live by its owner and by others, written from."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from domain.scopes import Scope
from workers.demo.browser import IN_PLACE
from workers.demo.canary import Search
from workers.demo.letters import CTM, NONE, NOTIFIED, Letter, Pen, written
from workers.demo.people import BY_ID, LAWYER, WANDA
from workers.demo.show import Sent, Show
from workers.demo.stage import Answer

USER = "wanda"
ZOE = BY_ID["zoe"].address
AT_THE_LAWYERS = f"Zoe <zoe@{LAWYER}>"
LOOKS = {who: ("mail", "zoe", "--as", who, "--json") for who in (USER, "uwe")}
"""Zoe's mail as the owner of the mailbox sees it, and as a colleague does."""


def join(show: Show, pen: Pen) -> None:
    """From Google's consent page to the first mail that is sent."""
    show.screen.heading("One more mailbox, signed in on Google's page (Z8, Z9)")
    show.stage.gmail.create_mailbox(WANDA)
    show.stage.gmail.create_mailbox(ZOE)
    _leave_out(show)
    sign_in(show, "--sharing", "private", "--magnet", "--sorting")
    link = show.ledger.link(USER)
    show.claim(
        "Z8",
        "Wanda",
        "everything is granted, and no password was asked for",
        "connected",
        connected=link is not None and link.state == "active",
        one_consent_at_Google=show.stage.gmail.consents(WANDA) == 1,
    )
    mails = show.play(_mails(pen))
    show.screen.heading("A contact's mail, live, for whoever may see it (Z1, Z17, Z19, D13)")
    _look(show, pen, [one.gmail_id for one in mails])
    show.screen.heading("Writing to a contact (Z16)")
    _answer(show, pen, mails[0])


def sign_in(show: Show, *options: str, without: Sequence[str] = ()) -> Answer:
    """`lodestone connect`, with a browser whose user signs in at once and leaves some boxes unticked."""
    show.stage.gmail.consent(WANDA, without=without)
    return show.stage.ask("connect", "--user", USER, *options, BROWSER=IN_PLACE)


def all_at_once(show: Show, *commands: Sequence[str]) -> list[Answer]:
    """How commands end that may be refused: each a process of its own."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda words: show.stage.ask(*words), commands))


def ids(page: Mapping[str, Any]) -> list[str]:
    """The mails of a page of `lodestone mail`."""
    return [mail["message_id"] for mail in page["mails"]]


def _leave_out(show: Show) -> None:
    said = sign_in(show, "--sharing", "private", "--magnet", without=[Scope.COMPOSE])
    rows = show.ledger.rows_about(user_id=USER, address=WANDA)
    show.claim(
        "Z9",
        "Wanda",
        "one permission is left out: it is named, nothing remains",
        "gmail.compose is missing",
        refused=said.code == 2 and "not allowed gmail.compose" in said.err,
        nothing_stored=not any(rows.values()),
        given_back_at_Google=show.stage.gmail.consents(WANDA) == 0,
    )


def _mails(pen: Pen) -> list[Letter]:
    """From Zoe, from Zoe at a domain that Wanda keeps to herself, and from Yara, whose record is Wanda's alone."""
    at_work = pen.mail(AT_THE_LAWYERS, WANDA, third=False)
    return [
        written("Z17", "zoe", "a mail to Wanda", pen.of("zoe", WANDA), NOTIFIED, CTM, mailbox=WANDA),
        written("D13", "zoe", "one from a domain not to be shared", at_work, NOTIFIED, CTM, mailbox=WANDA),
        written("D13", "yara", "from Wanda's own contact", pen.of("yara", WANDA), NOTIFIED, NONE, mailbox=WANDA),
    ]  # fmt: skip


def _look(show: Show, pen: Pen, mails: Sequence[str]) -> None:
    stage = show.stage
    public = [
        "settings",
        "set",
        "--user",
        USER,
        "sharing",
        "public",
        "exclude-from-sharing",
        LAWYER,
        "--json",
    ]
    own, private, _, shared = stage.run_all(LOOKS[USER], LOOKS["uwe"], public, LOOKS["uwe"]).values
    hers, nobodys = all_at_once(show, ("mail", "yara", "--as", "uwe"), ("mail", "nobody", "--as", "uwe"))
    words = Search([pen.canaries.subject]).in_bytes(str(own).encode())
    show.claim(
        "Z17 Z1", "Wanda", "opens Zoe's record: her mail with Zoe, fetched just now", f"{len(own['mails'])} mails",
        both_mails=sorted(ids(own)) == sorted(mails[:2]),
        newest_first=_times(own) == sorted(_times(own), reverse=True),
        with_subjects=len(words) == 1,
    )  # fmt: skip
    show.claim("D13", "Uwe", "opens it too: Wanda's mailbox is private", "no mail", none=ids(private) == [])
    show.claim(
        "Z19 D13", "Uwe", f"it is public now, but for mail of {LAWYER}", "1 mail", that_one=ids(shared) == [mails[0]]
    )  # fmt: skip
    show.claim(
        "D13", "Uwe", "a record that he may not open is as one that is not there", "refused",
        refused=hers.code == nobodys.code == 2,
        the_same_answer=hers.err.replace("yara", "nobody") == nobodys.err,
    )  # fmt: skip


def _times(page: Mapping[str, Any]) -> list[str]:
    return [mail["received_at"] for mail in page["mails"]]


def _answer(show: Show, pen: Pen, mail: Sent) -> None:
    gmail, canaries = show.stage.gmail, pen.canaries
    hers = gmail.deliver(ZOE, mail.letter.raw, ["SENT"])
    with TemporaryDirectory() as place:
        text, file = Path(place, "text"), Path(place, canaries.attachment)
        text.write_text(f"Guten Tag,\n\n{canaries.body}.\n", encoding="utf-8")
        file.write_bytes(b"%PDF " + canaries.body.encode())
        send = ["send", "--as", USER, "--to", "zoe", "--to-address", ZOE, "--reply-to", mail.gmail_id]
        send += ["--body-file", str(text), "--attach", str(file), "--json"]
        asked, outbox = show.stage.run_all(send, ["outbox", "--as", USER, "--json"]).values
    sent, inbox = gmail.dump(WANDA), gmail.dump(ZOE).having("INBOX")
    answered = sent.message(mail.gmail_id)
    show.claim(
        "Z16", "Wanda", "answers Zoe, with an attachment: it lies in her Sent, once", asked["state"],
        once=[one.id for one in sent.having("SENT")] == [asked["message_id"]] and not sent.drafts,
        in_its_thread=answered is not None and {one.thread_id for one in sent.having("SENT")} == {answered.thread_id},
    )  # fmt: skip
    found = [Search([word]).in_bytes(gmail.raw(ZOE, one.id)) for one in inbox for word in _said(pen)]
    show.claim(
        "Z16", "Zoe", "has it in the thread that she began", f"{len(inbox)} mail",
        once=len(inbox) == 1,
        in_her_thread=all(one.thread_id == hers.thread_id for one in inbox),
        whole=all(found),
    )  # fmt: skip
    show.claim(
        "D2", "Wanda", "the outbox knows ids, and none of its words", f"outbox: {outbox[0]['state']}",
        sent=[(one["state"], one["message_id"]) for one in outbox] == [("sent", asked["message_id"])],
        no_words=not Search(canaries.words).in_bytes(str(outbox).encode()),
    )  # fmt: skip


def _said(pen: Pen) -> tuple[str, ...]:
    return pen.canaries.subject, pen.canaries.body, pen.canaries.attachment
