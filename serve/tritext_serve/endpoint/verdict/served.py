"""How a deployment fared behind the edge: Envoy's own counters and histograms in, errors and latencies out.

Envoy counts a mirrored request at the candidate's cluster as it counts any other, so that a candidate is judged before
it answers anybody. Its detailed histograms hold counts by intervals of about two digits' width, which are subtracted
from one another, so that a quantile is of the time in between alone.
"""

import http.client
import json
import re
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tritext_serve.errors import EndpointError

TIMEOUT_SECONDS = 5.0
# A deployment has a cluster for HTTP and one for gRPC, and both are its.
_NAME = re.compile(r"^cluster\.([A-Za-z0-9-]+?)(?:_grpc)?\.upstream_rq_(time|completed|5xx)$")
_FILTER = r"^cluster\.[A-Za-z0-9-]*(_grpc)?\.upstream_rq_(time|completed|5xx)$"


@dataclass(frozen=True, slots=True)
class Served:
    """What one deployment answered.

    Attributes:
        requests: Answers, errors counted.
        errors: Answers with a status of 500 or more.
        times: How many answers took so long, by the upper bound of an interval in milliseconds.
    """

    requests: int = 0
    errors: int = 0
    times: Mapping[float, int] = field(default_factory=dict)

    @property
    def error_share(self) -> float:
        """Which part of the answers were errors; 0 of none."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def timed(self) -> int:
        """How many answers the times are of: Envoy adds them up every few seconds, the counters at once."""
        return sum(self.times.values())

    def since(self, earlier: "Served") -> "Served":
        """Say what was answered after an earlier look; all of it where Envoy has begun to count anew."""
        if earlier.requests > self.requests or earlier.errors > self.errors:
            return self
        times = Counter(self.times)
        times.subtract(earlier.times)
        return Served(self.requests - earlier.requests, self.errors - earlier.errors, +times)

    def quantile(self, part: float) -> float:
        """Give the time within which a part of the answers came, in milliseconds; 0 of none.

        Args:
            part: From 0 to 1.
        """
        wanted, seen, bound = part * self.timed, 0, 0.0
        for bound in sorted(self.times):
            seen += self.times[bound]
            if seen >= wanted:
                break
        return bound

    def described(self) -> dict[str, Any]:
        """Say it as JSON does."""
        return {"requests": self.requests, "errors": self.errors, "times": sorted(self.times.items())}

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Served":
        """Read what ``described`` said."""
        times = {float(bound): int(count) for bound, count in said["times"]}
        return cls(int(said["requests"]), int(said["errors"]), times)


def read_served(admin: Path) -> dict[str, Served]:
    """Ask Envoy what each deployment has answered since it started.

    Args:
        admin: Its Unix socket.

    Raises:
        EndpointError: it does not answer.
    """
    path = f"/stats?format=json&histogram_buckets=detailed&filter={quote(_FILTER)}"
    connection = http.client.HTTPConnection("envoy", timeout=TIMEOUT_SECONDS)
    try:
        connection.sock = _connect(admin)
        connection.request("GET", path)
        return parse(json.load(connection.getresponse()))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise EndpointError(f"{admin}: the edge does not say how it fares: {error}") from error
    finally:
        connection.close()


def parse(page: Mapping[str, Any]) -> dict[str, Served]:
    """Read Envoy's statistics. Pure."""
    requests, errors = Counter[str](), Counter[str]()
    times: dict[str, Counter[float]] = {}
    for entry in page["stats"]:
        if "histograms" in entry:
            for name, buckets in _histograms(entry["histograms"]["details"]):
                times.setdefault(name, Counter()).update(buckets)
        elif found := _NAME.match(str(entry["name"])):
            counts = {"completed": requests, "5xx": errors}.get(found[2])
            if counts is not None:
                counts[found[1]] += int(entry["value"])
    return {name: Served(requests[name], errors[name], dict(times.get(name, {}))) for name in requests | errors}


def _histograms(details: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, dict[float, int]]]:
    for histogram in details:
        if found := _NAME.match(str(histogram["name"])):
            yield found[1], {float(b["lower_bound"] + b["width"]): int(b["count"]) for b in histogram["totals"]}


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT_SECONDS)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection
