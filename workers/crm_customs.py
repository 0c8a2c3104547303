"""How the organisation writes categories, dates and times, for reading the CRM's records (E9, E106)."""

from collections.abc import Mapping
from datetime import UTC
from functools import cache

from domain.crm.deals import DealCategory
from domain.crm.organisations import zone
from handlers.crm.locations import Where
from handlers.ports.store import Store
from handlers.settings import organisation
from infra.crm.fields import Customs


def customs_of(
    store: Store,
    words: Mapping[str, DealCategory] | None = None,
    date_format: str | None = None,
    location: Where = None,
) -> Customs:
    """Customs that read the settings when a record first needs them. `words` for categories go before the settings."""
    found = cache(lambda: organisation(store, location))
    more = words or {}
    return Customs(
        category=lambda word: more.get(word) or found().categories.get(word),
        zone=lambda: zone(found().time_zone) or UTC,
        date_format=date_format,
    )
