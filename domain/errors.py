"""Errors named for what happens next. No text here may carry anything of a mail or an address (D2)."""

from datetime import timedelta


class LodestoneError(Exception):
    """All that is raised on purpose here."""


class Refused(LodestoneError):
    """The rules do not allow it; the text says which way out there is."""


class TryAgain(LodestoneError):
    """The provider is limiting or away (E87): the work stays in the ledger and is done later.

    `after` is the provider's own wish, None when it gave none; `reason` is the provider's word for it, or ours.
    `whole_mailbox` says that every other call for this mailbox would meet the same refusal.
    """

    def __init__(self, reason: str, *, after: timedelta | None = None, whole_mailbox: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.whole_mailbox = whole_mailbox


class NotAsked(TryAgain):
    """Left out after others had come to nothing: no try of this message, and no trouble of the mailbox."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, whole_mailbox=False)


class Unready(TryAgain):
    """The provider lets nobody into the mailbox and does not say for how long: often it passes (E87)."""


class Slowed(TryAgain):
    """We hold back by ourselves: the provider would refuse soon (FACTS §4). No failure of the mailbox."""


class GrantRefused(Unready):
    """The provider gives no token for this grant, and the operator alone can change that: no user is marked for it.
    Another grant of the mailbox may work (W15)."""


class NotDelegated(GrantRefused):
    """The domain's administrator does not let our service account in, or not yet: for hours at times (FACTS §5)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, after=timedelta(hours=1))


class ObjectsAway(TryAgain):
    """The object store takes or gives nothing: "objects_full", "objects_refused" where it does not let us in, or
    "objects_away". No mail is to blame."""


class Unanswered(TryAgain):
    """Nobody can tell whether the provider has done it: look before it is done again (I2)."""


class GiveUp(LodestoneError):
    """Repeating cannot help: a permanent refusal, by the provider's reason word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoPush(GiveUp):
    """The provider cannot push to where we listen, for one of the reasons it has a remedy for (E85)."""


class LabelRefused(GiveUp):
    """The provider makes no new label in this mailbox: it has too many (E67)."""


LABEL_CONFLICT = "label_conflict"


class LabelConflict(TryAgain):
    """The provider says that a label of the name is there, and shows none (E67)."""

    def __init__(self) -> None:
        super().__init__(LABEL_CONFLICT, whole_mailbox=False)


class CursorExpired(LodestoneError):
    """The provider no longer knows the cursor: only a re-list will do (E84). No other refusal means this."""


class AccessRevoked(LodestoneError):
    """The grant is gone (E86): this connection needs its user to sign in again."""


class UnknownAddress(AccessRevoked):
    """Our service account is to enter a mailbox of an address that the provider does not know."""


class UnreadableObject(LodestoneError):
    """What the object store gave was not sealed with the organisation's key, or is damaged."""

    def __init__(self) -> None:
        super().__init__("a stored object cannot be read with its organisation's key")


class LabelUnknown(LodestoneError):
    """A label id that the mailbox no longer has (W12): make it again, then retry."""


class DatabaseAway(LodestoneError):
    """The database is away, or busy with others for longer than we wait. The transaction is undone and nothing in it
    is to blame: it counts as no try, and is done later.

    `reason`: "away", "busy", "deadlock" where the database has ended ours so that another one goes on and it may be
    done again at once, or "schema" where another release has changed the tables: this process is to end.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
