"""Contacts that the CRM has merged (E71, E72)."""

import structlog

from domain.crm import Records
from domain.merges import Merge
from handlers.locations import Where, located
from handlers.ports import Store

log = structlog.get_logger()


def merge(merge: Merge, store: Store, location: Where = None) -> None:
    """Make several records one, unless newer merges of them came before it. It may come before any of them."""
    with store.begin("crm.merge") as tx:
        here = located(location, tx)
        is_new = here.crm.merge(merge)
    say = log.bind(
        kind=Records.CONTACTS.value,
        record_id=merge.survivor,
        version=merge.version,
        location_id=here.location.id,
    )
    if is_new:
        say.info("crm.merged", merged_ids=list(merge.losers))
    else:
        say.info("crm.ignored")
