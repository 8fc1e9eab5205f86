"""What the front tells Prometheus, on Triton's own ``/metrics``: a tally in, counters increased once a second."""

import threading
from typing import Any

from tritext_serve.front.tally import Series, Tally

INTERVAL_SECONDS = 1.0


class MetricsReporter:
    """The counters of one front model, and the thread that brings them up to date."""

    def __init__(self, pb_utils: Any, model: str, version: int, tally: Tally) -> None:
        """Register every counter at nought and begin to report.

        Args:
            pb_utils: Triton's module, which exists inside a stub alone.
            model: The front's name.
            version: Its version.
            tally: Where the counts come from.
        """
        self._tally = tally
        self._families: dict[str, Any] = {}  # a metric dies with its family
        self._metrics: dict[Series, Any] = {}
        own = {"model": model, "version": str(version)}
        for series in tally.series():
            if series.family not in self._families:
                self._families[series.family] = pb_utils.MetricFamily(
                    name=series.family, description=series.description, kind=pb_utils.MetricFamily.COUNTER
                )
            more = {series.label: series.value} if series.label else {}
            self._metrics[series] = self._families[series.family].Metric(labels=own | more)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._report_until_stopped, name="metrics", daemon=True)
        self._thread.start()

    def report(self) -> None:
        """Bring the counters up to date."""
        for series, count in self._tally.drain():
            self._metrics[series].increment(count)

    def stop(self) -> None:
        """Report a last time and end the thread."""
        self._stopped.set()
        self._thread.join()
        self.report()

    def _report_until_stopped(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            self.report()
