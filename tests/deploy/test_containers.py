"""The images, really built, and the CPU stack, really running."""

import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.compose import GPU, ROOT, command
from tests.deploy.conftest import SUBNET, Stack, await_answers
from tests.deploy.engine import Engine, run
from tests.export.repositories import make_repository

# The first test waits for a base system, two images and an export.
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]

IMAGE_LIMIT_BYTES = 900_000_000


def classify(stack: Stack, *texts: str) -> list[str]:
    """Ask for labels in plain KServe v2 JSON."""
    data = {"name": "text", "shape": [len(texts), 1], "datatype": "BYTES", "data": texts}
    answer = stack.ask("/v2/models/sentiment/infer", {"inputs": [data], "outputs": [{"name": "sentiment"}]})
    labels: list[str] = json.loads(answer)["outputs"][0]["data"]
    return labels


def scrape(stack: Stack, path: str) -> str:
    """Read a page that the ingress keeps for Prometheus."""
    program = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())"
    url = f"http://{SUBNET}.3.2:8002{path}"
    return stack.engine.docker("exec", stack.containers["ingress"], "python3", "-c", program, url)


def await_label(stack: Stack, deadline: float) -> None:
    """Wait until a text gets its label."""
    label = ""
    while label != "positive":
        assert time.monotonic() < deadline
        with suppress(OSError):
            (label,) = classify(stack, "A warm, funny and moving film.")


def details(engine: Engine, name: str) -> dict[str, Any]:
    """Inspect an image or a container."""
    found: dict[str, Any] = json.loads(engine.docker("inspect", name))[0]
    return found


def test_a_text_gets_its_label_through_the_published_port(cpu_stack: Stack) -> None:
    assert classify(cpu_stack, "A warm, funny and moving film.", "A dull, lifeless mess.") == ["positive", "negative"]


def test_the_process_can_do_nothing_but_serve(cpu_stack: Stack) -> None:
    assert cpu_stack.inside("id", "-u").strip() == "10001"
    status = dict(line.split(":\t") for line in cpu_stack.inside("cat", "/proc/1/status").splitlines() if ":\t" in line)
    assert {name: int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {
        "CapPrm": 0,
        "CapEff": 0,
        "CapBnd": 0,
    }
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


@pytest.mark.parametrize("path", ["/here", "/models/here", "/opt/tritext/here"])
def test_nothing_can_be_written(cpu_stack: Stack, path: str) -> None:
    assert "Read-only file system" in cpu_stack.inside("sh", "-c", f"touch {path} 2>&1 || true")


def test_docker_asks_the_watcher_how_its_deployment_is(cpu_stack: Stack) -> None:
    probe = details(cpu_stack.engine, cpu_stack.container)["Config"]["Healthcheck"]["Test"][1:]
    cpu_stack.inside(*probe)
    with pytest.raises(AssertionError, match="ended with 1"):
        cpu_stack.engine.docker("exec", "--env", "TRITEXT_DEPLOYMENT=green", cpu_stack.container, *probe)


def test_every_metric_of_triton_that_an_alert_watches_exists(cpu_stack: Stack) -> None:
    classify(cpu_stack, "One text, so that there is something to count.")
    exported = set(re.findall(r"^(\w+)", scrape(cpu_stack, "/metrics/blue"), re.MULTILINE))
    rules = yaml.safe_load((ROOT / "deploy/monitoring/alerts.yml").read_text(encoding="utf-8"))
    watched = " ".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])
    assert set(re.findall(r"\b(?:nv|prediction)_\w+", watched)) <= exported


def test_the_supervisors_metrics_are_those_of_an_endpoint_on_a_machine(cpu_stack: Stack) -> None:
    """All that its dashboards and alerts name, but for what compares deployments or changes them."""
    files = [*(ROOT / "deploy/monitoring").glob("*.yml"), *(ROOT / "deploy/monitoring/grafana").rglob("*.json")]
    named = set(re.findall(r"\btritext_\w+", " ".join(path.read_text(encoding="utf-8") for path in files)))
    wanted = {name for name in named if not name.startswith(("tritext_mirror_", "tritext_edge_", "tritext_changes_"))}
    told = "\n".join(scrape(cpu_stack, path) for path in ("/metrics/blue/watcher", "/metrics/endpoint"))
    assert wanted <= set(re.findall(r"^(tritext_\w+)", told, re.MULTILINE))
    assert 'tritext_deployment_up{deployment="blue"} 1.0' in told
    assert 'tritext_traffic_share{deployment="blue"} 100' in told


def test_who_asks_without_the_key_gets_nothing(cpu_stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{cpu_stack.http}/v2/models/sentiment", timeout=10)


def test_the_keys_are_read_by_the_ingress_alone(cpu_stack: Stack) -> None:
    """The folder is mounted read-only into one container, whose user is the files' owner."""
    folder = cpu_stack.rendered / "ingress"
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
    for name, container in cpu_stack.containers.items():
        found = details(cpu_stack.engine, container)
        mounted = {mount["Source"]: mount["RW"] for mount in found["Mounts"] if mount["Type"] == "bind"}
        assert (mounted.get(str(folder)) is False) is (name == "ingress")
        assert found["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_the_cpu_image_holds_what_it_needs_and_no_more(docker_engine: Engine, cpu_image: str) -> None:
    assert details(docker_engine, cpu_image)["Size"] < IMAGE_LIMIT_BYTES
    program = (
        "import importlib.util as u, os; "
        "print([n for n in ('onnxruntime', 'tokenizers', 'tritext_serve') if u.find_spec(n) is None], "
        "[n for n in ('torch', 'transformers', 'pip') if u.find_spec(n)], os.path.exists('/etc/pip.conf'))"
    )
    shell = ["run", "--rm", "--network", "none", "--entrypoint", "python3"]
    assert docker_engine.docker(*shell, cpu_image, "-c", program).split("\n")[0] == "[] [] False"


def test_the_gpu_recipe_puts_the_front_where_triton_looks(docker_engine: Engine, gpu_image: str) -> None:
    user = details(docker_engine, gpu_image)["Config"]["User"]
    assert user == "1000:1000"
    program = (
        "import os, tokenizers, tritext_serve.front, importlib.util as u; "
        "print(os.access('/opt/tritext/start-triton.sh', os.X_OK), sorted(os.listdir('/opt/tritonserver/backends')), "
        "os.listdir('/opt/tritonserver/backends/tritext'), u.find_spec('onnxruntime'))"
    )
    shell = ["run", "--rm", "--network", "none", gpu_image, "python3", "-c", program]
    assert docker_engine.docker(*shell).strip() == "True ['tritext'] ['model.py'] None"


@pytest.fixture
def gpu_start(docker_engine: Engine, gpu_image: str, tmp_path: Path) -> Callable[..., str]:
    """Start the GPU image as its recipe says, on a repository of ours and a server that prints its flags."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "tritonserver").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    run(["chmod", "-R", "a+rx", str(tmp_path)], 10)

    def start(models: Path, *environment: str) -> str:
        given = [word for each in environment for word in ("--env", each)]
        mounted = ["--volume", f"{models}:/models:ro", "--volume", f"{programs}/tritonserver:/usr/bin/tritonserver:ro"]
        shell = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", *given, *mounted, gpu_image]
        return docker_engine.docker(
            *shell, "sh", "-c", "exec /opt/tritext/start-triton.sh --model-config-name=gpu 2>&1"
        )

    return start


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A published repository that others may read."""
    root = make_repository(tmp_path / "models", 1)
    run(["chmod", "-R", "a+rX", str(root)], 10)
    return root


def test_the_gpu_image_starts_what_was_certified(gpu_start: Callable[..., str], models: Path) -> None:
    flags = gpu_start(models).splitlines()
    assert flags[0] == "--model-repository=/models"
    assert flags[-1] == "--model-config-name=gpu"


def test_the_gpu_image_refuses_what_was_tampered_with(gpu_start: Callable[..., str], models: Path) -> None:
    (models / "m" / "1" / "tokenizer.json").write_text("[]", encoding="utf-8")
    reason = "m version 1: m/1/tokenizer.json is not the file that was certified"
    with pytest.raises(AssertionError, match=f"(?s)ended with 1.*tritext: refused: {reason}"):
        gpu_start(models)
    said = gpu_start(models, "TRITEXT_ALLOW_UNCERTIFIED=1").splitlines()
    assert said[0].startswith(f"tritext: not certified: {reason}")
    assert said[-1] == "--model-config-name=gpu"


def test_the_gpu_image_says_what_its_user_cannot_read(gpu_start: Callable[..., str], models: Path) -> None:
    (models / "m" / "1" / "tokenizer.json").chmod(0o600)
    with pytest.raises(
        AssertionError, match=r"(?s)ended with 1.*tokenizer\.json: Permission denied: let others read"
    ) as said:
        gpu_start(models)
    assert "Traceback" not in str(said.value)


def test_the_gpu_stack_asks_the_engine_for_a_gpu(docker_engine: Engine, gpu_image: str, cpu_stack: Stack) -> None:
    project = ["--project-name", "tritext-gpu-test", "--file", str(ROOT / GPU)]
    environment = {**docker_engine.environment, "TRITEXT_IMAGE": gpu_image, "TRITEXT_SUBNET": "10.62"}
    compose = [*command(), *project]
    try:
        run([*compose, "up", "--no-start", "--no-build", "blue"], 240, environment)
        container = run(["docker", "ps", "--all", "--quiet", "--filter", "name=tritext-gpu-test"], 30, environment)
        (request,) = details(docker_engine, container.strip())["HostConfig"]["DeviceRequests"]
    finally:
        run([*compose, "down", "--volumes"], 240, environment)
    assert (request["Driver"], request["Count"], request["Capabilities"]) == ("nvidia", 1, [["gpu"]])
    assert details(docker_engine, cpu_stack.container)["HostConfig"]["DeviceRequests"] is None


def test_a_killed_backend_process_is_replaced_within_its_container(cpu_stack: Stack) -> None:
    """Process 1 is the watcher: it starts Triton again, and the container goes on."""
    program = (
        "import os\n"
        "for each in os.listdir('/proc'):\n"
        "    if each.isdigit() and 'backend_stub' in open(f'/proc/{each}/cmdline').read().split('\\0')[0]:\n"
        "        os.kill(int(each), 9)"
    )
    deadline = time.monotonic() + 240
    cpu_stack.inside("python3", "-ISc", program)
    restarts = 'tritext_restarts_total{deployment="blue",reason="stub_died"} 1.0'
    while restarts not in scrape(cpu_stack, "/metrics/blue/watcher"):
        assert time.monotonic() < deadline
    await_label(cpu_stack, deadline)
    found = details(cpu_stack.engine, cpu_stack.container)
    assert found["RestartCount"] == 0
    while "zombie" in cpu_stack.inside("sh", "-c", "grep -h State /proc/[0-9]*/status"):
        assert time.monotonic() < deadline, "nobody reaps"


def test_the_ingress_ends_what_it_has_begun(cpu_stack: Stack) -> None:
    """Requests of a good part of a second, and a stop among them: none is dropped, and Docker need not kill."""
    # Six different ones: the same text is computed once.
    texts = [f"{n % 6} {'a film that goes on and on ' * 20}" for n in range(16)]
    container, stopping, answered = cpu_stack.containers["ingress"], threading.Event(), Counter[int]()

    def ask_on() -> None:
        while not stopping.is_set():
            answered[len(json.loads(cpu_stack.ask("/predict", {"text": texts}))["sentiment"])] += 1

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask_on) for _ in range(2)]
        deadline = time.monotonic() + 240
        while answered[16] < 2 and not any(each.done() for each in asking):
            assert time.monotonic() < deadline
        stopping.set()  # nobody begins anything new: what is waited for now is under way
        cpu_stack.engine.docker("stop", "--time", "10", container)
        for each in asking:
            each.result()
    assert set(answered) == {16}
    assert details(cpu_stack.engine, container)["State"]["ExitCode"] == 0
    cpu_stack.engine.docker("start", container)
    await_answers(cpu_stack)


def test_it_stops_in_order_and_in_time_and_starts_again(cpu_stack: Stack) -> None:
    """After ten seconds Docker would kill it, and the status would be 137."""
    cpu_stack.engine.docker("stop", "--time", "10", cpu_stack.container)
    assert details(cpu_stack.engine, cpu_stack.container)["State"]["ExitCode"] == 0
    cpu_stack.engine.docker("start", cpu_stack.container)
    await_answers(cpu_stack)
