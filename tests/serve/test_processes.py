"""Process trees: who belongs, what they map, how they end."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tritext_serve import processes

SLEEP = "import sys, time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
PARENT = (
    "import subprocess, sys; from tritext_serve.processes import bound_to_parent; "
    f"child = subprocess.Popen(bound_to_parent([sys.executable, '-c', {SLEEP!r}]), start_new_session=True); "
    "print(child.pid, flush=True); child.wait()"
)
ORPHAN = (
    f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], stdout=subprocess.DEVNULL); "
    "print(child.pid, flush=True); child.wait()"
)


def start(code: str, *words: str) -> subprocess.Popen[str]:
    """Start a Python, and wait until it says something."""
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)
    if process.stdout is not None:
        process.stdout.readline()
    return process


def finish(process: subprocess.Popen[str]) -> int:
    """Reap a process and close its pipe."""
    process.communicate(timeout=20)
    return process.returncode


def test_an_orphan_still_belongs_to_its_session() -> None:
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, start_new_session=True)
    child = int(parent.stdout.readline() if parent.stdout else 0)
    assert {p.pid for p in processes.of_session(parent.pid)} == {parent.pid, child}
    parent.kill()
    parent.wait()
    (orphan,) = processes.of_session(parent.pid)
    assert orphan.pid == child
    processes.end([orphan], timeout=0)
    assert processes.of_session(parent.pid) == []
    finish(parent)


def test_who_does_not_end_is_killed() -> None:
    process = start(STUBBORN)
    process.terminate()
    processes.end([psutil.Process(process.pid)], timeout=0.3)
    assert finish(process) == -signal.SIGKILL


def test_a_bound_command_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline() if parent.stdout else 0))
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert alive == []
    finish(parent)


@pytest.mark.parametrize("measure", [processes.footprint, processes.tree])
def test_a_process_that_is_gone_counts_for_nothing(measure: object) -> None:
    process = start("print()")
    finish(process)
    found = measure(process.pid)  # type: ignore[operator]
    assert found in ([], processes.Footprint(0, 0, 0.0))


def test_the_footprint_of_this_process() -> None:
    used = processes.footprint(os.getpid())
    assert used.processes >= 1
    assert used.rss_bytes > 10e6
    assert used.cpu_seconds > 0
