import fcntl
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.repositories import CLASSIFIER, Unseen, contents, write_repository
from tritext_store import home, pull
from tritext_store.errors import Damaged, LocalError, NotFound, StoreError, Unexpected, Unreachable
from tritext_store.index import INDEX_NAME, Index, decode, encode
from tritext_store.objects import FolderObjects, Objects, open_objects
from tritext_store.push import push


@pytest.fixture
def remote(tmp_path: Path, folder_uri: str) -> Objects:
    """A pushed repository."""
    objects = open_objects(folder_uri)
    push(write_repository(tmp_path / "first", 1), objects, Unseen())
    return objects


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where it is to be."""
    return tmp_path / "here" / "repository"


def states(target: Path) -> list[str]:
    return sorted(path.name for path in target.with_name(f".{target.name}.pulled").iterdir() if path.is_dir())


def test_what_was_pushed_is_what_is_pulled(tmp_path: Path, remote: Objects, target: Path) -> None:
    done = pull.pull(remote, target, progress := Unseen())
    assert contents(target) == contents(tmp_path / "first")
    assert (done.changed, done.fetched, done.files) == (True, done.bytes, len(contents(target)))
    assert all(total == sum(steps) for _, total, steps in progress.stages)
    again = pull.pull(remote, target, Unseen())
    assert (again.changed, again.fetched, again.generation) == (False, 0, done.generation)


def test_only_what_is_new_is_fetched_and_the_state_before_stays(tmp_path: Path, remote: Objects, target: Path) -> None:
    for seed in (1, 2, 3):
        push(write_repository(tmp_path / "first", seed), remote, Unseen())
        held = target.resolve() if seed > 1 else None
        done = pull.pull(remote, target, Unseen())
        assert contents(target) == contents(tmp_path / "first")
        if held is not None:
            assert done.fetched < 41_000
            assert contents(held) != contents(target)
    assert len(states(target)) == 2


def test_a_state_that_a_server_holds_is_not_removed(tmp_path: Path, remote: Objects, target: Path) -> None:
    pull.pull(remote, target, Unseen())
    folder = target.resolve() / CLASSIFIER / "1"
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        for seed in (2, 3, 4):
            push(write_repository(tmp_path / "first", seed), remote, Unseen())
            pull.pull(remote, target, Unseen())
        assert (folder / "model.onnx").is_file()
        assert len(states(target)) == 3
    finally:
        os.close(descriptor)


def test_nothing_pushed_yet_and_half_a_push_are_no_repository(tmp_path: Path, folder_uri: str, target: Path) -> None:
    objects = open_objects(folder_uri)
    repository = write_repository(tmp_path / "first")
    objects.upload("content/half", repository / "README.md", _sha256(repository / "README.md"), lambda n: None)
    with pytest.raises(NotFound, match="once `tritext repository push` has finished"):
        pull.pull(objects, target, Unseen())
    assert not target.exists()


@pytest.mark.parametrize("damage", ["cut off", "changed", "gone", "longer"])
def test_a_damaged_content_leaves_the_old_state(tmp_path: Path, remote: Objects, target: Path, damage: str) -> None:
    pull.pull(remote, target, Unseen())
    old = contents(target)
    push(write_repository(tmp_path / "first", 2), remote, Unseen())
    sha256 = _sha256(tmp_path / "first" / CLASSIFIER / "1" / "model.onnx")
    [blob] = (Path(remote.location.path) / "content").glob(f"{sha256}.*")
    content = blob.read_bytes()
    damaged = {"cut off": content[:-7], "changed": b"x" + content[1:], "longer": content + b"x"}
    blob.unlink()
    if damage in damaged:
        blob.write_bytes(damaged[damage])
    if damage == "longer":  # what lies behind the file's end is not read
        pull.pull(remote, target, Unseen())
        assert contents(target) == contents(tmp_path / "first")
        return
    with pytest.raises(Damaged, match="push"):
        pull.pull(remote, target, Unseen())
    assert contents(target) == old
    blob.write_bytes(content)
    pull.pull(remote, target, Unseen())
    assert contents(target) == contents(tmp_path / "first")


@pytest.mark.parametrize("path", ["films/1/model.py", "films_classifier/libtriton_python.so", "../../x/config.pbtxt"])
def test_what_could_run_is_not_taken(remote: Objects, target: Path, path: str) -> None:
    pull.pull(remote, target, Unseen())
    old = contents(target)
    content, tag = remote.read(INDEX_NAME, 1 << 20)
    index = decode(content, "")
    evil = Index((*index.files, replace(index.files[0], path=path)))
    remote.replace(INDEX_NAME, encode(evil), tag)
    with pytest.raises(Unexpected, match="no file of a model repository"):
        pull.pull(remote, target, Unseen())
    assert contents(target) == old


def test_a_pull_that_was_stopped_goes_on(tmp_path: Path, remote: Objects, target: Path) -> None:
    class Cut(FolderObjects):
        """The connection breaks in the middle of the model."""

        def block(self, name: str, start: int, end: int) -> bytes:
            if start:
                raise Unreachable("cut")
            return super().block(name, start, min(end, start + 20_000))

    with pytest.raises(Unreachable, match="cut"):
        pull.pull(Cut(remote.location), target, Unseen())
    [staging] = target.with_name(f".{target.name}.pulled").glob("*.partial")
    (staging / "libevil.so").write_bytes(b"")
    (staging / CLASSIFIER / "config.pbtxt").unlink(missing_ok=True)
    (staging / CLASSIFIER / "config.pbtxt").symlink_to("/etc/hostname")
    starts: dict[str, int] = {}

    class Watched(FolderObjects):
        """Notes where each content is gone on with."""

        def block(self, name: str, start: int, end: int) -> bytes:
            starts.setdefault(name, start)
            return super().block(name, start, end)

    pull.pull(Watched(remote.location), target, Unseen())
    assert contents(target) == contents(tmp_path / "first")
    sha256 = _sha256(target / CLASSIFIER / "1" / "model.onnx")
    assert [start for name, start in starts.items() if sha256 in name] == [20_000]
    assert states(target) == [target.resolve().name]


def test_the_push_that_comes_in_between_is_what_is_pulled(tmp_path: Path, remote: Objects, target: Path) -> None:
    class Moving(FolderObjects):
        """While the first state is fetched, so much is pushed that its contents are tidied up."""

        moved = False

        def block(self, name: str, start: int, end: int) -> bytes:
            if not self.moved:
                self.moved = True
                push(write_repository(tmp_path / "first", 2), remote, Unseen())
                (Path(self.location.path) / name).unlink(missing_ok=True)
                push(tmp_path / "first", remote, Unseen(), again=True)
                raise NotFound(name)
            return super().block(name, start, end)

    pull.pull(Moving(remote.location), target, Unseen())
    assert contents(target) == contents(tmp_path / "first")


@pytest.mark.parametrize("kind", ["folder", "file", "link", "link to nothing"])
def test_what_no_pull_has_made_is_not_replaced(tmp_path: Path, remote: Objects, target: Path, kind: str) -> None:
    target.parent.mkdir()
    if kind == "folder":
        write_repository(target)
    elif kind == "file":
        target.write_text("mine", encoding="utf-8")
    else:
        target.symlink_to(write_repository(tmp_path / "own") if kind == "link" else "/nowhere")
    with pytest.raises(LocalError, match="no pull has made"):
        pull.pull(remote, target, Unseen())


@pytest.mark.parametrize("where", ["/", "..", "{here}/.."])
def test_what_cannot_become_a_link_is_refused(tmp_path: Path, remote: Objects, where: str) -> None:
    with pytest.raises(LocalError, match="cannot become a link"):
        pull.pull(remote, Path(where.format(here=tmp_path)), Unseen())


def test_what_is_in_the_way_on_this_disk_is_named(tmp_path: Path, remote: Objects, target: Path) -> None:
    states = target.with_name(f".{target.name}.pulled")
    states.parent.mkdir()
    states.write_text("mine", encoding="utf-8")
    with pytest.raises(LocalError, match=r"\.repository\.pulled: .*something else is in the way"):
        pull.pull(remote, target, Unseen())
    states.unlink()
    (states / "lock").mkdir(parents=True)
    with pytest.raises(LocalError, match="something else is in the way"):
        pull.pull(remote, target, Unseen())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "content").write_text("mine", encoding="utf-8")
    with pytest.raises(LocalError, match=r"content: .*something else is in the way"):
        push(tmp_path / "first", open_objects(str(tmp_path / "other")), Unseen())


def test_what_comes_in_the_way_at_the_last_moment_is_not_replaced(remote: Objects, target: Path) -> None:
    class Late(FolderObjects):
        """Somebody else makes a file while the contents are fetched."""

        def block(self, name: str, start: int, end: int) -> bytes:
            target.write_text("mine", encoding="utf-8")
            return super().block(name, start, end)

    with pytest.raises(LocalError, match="something else is in the way"):
        pull.pull(Late(remote.location), target, Unseen())
    assert target.read_text(encoding="utf-8") == "mine"


def test_an_empty_folder_may_be_replaced(tmp_path: Path, remote: Objects, target: Path) -> None:
    target.mkdir(parents=True)
    pull.pull(remote, target, Unseen())
    assert contents(target) == contents(tmp_path / "first")


def test_a_second_pull_at_the_same_time_is_refused(remote: Objects, target: Path) -> None:
    with home.Home(target).locked(), pytest.raises(LocalError, match="another pull is at work"):
        pull.pull(remote, target, Unseen())


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_fetched(
    remote: Objects, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "SPARE_BYTES", 1 << 60)
    with pytest.raises(LocalError, match="free some space"):
        pull.pull(remote, target, Unseen())
    assert not target.exists()


def test_a_reader_sees_one_state_whole_at_any_moment(tmp_path: Path, remote: Objects, target: Path) -> None:
    wanted: list[Mapping[str, bytes]] = [contents(tmp_path / "first")]
    wanted.append(contents(write_repository(tmp_path / "second", 2)))
    pull.pull(remote, target, Unseen())
    seen, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(contents(target.resolve()))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        push(tmp_path / "second", remote, Unseen())
        pull.pull(remote, target, Unseen())
    finally:
        done.set()
        reader.join()
    assert seen
    assert all(each in wanted for each in seen)


def test_a_local_state_that_lost_a_file_is_fetched_anew(tmp_path: Path, remote: Objects, target: Path) -> None:
    pull.pull(remote, target, Unseen())
    (target / CLASSIFIER / "1" / "model.onnx").unlink()
    assert pull.pull(remote, target, Unseen()).changed
    assert contents(target) == contents(tmp_path / "first")


def test_an_error_of_storage_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "remote").write_text("a file", encoding="utf-8")
    with pytest.raises(StoreError):
        pull.pull(open_objects(str(tmp_path / "remote")), tmp_path / "here", Unseen())


def _sha256(path: Path) -> str:
    from tritext_store.local import hash_file

    return hash_file(path, lambda n: None)[1]
