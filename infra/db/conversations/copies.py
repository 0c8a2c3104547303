"""What is still to be kept of the mails of conversations, and what is kept."""

from collections.abc import Mapping

from sqlalchemy import BigInteger, Connection, bindparam, func, select, update

from domain.conversations.mails import CopiedFile, ToCopy
from domain.conversations.reading import in_written_order
from domain.crm.locations import Location
from domain.ids import MailboxId
from domain.mail.copied import FileState
from infra.db.tables.conversations import files, mail_sources, mails


class CopyRepository:
    """The copies of one location's mail within one transaction."""

    def __init__(self, db: Connection, location: Location) -> None:
        self._db = db
        self._here = {"here": location.id}

    def to_copy(self, mailbox_id: MailboxId, message_id: str) -> ToCopy | None:
        its = self._here | {"mailbox": mailbox_id, "message": message_id}
        mail = self._db.execute(_OF_SOURCE, its).one_or_none()
        if mail is None:
            return None
        found = self._db.execute(_FILES, self._here | {"its": mail.id}).all()
        waiting = [row.part for row in found if row.state == FileState.WAITING.value]
        return ToCopy(
            mail.id,
            mail.has_text,
            tuple(sorted(waiting, key=in_written_order)),
            sum(row.size for row in found if row.state == FileState.KEPT.value),
        )

    def keep_file(self, mail_id: str, file: CopiedFile) -> None:
        its = {
            "its": mail_id,
            "place": file.place,
            "its_state": file.state.value,
            "of_object": file.object,
            "of_type": file.sniffed_type,
            "bytes": file.size,
        }
        self._db.execute(_KEEP_FILE, self._here | its)

    def files_gone(self, mail_id: str) -> None:
        self._db.execute(_FILES_GONE, self._here | {"its": mail_id})

    def keep_contents(self, objects: Mapping[str, str]) -> None:
        named = [self._here | {"its": mail_id, "of_object": name} for mail_id, name in objects.items()]
        if named:
            self._db.execute(_CONTENT, named)


# Built once, see infra/db/ledger/statements.py.
_HERE = bindparam("here", type_=BigInteger())
_FILES_OF = (files.c.location_id == _HERE, files.c.mail_id == bindparam("its"))
_WAITS = files.c.state == FileState.WAITING.value
_OF_SOURCE = (
    select(mails.c.id, mails.c.object.is_not(None).label("has_text"))
    .select_from(mail_sources)
    .join(mails, (mails.c.location_id == _HERE) & (mails.c.id == mail_sources.c.mail_id))
    .where(
        mail_sources.c.location_id == _HERE,
        mail_sources.c.mailbox_id == bindparam("mailbox"),
        mail_sources.c.message_id == bindparam("message"),
    )
)
_FILES = select(files.c.part, files.c.state, files.c.size).where(*_FILES_OF)
_KEEP_FILE = (
    update(files)
    .where(*_FILES_OF, files.c.part == bindparam("place"), _WAITS)
    .values(
        state=bindparam("its_state"),
        object=bindparam("of_object"),
        sniffed_type=bindparam("of_type"),
        size=func.coalesce(bindparam("bytes", type_=BigInteger()), files.c.size),
    )
)
_FILES_GONE = update(files).where(*_FILES_OF, _WAITS).values(state=FileState.GONE.value)
_CONTENT = (
    update(mails)
    .where(mails.c.location_id == _HERE, mails.c.id == bindparam("its"), mails.c.object.is_(None))
    .values(object=bindparam("of_object"))
)
