"""What the supervisor holds of it all: an endpoint's state in, sockets opened and closed, metrics and verdicts out.

Imports prometheus-client.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tritext_serve.endpoint.model import Endpoint
from tritext_serve.endpoint.verdict.ledger import Ledger, Pair
from tritext_serve.endpoint.verdict.listener import Listener
from tritext_serve.endpoint.verdict.served import read_served
from tritext_serve.errors import EndpointError
from tritext_serve.front.witness import Told


class Comparison(Collector):
    """Compares a candidate with the live deployments for as long as there is one."""

    def __init__(self, directory: Path, admin: Path) -> None:
        """Compare nobody yet.

        Args:
            directory: For tickets and sockets; made, and removed by ``close``.
            admin: Envoy's Unix socket.
        """
        self._admin = admin
        self._ledger = Ledger()
        self._listener = Listener(directory, self._take)
        self._endpoint: Endpoint | None = None
        self._candidate: str | None = None

    def ticket(self, deployment: str) -> Path:
        """Give what a deployment's Tritons are started with (``ServerOptions.witness``)."""
        return self._listener.ticket(deployment)

    def follow(self, endpoint: Endpoint) -> None:
        """Compare whom the endpoint's traffic and mirror make candidate and live.

        Args:
            endpoint: As it is now.

        Raises:
            WitnessError: a socket cannot be made.
        """
        pairs = pairs_of(endpoint, self._candidate)
        self._endpoint, self._candidate = endpoint, pairs[0].candidate if pairs else self._candidate
        self._ledger.compare(pairs, endpoint.deployments)
        self._listener.listen({name for pair in pairs for name in pair})

    def forget(self, deployment: str) -> None:
        """Drop the evidence on a deployment that is replaced by another of its name."""
        self._ledger.forget(deployment)

    def handle(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer the control verb ``verdict``.

        Args:
            request: ``{"verb": "verdict"}``; with ``"served": true`` it wants to know what Envoy counted, too.

        Returns:
            ``traffic``, ``mirror``, ``models`` (by deployment), ``candidate`` (the latest, or None), ``pairs``
            (``live``, ``candidate`` and what ``Agreement.described`` says) and, by deployment, ``served``.

        Raises:
            EndpointError: the edge does not answer.
        """
        if self._endpoint is None:
            raise EndpointError("the endpoint has not started yet: ask again later")
        return {
            "traffic": dict(self._endpoint.traffic),
            "mirror": dict(self._endpoint.mirror_traffic),
            "models": {name: deployment.model for name, deployment in self._endpoint.deployments.items()},
            "candidate": self._candidate,
            "pairs": [pair._asdict() | said.described() for pair, said in self._ledger.agreements().items()],
            "served": self._served() if request.get("served") else {},
        }

    def close(self) -> None:
        """Stop, and remove the sockets."""
        self._listener.close()

    def describe(self) -> Iterable[Metric]:
        """Name nothing, so that registering asks nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Say what Prometheus wants to know."""
        compared = CounterMetricFamily(
            "tritext_mirror_compared", "Texts that candidate and live both classified", labels=["live", "candidate"]
        )
        differing = CounterMetricFamily(
            "tritext_mirror_disagreements",
            "Texts that candidate and live gave different labels",
            labels=["live", "candidate", "live_label", "candidate_label"],
        )
        difference = GaugeMetricFamily(
            "tritext_mirror_score_difference_max",
            "Largest difference of two scores of the same label",
            labels=["live", "candidate"],
        )
        for pair, agreement in self._ledger.agreements().items():
            compared.add_metric(pair, agreement.compared)
            difference.add_metric(pair, agreement.max_score_difference)
            for labels, texts in agreement.pairs.items():
                differing.add_metric([*pair, *labels], texts)
        yield from (compared, differing, difference)
        yield CounterMetricFamily(
            "tritext_mirror_malformed", "Datagrams of fronts that could not be read", value=self._listener.malformed
        )

    def _take(self, deployment: str, told: Told) -> None:
        self._ledger.take(deployment, told, time.monotonic())

    def _served(self) -> dict[str, Any]:
        return {name: served.described() for name, served in read_served(self._admin).items()}


def pairs_of(endpoint: Endpoint, before: str | None) -> list[Pair]:
    """Say who is compared with whom. Pure.

    The candidate is who gets the mirrored requests; when it begins to answer some of the live ones, as it is promoted,
    nobody may mirror to it any more, and it stays the candidate until it has all of them or none.

    Args:
        endpoint: As it is now.
        before: Who was the candidate before, if anybody.
    """
    live = [name for name, share in endpoint.traffic.items() if share > 0]
    mirrored = [name for name, share in endpoint.mirror_traffic.items() if share > 0]
    candidate = next(iter(mirrored), before if before in live else None)
    if candidate is None:
        return []
    return [Pair(name, candidate) for name in live if name != candidate]
