"""Ctrl-C at bad moments: a signal in, one interruption out, neither in the middle of an import nor dropped.

Raised within an import, KeyboardInterrupt shows as a trace, or a library takes it for a part of itself that is missing.
Raised within a destructor or a callback of Python's own, it is printed and forgotten.
"""

import _thread
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # the exit code, as a shell gives it
SOON = 0.05  # seconds, in which a destructor ends


@contextmanager
def postponed() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block; a second one does not wait, for an import can hang.

    Raises:
        KeyboardInterrupt: it was pressed.
    """
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            raise KeyboardInterrupt
        came = True

    heard = threading.current_thread() is threading.main_thread()
    if not heard or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # it does not interrupt here
        yield
        return
    try:
        signal.signal(signal.SIGINT, note)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


@contextmanager
def repeated() -> Iterator[None]:
    """Let Ctrl-C come again in a moment where Python drops it."""
    usual = sys.unraisablehook

    def hook(dropped: "sys.UnraisableHookArgs") -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(_again, ())  # without a lock: this may be in the middle of threading's own work
        else:
            usual(dropped)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = usual


def _again() -> None:
    time.sleep(SOON)
    if (main := threading.main_thread().ident) is not None:
        signal.pthread_kill(main, signal.SIGINT)  # which wakes that thread, should it wait
