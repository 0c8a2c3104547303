"""Object stores, and which one a place means."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from infra.objects.buckets import BucketStore, bucket_at
from infra.objects.folder import FolderStore

BUCKETS: Final = ("s3", "gs", "az")
"""Schemes of the URLs that mean a bucket."""


def open_store(place: str) -> FolderStore | BucketStore:
    """The store at a place: a folder, as a path or a file:// URL, or a bucket's URL. Nothing is asked of it yet. Raises
    ImportError for a bucket where obstore is not installed, ValueError for what is neither."""
    if "://" not in place:
        return FolderStore(Path(place))
    url = urlsplit(place)
    if url.scheme == "file" and not url.netloc and url.path:
        return FolderStore(Path(unquote(url.path)))
    if url.scheme not in BUCKETS or not url.netloc:
        raise ValueError("no place for objects")
    return bucket_at(place)
