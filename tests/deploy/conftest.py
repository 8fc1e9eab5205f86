"""An engine, the images built on it, and the CPU stack running."""

import json
import shutil
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy import base_image
from tests.deploy.base_image import Bases
from tests.deploy.compose import CPU, ROOT, command
from tests.deploy.engine import Engine, engine, run
from tritext_serve.endpoint.edge.process import binary
from tritext_serve.ports import steady_ports

BUILD_SECONDS = 800
READY_SECONDS = 240
SUBNET = "10.61"  # not the usual one, which a stack that runs on this machine may have
ENDPOINT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: demo
auth_mode: key
public_network_access: {access}
traffic: {{blue: 100}}
"""
DEPLOYMENT = """
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: {name}
endpoint_name: demo
model: {{path: {repository}, type: triton_model}}
tags: {{tritext_model: sentiment}}
instance_type: Standard_F4s_v2
instance_count: 1
"""
NETWORK = """
$schema: https://azuremlschemas.azureedge.net/latest/workspace.schema.json
name: demo
managed_network:
  isolation_mode: allow_only_approved_outbound
  outbound_rules:
"""
RULE = "    - {{name: {name}, type: fqdn, destination: '{host}'}}\n"
ALLOWED = ("allowed.example", "*.wild.example")


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack: blue, green, ingress and egress.

    Attributes:
        engine: What runs it.
        compose: How compose is called for it.
        environment: With what environment.
        project: Its name, which begins those of its networks.
        http: URL of the published private port.
        public_port: The published public port.
        rendered: What ``tritext endpoint render`` wrote.
        repository: The models.
        containers: Ids by service.
    """

    engine: Engine
    compose: list[str]
    environment: dict[str, str]
    project: str
    http: str
    public_port: int
    rendered: Path
    repository: Path
    containers: dict[str, str] = field(default_factory=dict)

    @property
    def container(self) -> str:
        """Id of blue's container."""
        return self.containers["blue"]

    @property
    def key(self) -> str:
        """The header that opens the endpoint."""
        return (self.rendered / "authorization").read_text(encoding="utf-8").split(": ")[1].strip()

    def inside(self, *arguments: str) -> str:
        """Run a command in blue's container."""
        return self.engine.docker("exec", self.container, *arguments)

    def ask(self, path: str, body: object = None) -> bytes:
        """Ask through the published port, with the key."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": self.key, "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.http}{path}", data, headers), timeout=30) as answer:
            content: bytes = answer.read()
            return content

    def render(self, access: str = "disabled", allowed: tuple[str, ...] = ALLOWED) -> None:
        """Write the Envoys' files by the real command."""
        folder = self.rendered.parent
        rules = "".join(RULE.format(name=f"rule{n}", host=host) for n, host in enumerate(allowed))
        texts = {name: DEPLOYMENT.format(name=name, repository=self.repository) for name in ("blue", "green")}
        texts |= {"endpoint": ENDPOINT.format(access=access), "network": NETWORK + rules}
        for name, text in texts.items():
            (folder / f"{name}.yml").write_text(text, encoding="utf-8")
        files = [str(folder / f"{name}.yml") for name in texts]
        options = ["--output", str(self.rendered), "--subnet", SUBNET]
        run([sys.executable, "-m", "tritext", "endpoint", "render", *files, *options], 120)


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
def envoy_image(docker_engine: Engine, cpu_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stand-in for the image of Envoy, which no test can pull: the same version's binary at the same place."""
    context = tmp_path_factory.mktemp("envoy")
    shutil.copyfile(binary(), context / "envoy")
    lines = (f"FROM {cpu_image}", "COPY envoy /usr/local/bin/envoy", "")
    (context / "Dockerfile").write_text("\n".join(lines), encoding="utf-8")
    (context / "envoy").chmod(0o755)
    tag = "tritext-test:envoy"
    docker_engine.docker("build", "--tag", tag, str(context), timeout=300)
    yield tag
    if not docker_engine.own:
        docker_engine.docker("rmi", "--force", tag)


@pytest.fixture(scope="session")
def cpu_stack(
    docker_engine: Engine, cpu_image: str, envoy_image: str, readable_repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:  # fmt: skip
    """The CPU stack but for the two images that nobody here can pull; taken down with its networks and volumes."""
    private, public = steady_ports(2)
    rendered = tmp_path_factory.mktemp("stack") / "rendered"
    project = f"tritext-{uuid.uuid4().hex[:8]}"
    environment = {
        **docker_engine.environment,
        "TRITEXT_IMAGE": cpu_image,
        "TRITEXT_ENVOY_IMAGE": envoy_image,
        "TRITEXT_EGRESS_IMAGE": envoy_image,
        "TRITEXT_PORT": str(private),
        "TRITEXT_PUBLIC_PORT": str(public),
    }
    compose = [*command(), "--project-name", project, "--file", str(ROOT / CPU)]
    compose += ["--env-file", str(rendered / "compose.env")]
    url = f"http://127.0.0.1:{private}"
    stack = Stack(docker_engine, compose, environment, project, url, public, rendered, readable_repository)
    stack.render()
    try:
        services = ("blue", "green", "ingress", "egress")
        run([*compose, "up", "--detach", "--no-build", *services], 240, environment)
        for name in services:
            stack.containers[name] = run([*compose, "ps", "--quiet", name], 120, environment).strip()
        await_answers(stack)
        yield stack
    finally:
        with suppress(AssertionError):  # what failed before says more
            run([*compose, "down", "--volumes", "--timeout", "30"], 240, environment)


def await_answers(stack: Stack) -> None:
    """Wait until both deployments answer through the ingress."""
    waiting, problem = {"blue", "green"}, "nothing asked yet"
    deadline = time.monotonic() + READY_SECONDS
    while waiting and time.monotonic() < deadline:
        name = next(iter(waiting))
        headers = {"Authorization": stack.key, "azureml-model-deployment": name, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{stack.http}/predict", b'{"text": "A lovely film."}', headers)
        try:
            with urllib.request.urlopen(request, timeout=10):
                waiting.discard(name)
        except OSError as error:
            problem = str(error)
            time.sleep(0.3)
    logs = "\n".join(stack.engine.docker("logs", "--tail", "20", each) for each in stack.containers.values())
    assert not waiting, f"{waiting}: {problem}:\n{logs}"
