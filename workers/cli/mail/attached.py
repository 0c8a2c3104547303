"""A mail that is attached to a kept one, as a file of its own."""

from collections.abc import Callable

from domain.conversations.reading import KeptFile
from domain.mail.content import numbered
from handlers.conversations.reading import ShownMail
from infra.mime_rebuild import rebuild


def attached_mail(
    one: ShownMail, file: KeptFile, content: Callable[[KeptFile], bytes | None]
) -> bytes | None:
    """As MIME, with those of its own files that `content` can read. None where the mail it is attached to cannot be
    read now, or has nothing there."""
    part = dict(numbered(one.body)).get(file.part) if one.body is not None else None
    if part is None or not part.parts:
        return None
    place = f"{file.part}.1"
    inside = {_within(place, each.part): each for each in one.mail.files}
    held = {where: content(each) for where, each in inside.items() if where}
    return rebuild(part.parts[0], {where: one for where, one in held.items() if one is not None})


def _within(place: str, part: str) -> str:
    """Where a part is in the mail at `place`; "" where it is not in it."""
    if part == place:
        return "0"
    return part.removeprefix(f"{place}.") if part.startswith(f"{place}.") else ""
