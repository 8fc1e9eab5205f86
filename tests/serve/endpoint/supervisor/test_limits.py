"""Control groups: real ones where they can be had, and what is said where they cannot."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tritext_serve.endpoint.supervisor import limits
from tritext_serve.endpoint.supervisor.state import Reason

NAME = f"test-{os.getpid()}"
SPIN = "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\ninput()\nwhile True: pass"
HOG = "input(); kept = []\nwhile True: kept.append(bytearray(b'x' * (1 << 20)))"
MEBIBYTE = 1 << 20


@pytest.fixture
def groups() -> Iterator[list[limits.Group]]:
    """Blue's and green's, with 64 MiB each."""
    made = [limits.make(NAME, name, 64 * MEBIBYTE) for name in ("blue", "green")]
    if not all(group.folders for group in made):
        pytest.skip("MISSING: control groups that can be written to; what limits a deployment is not shown here")
    yield made
    for group in made:
        group.remove()
    assert not list(limits.ROOT.glob(f"*/tritext-{NAME}"))


def start(program: str, group: limits.Group) -> subprocess.Popen[bytes]:
    """Start a program that waits, put it into a group, and let it go."""
    process = subprocess.Popen([sys.executable, "-S", "-c", program], stdin=subprocess.PIPE)
    group.add(process.pid)
    if process.stdin is not None:
        process.stdin.write(b"\n")
        process.stdin.flush()
    return process


def end(*processes: subprocess.Popen[bytes]) -> None:
    """End what was started."""
    for process in processes:
        process.kill()
        process.communicate()


def test_a_memory_hog_is_killed_and_the_reason_is_known(groups: list[limits.Group]) -> None:
    blue, green = groups
    assert blue.reason(Reason.DIED) is Reason.DIED
    hog = start(HOG, blue)
    assert hog.wait(timeout=60) == -signal.SIGKILL
    end(hog)
    assert blue.reason(Reason.DIED) is Reason.OOM
    assert blue.reason(Reason.DIED) is Reason.DIED  # told once
    assert green.reason(Reason.DIED) is Reason.DIED


def test_many_busy_processes_of_one_do_not_starve_the_other(groups: list[limits.Group]) -> None:
    """Eight against one on one core: a ninth of the time each without groups, half for the one with them."""
    blue, green = groups
    many, lone = [start(SPIN, blue) for _ in range(8)], start(SPIN, green)
    everybody = [*many, lone]
    _wait_until(lambda: min(_seconds([each]) for each in everybody) >= 0.03)  # all of them spin by now
    before = _seconds([lone]), _seconds(everybody)
    _wait_until(lambda: _seconds(everybody) - before[1] >= 1.5)
    used = _seconds([lone]) - before[0], _seconds(everybody) - before[1]
    end(*everybody)
    assert used[0] / used[1] > 0.3


def test_what_a_killed_supervisor_left_is_removed() -> None:
    group = limits.make(NAME, "blue", None)
    if not group.folders:
        pytest.skip("MISSING: control groups that can be written to; what limits a deployment is not shown here")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = limits.make(f"test-{ended.pid}", "blue", None)
    limits.sweep()
    assert [folder.exists() for folder in group.folders] == [True] * len(group.folders)
    assert not any(folder.exists() or folder.parent.exists() for folder in left.folders)
    limits.remove_all(NAME)
    assert not any(folder.exists() for folder in group.folders)


def test_without_control_groups_it_says_so_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    group = limits.make("demo", "blue", MEBIBYTE, root=tmp_path / "none" / "there")
    group.add(os.getpid())
    assert (group.folders, group.reason(Reason.DIED)) == ((), Reason.DIED)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no control groups here" in caplog.text
    group.remove()


def test_version_two_is_asked_for_its_controllers_and_limits(tmp_path: Path) -> None:
    """Its files by name only: a machine whose version 2 has controllers is not at hand."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory", encoding="ascii")
    group = limits.make("demo", "blue", 5 * MEBIBYTE, root=tmp_path)
    assert group.folders == (tmp_path / "tritext-demo" / "blue",)
    assert (tmp_path / "tritext-demo" / "cgroup.subtree_control").read_text(encoding="ascii") == "+memory +cpu"
    assert (group.folders[0] / "memory.max").read_text(encoding="ascii") == str(5 * MEBIBYTE)
    (group.folders[0] / "memory.events").write_text("low 0\noom 1\noom_kill 1\n", encoding="ascii")
    assert group.reason(Reason.STUB_DIED) is Reason.OOM


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _seconds(processes: list[subprocess.Popen[bytes]]) -> float:
    times = [psutil.Process(process.pid).cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)
