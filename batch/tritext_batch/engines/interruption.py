"""An event loop that Ctrl-C cannot break: a signal in, the cancellation of the loop's one task out.

Python raises KeyboardInterrupt wherever the main thread happens to be. While an event loop is made, runs a callback of
its own or is closed, that leaves half a loop, whose remains print exceptions of asyncio's. Here a signal is only noted,
whenever it comes; the task is cancelled, the loop closed, and then it is an interruption.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import Any

# The last is put back last: whoever presses Ctrl-C meanwhile interrupts nothing of this.
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run_interruptibly(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine as ``asyncio.run`` does.

    Signals are looked after on the main thread alone, where Python hears them, and only those that would interrupt.

    Args:
        work: Makes the coroutine.

    Raises:
        KeyboardInterrupt: a signal came; the coroutine is over and the loop closed. A second one raises it at once.
    """
    if threading.current_thread() is not threading.main_thread():
        asyncio.run(work())
        return
    interruption = _Interruption()
    heard = [number for number in SIGNALS if signal.getsignal(number) is signal.default_int_handler]
    try:
        for number in heard:
            signal.signal(number, interruption)
        asyncio.run(interruption.guard(work))
    except asyncio.CancelledError:
        if not interruption.came:
            raise
    finally:
        for number in heard:
            signal.signal(number, signal.default_int_handler)
    if interruption.came:
        raise KeyboardInterrupt


class _Interruption:
    """A handler of signals that cancels a task, or the task that is yet to come."""

    def __init__(self) -> None:
        self.came = False
        self._cancel: Callable[[], object] | None = None

    async def guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the work, unless a signal has come before it began."""
        task = asyncio.current_task()
        if task is not None:
            # Between two callbacks of the loop: within one, a future may be looked at and then be another.
            self._cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, task.cancel)
        try:
            if not self.came:
                await work()
        finally:
            self._cancel = None  # what comes while the loop is closed has nothing to cancel

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Note the signal."""
        if self.came:
            raise KeyboardInterrupt
        self.came = True
        if self._cancel is not None:
            self._cancel()
