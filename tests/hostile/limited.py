"""Reads mails, each in a process of its own that may use little memory and little time (E102).

Takes {"url", "grant", "ids"} on standard input and answers {id: reading}, None where the process was ended.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from domain.mail.content import MailContent
from domain.mail.copied import copied
from domain.mail.copies import from_bytes, to_bytes
from domain.mail.delivery_reports import read_report
from domain.mail.messages import Fetched, Message, read
from domain.mail.quotes import folded
from infra.gmail.provider import Gmail
from infra.mime_rebuild import rebuild
from tests.hostile.huge import SHOWN
from tests.hostile.readings import UWE
from tests.providers import granted

SECONDS = 10
MEGABYTES = 100
DATA = 5
"""Which number of statm counts the pages of data and stack."""


def main() -> None:
    """One process after the other."""
    asked = json.load(sys.stdin)
    json.dump({message_id: _alone(message_id, asked) for message_id in asked["ids"]}, sys.stdout)


def _alone(message_id: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    here, there = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            _limit()
            os.write(there, json.dumps(_read(message_id, asked)).encode())
        except Exception as error:
            os.write(there, json.dumps({"failed": type(error).__name__}).encode())
        finally:
            os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        said = pipe.read()
    os.waitpid(process, 0)
    found: dict[str, Any] | None = json.loads(said) if said else None
    return found


def _limit() -> None:
    """Beyond what the process, with all that it has imported, uses before it reads a mail. Data is limited and not
    the address space, of which the C library now and then sets 64 MB aside for a thread and does not use them."""
    pages = int(Path("/proc/self/statm").read_text().split()[DATA])
    size = pages * resource.getpagesize() + MEGABYTES * 1_048_576
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def _read(message_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What its header says, by itself and with the texts, which is told only where it is not the same."""
    mailbox = Gmail(asked["url"], timeout_seconds=60).open(granted(asked["grant"]))
    found = mailbox.headers([message_id])[message_id]
    if not isinstance(found, Fetched):
        return {"refused": str(found)}
    reading = _shown(read(found, frozenset({UWE})))
    del found
    whole = mailbox.contents([message_id])[message_id]
    if not isinstance(whole, MailContent):
        return {"refused": str(whole)}
    message = whole.message(frozenset({UWE}))
    if _shown(message) != reading:
        return {"refused": "another reading"}
    return reading if _is_kept(whole, message) else {"refused": "another copy"}


def _is_kept(whole: MailContent, message: Message) -> bool:
    """All that is done with a mail that two-way sync keeps."""
    copied(whole, message, is_own=True)
    kept = from_bytes(to_bytes(whole.body))
    read_report(kept, {})
    folded(kept.text(), kept.header("subject"))
    return kept.text() == whole.text() and len(rebuild(kept, {})) > 0


def _shown(message: Message) -> dict[str, Any]:
    return {
        "author": message.author,
        "to": message.to[:SHOWN],
        "cc": message.cc[:SHOWN],
        "mail_class": message.mail_class,
    }


if __name__ == "__main__":
    main()
