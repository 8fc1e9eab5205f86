"""Push, pull and what is refused on S3 and Google's storage, against simulators of both: see `tests.store.clouds`."""

import importlib.util
import tracemalloc
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.store.clouds import BUCKET, Cloud, cloud
from tests.store.repositories import Unseen, contents, write_repository
from tritext_store import cloud as product
from tritext_store import errors
from tritext_store.index import INDEX_NAME
from tritext_store.local import hash_file
from tritext_store.objects import Objects, open_objects
from tritext_store.pull import pull
from tritext_store.push import push

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")]  # gcsfs does
PACKAGES = {"s3": "s3fs", "gs": "gcsfs"}
PARTS, MOST = 50_000_000, 42_000_000  # bytes of a model that takes many parts, and of memory for any model
_numbers = count()


@pytest.fixture(scope="module", params=["s3", "gs"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A stand-in for each."""
    if importlib.util.find_spec(PACKAGES[request.param]) is None:
        pytest.skip(f"MISSING {PACKAGES[request.param]}: pip install 'tritext[{request.param}]'")
    with cloud(request.param, tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture
def uri(running: Cloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address under which nothing lies."""
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    return f"{running.kind}://{BUCKET}/repository-{next(_numbers)}"


def test_what_was_pushed_is_what_is_pulled_and_is_pushed_over(tmp_path: Path, uri: str) -> None:
    repository, objects = write_repository(tmp_path / "first"), open_objects(uri)
    with pytest.raises(errors.NotFound, match="once `tritext repository push` has finished"):
        pull(objects, tmp_path / "here", Unseen())
    assert push(repository, objects, Unseen()).uploaded > 40_000
    assert push(repository, objects, Unseen()).uploaded == 0
    pull(open_objects(uri), tmp_path / "here", Unseen())
    assert contents(tmp_path / "here") == contents(repository)
    for seed in (2, 3):
        assert push(write_repository(repository, seed), open_objects(uri), Unseen()).changed
        pull(objects, tmp_path / "here", Unseen())
        assert contents(tmp_path / "here") == contents(repository)


def test_who_has_read_another_index_does_not_write_over_it(tmp_path: Path, uri: str) -> None:
    objects = open_objects(uri)
    objects.replace(INDEX_NAME, b"mine", None)
    with pytest.raises(errors.Changed, match="somebody else"):
        objects.replace(INDEX_NAME, b"mine, too", None)
    content, tag = objects.read(INDEX_NAME, 100)
    assert content == b"mine"
    objects.replace(INDEX_NAME, b"theirs", tag)
    with pytest.raises(errors.Changed, match="somebody else"):
        objects.replace(INDEX_NAME, b"late", tag)
    assert objects.read(INDEX_NAME, 3)[0] == b"the"


def test_a_file_goes_up_in_parts_and_one_that_changes_meanwhile_not_at_all(tmp_path: Path, uri: str) -> None:
    objects, model = open_objects(uri), tmp_path / "model.onnx"
    model.write_bytes(bytes(PARTS))
    size, sha256 = hash_file(model, lambda n: None)
    objects.replace(INDEX_NAME, b"", None)  # what is loaded for the first request is no matter of the file's size
    steps: list[int] = []
    upload(objects, model, sha256, steps)
    assert (max(steps), sum(steps)) == (product.PART_BYTES, PARTS)
    for content in (b"x" * size, b"short", b""):
        model.write_bytes(content)
        with pytest.raises(errors.Changed, match="changed while it was being pushed"):
            objects.upload("content/b", model, sha256, lambda n: None)
    assert set(objects.sizes("content")) == {"content/a"}
    objects.remove(["content/a", "content/nothing"])
    assert not objects.sizes("content")


def upload(objects: Objects, model: Path, sha256: str, steps: list[int]) -> None:
    """Upload in much less memory than the file has."""
    tracemalloc.start()
    try:
        objects.upload("content/a", model, sha256, steps.append)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert objects.sizes("content")["content/a"][0] == PARTS
    assert most < MOST


def test_an_outage_and_a_bucket_that_is_not_there_are_named(
    tmp_path: Path, running: Cloud, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(write_repository(tmp_path / "first"), open_objects(uri), Unseen())
    pull(open_objects(uri), tmp_path / "here", Unseen())
    before = contents(tmp_path / "here")
    with pytest.raises(errors.NotFound):
        pull(open_objects(f"{running.kind}://nowhere/repository"), tmp_path / "here", Unseen())
    with pytest.raises(errors.StoreError):
        push(tmp_path / "first", open_objects(f"{running.kind}://nowhere/repository"), Unseen())
    if running.kind == "gs":
        return  # gcsfs gives up after half a minute
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(errors.Unreachable, match=r"cannot be reached|try again"):
        pull(open_objects(uri), tmp_path / "here", Unseen())
    assert contents(tmp_path / "here") == before
