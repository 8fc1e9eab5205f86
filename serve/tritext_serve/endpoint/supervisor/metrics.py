"""What the supervisor tells Prometheus. Imports prometheus-client, alone here.

Counters grow as things happen; what can be read off the endpoint is read when it is asked for, so that no gauge tells
of a deployment that is gone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tritext_serve.endpoint.supervisor.state import Phase, Reason

# Why an instance may be given up, and why it is only suspected.
FAILURES = tuple(reason for reason in Reason if reason not in (Reason.NONE, Reason.NEW, Reason.ENDED))
LATE = "late"
CANARY_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """What an endpoint looks like at one moment.

    Attributes:
        phases: The phase of each instance, by deployment and number.
        well: Instances that get requests, by deployment.
        traffic: Per cent by deployment.
        mirror: Per cent by deployment.
        keys: How many keys are accepted; None where somebody else knows.
        expected: Shares of 1 of each label among the certificate's texts, by deployment, model and label.
        memory_bytes: Resident memory by deployment.
    """

    phases: Mapping[tuple[str, int], Phase] = field(default_factory=dict)
    well: Mapping[str, int] = field(default_factory=dict)
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror: Mapping[str, int] = field(default_factory=dict)
    keys: int | None = 0
    expected: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    memory_bytes: Mapping[str, int] = field(default_factory=dict)


class Metrics:
    """The supervisor's own registry; it counts for the instances (``instance.Journal``)."""

    def __init__(self, look: Callable[[], Standing]) -> None:
        """Make every family.

        Args:
            look: Says how the endpoint stands.
        """
        self.registry = CollectorRegistry()
        self._restarts = Counter(
            "tritext_restarts", "Tritons given up and started again", ["deployment", "reason"], registry=self.registry
        )
        self._canary_failures = Counter(
            "tritext_canary_failures",
            "Canaries and looks at the processes that found a Triton ill",
            ["deployment", "reason"],
            registry=self.registry,
        )
        self._canary_seconds = Histogram(
            "tritext_canary_seconds",
            "Time until a canary was answered",
            ["deployment"],
            buckets=CANARY_SECONDS,
            registry=self.registry,
        )
        self.applied = Gauge(
            "tritext_applied_timestamp_seconds", "When the edge was last told something new", registry=self.registry
        )
        self._refused = Counter(
            "tritext_changes_refused",
            "Changes that were refused, so that the last good state stayed",
            ["verb"],
            registry=self.registry,
        )
        self.registry.register(_Standing(look))

    def expect(self, deployment: str) -> None:
        """Count from nought whatever may fail: the first failure of a series that was not there is no increase."""
        for reason in FAILURES:
            self._restarts.labels(deployment, reason)
            self._canary_failures.labels(deployment, reason)
        self._canary_failures.labels(deployment, LATE)

    def answered(self, deployment: str, seconds: float) -> None:
        """A canary was answered."""
        self._canary_seconds.labels(deployment).observe(seconds)

    def failed(self, deployment: str, reason: Reason) -> None:
        """An instance is given up."""
        self._canary_failures.labels(deployment, reason).inc()
        self._restarts.labels(deployment, reason).inc()

    def suspected(self, deployment: str) -> None:
        """An instance is late with its canary and gets no requests."""
        self._canary_failures.labels(deployment, LATE).inc()

    def refused(self, verb: str) -> None:
        """A change was refused."""
        self._refused.labels(verb).inc()

    def text(self) -> bytes:
        """Write them as Prometheus reads them."""
        return generate_latest(self.registry)


class _Standing(Collector):
    def __init__(self, look: Callable[[], Standing]) -> None:
        self._look = look

    def describe(self) -> Iterable[Metric]:
        """Name nothing, so that registering does not look."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Look, and say it."""
        standing = self._look()
        yield _gauge("tritext_deployment_up", "Instances that get requests", "deployment", standing.well)
        yield _gauge("tritext_traffic_share", "Per cent of the traffic", "deployment", standing.traffic)
        yield _gauge(
            "tritext_mirror_share", "Per cent of the traffic that it gets a copy of", "deployment", standing.mirror
        )
        yield _gauge("tritext_memory_bytes", "Resident memory of its Tritons", "deployment", standing.memory_bytes)
        if standing.keys is not None:
            yield GaugeMetricFamily("tritext_keys", "Keys that are accepted", value=standing.keys)
        yield _phases(standing.phases)
        expected = GaugeMetricFamily(
            "tritext_expected_label_share",
            "Share of the label among the certificate's texts",
            labels=["deployment", "model", "label"],
        )
        for names, share in standing.expected.items():
            expected.add_metric(names, share)
        yield expected


def _gauge(name: str, words: str, label: str, values: Mapping[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _phases(phases: Mapping[tuple[str, int], Phase]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "tritext_instance_state", "1 for the state that an instance is in", labels=["deployment", "number", "state"]
    )
    for (deployment, number), phase in phases.items():
        for each in Phase:
            family.add_metric([deployment, str(number), each], float(each is phase))
    return family
