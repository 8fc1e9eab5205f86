"""Whatever dies, hangs or is broken in one deployment: nobody gets a wrong answer, and the other never notices.

Rows 30 to 37, 56 and 57 of the table of faults; 38 and 39, reloads and an unload under load, and 34 are in
``test_endpoint``, where endpoints are changed and ended.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.breakages import BREAKAGES, Breakage
from tests.e2e.endpoints import LABELS, TARGET, Load, Up
from tests.e2e.said import metric, split
from tritext_serve.endpoint.supervisor import limits
from tritext_serve.errors import EndpointError

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
# 200; no instance well; the answer of a model that died under it; a connection that died with the edge; and what took
# longer than a deployment may, where a busy machine is slow to find that it hangs.
OF_THE_ILL = {200, 503, 424, 504, 408}
HOG = "import sys; kept = []\nwhile True: kept.append(bytearray(b'x' * (8 << 20)))"
SPINNER = "while True: pass"
REFUSED = 'tritext_changes_refused_total{verb="%s"}'


@pytest.fixture(scope="module")
def up(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Blue, which things happen to, and green, which must not notice."""
    running = Up(tmp_path_factory.mktemp("chaos"), model_repository, "--memory", "1200M")
    try:
        running.announcement()
        yield running
    finally:
        running.close()


def kill_stub(up: Up) -> None:
    """What the kernel does to a backend that it has no memory for."""
    up.stub("blue").kill()


def kill_triton(up: Up) -> None:
    """The server itself."""
    psutil.Process(up.instance("blue")["pid"]).kill()


def stop_stub(up: Up) -> None:
    """A model that hangs."""
    up.stub("blue").send_signal(signal.SIGSTOP)


def back_after(up: Up, begun: float, timeout: float = 150.0) -> float:
    """Wait until blue has answered ten times in a row, and say how long after the blow the first of them came."""
    row, first, texts = 0, 0.0, list(LABELS)
    while row < 10:
        if time.monotonic() - begun > timeout:
            raise TimeoutError(f"blue is not back: {up.instance('blue')}")
        status = up.predict(texts[0], **{TARGET: "blue"})[0]
        first = time.monotonic() if status == 200 and row == 0 else first
        row = row + 1 if status == 200 else 0
        time.sleep(0.02)
    return first - begun


@pytest.mark.parametrize(
    ("blow", "reasons"),
    [
        pytest.param(kill_stub, {"stub_died"}, id="30: a killed stub"),
        pytest.param(stop_stub, {"hung", "error"}, id="31: a stub that hangs"),
        pytest.param(kill_triton, {"died", "stub_died"}, id="32: a killed Triton"),
    ],
)
def test_one_that_dies_or_hangs_is_back_soon_and_the_other_never_notices(
    up: Up, blow: Callable[[Up], None], reasons: set[str]
) -> None:
    before = up.instance("blue")["restarts"]
    with Load(up, clients=3, target="blue", pause=0.02) as ill, Load(up, clients=3, target="green", pause=0.02) as well:
        ill.wait_for(50)
        begun = time.monotonic()
        blow(up)
        seconds = back_after(up, begun)
        ill.wait_for(50)
        well.wait_for(50)
    print(f"{blow.__name__}: back after {seconds:.1f} s")  # what that is worth: docs/endpoint.md
    assert set(well.statuses) == {200}
    assert ill.wrong == well.wrong == []
    assert set(ill.statuses) <= OF_THE_ILL
    after = up.instance("blue")
    assert (after["restarts"], after["reason"] in reasons, after["state"]) == (before + 1, True, "serving")
    assert any(f"blue/0 is ill ({reason})" in up.verb("logs", "-n", "1000").stdout for reason in reasons)


def test_a_killed_edge_is_back_with_the_traffic_that_was_set_last(up: Up) -> None:
    up.ask("traffic", traffic={"green": 100})
    edge = next(p for p in psutil.Process(up.process.pid).children() if "envoy" in p.name())
    begun = time.monotonic()
    edge.kill()
    with Load(up, clients=1, pause=0.05) as load:
        while not load.good_at and time.monotonic() - begun < 120:
            time.sleep(0.02)
    print(f"edge: back after {load.good_at[0] - begun:.1f} s")
    up.ask("traffic", traffic={"blue": 100})
    assert set(load.served) == {"green"}
    assert load.wrong == []


def test_a_deployment_that_is_ill_gets_no_traffic_unless_one_insists(up: Up) -> None:
    said = why_not_blue(up)
    assert re.fullmatch(r"blue: no instance is well: see .*, or insist with --force", said)
    assert up.ask("show")["traffic"] == {"green": 100}
    assert up.ask("traffic", traffic={"blue": 100}, force=True) == {"traffic": {"blue": 100}}
    back_after(up, time.monotonic())


def why_not_blue(up: Up) -> str:
    """Kill blue until it is asked to take the traffic before it is back, which a quick machine makes a race."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        up.ask("traffic", traffic={"green": 100})
        before = up.instance("blue")
        if before["well"]:
            kill_triton(up)
            while up.instance("blue")["restarts"] == before["restarts"] and up.instance("blue")["well"]:
                time.sleep(0.01)
        try:
            up.ask("traffic", traffic={"blue": 100})
        except EndpointError as error:
            return str(error)
    return ""


@pytest.mark.parametrize("broken", BREAKAGES, ids=lambda broken: f"{broken.row}: {broken.name}")
def test_a_broken_repository_is_refused_and_the_old_one_serves_on(
    up: Up, broken: Breakage, model_repository: Path, tmp_path: Path
) -> None:
    refusals = metric(up, REFUSED % "apply")
    shutil.copytree(model_repository, tmp_path / "copy", copy_function=os.link)
    broken.spoil(tmp_path / "copy")
    files = blue_serves(up, tmp_path / "copy")
    pid = up.instance("blue")["pid"]
    with Load(up, clients=2, target="blue", pause=0.02) as load:
        load.wait_for(20)
        with pytest.raises(EndpointError, match=broken.says):
            up.ask("apply", files=files)
        load.wait_for(20)
    assert set(load.statuses) == {200}
    assert load.wrong == []
    assert metric(up, REFUSED % "apply") == refusals + 1
    assert up.instance("blue")["pid"] == pid


def test_a_version_that_nobody_has_published_is_left_alone(up: Up, model_repository: Path, tmp_path: Path) -> None:
    """Row 36: a newer one whose graph is none, as somebody leaves who copies files by hand."""
    shutil.copytree(model_repository, tmp_path / "copy", copy_function=os.link)
    for model in ("sentiment", "sentiment_classifier"):
        shutil.copytree(tmp_path / "copy" / model / "1", tmp_path / "copy" / model / "2")
    (tmp_path / "copy" / "sentiment_classifier" / "2" / "model.onnx").write_bytes(b"not a graph")
    served = up.ask("show")["deployments"][0]["models"]
    with Load(up, clients=2, target="blue", pause=0.02) as load:
        load.wait_for(20)
        assert up.ask("apply", files=blue_serves(up, tmp_path / "copy"))["started"] == ["blue"]
        load.wait_for(20)
    up.ask("apply", files=blue_serves(up, model_repository))
    assert up.ask("show")["deployments"][0]["models"] == served
    assert set(load.statuses) == {200}
    assert load.wrong == []


def blue_serves(up: Up, repository: Path) -> list[str]:
    """Write the endpoint's files so that blue serves another repository."""
    files = up.write(("blue", "green"), traffic={"blue": 100})
    blue = json.loads(files[1].read_text(encoding="utf-8"))
    blue["model"]["path"] = str(repository)
    files[1].write_text(json.dumps(blue), encoding="utf-8")
    return list(map(str, files))


@pytest.mark.parametrize(
    ("traffic", "says"),
    [
        ({"blue": 100, "green": 50}, "sums to 150"),
        ({"blue": 50, "red": 50}, "no such deployment"),
        ({"blue": "all"}, "blue"),
    ],
    ids=["57: more than all", "57: a name that is none", "57: a share that is none"],
)
def test_a_wrong_split_is_refused_and_the_old_one_stays(up: Up, traffic: dict[str, object], says: str) -> None:
    before, refusals = split(up), metric(up, REFUSED % "traffic")
    with pytest.raises(EndpointError, match=says):
        up.ask("traffic", traffic=traffic)
    assert (split(up), metric(up, REFUSED % "traffic")) == (before, refusals + 1)
    assert up.predict(next(iter(LABELS)))[0] == 200


def test_a_memory_hog_in_one_deployment_is_killed_and_the_other_never_notices(up: Up) -> None:
    """Row 33."""
    held = group_of_blue(up, "memory")
    with Load(up, clients=3, target="green", pause=0.02) as well:
        hog = subprocess.Popen([sys.executable, "-c", "input()\n" + HOG], stdin=subprocess.PIPE)
        held.write_text(str(hog.pid), encoding="ascii")
        hog.communicate(b"\n", timeout=60)
        well.wait_for(50)
    assert hog.returncode == -signal.SIGKILL
    assert set(well.statuses) == {200}
    assert well.wrong == []
    back_after(up, time.monotonic())


def test_one_deployment_that_takes_all_cores_leaves_the_other_its_share(up: Up) -> None:
    """Row 56: answered, and rightly; how late is the machine's affair, and weights are in ``test_limits``."""
    held = group_of_blue(up, "cpu")
    spinners = [subprocess.Popen([sys.executable, "-c", SPINNER]) for _ in range(4)]
    try:
        for each in spinners:
            held.write_text(str(each.pid), encoding="ascii")
        with Load(up, clients=3, target="green", pause=0.02) as well:
            well.wait_for(100)
        assert all(each.poll() is None for each in spinners)
    finally:
        for each in spinners:
            each.kill()
            each.wait()
    assert set(well.statuses) == {200}
    assert well.wrong == []
    back_after(up, time.monotonic())


def group_of_blue(up: Up, kind: str) -> Path:
    """Blue's control group, of this kind or of all: what is written there joins it."""
    own = f"tritext-{up.run.name}-{up.process.pid}/blue-{up.instance('blue')['number']}/cgroup.procs"
    held = next((limits.ROOT / each / own for each in (kind, "") if (limits.ROOT / each / own).is_file()), None)
    if held is None or not os.access(held, os.W_OK):
        pytest.skip("MISSING: control groups that can be written to; what limits a deployment is not shown here")
    return held
