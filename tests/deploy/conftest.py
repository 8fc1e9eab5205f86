"""An engine, the images built on it, and the CPU stack running."""

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy import base_image
from tests.deploy.base_image import Bases
from tests.deploy.compose import CPU, ROOT, command
from tests.deploy.engine import Engine, engine, run
from tritext_serve.server import free_ports

BUILD_SECONDS = 420
HEALTHY_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack.

    Attributes:
        engine: What runs it.
        container: Id of Triton's container.
        http: URL of the published HTTP port.
        metrics: URL of the published metrics.
    """

    engine: Engine
    container: str
    http: str
    metrics: str

    def inside(self, *arguments: str) -> str:
        """Run a command in the container."""
        return self.engine.docker("exec", self.container, *arguments)


@pytest.fixture(scope="session")
def scratch() -> Path:
    """A folder that git ignores, on a real file system: an engine cannot stack its layers on another's."""
    path = ROOT / ".cache" / "deploy"
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def docker_engine(scratch: Path) -> Iterator[Engine]:
    with engine(scratch) as running:
        yield running


@pytest.fixture(scope="session")
def bases(docker_engine: Engine, scratch: Path) -> Bases:
    return base_image.provide(docker_engine, scratch)


@pytest.fixture(scope="session")
def cpu_image(docker_engine: Engine, bases: Bases) -> Iterator[str]:
    yield from _build(docker_engine, "cpu", BASE_IMAGE=bases.runtime, BUILD_IMAGE=bases.build)


@pytest.fixture(scope="session")
def gpu_image(docker_engine: Engine, bases: Bases) -> Iterator[str]:
    """The GPU image's own steps on a base that is not NVIDIA's, which no test can pull."""
    yield from _build(docker_engine, "gpu", TRITON_IMAGE=bases.runtime, BUILD_IMAGE=bases.build)


def _build(docker_engine: Engine, kind: str, **arguments: str) -> Iterator[str]:
    tag = f"tritext-test:{kind}"
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    recipe = ["--file", str(ROOT / f"deploy/docker/{kind}.Dockerfile")]
    docker_engine.docker("build", "--network", "host", *recipe, *given, "--tag", tag, str(ROOT), timeout=BUILD_SECONDS)
    yield tag
    if not docker_engine.own:
        docker_engine.docker("rmi", "--force", tag)


@pytest.fixture(scope="session")
def readable_repository(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as others may read it: pytest's folders are closed to the container's user."""
    copy = tmp_path_factory.mktemp("mounted") / "model_repository"
    shutil.copytree(model_repository, copy)
    run(["chmod", "-R", "a+rX", str(copy)], 10)
    return copy


@pytest.fixture(scope="session")
def cpu_stack(docker_engine: Engine, cpu_image: str, readable_repository: Path) -> Iterator[Stack]:
    """The CPU stack's Triton, healthy; taken down at the end with its network and volumes."""
    http, grpc, metrics = free_ports(3)
    environment = {
        **docker_engine.environment,
        "TRITEXT_IMAGE": cpu_image,
        "TRITEXT_REPOSITORY": str(readable_repository),
        "TRITEXT_HTTP_PORT": str(http),
        "TRITEXT_GRPC_PORT": str(grpc),
        "TRITEXT_METRICS_PORT": str(metrics),
    }
    compose = [*command(), "--project-name", f"tritext-{uuid.uuid4().hex[:8]}", "--file", str(ROOT / CPU)]
    try:
        run([*compose, "up", "--detach", "--no-build", "triton"], 60, environment)
        container = run([*compose, "ps", "--quiet", "triton"], 30, environment).strip()
        _await_health(docker_engine, container)
        yield Stack(docker_engine, container, f"http://127.0.0.1:{http}", f"http://127.0.0.1:{metrics}/metrics")
    finally:
        with suppress(AssertionError):  # what failed before says more
            run([*compose, "down", "--volumes", "--timeout", "30"], 90, environment)


def _await_health(docker_engine: Engine, container: str) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    state = "starting"
    while state == "starting" and time.monotonic() < deadline:
        time.sleep(0.5)
        state = docker_engine.docker("inspect", "--format", "{{.State.Health.Status}}", container).strip()
    assert state == "healthy", f"{state}:\n{docker_engine.docker('logs', container)}"
