"""Records that the CRM has merged into others: which record counts for which (E71, E72).

Each record is kept as the CRM has sent it, merged or not. The record that it counts for follows from the newest merge
that names it and the newest changes of these records, in whatever order they came.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Merge:
    """Contacts or leads become one, the survivor. `version` counts as a version of each of them."""

    survivor: str
    losers: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Named:
    """The newest merge that names a record. `survivor` is the record it went into, None where it is the survivor.

    A merge from a file has the version of the newest message before it.
    """

    survivor: str | None
    version: int
    by_file: bool = False


@dataclass(frozen=True, slots=True)
class Newest:
    """A record's own state: the version of its newest change, whether that deleted it, and whether we have it."""

    version: int | None = None
    deleted: bool = False
    is_there: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """The record that a record counts for; None when it counts for itself.

    `outlived`: the survivor was changed with or after the merge, so that its own data replaces this record's.
    """

    counts_for: str | None = None
    outlived: bool = False


_UNKNOWN = Newest()


def is_newer(merge: Merge, record_id: str, named: Named | None) -> bool:
    """Whether the merge is newer than the newest one that names the record so far.

    Of two with one version the higher survivor id wins, so that their order plays no part. A merge from a file ends
    only with a higher version, because the message before the file may come again.
    """
    if named is None or named.version != merge.version:
        return named is None or named.version < merge.version
    return not named.by_file and (named.survivor or record_id) < merge.survivor


def standings(named: Mapping[str, Named], newest: Mapping[str, Newest]) -> dict[str, Standing]:
    """The standing of each record: merges are followed to the last record that we have.

    While we have none of them, the merge waits and the record counts for itself. Merges from messages form no circle,
    because a newer merge ends an older one of its survivor. With files, which have no versions, they can: then each
    record in the circle counts for itself.
    """
    found: dict[str, Standing] = {}
    for record_id in named:
        path = [record_id]
        places = {record_id: 0}
        while path[-1] not in found and (survivor := _survivor(path[-1], named, newest)) is not None:
            if survivor in places:
                found |= dict.fromkeys(path[places[survivor] :], Standing())
                path = path[: places[survivor] + 1]
                break
            places[survivor] = len(path)
            path.append(survivor)
        for one, following in zip(path[-2::-1], path[:0:-1], strict=True):
            found[one] = _one_further(named[one].version, following, found, newest)
        found.setdefault(record_id, Standing())
    return found


def _survivor(record_id: str, named: Mapping[str, Named], newest: Mapping[str, Newest]) -> str | None:
    """None when the record was never merged, or was changed since."""
    merging, own = named.get(record_id), newest.get(record_id, _UNKNOWN)
    if merging is None or (own.version is not None and not own.deleted and own.version > merging.version):
        return None
    return merging.survivor


def _one_further(
    version: int, survivor: str, found: Mapping[str, Standing], newest: Mapping[str, Newest]
) -> Standing:
    further, its = found.get(survivor, Standing()), newest.get(survivor, _UNKNOWN)
    stays = survivor if its.is_there and not further.outlived else None
    outlived = further.outlived or (its.version is not None and its.version >= version)
    return Standing(further.counts_for or stays, outlived)


def forgettable(ids: Collection[str], held: Iterable[str], into: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Those of the records `ids` whose merge may be deleted.

    A record in `held` keeps its merge, and so does the survivor of a merge that stays. `into` has the record's and the
    survivor's id for each record that was merged into one of `ids`.
    """
    stay = set(held)
    while more := {one for record_id, one in into if record_id in stay or record_id not in ids} - stay:
        stay |= more
    return frozenset(ids) - stay
