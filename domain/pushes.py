"""What a Pub/Sub message from Gmail says (FACTS §1)."""

import json

from domain.mail.addresses import canonical


def pushed_address(data: bytes) -> str | None:
    """The mailbox that a notification names, None for anything that is not one of Gmail's.

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
