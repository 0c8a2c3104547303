"""One more mailbox: signed in on Google's page, seen live by its owner and by others, written from."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from infra.gmail.scopes import Scope
from workers.demo.canary import Search
from workers.demo.letters import CTM, NONE, NOTIFIED, Letter, Pen, written
from workers.demo.people import BY_ID, LAWYER, WANDA
from workers.demo.shell import CommandAnswer
from workers.demo.show import Sent, Show

USER = "wanda"
ZOE = BY_ID["zoe"].address
AT_THE_LAWYERS = f"Zoe <zoe@{LAWYER}>"


def join(show: Show, pen: Pen) -> None:
    """From Google's consent page to the first mail that is sent."""
    show.screen.heading("One more mailbox, signed in on Google's page (Z8, Z9)")
    show.stage.gmail.create_mailbox(WANDA)
    show.stage.gmail.create_mailbox(ZOE)
    _leave_out(show)
    sign_in(show, "--sharing", "private", "--magnet", "--sorting")
    link = show.ledger.link(USER)
    show.claim(
        "Z8", "Wanda", "all is granted, on Google's own page", "connected",
        connected=link is not None and link.state == "active",
        one_consent_at_Google=show.stage.gmail.consents(WANDA) == 1,
    )  # fmt: skip
    mails = show.play(_mails(pen))
    show.screen.heading("A contact's mail, live, for whoever may see it (Z1, Z17, Z19, D13)")
    _look(show, pen, [one.message_id for one in mails])
    show.screen.heading("Writing to a contact (Z16)")
    _answer(show, pen, mails[0])


def sign_in(show: Show, *options: str, without: Sequence[str] = ()) -> CommandAnswer:
    """`lodestone connect`, with a browser whose user signs in at once and leaves some boxes unticked."""
    show.stage.gmail.consent(WANDA, without=without)
    return show.shell.ask("connect", "--user", USER, *options)


def look(show: Show, viewer: str) -> CommandAnswer:
    """`lodestone mail` for Zoe's record."""
    return show.shell.ask("mail", "zoe", "--as", viewer, "--json")


def ids(answer: CommandAnswer) -> list[str]:
    """The mails of a page of `lodestone mail`."""
    return [mail["message_id"] for mail in answer.value["mails"]]


def _leave_out(show: Show) -> None:
    said = sign_in(show, "--sharing", "private", "--magnet", without=[Scope.COMPOSE])
    rows = show.ledger.rows_about(user_id=USER, address=WANDA)
    show.claim(
        "Z9", "Wanda", "one permission left out: it is named, nothing remains", "gmail.compose is missing",
        refused=said.code == 2 and "not allowed gmail.compose" in said.err,
        nothing_stored=not any(rows.values()),
        given_back_at_Google=show.stage.gmail.consents(WANDA) == 0,
    )  # fmt: skip


def _mails(pen: Pen) -> list[Letter]:
    """From Zoe, from Zoe at a domain that Wanda keeps to herself, and from Yara, whose record is Wanda's alone."""
    at_work = pen.mail(AT_THE_LAWYERS, WANDA, third=False)
    return [
        written("Z17", "zoe", "a mail to Wanda", pen.of("zoe", WANDA), NOTIFIED, CTM, mailbox=WANDA),
        written("D13", "zoe", "one from a domain not to be shared", at_work, NOTIFIED, CTM, mailbox=WANDA),
        written("D13", "yara", "from Wanda's own contact", pen.of("yara", WANDA), NOTIFIED, NONE, mailbox=WANDA),
    ]  # fmt: skip


def _look(show: Show, pen: Pen, mails: Sequence[str]) -> None:
    shell = show.shell
    own, private = look(show, USER), look(show, "uwe")
    shell.run("settings", "set", "--user", USER, "sharing", "public", "exclude-from-sharing", LAWYER)
    shared = look(show, "uwe")
    hers, nobodys = (shell.ask("mail", contact, "--as", "uwe") for contact in ("yara", "nobody"))
    times = [one["received_at"] for one in own.value["mails"]]
    show.claim(
        "Z17 Z1", "Wanda", "opens Zoe's record: all her mail with Zoe, live", _mails_in(own),
        both_mails=sorted(ids(own)) == sorted(mails[:2]),
        newest_first=times == sorted(times, reverse=True),
        with_subjects=all(pen.canaries.subject in one["subject"] for one in own.value["mails"]),
    )  # fmt: skip
    show.claim(
        "D13", "Uwe", "opens it too: Wanda's mailbox is private", _mails_in(private), none=ids(private) == []
    )  # fmt: skip
    show.claim(
        "Z19 D13", "Uwe", f"it is public now, but for mail of {LAWYER}", _mails_in(shared),
        that_one=ids(shared) == [mails[0]],
    )  # fmt: skip
    show.claim(
        "D13", "Uwe", "what he may not open is as if it were not there", "refused",
        refused=hers.code == nobodys.code == 2,
        the_same_answer=hers.said.replace("yara", "nobody") == nobodys.said,
    )  # fmt: skip


def _mails_in(answer: CommandAnswer) -> str:
    return f"{len(ids(answer))} shown"


def _answer(show: Show, pen: Pen, mail: Sent) -> None:
    gmail, canaries = show.stage.gmail, pen.canaries
    hers = gmail.deliver(ZOE, mail.letter.raw, ["SENT"])
    with TemporaryDirectory() as place:
        text, file = Path(place, "text"), Path(place, canaries.attachment)
        text.write_text(f"Guten Tag,\n\n{canaries.body}.\n", encoding="utf-8")
        file.write_bytes(b"%PDF " + canaries.body.encode())
        send = ["send", "--as", USER, "--to", "zoe", "--reply-to", mail.message_id, "--yes"]
        send += ["--body-file", str(text), "--attach", str(file), "--json"]
        asked = show.shell.run(*send).value
    outbox = show.shell.run("outbox", "--as", USER, "--json").value
    sent, inbox = gmail.dump(WANDA), gmail.dump(ZOE).having("INBOX")
    answered = sent.message(mail.message_id)
    show.claim(
        "Z16", "Wanda", "answers with an attachment: once, and in her Sent", asked["sending_state"],
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
        "Z16", "Wanda", "`lodestone outbox` shows what became of it", ", ".join(one["sending_state"] for one in outbox),
        sent=[(one["sending_state"], one["message_id"]) for one in outbox] == [("sent", asked["message_id"])],
    )  # fmt: skip


def _said(pen: Pen) -> tuple[str, ...]:
    return pen.canaries.subject, pen.canaries.body, pen.canaries.attachment
