"""Several workers: a file stays whole, the longest come first, some tests run alone, what is shared is made once."""

import fcntl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lanes import lane, longest_first
from tests.once import once
from tests.turns import inside

SOON = 0.2


def test_a_file_is_a_lane_and_so_is_the_folder_of_the_containers() -> None:
    assert lane("tests/e2e/test_a.py::test_b[tests/deploy/::c]") == "tests/e2e/test_a.py"
    assert lane("tests/deploy/test_a.py::test_b") == lane("tests/deploy/test_b.py::test_c[1]") == "tests/deploy/"


class Item:
    """As much of a test as is looked at to order it."""

    def __init__(self, nodeid: str, *marks: pytest.Mark) -> None:
        self.nodeid = nodeid
        self._marks = {mark.name: mark for mark in marks}

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        """The mark of a name."""
        return self._marks.get(name)


def test_a_lane_comes_as_early_as_its_longest_test_and_keeps_its_order() -> None:
    slow, long = pytest.mark.slow.mark, pytest.mark.timeout(600).mark
    items = [Item("a::1"), Item("b::1"), Item("b::2", slow), Item("c::1", slow), Item("d::1"), Item("d::2", long)]
    longest_first(items)  # type: ignore[arg-type]
    assert [item.nodeid for item in items] == ["d::1", "d::2", "b::1", "b::2", "c::1", "a::1"]


def visit(shared: Path, alone: bool, then: Callable[[], object]) -> threading.Thread:
    """Want in, in a thread."""

    def go() -> None:
        with inside(shared, alone):
            then()

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    return thread


def is_shut(door: Path) -> bool:
    """Whether somebody holds it."""
    with door.open("w") as own:
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_one_alone_waits_for_those_inside_and_those_after_it_wait_for_it(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        leave.wait(60)

    with ExitStack() as others:
        for _ in range(2):
            others.enter_context(inside(tmp_path, alone=False))
        lonely = visit(tmp_path, True, stay)
        while not is_shut(tmp_path / "door.lock"):
            time.sleep(0.01)
        assert not entered.is_set()
        late = visit(tmp_path, False, lambda: None)
        late.join(SOON)
        assert late.is_alive(), "nobody overtakes the one who waits"
    assert entered.wait(60)
    late.join(SOON)
    assert late.is_alive()
    leave.set()
    for thread in (lonely, late):
        thread.join(60)
        assert not thread.is_alive()


def test_what_is_shared_is_made_once_and_again_where_that_failed(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        if len(made) == 1:
            raise OSError("no space")
        (folder / "whole").touch()

    name = f"of_{tmp_path.name}"
    with pytest.raises(OSError, match="no space"):
        once(tmp_path_factory, name, make)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: once(tmp_path_factory, name, make), range(4)))
    assert len(made) == 2
    assert len(set(found)) == 1
    assert (found[0] / "whole").is_file()
