"""Conversations that are kept on both sides (D1, D2, SYNC modes)."""

from collections.abc import Collection
from typing import Protocol

from domain.conversations.lists import Bookmark, Choice, ListedConversation
from domain.conversations.reading import KeptMail, OpenConversation


class ConversationReadRepository(Protocol):
    """A location's conversations as its users read them: each sees those whose owner he may open (D1)."""

    def page(
        self, viewer_id: str, choice: Choice, contact_id: str | None, before: Bookmark | None, limit: int
    ) -> tuple[ListedConversation, ...]:
        """Up to `limit` conversations of the contact, or of all, the newest first. `before`: where the last page ended.

        A contact has the conversations of the records that were merged into it.
        """

    def get(self, conversation_id: str, viewer_id: str) -> OpenConversation | None:
        """The conversation, None where there is none or the viewer may not open it."""

    def mails(
        self, conversation_id: str, viewer_id: str, after: KeptMail | None, limit: int
    ) -> tuple[KeptMail, ...]:
        """Up to `limit` of its mails after this one, the oldest first, with participants and files."""

    def keep_read(self, mail_ids: Collection[str], user_id: str) -> None:
        """The user has opened these mails, or answered them: for him they are new no more (H52)."""
