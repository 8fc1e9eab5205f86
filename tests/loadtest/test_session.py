"""A run from outside: who is watched before anything is sent, and what an interruption leaves."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.loadtest.test_sender import RIGHT, make_plan
from tritext._cli.main import main
from tritext_loadtest.ledger import Ledger
from tritext_loadtest.session import GENERATOR, carry_out
from tritext_loadtest.watch import Watch

NOBODY = "grpc://127.0.0.1:9"


def senders() -> list[psutil.Process]:
    """The generator's processes that this one has."""
    return [child for child in psutil.Process().children() if GENERATOR in " ".join(child.cmdline())]


class Early(Watch):
    """A watch that counts the senders there are when it starts and when it stops."""

    def __init__(self, answered: Callable[[], int]) -> None:
        super().__init__(None, "no address", ["m"], answered)
        self.seen: list[int] = []

    def start(self) -> None:
        """Begin."""
        self.seen.append(len(senders()))
        super().start()

    def stop(self) -> None:
        """End."""
        super().stop()
        self.seen.append(len(senders()))


def test_an_interruption_before_the_first_request_is_no_error_and_nothing_is_left_running() -> None:
    watches: list[Early] = []

    def make(answered: Callable[[], int]) -> Watch:
        watches.append(Early(answered))
        return watches[0]

    told: list[Ledger] = []

    def interrupt(ledger: Ledger) -> None:
        told.append(ledger)
        if len(told) == 1:
            raise KeyboardInterrupt

    run = carry_out(replace(make_plan(RIGHT), urls=(NOBODY,)), None, 0, make, interrupt)
    assert run.interrupted
    assert run.ledger.records == []
    assert run.origin == run.samples[0].clock
    assert watches[0].seen == [0, 0], "a server at rest is seen before and after"


def test_what_ends_a_load_is_put_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["loadtest", "steady", "--texts", str(tmp_path / "none.tsv")]) == 2
    assert "none.tsv" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
