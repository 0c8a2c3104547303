"""What a bucket's server answers, in our words."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domain.errors import ObjectsAway
from infra.objects import open_store
from infra.objects.buckets import BucketStore, bucket_at
from infra.objects.folder import FolderStore

NAME = "0a" * 32


class Refusing(ThreadingHTTPServer):
    """Answers everything with one status, as S3 would where something is wrong."""

    status = 200


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Refusing)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_DELETE = do_POST = do_GET  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Refusing]:
    server = Refusing(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bucket(server: Refusing, monkeypatch: pytest.MonkeyPatch) -> BucketStore:
    for name, value in {
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
        "REGION": "eu-west-1",
        "ENDPOINT": f"http://127.0.0.1:{server.server_port}",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return bucket_at("s3://bucket/path")


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "objects_refused"), (403, "objects_refused"), (503, "objects_away")]
)
def test_who_is_not_let_in_and_who_finds_it_away_is_told_which(
    bucket: BucketStore, server: Refusing, status: int, reason: str
) -> None:
    server.status = status
    calls: tuple[Callable[[], object], ...] = (
        lambda: bucket.get(NAME),
        lambda: bucket.put({NAME: b"content"}),
        lambda: bucket.delete([NAME]),
    )
    for call in calls:
        with pytest.raises(ObjectsAway, match=reason):
            call()


def test_what_is_not_there_is_none_and_deleted(bucket: BucketStore, server: Refusing) -> None:
    server.status = 404
    assert bucket.get(NAME) is None
    bucket.delete([NAME])
    with pytest.raises(ObjectsAway):
        bucket.put({NAME: b"content"})


def test_nobody_listens(bucket: BucketStore, server: Refusing) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(ObjectsAway, match="objects_away"):
        bucket.get(NAME)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/srv/objects", FolderStore),
        ("objects", FolderStore),
        ("s3://bucket/path", BucketStore),
        ("file:///srv/objects", FolderStore),
    ],
)
def test_a_place_is_a_folder_unless_it_is_a_url(place: str, kind: type) -> None:
    assert type(open_store(place)) is kind


@pytest.mark.parametrize(
    "place", ["memory:///", "s3://", "https://example.com/x", "file://host/x", "ftp://x"]
)
def test_what_is_neither_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        open_store(place)


def test_a_bucket_whose_account_nobody_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="no bucket"):
        open_store("az://container/path")
