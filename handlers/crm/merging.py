"""Contacts that the CRM has merged (E71, E72)."""

from functools import partial

import structlog

from domain.crm.merges import Merge
from domain.crm.records import RecordKind
from handlers.crm.locations import Where, located
from handlers.ports.store import Store
from handlers.troubles import once_more

log = structlog.get_logger()


def merge(merge: Merge, store: Store, location: Where = None) -> None:
    """Make several records one, unless newer merges of them were made before. It may come before the records."""
    location_id, is_new = once_more(partial(_merge, merge, store, location))
    say = log.bind(
        kind=RecordKind.CONTACTS.value,
        record_id=merge.survivor,
        version=merge.version,
        location_id=location_id,
    )
    if is_new:
        say.info("crm.merged", merged_ids=list(merge.losers))
    else:
        say.info("crm.ignored")


def _merge(merge: Merge, store: Store, location: Where) -> tuple[int, bool]:
    with store.begin("crm.merge") as tx:
        here = located(location, tx)
        return here.location.id, here.crm.merge(merge)
