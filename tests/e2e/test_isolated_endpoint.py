"""`tritext endpoint up --isolate`: blue and green answer as ever, and reach neither each other nor the world."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.endpoints import TARGET, Up
from tests.e2e.walled import ALLOWED, FORBIDDEN, TRAPS, Walled, machine, on_this_machine
from tests.serve.endpoint.isolation.loosen import loosen
from tritext_serve.endpoint import passage
from tritext_serve.endpoint.edge.files import replace as write_file
from tritext_serve.endpoint.edge.render import BOOTSTRAP
from tritext_serve.endpoint.isolation import namespaces
from tritext_serve.endpoint.isolation.layout import METRICS_PORT, deployment_namespace
from tritext_serve.endpoint.isolation.matrix import SHUT, Probe
from tritext_serve.endpoint.isolation.namespaces import Network
from tritext_serve.errors import EndpointError

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

POSITIVE = "A wonderful film, moving and funny."
# What is open answers in no time, but for a machine that is busy.
PATIENCE_SECONDS = 20
BLUE, GREEN = deployment_namespace("blue"), deployment_namespace("green")
WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine of one's own, with an internet."""
    if why := namespaces.missing():
        pytest.skip(f"MISSING: {why}")
    with machine(tmp_path_factory.mktemp("world")) as file:
        yield file


@pytest.fixture(scope="module")
def up(model_repository: Path, hosts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walled]:
    """Blue and green with half of the traffic each; after it nothing is left, on the machine least of all."""
    running = Walled(tmp_path_factory.mktemp("walled"), model_repository, hosts)
    try:
        running.announcement()
        assert on_this_machine() == []
        yield running
        assert running.end(signal.SIGTERM) == 0
        assert [*running.left_behind(), *running.standing()] == []
        assert on_this_machine() == []
    finally:
        running.close()


@contextmanager
def otherwise(up: Walled, changed: str) -> Iterator[None]:
    """Let the egress read another file for a while: it is killed, and the supervisor starts it again."""
    file = up.run.path / "egress" / BOOTSTRAP
    before = file.read_text(encoding="utf-8")
    assert changed != before
    try:
        restart(up, changed)
        yield
    finally:
        restart(up, before)


def restart(up: Walled, text: str) -> None:
    """Write the egress' file, and see it started again."""
    folder = up.run.path / "egress"
    write_file(folder / BOOTSTRAP, text)
    for process in egresses(up):
        process.kill()
        process.wait(10)
    deadline = time.monotonic() + WAIT_SECONDS
    while not egresses(up) or up.try_from(BLUE, **to(ALLOWED)) != "open":
        assert time.monotonic() < deadline, (up.run.logs / "egress.log").read_text(encoding="utf-8")


def egresses(up: Walled) -> list[psutil.Process]:
    """Find the egress: the Envoy whose folder is its own."""
    folder = up.run.path / "egress"
    children = psutil.Process(up.process.pid).children()
    return [each for each in children if each.name() == "envoy" and Path(each.cwd()) == folder]


def to(name: str) -> dict[str, Any]:
    """Ask for a name as a deployment does."""
    return {"kind": "tls", "host": name, "port": 443, "name": name, "seconds": PATIENCE_SECONDS}


def soon(up: Walled, namespace: str, **asked: Any) -> str:
    """Try until the way is open: a busy egress or server may give up on the other one at first."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (word := up.try_from(namespace, **asked)) != "open" and time.monotonic() < deadline:
        time.sleep(0.1)
    return word


def test_both_answer_on_this_machines_loopback(up: Walled) -> None:
    for name in ("blue", "green"):
        status, headers, body = up.predict(POSITIVE, **{TARGET: name})
        assert (status, headers[TARGET], body["sentiment"]) == (200, name, "positive")


def test_tritons_and_the_edge_are_behind_the_walls(up: Walled) -> None:
    for namespace, command in ((BLUE, "tritonserver"), (GREEN, "tritonserver"), ("ingress", "envoy")):
        kernel_name = up.walls.plan.kernel_name(namespace)
        pids = subprocess.run(["ip", "netns", "pids", kernel_name], capture_output=True, text=True, check=True)
        assert command in [psutil.Process(int(pid)).name() for pid in pids.stdout.split()]


def test_triton_is_reached_by_the_edge_and_the_monitor_alone(up: Walled) -> None:
    edge, monitor = up.walls.plan.address(GREEN, "ingress"), up.walls.plan.address(GREEN, "monitor")
    assert up.try_from("ingress", kind="http", host=edge, port=8000, seconds=PATIENCE_SECONDS) == "open"
    seen = {"kind": "http", "host": monitor, "seconds": PATIENCE_SECONDS}
    assert up.try_from("monitor", **seen, port=8000) == "open"
    assert up.try_from("monitor", **seen, port=METRICS_PORT, path="/metrics") == "open"
    assert up.try_from("ingress", kind="http", host=edge, port=METRICS_PORT) in SHUT
    for who in (BLUE, "egress", "private"):
        for address in (edge, monitor):
            assert up.try_from(who, kind="http", host=address, port=8000) in SHUT


def test_the_probe_notices_a_wall_that_is_taken_down(up: Walled) -> None:
    plan = up.walls.plan
    target = plan.address(GREEN, "ingress")
    probe = Probe("blue to green", BLUE, GREEN, target, 8000, "shut")
    network = Network(plan)
    network.become(loosen(plan, probe, target))
    try:
        assert up.try_from(BLUE, kind="http", host=target, port=8000, seconds=PATIENCE_SECONDS) == "open"
    finally:
        network.become(plan)
    assert up.try_from(BLUE, kind="http", host=target, port=8000) in SHUT


def test_only_allowed_names_have_an_address_and_only_they_pass(up: Walled) -> None:
    door = up.walls.plan[BLUE].resolver
    assert soon(up, BLUE, **to(ALLOWED)) == "open"
    assert up.try_from(BLUE, **to(FORBIDDEN)) == "unresolved"
    assert up.try_from(BLUE, kind="dns", host=door, port=53, name=FORBIDDEN) == "unresolved"
    assert up.try_from(BLUE, **to(FORBIDDEN) | {"host": door}) == "closed"
    deadline = time.monotonic() + WAIT_SECONDS
    flags: dict[str, str] = {}
    while flags.keys() != {ALLOWED, FORBIDDEN} and time.monotonic() < deadline:
        time.sleep(0.1)
        log = (up.run.logs / "egress-access.log").read_text(encoding="utf-8")
        flags = {line["name"]: line.get("flags", "") for line in map(json.loads, log.splitlines())}
    assert flags == {ALLOWED: "-", FORBIDDEN: "NR"}


def test_the_probe_notices_one_more_allowed_name(up: Walled) -> None:
    door = up.walls.plan[BLUE].resolver
    egress_file = (up.run.path / "egress" / BOOTSTRAP).read_text(encoding="utf-8")
    with otherwise(up, egress_file.replace(next(iter(TRAPS)), FORBIDDEN)):
        assert soon(up, BLUE, **to(FORBIDDEN) | {"host": door}) == "open"


def test_an_allowed_name_that_lies_inside_leads_nowhere_and_the_probe_notices_if_it_did(up: Walled) -> None:
    assert {name: up.try_from(BLUE, **to(name)) for name in TRAPS} == dict.fromkeys(TRAPS, "closed")
    content = json.loads((up.run.path / "egress" / BOOTSTRAP).read_text(encoding="utf-8"))
    (within,) = (each for each in content["static_resources"]["listeners"] if each["name"] == passage.PASSAGE)
    router = within["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][-1]["typed_config"]
    router["upstream_http_filters"] = router["upstream_http_filters"][1:]
    with otherwise(up, json.dumps(content)):
        assert {name: soon(up, BLUE, **to(name)) for name in TRAPS} == dict.fromkeys(TRAPS, "open")


def test_nothing_on_this_machine_or_outside_is_reached_past_the_egress(up: Walled) -> None:
    port = int(up.url.rpartition(":")[2])
    for host, asked in (("127.0.0.1", port), ("198.51.100.20", 443), ("169.254.169.254", 443)):
        assert up.try_from(BLUE, kind="tls", host=host, port=asked, name=FORBIDDEN) in SHUT


def test_a_killed_triton_comes_back_behind_its_wall(up: Walled) -> None:
    old = up.instance("green")
    psutil.Process(old["pid"]).kill()
    deadline = time.monotonic() + WAIT_SECONDS
    while up.instance("green")["restarts"] == old["restarts"] or not up.instance("green")["well"]:
        assert time.monotonic() < deadline, up.instance("green")
        time.sleep(0.1)
    up.take_stock()
    kernel_name = up.walls.plan.kernel_name(GREEN)
    assert subprocess.run(
        ["ip", "netns", "identify", str(up.instance("green")["pid"])], capture_output=True, text=True, check=True
    ).stdout.split() == [kernel_name]


def test_other_tritons_take_over_behind_the_same_walls(up: Walled) -> None:
    files = up.write(("blue", "green"), traffic={"blue": 50, "green": 50})
    blue = json.loads(files[1].read_text(encoding="utf-8")) | {"instance_count": 2}
    files[1].write_text(json.dumps(blue), encoding="utf-8")
    assert up.ask("apply", files=list(map(str, files)))["started"] == ["blue"]
    up.take_stock()
    assert up.predict(POSITIVE, **{TARGET: "blue"})[0] == 200


@pytest.mark.parametrize("more", [{"rules": []}, {"deployments": ("blue",)}])
def test_walls_do_not_move_while_it_runs(up: Walled, more: dict[str, Any]) -> None:
    files = up.write(**({"deployments": ("blue", "green"), "traffic": {"blue": 100}} | more))
    with pytest.raises(EndpointError, match="start it anew"):
        up.ask("apply", files=list(map(str, files)))
    assert up.predict(POSITIVE)[0] == 200


@pytest.mark.alone
def test_two_live_side_by_side_and_what_is_left_of_a_killed_one_is_swept_by_any_next(
    up: Walled, hosts: Path, tmp_path: Path, model_repository: Path
) -> None:
    """Both have the same name and the same addresses; the last one's walls are nobody's.

    Alone, since any endpoint that another test starts sweeps, too.
    """
    killed = Walled(tmp_path, model_repository, hosts, ("blue",))
    killed.announcement()
    mine, others = len(up.standing()), len(killed.standing())
    assert mine > others > 0
    for each in (up, killed):
        assert each.predict(POSITIVE, **{TARGET: "blue"})[0] == 200
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    assert psutil.wait_procs(killed.members, timeout=60)[1] == []
    assert len(killed.standing()) == others
    plain = Up(tmp_path, model_repository, "--instances", "1", deployments=("blue",))
    deadline = time.monotonic() + WAIT_SECONDS
    while killed.standing():
        assert plain.process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert plain.end(signal.SIGTERM) == 0
    assert [*plain.left_behind(), *killed.left_behind()] == []
    assert len(up.standing()) == mine
    assert [up.predict(POSITIVE, **{TARGET: name})[0] for name in ("blue", "green")] == [200, 200]
    assert soon(up, BLUE, **to(ALLOWED)) == "open"
