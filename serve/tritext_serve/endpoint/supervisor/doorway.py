"""The edge as the supervisor handles it: what the endpoint is to be in, Envoy told of it out.

::

    clusters of before and after ─► wait until all are warm ─► routes ─► listeners ─► clusters of after

Envoy takes each file whole or not at all, and counts which. A change that it refuses is taken back.
"""

import contextlib
import http.client
import logging
import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tritext_serve.endpoint.edge.files import write
from tritext_serve.endpoint.edge.model import Edge
from tritext_serve.endpoint.edge.process import Envoy, EnvoyOptions
from tritext_serve.endpoint.edge.render import CLUSTERS, LISTENERS, ROUTES, render
from tritext_serve.endpoint.supervisor.state import back_off
from tritext_serve.errors import EndpointError

TAKEN_SECONDS = 10.0
POLL_SECONDS = 0.02
ACCESS_LOG = "access.log"
# A log is begun anew past this size, and one former is kept: the run directory may lie in memory.
MOST_LOG_BYTES = 64 << 20
# What Envoy counts of each file.
_COUNTED = {CLUSTERS: r"^cluster_manager\.cds\.", LISTENERS: r"^listener_manager\.lds\.", ROUTES: r"\.rds\."}
_TAKEN, _REFUSED = ("update_success",), ("update_rejected", "update_failure")
_LOG = logging.getLogger(__name__)


class Doorway:
    """Envoy and its files."""

    def __init__(self, directory: Path, logs: Path, spawner: ThreadPoolExecutor, enter: tuple[str, ...] = ()) -> None:
        """Nothing is started yet.

        Args:
            directory: The folder of Envoy's files, this user's alone.
            logs: The folder of logs.
            spawner: The one thread that starts processes and outlives them.
            enter: A command that starts Envoy in the network where it is to be.
        """
        self._directory, self._logs, self._spawner, self._enter = directory, logs, spawner, enter
        self._envoy: Envoy | None = None
        self._edge: Edge | None = None
        self._failures, self._due = 0, 0.0

    @property
    def pid(self) -> int | None:
        """Envoy's process id; None where it does not run."""
        return self._envoy.pid if self._envoy is not None and self._envoy.running else None

    def tell(self, edge: Edge) -> None:
        """Become another edge, without losing a request; the first one is started.

        Raises:
            EndpointError: Envoy refuses it; the former one stays.
            StartError: Envoy does not start.
        """
        if self._envoy is None:
            self._start(edge)
        elif self._edge is not None:
            try:
                self._change(self._edge, edge)
            except BaseException:
                self._take_back(edge, self._edge)
                raise
        self._edge = edge

    def revive(self) -> str:
        """Start Envoy again if it has died; after a start that failed, only when its back-off is over.

        Returns:
            What has happened; "" where it runs, or is not yet to be started.

        Raises:
            StartError: it does not start.
        """
        if self._envoy is None or time.monotonic() < self._due or self._envoy.running:
            return ""
        self._envoy.stop(drain=False)
        self._failures += 1
        self._due = time.monotonic() + back_off(self._failures)
        self._spawner.submit(self._envoy.start).result()
        self._failures, self._due = 0, 0.0
        return "the edge has died"

    def stop(self) -> None:
        """Let requests finish, then stop Envoy."""
        if self._envoy is not None:
            self._envoy.stop()
            self._envoy = None

    def bound_logs(self) -> None:
        """Begin each log anew that has grown too long, and keep the former one."""
        for log in self._logs.glob("*.log"):
            if log.stat().st_size <= MOST_LOG_BYTES:
                continue
            if log.name != ACCESS_LOG:  # whoever writes it appends, and goes on at its new end
                with contextlib.suppress(OSError):  # no room for both
                    shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)
            elif self._envoy is not None:
                log.replace(log.with_suffix(".log.1"))
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self._envoy.admin("POST", "/reopen_logs")

    def _start(self, edge: Edge) -> None:
        write(self._directory, render(edge))
        options = EnvoyOptions(
            concurrency=max(1, len(os.sched_getaffinity(0)) // 2),
            drain_seconds=edge.limits.drain_seconds,
            enter=self._enter,
        )
        envoy = Envoy(self._directory, options, self._logs / "edge.log")
        self._spawner.submit(envoy.start).result()
        self._envoy = envoy

    def _change(self, former: Edge, edge: Edge) -> None:
        names = {upstream.deployment for upstream in edge.upstreams}
        both = replace(
            edge,
            endpoint=replace(edge.endpoint, deployments={**former.endpoint.deployments, **edge.endpoint.deployments}),
            upstreams=edge.upstreams + tuple(u for u in former.upstreams if u.deployment not in names),
        )
        files = render(edge)
        self._publish(CLUSTERS, render(both))
        self._publish(ROUTES, files)
        self._publish(LISTENERS, files)
        self._publish(CLUSTERS, files)

    def _take_back(self, refused: Edge, former: Edge) -> None:
        """Go back to a former edge, whose Tritons still run; those of the refused one may end when this returns."""
        try:
            self._change(refused, former)
        except (EndpointError, OSError) as error:
            _LOG.error("the edge does not say that it went back: %s", error)
            write(self._directory, render(former))

    def _publish(self, name: str, files: Mapping[str, str]) -> None:
        """Write one file, and wait until Envoy has taken it and has looked at whatever it names.

        Raises:
            EndpointError: it refuses, or says nothing.
        """
        before = self._counts(name)
        if not write(self._directory, {name: files[name]}):
            return
        deadline = time.monotonic() + TAKEN_SECONDS
        while time.monotonic() < deadline:
            now = self._counts(name)
            if any(now.get(each, 0) > before.get(each, 0) for each in now if each.endswith(_REFUSED)):
                raise EndpointError(f"the edge refuses {name}, and stays as it was: see `tritext endpoint logs edge`")
            taken = any(now.get(each, 0) > before.get(each, 0) for each in now if each.endswith(_TAKEN))
            if taken and not self._warming():
                return
            time.sleep(POLL_SECONDS)
        raise EndpointError(
            f"the edge has not taken {name} within {TAKEN_SECONDS:g} s: see `tritext endpoint logs edge`"
        )

    def _counts(self, name: str) -> dict[str, int]:
        return self._stats(_COUNTED[name])

    def _warming(self) -> bool:
        return any(self._stats(r"\.(warming_clusters|total_listeners_warming)$").values())

    def _stats(self, pattern: str) -> dict[str, int]:
        if self._envoy is None:
            return {}
        try:
            return self._envoy.stats(pattern)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise EndpointError(f"the edge does not answer: {error}: see `tritext endpoint logs edge`") from error
