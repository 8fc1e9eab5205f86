"""Ended processes that nobody waits for are let go of, and nobody else's exit status is taken."""

import subprocess
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from tests.serve.endpoint.edge.test_routing import wait_for
from tritext_serve import processes
from tritext_serve.endpoint.watch.orphans import Orphans

# Becomes process 1's stand-in, leaves a grandchild to itself, and looks until that is gone from the table.
PROGRAM = """
import subprocess, time
from tritext_serve import processes
from tritext_serve.endpoint.watch.orphans import Orphans
processes.adopt_orphans()
subprocess.run(["sh", "-c", "sleep 0.1 & exit 0"], check=True)
deadline = time.monotonic() + 50
while not processes.ended_children():
    assert time.monotonic() < deadline
    time.sleep(0.01)
orphans = Orphans()
orphans.look()
assert processes.ended_children(), "a first look is for whoever started it"
orphans.look()
print(processes.ended_children())
"""


def test_what_a_grandchild_leaves_is_reaped_at_the_second_look() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("set()", 0), done.stderr


def test_whoever_waits_within_a_look_gets_the_status() -> None:
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    wait_for(lambda: child.pid in processes.ended_children())
    Orphans().look()
    assert child.wait() == 3


@given(st.lists(st.sets(st.integers(2, 9)), max_size=12))
def test_nobody_is_reaped_who_was_not_there_at_the_look_before(looks: list[set[int]]) -> None:
    reaped: list[int] = []
    waiting = iter(looks)
    orphans = Orphans(lambda: next(waiting), reaped.append)
    before: set[int] = set()
    for found in looks:
        reaped.clear()
        orphans.look()
        assert set(reaped) <= before & found
        before = found


def test_who_stays_is_reaped() -> None:
    reaped: list[int] = []
    orphans = Orphans(lambda: {7}, reaped.append)
    started = time.monotonic()
    while not reaped and time.monotonic() < started + 60:
        orphans.look()
    assert reaped == [7]
