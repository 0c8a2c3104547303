"""What Gmail says when it pushes (FACTS §1)."""

import json

from domain.mail.addresses import canonical


def pushed_key(data: bytes) -> str | None:
    """The address in a notification, None for anything that is not one of Gmail's.

    Its historyId is not read: we always go on from our own cursor (FACTS §2).
    """
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(payload, dict) or "historyId" not in payload:
        return None
    address = payload.get("emailAddress")
    return canonical(address) if isinstance(address, str) else None
