"""Files come whole, in order, and for their owner alone."""

import stat
from pathlib import Path

import pytest

from tritext_serve.endpoint.edge.files import replace, write


def test_only_what_changed_is_written_and_clusters_come_first(tmp_path: Path) -> None:
    directory = tmp_path / "envoy"
    files = {"lds.json": "1", "rds.json": "2", "cds.json": "3", "bootstrap.json": "4"}
    assert write(directory, files) == ["bootstrap.json", "cds.json", "rds.json", "lds.json"]
    assert write(directory, files) == []
    assert write(directory, files | {"rds.json": "5"}) == ["rds.json"]
    assert {path.name: path.read_text() for path in directory.iterdir()} == files | {"rds.json": "5"}


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    directory = tmp_path / "envoy"
    write(directory, {"rds.json": "the keys"})
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "rds.json").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, {"rds.json": "old"})
    with pytest.raises(UnicodeEncodeError):
        replace(tmp_path / "rds.json", "\ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["rds.json"]
    assert (tmp_path / "rds.json").read_text() == "old"
