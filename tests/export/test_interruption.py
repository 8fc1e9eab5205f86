"""Ctrl-C among libraries of C++, which make errors of their own of it."""

import signal
from collections.abc import Iterator

import pytest

from tritext_export.commands.interruption import interruptible
from tritext_export.errors import SourceError


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Ctrl-C interrupts, whatever a test runner makes of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "it was not put back"
    signal.signal(signal.SIGINT, before)


def as_torch_does() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise SourceError("could not determine the shape of object type 'torch.storage.UntypedStorage'") from None


def test_an_error_that_follows_an_interruption_is_the_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        as_torch_does()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(SourceError, match="no such folder"), interruptible():
        raise SourceError("no such folder")


def test_where_ctrl_c_is_ignored_it_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
