"""Ctrl-C among libraries of C++: a signal in, an interruption out, whatever a library makes of it.

torch and ONNX Runtime call Python, and take a KeyboardInterrupt from there for a value of the wrong kind: what came of
it would read as if the user's files were at fault.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible() -> Iterator[None]:
    """Take any error that follows a Ctrl-C for the interruption that it was.

    Raises:
        KeyboardInterrupt: instead of an error of the block, where Ctrl-C was pressed.
    """
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    heard = threading.current_thread() is threading.main_thread()
    if not heard or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # it does not interrupt here
        yield
        return
    try:
        signal.signal(signal.SIGINT, interrupt)
        yield
    except Exception:
        if came:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
