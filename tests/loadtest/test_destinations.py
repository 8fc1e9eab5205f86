"""Reports: refused before the work where they cannot be written, and never there by half."""

import os
import stat
from pathlib import Path

import pytest

from tritext_loadtest.destinations import require_writable, write_whole
from tritext_loadtest.errors import DestinationError


def test_a_place_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("old")
    require_writable({"--json": tmp_path / "old.json", "--html": tmp_path / "deep" / "r.html", "--junit": None})
    assert (tmp_path / "old.json").read_text() == "old"
    assert not (tmp_path / "deep").exists()


def test_a_place_that_cannot_be_is_refused_by_its_flag(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, reason in [
        (tmp_path, "is a folder"),
        (tmp_path / "file" / "r.html", f"{tmp_path / 'file'} is no folder"),
    ]:
        with pytest.raises(DestinationError, match=f"^--html {path}: {reason}: choose another place"):
            require_writable({"--html": path})


@pytest.mark.skipif(os.geteuid() == 0, reason="MISSING a user whom permissions bind: root may write everywhere")
def test_a_place_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DestinationError, match="nothing may be made in"):
        require_writable({"--html": tmp_path / "r.html"})
    tmp_path.chmod(0)
    with pytest.raises(DestinationError, match="Permission denied: choose another place"):
        require_writable({"--html": tmp_path / "r.html"})
    tmp_path.chmod(0o700)


def test_a_way_that_is_too_long_to_look_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match="File name too long: choose another place"):
        require_writable({"--html": tmp_path / ("r" * 300)})


def test_a_file_is_replaced_whole_and_keeps_its_mode_and_the_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", "new \ud800")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new ?"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_what_was_there_stays_where_the_new_one_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_what_is_no_ordinary_file_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, "report")
        assert os.read(reader, 100) == b"report"
    finally:
        os.close(reader)
