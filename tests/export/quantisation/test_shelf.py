"""The shelf: what is kept comes back, what is broken or foreign does not, and old searches make room."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tritext_export.edits.values import Array
from tritext_export.quantisation import shelf as shelves
from tritext_export.quantisation.shelf import FOLDER, Shelf, digest
from tritext_export.settings import cache_directory


def arrays(size: int = 8) -> dict[str, Array]:
    """Some of each type that is kept."""
    return {"values": np.arange(size, dtype=np.int8), "0/scale": np.ones(2, np.float32), "tokens": np.array(3)}


def entry(root: Path, key: str = "a", name: str = "tried") -> Path:
    """Where an entry lies."""
    return root / FOLDER / key / f"{name}.npz"


def test_what_is_kept_comes_back_until_it_is_dropped(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "a")
    assert shelf.load("tried") is None
    shelf.save("tried", arrays())
    found = Shelf(tmp_path, "a").load("tried")
    assert found is not None
    assert {name: array.tolist() for name, array in found.items()} == {n: a.tolist() for n, a in arrays().items()}
    assert Shelf(tmp_path, "b").load("tried") is None
    shelf.drop("tried")
    assert shelf.load("tried") is None
    assert list(entry(tmp_path).parent.iterdir()) == []


def test_without_a_folder_nothing_is_kept() -> None:
    shelf = Shelf(None, "a")
    shelf.save("tried", arrays())
    shelf.drop("tried")
    assert shelf.load("tried") is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 600), st.sampled_from(["cut", "changed", "text", "empty"]))
def test_no_damage_is_read(tmp_path_factory: pytest.TempPathFactory, place: int, damage: str) -> None:
    root = tmp_path_factory.mktemp("cache")
    shelf = Shelf(root, "a")
    shelf.save("tried", arrays())
    path = entry(root)
    content = path.read_bytes()
    place %= len(content)
    changed = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
    damaged: dict[str, bytes] = {"cut": content[:place], "changed": changed, "text": b"hello", "empty": b""}
    path.write_bytes(damaged[damage])
    found = shelf.load("tried")
    if found is not None:  # zip files have bytes that say nothing
        assert damage == "changed"
        assert {n: a.tolist() for n, a in found.items() if n in arrays()} == {
            n: a.tolist() for n, a in arrays().items() if n in found
        }


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    Shelf(tmp_path, "a").save("tried", arrays())
    np.savez(entry(tmp_path), values=np.array([{"an": "object"}], object))
    assert Shelf(tmp_path, "a").load("tried") is None


def test_the_search_used_longest_ago_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, key in ((300, "old"), (200, "older, but used since"), (100, "young")):
        Shelf(tmp_path, key).save("tried", arrays(10_000))
        os.utime(entry(tmp_path, key).parent, (1e9 - age, 1e9 - age))
    os.utime(entry(tmp_path, "older, but used since").parent, (1, 1))
    assert Shelf(tmp_path, "older, but used since").load("tried") is not None
    monkeypatch.setattr(shelves, "LIMIT_BYTES", 35_000)
    Shelf(tmp_path, "new").save("tried", arrays(10_000))
    assert {p.name for p in (tmp_path / FOLDER).iterdir()} == {"new", "young", "older, but used since"}


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelves, "LIMIT_BYTES", 20_000)
    shelf = Shelf(tmp_path, "a")
    shelf.save("one", arrays(10_000))
    shelf.save("two", arrays(10_000))
    assert shelf.load("one") is not None
    assert shelf.load("two") is None


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file is in the way")
    shelf = Shelf(tmp_path, "a")
    shelf.save("tried", arrays())
    shelf.drop("tried")
    assert shelf.load("tried") is None


@settings(deadline=None)
@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_only_the_same_parts_give_the_same_name(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(one) == digest(other)) == (one == other)


def test_the_folder_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for named, expected in (("", ".cache"), ("relative", ".cache"), (str(tmp_path / "elsewhere"), "elsewhere")):
        monkeypatch.setenv("XDG_CACHE_HOME", named)
        assert cache_directory() == tmp_path / expected / "tritext"
