"""How a user's connections stand (H50)."""

from domain.connections.standing import ConnectionReport, standing
from domain.errors import Refused
from handlers.connections.permissions import check_known
from handlers.crm.locations import Where, located
from handlers.ports.store import Store


def show(user_id: str, store: Store, location: Where = None) -> tuple[ConnectionReport, ...]:
    """The user's connections in the location, also one that is ending. Raises Refused where he has none."""
    reports: list[ConnectionReport] = []
    with store.begin("reports.connections", reads_only=True) as tx:
        here = located(location, tx)
        check_known(user_id, here)
        for connection in here.connections.of_user(user_id):
            mailbox = tx.mailboxes.get(connection.mailbox_id)
            if mailbox is None:
                continue
            report = next(iter(here.reports.mailboxes(mailbox.address, 1)), None)
            if report is None:
                continue
            reports.append(
                ConnectionReport(
                    connection,
                    mailbox.address,
                    standing(connection, report.paused_at, report.history_refused_at),
                    report.synced_at,
                    report.pushed_at,
                    here.reports.counted(connection),
                )
            )
    if not reports:
        raise Refused(f"user {user_id} has no connection: `lodestone connect --user {user_id}` makes one")
    return tuple(reports)
