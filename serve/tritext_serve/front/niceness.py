"""Who goes first where a server has more to do than cores: threads that compute step back behind those that pass on.

A thread that hands a request over, or refuses it, needs a core for a moment; one that computes keeps it for many. Under
overload all of them are ready at all times, and whoever computes makes a refusal wait for its whole slice. Lowering a
thread's own priority takes no privilege, and against other programs on the machine the process keeps its share as far
as the kernel shares by session or control group.
"""

import contextlib
import os
import threading

# A weight of 0.41 against the others'. With 10, threads that need Python's lock wait for one that has it and no core:
# refusals took twice as long again (docs/performance.md).
STEP = 4


def step_back() -> None:
    """Lower the calling thread's priority, as far as there is a lower one, for as long as it lives."""
    own = threading.get_native_id()
    with contextlib.suppress(OSError):  # where a sandbox forbids it, all go on alike
        os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + STEP)
