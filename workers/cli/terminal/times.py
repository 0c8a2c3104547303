"""Moments: as people type them, as tables show them and as --json has them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

from domain import cloud_events
from domain.errors import Refused

_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"(\d{1,7}) ?(s|min|h|d)")


def moment(text: str, now: datetime) -> datetime:
    """`2h` is two hours before `now`; else ISO 8601, in UTC where it names no zone. Raises Refused."""
    span = _SPAN.fullmatch(text.strip())
    try:
        if span:
            return now - timedelta(seconds=int(span[1]) * _SECONDS[span[2]])
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(f"{text} is no time; 2026-11-22T08:00, 30min, 2h and 3d are") from None


def in_utc(at: datetime | None) -> str | None:
    """For people: `2026-11-22 08:00:00 UTC`."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else None


def in_zone(at: datetime, zone: tzinfo) -> str:
    """For people, in their organisation's zone: `2026-11-22 09:00 CET`."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def timestamp(at: datetime | None) -> str | None:
    """For --json, as channel events have it: RFC 3339 in UTC, `2026-11-22T08:00:00.000Z`."""
    return cloud_events.moment(at) if at else None
