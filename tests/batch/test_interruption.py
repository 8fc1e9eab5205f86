"""Ctrl-C around the event loop of a job: in the loop's making, and at every other moment of its life."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# The moment is made: a loop that is being made sends the signal. A parent that ignores Ctrl-C has no say in it.
IN_THE_MAKING = """
import selectors, signal, sys
from tritext._cli.main import main

class Selector(selectors.DefaultSelector):
    def __init__(self):
        signal.raise_signal(int(sys.argv[1]))
        super().__init__()

selectors.DefaultSelector = Selector
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(sys.argv[2:]))
"""

# Each run gets its signal one call of a Python function later than the run before it, until one ends before it comes.
AT_EVERY_MOMENT = """
import asyncio, json, signal, sys
from tritext_batch.engines.interruption import run_interruptibly

left = told = 0
unraisable, wrong = [], []
sys.unraisablehook = lambda found: unraisable.append(repr(found.exc_value))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.default_int_handler)

async def work():
    try:
        await asyncio.to_thread(int)
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(2)))
    finally:
        await asyncio.sleep(0)

def send(frame, event, argument):
    global left
    left -= event == "call"
    if left == 0 and event == "call":
        sys.setprofile(None)
        signal.raise_signal(number)

for number in (signal.SIGINT, signal.SIGTERM):
    moment, interrupted = 1, True
    while interrupted:
        left, interrupted = moment, False
        try:
            sys.setprofile(send)
            run_interruptibly(work)
        except KeyboardInterrupt:
            interrupted = True
            told += 1
        except BaseException as error:
            wrong.append(repr(error))
        finally:
            sys.setprofile(None)
        moment += 1
print(json.dumps([told, unraisable, wrong]))
"""


@pytest.mark.parametrize("number", [2, 15], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_while_the_loop_is_made_is_one_line(tmp_path: Path, stand_in_url: str, number: int) -> None:
    (tmp_path / "in.txt").write_text("a\nb\n")
    words = [str(number), "score", str(tmp_path / "in.txt"), str(tmp_path / "out.tsv"), "--url", stand_in_url]
    said = run(IN_THE_MAKING, *words)
    assert (said.returncode, said.stdout) == (130, "")
    assert said.stderr == "stopped: the same command goes on from here\n"


def test_a_signal_at_any_moment_of_the_loop_is_an_interruption_and_nothing_else() -> None:
    said = run(AT_EVERY_MOMENT)
    assert (said.returncode, said.stderr) == (0, "")
    told, unraisable, wrong = json.loads(said.stdout)
    assert told > 500
    assert (unraisable, wrong) == ([], [])


def run(program: str, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
