"""Files of this machine: whether they can be written is known before any work, and nobody's file is replaced."""

import errno
import os
import threading
from pathlib import Path

import pytest

from tritext_batch.errors import OutputError
from tritext_batch.places import LocalPlace, local_path, move
from tritext_store.objects import write_whole


@pytest.mark.parametrize(
    ("name", "size", "overwrite", "words"),
    [
        ("none/out.tsv", 1, False, "none: No such file or directory: make that folder"),
        ("mine/out.tsv", 1, True, "mine: Not a directory: make that folder"),
        ("mine", 1, False, "mine: exists: name another output, or replace it with --overwrite"),
        ("folder", 1, False, "folder: is no regular file, so it cannot be replaced: name another output"),
        ("folder", 1, True, "folder: is no regular file, so it cannot be replaced: name another output"),
        ("out.tsv", 1 << 60, False, " MB are free, and about 1,152,921,504,607 MB will be written: free some space"),
    ],
)
def test_what_could_not_be_written_is_refused(
    tmp_path: Path, name: str, size: int, overwrite: bool, words: str
) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError) as refused:
        LocalPlace(tmp_path / name).require_writable(size, overwrite=overwrite)
    assert words in str(refused.value)


def test_a_folder_that_may_not_be_written_is_refused() -> None:
    with pytest.raises(OutputError, match=r"^/proc: .*: make that folder, let this user write in it, or name another"):
        LocalPlace(Path("/proc/out.tsv")).require_writable(1, overwrite=True)


def test_asking_leaves_nothing(tmp_path: Path) -> None:
    LocalPlace(tmp_path / "out.tsv").require_writable(1, overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("links", [True, False])
def test_of_many_who_publish_one_does(tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not the file system has hard links."""
    if not links:

        def refuse(source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    told: list[str] = []

    def publish(number: int) -> None:
        path = tmp_path / f"{number}"
        path.write_text(f"of {number}")
        try:
            LocalPlace(tmp_path / "out").publish(path, overwrite=False)
        except OutputError as error:
            told.append(str(error))

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(told) == 7
    assert all("exists: replace it with --overwrite, and nothing is scored again" in words for words in told)
    left = {path.name for path in tmp_path.iterdir()}
    (winner,) = {str(number) for number in range(8)} - left
    assert (tmp_path / "out").read_text() == f"of {winner}"


def test_a_copy_that_the_disk_cannot_hold_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Onto another file system, where half of it would keep the disk full."""
    (tmp_path / "work").write_text("rows")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device"):
            LocalPlace(tmp_path / "out")._copied(tmp_path / "work")
        with pytest.raises(OSError, match="No space left on device"):
            write_whole(tmp_path / "summary.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_the_same_content_is_taken_for_what_an_earlier_run_has_put_there(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("ours")
    (tmp_path / "again").write_text("ours")
    LocalPlace(tmp_path / "out").publish(tmp_path / "again", overwrite=False)


def test_from_another_file_system_a_file_is_copied_and_never_over_another(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("MISSING a second file system")
    source = shared / f"tritext-{os.getpid()}"
    try:
        source.write_text("ours")
        LocalPlace(tmp_path / "out").publish(source, overwrite=False)
        source.write_text("other")
        with pytest.raises(OutputError, match="exists: replace it with --overwrite"):
            LocalPlace(tmp_path / "out").publish(source, overwrite=False)
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        LocalPlace(tmp_path / "out").publish(source, overwrite=True)
    finally:
        source.unlink(missing_ok=True)
    assert (tmp_path / "out").read_text() == "other"


def test_a_moved_file_has_one_name(tmp_path: Path) -> None:
    for overwrite in (False, True):
        (tmp_path / "a").write_text("x")
        move(tmp_path / "a", tmp_path / "b", overwrite=overwrite)
        assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_file_uri_is_a_path_of_this_machine() -> None:
    assert local_path("file:///a/b%20c") == Path("/a/b c")
    assert local_path("a/b") == Path("a/b")
    assert local_path("az://c/b") is None


def test_a_way_that_cannot_be_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="File name too long: let this user into that folder, or name another output"):
        LocalPlace(tmp_path / ("r" * 300)).require_writable(0, overwrite=False)
