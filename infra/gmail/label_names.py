"""What Gmail takes for the name of a label (FACTS §3)."""

from domain.sorting.label_names import LabelNameRules

_SYSTEM = (
    *(
        "inbox",
        "sent",
        "draft",
        "drafts",
        "spam",
        "trash",
        "bin",
        "unread",
        "starred",
        "important",
        "chat",
        "chats",
    ),
    *("category_personal", "category_social", "category_promotions", "category_updates", "category_forums"),
)
_PLACES = (
    *("all mail", "archive", "sent mail", "muted", "snoozed", "scheduled", "outbox", "notes", "voicemail"),
    *("imap", "buzz", "phishing"),
)
_ROOTS = frozenset({"[gmail]", "[imap]"})

LABEL_NAMES = LabelNameRules(longest=225, kept_names=_ROOTS | {*_SYSTEM, *_PLACES}, kept_levels=_ROOTS)
