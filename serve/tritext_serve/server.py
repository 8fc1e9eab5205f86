"""The embedded Triton as an object: a repository and options in, a running, answering server out.

::

    with Server(repository, options) as server:      # ready: every front has answered its canary
        print(server.http_url, server.footprint())
                                                     # stopped: no process, region or folder is left
"""

import errno
import secrets
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tritext_serve import canary, certified, processes, staging, wheel
from tritext_serve.errors import CanaryError, PortError, RepositoryError, ServerDiedError, StartError, WrongAnswerError
from tritext_serve.flags import EXIT_TIMEOUT_SECONDS, Address, triton_flags
from tritext_serve.log import reasons
from tritext_serve.repository import Model, scan
from tritext_serve.settings import child_environment, gpu_environment
from tritext_serve.sizing import Sizing, count_cores, queue_size, size, size_in_process
from tritext_serve.tuned import Tuned

POLL_SECONDS = 0.05
LOCK_BYTES = 32


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
        allow_uncertified: Whether a version is served that has no passing certificate, or whose files are not those
            that were certified.
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
    allow_uncertified: bool = False


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
        self.models = scan(repository)
        self._check_instances()
        self.doubts = certified.doubts(repository, self.models)
        if self.doubts and not self.options.allow_uncertified:
            raise RepositoryError(f"{self.doubts[0]}: export the model again, or serve it with --allow-uncertified")
        self._stage: staging.Stage | None = None
        self._process: subprocess.Popen[bytes] | None = None

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
        check_ports(self.options.address)
        staging.sweep()
        self._stage = staging.build(self._wheel, self.models, self._size, self._arrangement())
        try:
            self._process = self._spawn(self._stage)
            self._wait_until_answering(time.monotonic() + self.options.start_timeout)
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

    def stop(self) -> None:
        """Stop Triton gently, then firmly, and remove everything it leaves; safe to call twice."""
        if self._process is not None:
            regions: set[Path] = set()
            self._process.terminate()
            while members := processes.of_session(self._process.pid):  # a server that is starting has more and more
                regions |= processes.shared_memory(members)
                processes.end(members, timeout=EXIT_TIMEOUT_SECONDS + 5)
            self._process.wait()
            self._process = None
            for region in regions:
                region.unlink(missing_ok=True)
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
        return choose(count_cores(), instances, threads)

    def _arrangement(self) -> staging.Arrangement:
        options = self.options
        usual = queue_size(count_cores())
        return staging.Arrangement(options.engine, options.device, options.max_queue, usual, self._tuned)

    def _spawn(self, stage: staging.Stage) -> subprocess.Popen[bytes]:
        flags = triton_flags(
            self.options.address,
            stage.models,
            stage.backends,
            self._wheel.caches,
            locked_by=secrets.token_urlsafe(LOCK_BYTES),
            verbose=self.options.verbose,
        )
        with stage.log.open("wb") as log:
            return subprocess.Popen(
                processes.bound_to_parent([str(self._wheel.binary), *flags]),
                env=environment(self._wheel, stage, self.options.device),
                stdin=subprocess.DEVNULL,
                stdout=None if self.options.verbose else log,
                stderr=None if self.options.verbose else subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops Triton in order
            )

    def _wait_until_answering(self, deadline: float) -> None:
        waiting = [canary.read_canary(m.name, v) for m in self.fronts for v in m.served_versions]
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

    def _reasons(self) -> str:
        if self._stage is None or self.options.verbose:
            return "its log is above"
        lines = self._stage.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "; ".join(reasons(lines)[-3:]) or "its log names no error; see it with --verbose"


def environment(parts: wheel.TritonWheel, stage: staging.Stage, device: staging.Device = "cpu") -> dict[str, str]:
    """Compose what the server and its stubs are told by their environment."""
    libraries = ":".join(map(str, parts.libraries))
    told = child_environment(
        LD_LIBRARY_PATH=libraries,
        PYTHONDONTWRITEBYTECODE="1",
        TMPDIR=str(stage.root / "tmp"),
        TOKENIZERS_PARALLELISM="false",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )
    return told | (gpu_environment(libraries) if device == "cuda" else {})


def check_ports(address: Address) -> None:
    """Try every port before Triton does, whose own message names none.

    Raises:
        PortError: naming the port, or the host, and the flag that changes it.
    """
    for flag, port in (("http", address.http), ("grpc", address.grpc), ("metrics", address.metrics)):
        try:
            family, kind, _, _, where = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
        except OSError as error:
            of_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
            remedy = "give an address of this machine with --host" if of_host else f"choose another with --{flag}-port"
            raise PortError(f"{address.host}:{port}: {error.strerror}: {remedy}") from error


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ask the kernel for ports that nobody listens on."""
    probes = [socket.create_server((host, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
