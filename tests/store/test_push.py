import fcntl
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.repositories import CLASSIFIER, FRONT, Unseen, contents, write_repository
from tritext_store.errors import Changed, Damaged, Denied, LocalError, StoreError, Unexpected
from tritext_store.index import INDEX_NAME, MOST_INDEX_BYTES, Entry, Index, decode
from tritext_store.local import hash_file
from tritext_store.objects import COPY_BYTES, FolderObjects, open_objects
from tritext_store.pull import pull
from tritext_store.push import aged, condemned, placed, push, usable

A, B, C, D = (letter * 64 for letter in "abcd")
DAY = 86_400.0


def test_a_content_is_uploaded_once_and_only_if_it_is_not_there_whole() -> None:
    found = (Entry("m/1/model.onnx", 5, A), Entry("m/2/model.onnx", 5, A), Entry("m/config.pbtxt", 2, B))
    files, wanted = placed(found, [])
    assert [entry.sha256 for entry in wanted] == [A, B]
    assert files[0].stored == files[1].stored == wanted[0].stored
    files, wanted = placed(found, [(A, 5), (f"{A}.1", 5), (f"{B}.1", 1)])
    assert [entry.sha256 for entry in wanted] == [B]
    assert [entry.stored for entry in files[:2]] == [A, A]


def test_no_name_is_used_twice() -> None:
    found = (Entry("m/1/model.onnx", 5, A),)
    assert len({placed(found, [])[1][0].stored for _ in range(100)}) == 100


def test_what_is_condemned_is_not_counted_on_and_what_is_in_force_comes_first() -> None:
    before = Index((Entry("m/1/model.onnx", 5, B, "2"),), condemned=(f"{B}.0",))
    there = {f"content/{name}": (5, 0.0) for name in (A, f"{B}.0", f"{B}.1", f"{B}.2")}
    assert usable(before, there) == ((f"{B}.2", 5), (A, 5), (f"{B}.1", 5))


def test_what_is_old_and_in_no_kept_state_is_condemned_and_stays_so_until_it_is_gone() -> None:
    before = Index((Entry("m/1/model.onnx", 5, B),), condemned=(D, "e" * 64))
    index = before.succeed((Entry("m/1/model.onnx", 5, A),), "")
    there = {f"content/{name}": (5, 0.0) for name in (A, B, C)}
    there |= {f"content/{name}": (5, 2 * DAY) for name in (D, "f" * 64)}
    assert condemned(index, there, before) == (D, C)
    assert condemned(index, there, None) == (C, D, "f" * 64)
    assert set(aged(there)) == {f"content/{name}" for name in (A, B, C)}
    assert aged({}) == aged({f"content/{C}": (5, 5.0), "content/new": (5, DAY)}, DAY) == ()


def test_an_index_of_the_first_format_is_gone_on_with(tmp_path: Path, folder_uri: str) -> None:
    repository, objects = write_repository(tmp_path / "here"), open_objects(folder_uri)
    first = push(repository, objects, Unseen())
    content, tag = objects.read(INDEX_NAME, 1 << 20)
    document = json.loads(content)
    for entry in document["files"]:
        stored = Path(folder_uri) / "content" / f"{entry['sha256']}.{entry.pop('mark')}"
        if stored.exists():
            stored.rename(stored.with_suffix(""))
    del document["condemned"]
    objects.replace(INDEX_NAME, json.dumps(document | {"format": 1}).encode(), tag)
    pull(objects, tmp_path / "there", Unseen())
    assert contents(tmp_path / "there") == contents(repository)
    assert not push(repository, objects, Unseen()).changed
    second = push(write_repository(repository, 2), objects, Unseen())
    assert second.uploaded < second.bytes
    pull(objects, tmp_path / "there", Unseen())
    assert contents(tmp_path / "there") == contents(repository)
    assert first.generation != second.generation


def test_what_uploads_that_were_killed_have_left_is_swept_when_it_is_old(tmp_path: Path, folder_uri: str) -> None:
    repository, objects = write_repository(tmp_path / "here"), open_objects(folder_uri)
    push(repository, objects, Unseen())
    old, young = (Path(folder_uri) / "content" / f".{name}.partial" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    push(write_repository(repository, 2), objects, Unseen())
    assert (old.exists(), young.exists()) == (False, True)


def test_pushed_again_nothing_is_uploaded(tmp_path: Path, folder_uri: str) -> None:
    repository = write_repository(tmp_path / "here")
    first = push(repository, open_objects(folder_uri), progress := Unseen())
    second = push(repository, open_objects(folder_uri), Unseen())
    assert first.changed
    assert (second.changed, second.uploaded, second.generation) == (False, 0, first.generation)
    for _, total, steps in progress.stages:
        assert total == sum(steps)


def test_a_new_version_uploads_what_is_new_and_keeps_the_old_state_for_those_who_fetch_it(
    tmp_path: Path, folder_uri: str
) -> None:
    objects = open_objects(folder_uri)
    push(write_repository(tmp_path / "here", 1), objects, Unseen())
    before = decode(objects.read(INDEX_NAME, 1 << 20)[0], "")
    pushed = push(write_repository(tmp_path / "here", 2), objects, Unseen())
    assert 40_000 < pushed.uploaded < 41_000
    there = objects.sizes("content")
    assert all(there[entry.blob][0] == entry.bytes for entry in before.files)


def test_an_upload_that_is_damaged_is_mended_on_demand(tmp_path: Path, folder_uri: str) -> None:
    repository, objects = write_repository(tmp_path / "here"), open_objects(folder_uri)
    push(repository, objects, Unseen())
    sha256 = hash_file(repository / CLASSIFIER / "1" / "model.onnx", lambda n: None)[1]
    [blob] = (Path(folder_uri) / "content").glob(f"{sha256}.*")
    blob.write_bytes(b"x" * blob.stat().st_size)
    with pytest.raises(StoreError, match="push with --again"):
        pull(objects, tmp_path / "there", Unseen())
    push(repository, objects, Unseen(), again=True)
    pull(objects, tmp_path / "there", Unseen())
    assert contents(tmp_path / "there") == contents(repository)


@pytest.mark.parametrize("damage", [b"", b"{", b" " * (MOST_INDEX_BYTES + 2)], ids=["empty", "cut off", "endless"])
def test_an_index_that_is_damaged_is_replaced_on_demand(tmp_path: Path, folder_uri: str, damage: bytes) -> None:
    repository, objects = write_repository(tmp_path / "here"), open_objects(folder_uri)
    push(repository, objects, Unseen())
    (Path(folder_uri) / INDEX_NAME).write_bytes(damage)
    for refused in (lambda: pull(objects, tmp_path / "there", Unseen()), lambda: push(repository, objects, Unseen())):
        with pytest.raises(Damaged, match="push with --again"):
            refused()
    assert push(repository, objects, Unseen(), again=True).changed
    pull(objects, tmp_path / "there", Unseen())
    assert contents(tmp_path / "there") == contents(repository)


def test_an_index_whose_answer_is_lost_is_written_all_the_same(tmp_path: Path, folder_uri: str) -> None:
    class Lossy(FolderObjects):
        """The client sends again what was written already."""

        def replace(self, name: str, content: bytes, tag: str | None) -> None:
            super().replace(name, content, tag)
            super().replace(name, content, tag)

    assert push(write_repository(tmp_path / "here"), Lossy(open_objects(folder_uri).location), Unseen()).changed


def test_when_one_upload_fails_the_others_end_behind_their_block(tmp_path: Path, folder_uri: str) -> None:
    repository = write_repository(tmp_path / "here", weights=8 * COPY_BYTES, versions=2)
    begun, failed = threading.Barrier(2), threading.Event()

    class Failing(FolderObjects):
        """One of the two models cannot be uploaded while the other is under way."""

        blocks = 0

        def upload(self, name: str, path: Path, sha256: str, tell: Callable[[int], None]) -> None:
            if path.name != "model.onnx":
                return
            begun.wait()
            if path.parent.name == "1":
                failed.set()
                raise Denied("no")

            def slowly(size: int) -> None:
                self.blocks += 1
                failed.wait()
                time.sleep(0.05)
                tell(size)

            super().upload(name, path, sha256, slowly)

    objects = Failing(open_objects(folder_uri).location)
    with pytest.raises(Denied):
        push(repository, objects, Unseen())
    assert 1 <= objects.blocks < 8


@pytest.mark.parametrize("name", ["model.py", "1/libtriton_python.so", "1/extra/model.onnx"])
def test_a_file_that_is_not_data_stops_the_push(tmp_path: Path, folder_uri: str, name: str) -> None:
    repository = write_repository(tmp_path / "here")
    (repository / FRONT / name).parent.mkdir(exist_ok=True)
    (repository / FRONT / name).write_bytes(b"")
    with pytest.raises(Unexpected, match="move it away"):
        push(repository, open_objects(folder_uri), Unseen())
    assert not Path(folder_uri).exists()


def test_a_link_stops_the_push(tmp_path: Path, folder_uri: str) -> None:
    repository = write_repository(tmp_path / "here")
    (repository / FRONT / "labels.txt").unlink()
    (repository / FRONT / "labels.txt").symlink_to("/etc/hostname")
    with pytest.raises(Unexpected, match="is a link"):
        push(repository, open_objects(folder_uri), Unseen())


def test_what_is_no_repository_is_refused(tmp_path: Path, folder_uri: str) -> None:
    with pytest.raises(LocalError, match="no such directory"):
        push(tmp_path / "nothing", open_objects(folder_uri), Unseen())
    with pytest.raises(LocalError, match="holds no model"):
        push(tmp_path, open_objects(folder_uri), Unseen())


def test_an_export_under_way_is_waited_for(tmp_path: Path, folder_uri: str) -> None:
    repository = write_repository(tmp_path / "here")
    with (repository / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Changed, match="an export is writing"):
            push(repository, open_objects(folder_uri), Unseen())


def test_a_file_that_changes_between_its_hash_and_its_upload_is_not_published(tmp_path: Path, folder_uri: str) -> None:
    repository, objects = write_repository(tmp_path / "here"), open_objects(folder_uri)
    model = repository / CLASSIFIER / "1" / "model.onnx"
    size, sha256 = hash_file(model, lambda n: None)
    model.write_bytes(b"x" * size)
    with pytest.raises(Changed, match="changed while it was being pushed"):
        objects.upload("content/x", model, sha256, lambda n: None)
    assert not objects.sizes("content")


def test_of_two_pushers_at_once_one_wins_whole(tmp_path: Path, folder_uri: str) -> None:
    mine, theirs = (write_repository(tmp_path / str(seed), seed) for seed in (1, 2))
    push(write_repository(tmp_path / "0", 0), open_objects(folder_uri), Unseen())

    class Late(FolderObjects):
        """The other pusher comes when the index of this one is about to be written."""

        def replace(self, name: str, content: bytes, tag: str | None) -> None:
            push(theirs, open_objects(folder_uri), Unseen())
            super().replace(name, content, tag)

    with pytest.raises(Changed, match="somebody else"):
        push(mine, Late(open_objects(folder_uri).location), Unseen())
    pull(open_objects(folder_uri), tmp_path / "there", Unseen())
    assert contents(tmp_path / "there") == contents(theirs)


def test_many_pushers_at_once_leave_one_whole_repository(tmp_path: Path, folder_uri: str) -> None:
    repositories = [write_repository(tmp_path / str(seed), seed) for seed in range(6)]
    outcomes: dict[int, str] = {}

    def one(number: int) -> None:
        try:
            outcomes[number] = push(repositories[number], open_objects(folder_uri), Unseen()).generation
        except Changed:
            outcomes[number] = ""

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(outcomes.values())
    pulled = pull(open_objects(folder_uri), tmp_path / "there", Unseen())
    [winner] = [number for number, generation in outcomes.items() if generation == pulled.generation]
    assert contents(tmp_path / "there") == contents(repositories[winner])
