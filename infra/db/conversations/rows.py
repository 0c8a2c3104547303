"""A mail that joins a conversation, as rows."""

from collections.abc import Iterable
from typing import Any

from domain.conversations.mails import JoiningMail, Sought, Source


def of_mail(location_id: int, one: JoiningMail) -> dict[str, Any]:
    """The row of `mails`, without content."""
    return {
        "location_id": location_id,
        "id": one.sought.mail_id,
        "conversation_id": one.conversation_id,
        "identity": one.sought.identity,
        "rfc_message_id": one.sought.rfc_message_id,
        "author": one.author,
        "author_name": one.copied.author_name,
        "sent_at": one.copied.sent_at,
        "received_at": one.sought.source.received_at,
        "direction": one.direction.value,
        "mail_class": one.mail_class.value,
        "automatic": one.automatic,
        "via_list": one.via_list,
        "subject": one.copied.subject,
        "preview": one.copied.preview,
    }


def of_people(location_id: int, one: JoiningMail) -> Iterable[dict[str, Any]]:
    """The rows of `participants`."""
    for person in one.copied.participants:
        yield {
            "location_id": location_id,
            "mail_id": one.sought.mail_id,
            "role": person.role.value,
            "position": person.position,
            "address": person.address,
            "name": person.name,
            "contact_id": one.contacts.get(person.address),
        }


def of_files(location_id: int, one: JoiningMail) -> Iterable[dict[str, Any]]:
    """The rows of `files`, none of which is copied yet."""
    for file in one.copied.files:
        yield {
            "location_id": location_id,
            "mail_id": one.sought.mail_id,
            "part": file.place,
            "name": file.name,
            "claimed_type": file.claimed_type,
            "size": file.size,
            "content_id": file.content_id,
            "inline": file.inline,
            "state": file.state.value,
        }


def of_links(location_id: int, mail_id: str, sought: Sought) -> Iterable[dict[str, Any]]:
    """The rows of `mail_links`."""
    for name in sought.named:
        yield {"location_id": location_id, "mail_id": mail_id, "rfc_message_id": name}


def of_source(location_id: int, source: Source, mail_id: str) -> dict[str, Any]:
    """A row of `mail_sources`."""
    return {
        "location_id": location_id,
        "mailbox_id": source.mailbox_id,
        "message_id": source.message_id,
        "mail_id": mail_id,
        "connection_id": source.connection_id,
        "thread_id": source.thread_id,
        "received_at": source.received_at,
    }
