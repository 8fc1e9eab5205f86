"""The one user of a Locust process, and the shape that keeps it there: the rate is in the schedule, not in users."""

from typing import ClassVar

from locust import LoadTestShape, User, task
from locust.exception import StopUser

from tritext import TritextError
from tritext_loadtest.generator.sender import Sent
from tritext_loadtest.generator.walk import Walk
from tritext_loadtest.plan import Plan
from tritext_loadtest.records import Writer
from tritext_loadtest.schedule import Arrival

# Beyond the last request's timeout: until the workers have told the master that they are done.
GRACE_SECONDS = 10.0


class Visitor(User):  # type: ignore[misc]  # Locust has no types
    """Sends a share of a plan's requests, and tells Locust's statistics of them."""

    plan: ClassVar[Plan]
    walk: ClassVar[Walk]
    writer: ClassVar[Writer]

    @task  # type: ignore[untyped-decorator]
    def visit(self) -> None:
        """Walk the share, once: where Locust replaces the user of a worker that died, nothing is sent twice."""
        if not self.walk.begun:
            try:
                self.walk.run(self._tell)
            except TritextError as error:
                self.writer.note("broken", str(error))
        raise StopUser

    def _tell(self, arrival: Arrival, sent: Sent) -> None:
        wrong = f"{sent.record.wrong} wrong labels" if sent.record.wrong else None
        self.environment.events.request.fire(
            request_type=self.plan.urls[arrival.target].partition(":")[0],
            name=self.plan.scenario,
            response_time=1e3 * sent.record.latency,
            response_length=sent.record.texts,
            exception=sent.error or wrong,
            context={},
        )


class Presence(LoadTestShape):  # type: ignore[misc]
    """As many users as there are processes, all the while."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def tick(self) -> tuple[int, float]:
        """Say how many users there should be."""
        return self._plan.processes, float(self._plan.processes)

    def over(self) -> bool:
        """Tell whether all have walked their share, or must have."""
        late = self.get_run_time() - self._plan.seconds
        return late > self._plan.timeout + GRACE_SECONDS or (late > 0 and not self.runner.user_count)
