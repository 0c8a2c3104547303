"""What a call costs at Gmail, and the names of the calls that we make (FACTS §4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from zoneinfo import ZoneInfo

from domain.quota import Quota

PACIFIC = ZoneInfo("America/Los_Angeles")
"""Daily quotas begin anew at its midnight."""

NEW_COSTS: Mapping[str, int] = MappingProxyType(
    {
        "drafts.create": 10,
        "drafts.delete": 10,
        "drafts.get": 20,
        "drafts.list": 5,
        "drafts.send": 100,
        "getProfile": 1,
        "history.list": 2,
        "labels.create": 5,
        "labels.list": 1,
        "messages.attachments.get": 20,
        "messages.batchModify": 50,
        "messages.get": 20,
        "messages.list": 5,
        "messages.modify": 5,
        "settings.sendAs.list": 1,
        "stop": 50,
        "threads.get": 40,
        "watch": 100,
    }
)
"""Units per call for projects that began after 2026-05-01."""

NEW_QUOTA = Quota(
    mailbox_minute=6_000, project_minute=1_200_000, read=20, project_day=80_000_000, zone=PACIFIC
)

OLD_COSTS: Mapping[str, int] = MappingProxyType(
    {**NEW_COSTS, "drafts.get": 5, "messages.attachments.get": 5, "messages.get": 5, "threads.get": 10}
)
"""Units per call for the projects that were active before."""

OLD_QUOTA = Quota(mailbox_minute=15_000, project_minute=1_200_000, read=5, zone=PACIFIC)
"""They have kept their minute of a mailbox, and have no limit for a day."""

TOKEN, REVOKE = "oauth2.token", "oauth2.revoke"

REMOTE_CALLS = (*NEW_COSTS, TOKEN, REVOKE)
"""Every call that can be made; `gmail.<name>.before` and `.after` are its fault points."""


@dataclass(slots=True)
class Spent:
    """What was spent through one mailbox so far: quota units and HTTP requests, token requests included."""

    units: int = 0
    requests: int = 0
