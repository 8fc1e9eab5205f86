"""The embedded Triton as an object: a repository and options in, a running, answering server out.

::

    with Server(repository, options) as server:      # ready: every front has answered its canary
        print(server.http_url, server.footprint())
                                                     # stopped: no process, region or folder is left
"""

import secrets
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tritext_serve import canary, certified, processes, staging, wheel
from tritext_serve.errors import CanaryError, RepositoryError, ServerDiedError, StartError, WrongAnswerError
from tritext_serve.flags import EXIT_TIMEOUT_SECONDS, Address, region_flags, triton_flags
from tritext_serve.log import reasons
from tritext_serve.model_config import gpu_sizing
from tritext_serve.ports import check_ports, free_ports
from tritext_serve.repository import Model, scan
from tritext_serve.sizing import Sizing, count_cores, queue_size, size, size_in_process
from tritext_serve.staging import environment
from tritext_serve.tracing import Tracing, trace_flags
from tritext_serve.tuned import Tuned

__all__ = ["Server", "ServerOptions", "check_ports", "environment", "free_ports"]
POLL_SECONDS = 0.05
LOCK_BYTES = 32
# What a repository calls its configurations for ONNX Runtime on a GPU.
GPU_CONFIG = "gpu"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to serve.

    Attributes:
        address: Where to listen.
        instances: Processes a model, by model name; the key "" is for every other model. Chosen from the cores
            where it is missing.
        threads: Threads of one engine; chosen from the cores where it is None.
        engine: Whether a classifier runs in its front's process or as a model of its own.
        device: What computes.
        max_queue: Requests that may wait for a front, more are refused at once; chosen from the cores where it is None,
            or as the repository says if that is less.
        tuned: What `tritext tune` found, a model at most once; what is said above wins.
        start_timeout: Seconds until every canary must have answered.
        verbose: Whether Triton's own log goes to standard error.
        log: Where its log is appended and kept; None for a file that goes with the server.
        allow_uncertified: Whether a version is served that has no passing certificate, or whose files are not those
            that were certified.
        tracing: Where spans go; nowhere if None.
        witness: The ticket by which fronts tell an endpoint what they answer; None where nobody compares.
        enter: A command that starts another in the network where it is to be; nothing for this process's own.
    """

    address: Address = field(default_factory=Address)
    instances: Mapping[str, int] = field(default_factory=dict)
    threads: int | None = None
    engine: staging.EngineKind = "in-process"
    device: staging.Device = "cpu"
    max_queue: int | None = None
    tuned: tuple[Tuned, ...] = ()
    start_timeout: float = 120.0
    verbose: bool = False
    log: Path | None = None
    allow_uncertified: bool = False
    tracing: Tracing | None = None
    witness: Path | None = None
    enter: tuple[str, ...] = ()


class Server:
    """One Triton process and all that belongs to it."""

    def __init__(self, repository: Path, options: ServerOptions | None = None) -> None:
        """Check everything that can be checked before a process starts.

        Raises:
            PlatformError: Triton does not run here.
            RepositoryError: there is nothing to serve, or it is not what was certified.
        """
        self.options = options or ServerOptions()
        self._wheel = wheel.find()
        self._tuned = {tuned.model: tuned for tuned in self.options.tuned}
        self.models = scan(repository, GPU_CONFIG if self.options.device == "cuda" else "")
        self._check_instances()
        self.doubts = certified.doubts(repository, self.models)
        if self.doubts and not self.options.allow_uncertified:
            raise RepositoryError(f"{self.doubts[0]}: export the model again, or serve it with --allow-uncertified")
        self._stage: staging.Stage | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def http_url(self) -> str:
        """Base URL of the HTTP API."""
        return f"http://{self.options.address.reachable_host}:{self.options.address.http}"

    @property
    def grpc_url(self) -> str:
        """URL of the gRPC API, as the client takes it."""
        return f"grpc://{self.options.address.reachable_host}:{self.options.address.grpc}"

    @property
    def metrics_url(self) -> str:
        """URL of the Prometheus metrics."""
        return f"http://{self.options.address.reachable_host}:{self.options.address.metrics}/metrics"

    @property
    def fronts(self) -> tuple[Model, ...]:
        """The models that take texts."""
        return tuple(model for model in self.models if model.is_front)

    @property
    def pid(self) -> int:
        """Process id of tritonserver."""
        if self._process is None:
            raise ServerDiedError("the server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start Triton and wait until every front has answered its canary.

        Raises:
            PortError: a port is taken.
            StartError: Triton ended, or did not answer in time; its reasons are in the message.
        """
        self.launch()
        try:
            self.wait_until_answering(time.monotonic() + self.options.start_timeout)
        except BaseException:
            self.stop()
            raise

    def launch(self) -> None:
        """Start Triton, from a thread that lives as long as it must: Triton ends with that thread.

        Raises:
            PortError: a port is taken.
        """
        if not self.options.enter:  # nobody else listens in a network of its own
            check_ports(self.options.address)
        staging.sweep()
        self._stage = staging.build(self._wheel, self.models, self._size, self._arrangement())
        try:
            self._process = self._spawn(self._stage)
        except BaseException:
            self.stop()
            raise

    def wait(self) -> None:
        """Wait for ever.

        Raises:
            ServerDiedError: Triton ended by itself.
        """
        if self._process is None:
            return
        status = self._process.wait()
        raise ServerDiedError(f"tritonserver ended with status {status}: {self._reasons()}")

    def interrupt(self) -> None:
        """Kill Triton, so that whoever waits for it to answer waits no longer; `stop` must follow."""
        process = self._process  # another thread may be stopping it
        if process is not None:
            process.kill()

    def stop(self, patience: float = EXIT_TIMEOUT_SECONDS + 5) -> None:
        """Stop Triton gently, then firmly, and remove everything it leaves; safe to call twice.

        Args:
            patience: Seconds until it is killed.
        """
        if self._process is not None:
            self._process.terminate()
            while members := processes.of_session(self._process.pid):  # a server that is starting has more and more
                processes.end(members, timeout=patience)
            processes.reap(self._process.pid)
            self._process.wait()
            self._process = None
        if self._stage is not None:
            staging.remove(self._stage)
            self._stage = None

    def footprint(self) -> processes.Footprint:
        """Measure the whole process tree."""
        return processes.footprint(self.pid)

    def __enter__(self) -> "Server":
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _check_instances(self) -> None:
        names = {model.name for model in self.models}
        for name in self.options.instances:
            if name and name not in names:
                raise RepositoryError(f"--instances {name}=…: no such model; there are {', '.join(sorted(names))}")
        fronts = [model.name for model in self.fronts]
        for tuned in self.options.tuned:
            if tuned.model not in fronts:
                raise RepositoryError(f"--tuned: it is for {tuned.model!r}, and there are {', '.join(fronts)}")

    def _size(self, model: Model) -> Sizing:
        own, inside = self.options.instances, model.is_front and self.options.engine == "in-process"
        choose, tuned = (size_in_process, self._tuned.get(model.name)) if inside else (size, None)
        instances, threads = own.get(model.name, own.get("")), self.options.threads
        if tuned:  # counts of processes and lanes, which mean something else where the engine is a model
            instances, threads = instances or tuned.instances, threads or tuned.threads
        if self.options.device == "cuda":
            classifier = next((other for other in self.models if other.name == model.classifier), model)
            if declared := gpu_sizing(model.config, classifier.config, inside):
                instances, threads = instances or declared.instances, threads or declared.threads
        return choose(count_cores(), instances, threads)

    def _arrangement(self) -> staging.Arrangement:
        own, usual = self.options, queue_size(count_cores())
        return staging.Arrangement(own.engine, own.device, own.max_queue, usual, self._tuned, own.witness)

    def _spawn(self, stage: staging.Stage) -> subprocess.Popen[bytes]:
        flags = triton_flags(
            self.options.address,
            stage.models,
            stage.backends,
            self._wheel.caches,
            locked_by=secrets.token_urlsafe(LOCK_BYTES),
            verbose=self.options.verbose,
        )
        flags = [*flags, *region_flags(stage.regions), *trace_flags(self.options.tracing)]
        with self._log(stage).open("ab") as log:
            self._log_start = log.tell()
            return subprocess.Popen(
                processes.bound_to_parent([*self.options.enter, str(self._wheel.binary), *flags]),
                env=environment(self._wheel, stage, self.options.device),
                stdin=subprocess.DEVNULL,
                stdout=None if self.options.verbose else log,
                stderr=None if self.options.verbose else subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops Triton in order
            )

    @property
    def canaries(self) -> list[canary.Canary]:
        """What must be answered before the server counts as serving, and while it does."""
        return [canary.read_canary(model.name, version) for model in self.fronts for version in model.served_versions]

    def ended(self) -> str:
        """Say how Triton ended by itself; "" while it runs."""
        status = None if self._process is None else self._process.poll()
        return "" if status is None else f"tritonserver ended with status {status}: {self._reasons()}"

    def wait_until_answering(self, deadline: float) -> None:
        """Wait until every front has answered its canary.

        Args:
            deadline: By the monotonic clock.

        Raises:
            StartError: Triton ended, or did not answer in time.
            WrongAnswerError: it answered otherwise than at export.
        """
        waiting = self.canaries
        problem = "Triton is still loading the models"
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise StartError(f"tritonserver did not start: {self._reasons()}")
            if canary.is_ready(self.http_url):
                try:
                    for each in waiting:
                        canary.check(self.http_url, each)
                except WrongAnswerError:
                    raise
                except CanaryError as error:
                    problem = str(error)
                else:
                    return
            time.sleep(POLL_SECONDS)
        raise StartError(f"no answer within {self.options.start_timeout:g} s: {problem}: {self._reasons()}")

    def _log(self, stage: staging.Stage) -> Path:
        return self.options.log or stage.log

    def _reasons(self) -> str:
        if self._stage is None or self.options.verbose:
            return "its log is above"
        with self._log(self._stage).open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "; ".join(reasons(lines)[-3:]) or "its log names no error; see it with --verbose"
