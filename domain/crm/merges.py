"""Records that the CRM has merged into others: who counts for whom (E71, E72).

Each record is kept as the CRM has told of it, merged or not. For whom it counts follows from the newest merge that
names it and the newest changes of the records concerned, whatever order they came in.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Merge:
    """Contacts or leads become one: the survivor. It is a change of all of them, and so is its version."""

    survivor: str
    losers: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Named:
    """The newest merge that names a record: into which one it went, None where it is the one that stays. A file's has
    the version of the newest message before it."""

    survivor: str | None
    version: int
    by_file: bool = False


@dataclass(frozen=True, slots=True)
class Newest:
    """What is known of a record itself: its newest change by version, and whether we have it."""

    version: int | None = None
    deleted: bool = False
    is_there: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """For whom a record counts, None where for itself; `outlived`: the survivor's own change, as new as the merge or
    newer, tells all that is left of it."""

    counts_for: str | None = None
    outlived: bool = False


_UNKNOWN = Newest()


def is_newer(merge: Merge, record_id: str, named: Named | None) -> bool:
    """Whether it tells more of the record than the newest merge that names it so far. Of two of one version it is the
    one whose survivor has the higher id: so their order plays no part. A file's is over with a newer version alone:
    the message before it may come again."""
    if named is None or named.version != merge.version:
        return named is None or named.version < merge.version
    return not named.by_file and (named.survivor or record_id) < merge.survivor


def standings(named: Mapping[str, Named], newest: Mapping[str, Newest]) -> dict[str, Standing]:
    """By record. Merges are followed from one to the next, to the last record that we have; where there is none yet, a
    merge waits and the record counts for itself.

    Messages never lead in a circle: who survives a merge is named by it, so that an older one into another is over.
    Files, which have no versions, may do so among messages: then each record in it counts for itself.
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
    """None where it was never merged, or made anew since."""
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
    """Of which of these records the merge need not be known any more: none of `held`, and nothing that stays has gone
    into it. `into`: of all that has gone into one of these, its id and the survivor's."""
    stay = set(held)
    while more := {one for record_id, one in into if record_id in stay or record_id not in ids} - stay:
        stay |= more
    return frozenset(ids) - stay
