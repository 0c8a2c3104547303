"""Objects in a bucket of Amazon S3, Google Cloud Storage, Azure, or what speaks like them, through obstore."""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from domain.errors import ObjectsAway
from infra.faults import reached

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as ObStore

T = TypeVar("T")

AT_ONCE: Final = 8
"""Requests of one call that are under way together."""

_PATIENCE: "Final[ClientConfig]" = {"connect_timeout": "5s", "timeout": "30s", "allow_http": True}
"""An endpoint of one's own may be plain http: what is stored is sealed."""

_TRIES: "Final[RetryConfig]" = {"max_retries": 1}


def bucket_at(url: str) -> "BucketStore":
    """The bucket of a URL. Credentials are found as the cloud's own tools find them. Raises ValueError where that is no
    URL of a bucket, or too little is known to ask for it."""
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        return BucketStore(from_url(url, client_options=_PATIENCE, retry_config=_TRIES))
    except BaseError:
        raise ValueError("no bucket") from None


class BucketStore:
    """Each object is one of a store of obstore's."""

    def __init__(self, store: "ObStore") -> None:
        self._store = store

    def put(self, objects: Mapping[str, bytes]) -> None:
        def one(item: tuple[str, bytes]) -> None:
            self._store.put(
                item[0], item[1], use_multipart=False
            )  # a multipart that is cut off leaves something

        with reached("objects.put"):
            self._each(one, objects.items())

    def get(self, name: str) -> bytes | None:
        with _translated():
            try:
                return bytes(self._store.get(name).bytes())
            except FileNotFoundError:
                return None

    def delete(self, names: Collection[str]) -> None:
        def one(name: str) -> None:
            with suppress(FileNotFoundError):
                self._store.delete(name)

        with reached("objects.delete"):
            self._each(one, names)

    def tidy(self) -> None:
        """A put leaves nothing."""

    def _each(self, do: Callable[[T], None], items: Collection[T]) -> None:
        with _translated(), ThreadPoolExecutor(AT_ONCE) as threads:
            for _ in threads.map(do, items):
                pass


@contextmanager
def _translated() -> Iterator[None]:
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError):
        raise ObjectsAway("objects_refused") from None
    except (BaseError, OSError):
        raise ObjectsAway("objects_away") from None
