"""A process's walk through its share of the schedule: greenlets send, so that no answer delays a request."""

import time
from collections.abc import Callable

import gevent
from gevent.event import Event
from gevent.pool import Pool

from tritext_loadtest.generator.sender import Sender, Sent
from tritext_loadtest.plan import Plan
from tritext_loadtest.schedule import Arrival

Tell = Callable[[Arrival, Sent], None]


class Walk:
    """One share of a plan, sent once.

    Attributes:
        begun: Whether somebody walks it already.
        finished: Whether every request was sent or shed, and every answer waited for.
    """

    def __init__(self, plan: Plan, sender: Sender, index: int) -> None:
        self._plan = plan
        self._sender = sender
        self._index = index
        self._stopping = Event()
        self.begun = False
        self.finished = False

    def stop(self) -> None:
        """Send nothing more; answers are still waited for."""
        self._stopping.set()

    def run(self, tell: Tell) -> None:
        """Send every request at its moment, then wait for the answers.

        Args:
            tell: Hears of every request that has ended.

        Raises:
            TritextError: the server does not answer at all.
        """
        self.begun = True
        pool = Pool(self._plan.in_flight)
        try:
            self._sender.warm_up()
            for arrival in self._plan.share(self._index):
                if self._stopping.wait(max(0.0, self._sender.origin + arrival.seconds - time.perf_counter())):
                    break
                gevent.sleep(0)  # those just started must not wait for the whole of a backlog
                self._dispatch(pool, arrival, tell)
            pool.join(self._plan.timeout + 1)
            self.finished = not self._stopping.is_set()
        finally:
            pool.kill(timeout=1)

    def _dispatch(self, pool: Pool, arrival: Arrival, tell: Tell) -> None:
        if pool.full():
            self._sender.shed(arrival)
        else:
            pool.spawn(lambda: tell(arrival, self._sender.send(arrival)))
