"""Object stores, and which one a place means."""

from pathlib import Path

from infra.objects.buckets import BucketStore, is_bucket
from infra.objects.folder import FolderStore


def open_store(place: str) -> FolderStore | BucketStore:
    """The store at a place, which is a folder or a bucket's URL. Nothing is asked of it yet. Raises ImportError for a
    bucket where obstore is not installed, ValueError for a URL that it cannot read."""
    return BucketStore(place) if is_bucket(place) else FolderStore(Path(place))
