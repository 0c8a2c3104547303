"""Content of mail in the object store, sealed for its organisation: written before the row that names it."""

from collections.abc import Sequence

from domain.objects import Reserved
from domain.retention import After
from handlers.context import Context
from handlers.ports.objects import OrganisationKeys


def keep(organisation_id: int, contents: Sequence[bytes], context: Context) -> tuple[Reserved, ...]:
    """Store contents, each once; returns what tells of each its name, in their order.

    The transaction that names them is to say so (`mark_used`). What nothing names a day later is removed. Raises
    ObjectsAway, and TryAgain where one of them is just being removed.
    """
    if not contents:
        return ()
    keys = _keys(organisation_id, context)
    named = {keys.name(content): content for content in contents}
    with context.store.begin("copies.reserve") as tx:
        sizes = {name: len(content) for name, content in named.items()}
        reserved = tx.of_organisation(organisation_id).objects.reserve(sizes)
    missing = {name: keys.seal(content) for name, content in named.items() if not reserved[name].used}
    if missing:
        context.objects.put(missing)
    return tuple(reserved[keys.name(content)] for content in contents)


def read(organisation_id: int, name: str, context: Context) -> bytes | None:
    """A content, None where the store has none of that name. Raises ObjectsAway, and UnreadableObject."""
    sealed = context.objects.get(name)
    return None if sealed is None else _keys(organisation_id, context).unseal(sealed)


def remove_some(rows: int, after: After, context: Context) -> tuple[int, After | None]:
    """Remove objects that nothing names: marked in the database, then gone from the store, then from the database. So
    whoever dies half-way leaves rows that say what is left. Looks at up to `rows` of them after the place `after`;
    returns how many it removed, and where to go on. Raises ObjectsAway."""
    with context.store.begin("sweep.mark_objects") as tx:
        unused = tx.unused_objects.mark(rows, after)
    if unused.objects:
        context.objects.delete([name for _, name in unused.objects])
        with context.store.begin("sweep.forget_objects") as tx:
            tx.unused_objects.removed(unused.objects)
    return len(unused.objects), unused.after


def _keys(organisation_id: int, context: Context) -> OrganisationKeys:
    with context.store.begin("copies.keys", reads_only=True) as tx:
        keys = tx.of_organisation(organisation_id).objects.keys()
    if keys is not None:
        return keys
    with context.store.begin("copies.make_keys") as tx:
        return tx.of_organisation(organisation_id).objects.make_keys()
