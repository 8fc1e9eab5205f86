"""An endpoint's life, as a user drives it: up, asked, shifted, mirrored, applied anew, down."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.endpoints import LABELS, NAME, TARGET, Client, Load, Up
from tests.e2e.said import finished, metric, settled, split
from tritext_serve.endpoint.rundir import is_running
from tritext_serve.errors import EndpointError

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
POSITIVE = "A wonderful film, moving and funny."


@pytest.fixture(scope="module")
def up(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Blue, which has all traffic, and green; whoever changes it puts it back."""
    running = Up(tmp_path_factory.mktemp("up"), model_repository)
    try:
        running.announcement()
        yield running
    finally:
        running.close()


@pytest.fixture
def one(model_repository: Path, tmp_path: Path) -> Iterator[Up]:
    """Blue alone, for tests that end it."""
    running = Up(tmp_path, model_repository, deployments=("blue",))
    yield running
    running.close()


def test_it_announces_itself_with_a_line_that_answers_when_pasted(up: Up) -> None:
    said = up.announcement()
    assert re.search(rf"^endpoint +{NAME}$", said, re.MULTILINE)
    assert re.search(
        r"^blue +100 %   sentiment \(version 1\), sentiment_naive \(version 1\), \d+ MB$", said, re.MULTILINE
    )
    assert up.key not in said
    line = re.search(r"^try +(curl .*)$", said, re.MULTILINE)
    assert line is not None
    result = subprocess.run(
        ["/bin/sh", "-c", line[1]], env=up.environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(result.stdout)["sentiment"] == "positive"


def test_its_files_are_this_users_alone_and_no_key_is_in_a_command_line(up: Up) -> None:
    private = (up.run.path, up.run.keys, up.run.header, up.run.control, up.run.envoy)
    modes = {path: path.stat().st_mode & 0o777 for path in private}
    assert not any(mode & 0o077 for mode in modes.values()), modes
    for process in psutil.Process(up.process.pid).children(recursive=True):
        assert up.key not in " ".join(process.cmdline())
    logs = "".join(path.read_text(encoding="utf-8", errors="replace") for path in up.run.logs.iterdir())
    assert up.key not in logs


def test_a_split_of_ninety_to_ten_holds_over_five_thousand_requests(up: Up) -> None:
    up.ask("traffic", traffic={"blue": 90, "green": 10})
    with Load(up) as load:
        load.wait_for(5000)
    up.ask("traffic", traffic={"blue": 100})
    assert set(load.statuses) == {200}
    assert load.wrong == []
    # Six standard deviations of a binomial with p = 0.1: more or less than that would be 2.5 per cent of all requests.
    deviation = (0.1 * 0.9 * load.total) ** 0.5
    assert abs(load.served["green"] - 0.1 * load.total) < 6 * deviation


def test_a_shift_in_four_steps_under_load_loses_nothing(up: Up) -> None:
    with Load(up) as load:
        for share in (25, 50, 75, 100):
            load.wait_for(4000)
            up.ask("traffic", traffic={"blue": 100 - share, "green": share})
        load.wait_for(4000)
        before = load.served["blue"]
        load.wait_for(500)
        assert load.served["blue"] - before <= 16  # what was under way when all had been shifted
    up.ask("traffic", traffic={"blue": 100, "green": 0})
    assert set(load.statuses) == {200}
    assert load.wrong == []
    assert load.served["green"] > 4000


def test_a_target_is_answered_by_that_one_whatever_its_traffic(up: Up) -> None:
    for name in ("blue", "green"):
        status, headers, body = up.predict(POSITIVE, **{TARGET: name})
        assert (status, headers[TARGET], body["sentiment"]) == (200, name, "positive")
    status, _, body = up.predict(POSITIVE, **{TARGET: "red"})
    assert (status, body["code"]) == (404, "DeploymentNotFound")


def test_a_mirror_gets_copies_of_live_requests_and_none_of_targeted_ones(up: Up) -> None:
    up.ask("mirror", mirror={"green": 50})
    before = finished(up, "green")
    with Load(up, clients=2) as load:
        load.wait_for(800)
    deadline = time.monotonic() + 60
    while finished(up, "green") - before < 300 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(load.served) == {"blue"}
    assert finished(up, "green") - before >= 300  # 400 at random: seven standard deviations less
    before = settled(up, "green")  # copies under way are no longer
    began = time.monotonic()
    with Load(up, clients=2, target="blue") as load:
        load.wait_for(500)
    up.ask("mirror", mirror={})
    # Canaries, one or two a second and model; copies would be 250 more.
    assert settled(up, "green") - before < 100 + 2 * (time.monotonic() - began)


@pytest.mark.parametrize(
    ("verb", "words", "why"),
    [
        ("traffic", ["blue=90"], "sums to 90"),
        ("traffic", ["blue=50", "red=50"], "no such deployment: deployments are: blue, green"),
        ("mirror", ["blue=10"], "would be live and mirrored at once"),
        ("mirror", ["green=51"], "is 51: give a whole number of per cent from 0 to 50"),
    ],
)
def test_what_the_rules_forbid_is_refused_and_changes_nothing(up: Up, verb: str, words: list[str], why: str) -> None:
    before = split(up)
    result = up.verb(verb, *words)
    assert result.returncode == 1
    assert why in result.stderr
    assert split(up) == before


def test_files_with_a_mistake_change_nothing_and_say_where_it_is(up: Up) -> None:
    bad = up.folder / "bad.yml"
    bad.write_text(f"name: {NAME}\nauth_mode: key\ntrafic:\n  blue: 100\n", encoding="utf-8")
    before = metric(up, 'tritext_changes_refused_total{verb="apply"}')
    result = up.verb("apply", str(bad), str(up.folder / "blue.yml"))
    assert result.returncode == 1
    assert "bad.yml:3: trafic: " in result.stderr
    assert metric(up, 'tritext_changes_refused_total{verb="apply"}') > before
    assert up.predict(POSITIVE)[0] == 200


def test_a_deployment_that_does_not_start_changes_nothing_and_says_why(up: Up, model_repository: Path) -> None:
    files = up.write(("blue", "green"), traffic={"blue": 100})
    broken = up.folder / "broken"
    (broken / "sentiment" / "1").mkdir(parents=True, exist_ok=True)
    (broken / "sentiment" / "config.pbtxt").write_text('name: "sentiment"\nbackend: "tritext"\n', encoding="utf-8")
    green = json.loads(files[2].read_text(encoding="utf-8"))
    green["model"]["path"] = str(broken)
    files[2].write_text(json.dumps(green), encoding="utf-8")
    with pytest.raises(EndpointError, match="sentiment"):
        up.ask("apply", files=list(map(str, files)))
    assert up.predict(POSITIVE, **{TARGET: "green"})[0] == 200


def test_a_deployment_leaves_and_comes_back_under_load_and_nothing_is_lost(up: Up) -> None:
    old = up.instance("blue")["pid"]
    with Load(up) as load:
        load.wait_for(200)
        files = up.write(("blue",), traffic={"blue": 0})
        left = up.ask("apply", files=list(map(str, files)), keep_traffic=True)
        assert left == {"started": [], "kept": ["blue"], "stopped": ["green"], "traffic": {"blue": 100}}
        assert up.predict(POSITIVE, **{TARGET: "green"})[0] == 404
        files = up.write(("blue", "green"), traffic={"green": 100})
        assert up.ask("apply", files=list(map(str, files)))["started"] == ["green"]
        assert up.ask("verdict")["pairs"] == []  # what was compared with an earlier one of its name
        load.wait_for(200)
    assert set(load.statuses) == {200}
    assert load.wrong == []
    assert load.served["green"] >= 150
    up.ask("traffic", traffic={"blue": 100})
    assert up.instance("blue")["pid"] == old
    assert not list(up.run.path.glob("envoy/.*"))


def test_other_tritons_take_over_from_a_deployments_own_under_load(up: Up) -> None:
    """Two instances instead of one, on other ports, replace it whole; the traffic is not the files', and stays."""
    files = up.write(("blue", "green"), traffic={"blue": 100})
    blue = json.loads(files[1].read_text(encoding="utf-8")) | {"instance_count": 2}
    files[1].write_text(json.dumps(blue), encoding="utf-8")
    old = up.instance("blue")["pid"]
    up.ask("traffic", traffic={"blue": 80, "green": 20})
    with Load(up) as load:
        load.wait_for(200)
        assert up.ask("apply", files=list(map(str, files)), keep_traffic=True)["started"] == ["blue"]
        before = load.served.copy()
        load.wait_for(500)
    served = load.served - before
    # Five standard deviations of a binomial with p = 0.2.
    assert abs(served["green"] - 0.2 * served.total()) < 5 * (0.2 * 0.8 * served.total()) ** 0.5
    assert set(load.statuses) == {200}
    assert load.wrong == []
    assert not psutil.pid_exists(old)
    assert [i["number"] for i in up.ask("show")["deployments"][0]["instances"]] == [1, 2]
    up.take_stock()
    up.ask("apply", files=list(map(str, up.write(("blue", "green"), traffic={"blue": 100}))))


def test_a_split_that_was_decided_before_the_latest_change_is_refused(up: Up) -> None:
    """As `promote` asks for it: both at once, and only of the endpoint that it has looked at."""
    seen = up.ask("verdict")["revision"]
    up.ask("split", traffic={"blue": 100}, mirror={"green": 20}, seen=seen)
    with pytest.raises(EndpointError, match="was changed meanwhile"):
        up.ask("split", traffic={"blue": 75, "green": 25}, mirror={}, seen=seen)
    with pytest.raises(EndpointError, match="`seen` is the revision"):
        up.ask("split", traffic={"blue": 75, "green": 25}, mirror={})
    assert split(up) == ({"blue": 100}, {"green": 20})
    up.ask("split", traffic={"blue": 75, "green": 25}, mirror={}, seen=seen + 1)
    up.ask("traffic", traffic={"blue": 100})


def test_an_apply_that_keeps_the_traffic_keeps_a_split_made_by_hand(up: Up) -> None:
    both, blue_alone = ("blue", "green"), ("blue",)
    up.ask("traffic", traffic={"blue": 70, "green": 30})
    kept = up.verb("apply", "--keep-traffic", *map(str, up.write(both, traffic={"green": 100})))
    assert (kept.returncode, kept.stdout) == (0, "kept     blue, green\ntraffic  blue=70 green=30, as before\n")
    files = list(map(str, up.write(blue_alone, traffic={"blue": 100})))
    with pytest.raises(EndpointError, match=r"^traffic\.green: has 30 % and is in none of these files"):
        up.ask("apply", files=files, keep_traffic=True)
    up.ask("traffic", traffic={"blue": 100})
    up.ask("mirror", mirror={"green": 20})
    with pytest.raises(EndpointError, match=r"^mirror_traffic\.green: gets 20 % of the requests mirrored"):
        up.ask("apply", files=files, keep_traffic=True)
    assert split(up) == ({"blue": 100}, {"green": 20})
    up.ask("apply", files=list(map(str, up.write(both, traffic={"blue": 60, "green": 40}))))
    assert split(up) == ({"blue": 60, "green": 40}, {})
    up.ask("traffic", traffic={"blue": 100})


def test_show_says_how_it_stands(up: Up) -> None:
    shown = up.verb("show")
    assert shown.returncode == 0
    assert re.search(r"blue/\d +serving +100 % +0 % +0 ", shown.stdout)
    state = json.loads(up.verb("show", "--json").stdout)
    assert [each["name"] for each in state["deployments"]] == ["blue", "green"]
    assert metric(up, 'tritext_deployment_up{deployment="green"}') == 1
    assert metric(up, 'tritext_traffic_share{deployment="blue"}') == 100
    assert metric(up, "tritext_keys") == 2


def test_logs_are_found_by_name(up: Up) -> None:
    assert re.search(r"INFO blue/0 serves, [\d.]+ s after it was started", up.verb("logs").stdout)
    assert json.loads(up.verb("logs", "access", "-n", "1").stdout)["status"] in (200, 404)
    refused = up.verb("logs", "red")
    assert refused.returncode == 1
    assert "there are supervisor, edge, access, blue, green" in refused.stderr


def test_a_second_one_of_its_name_is_refused_with_who_runs(up: Up) -> None:
    result = up.verb("up", *map(str, up.write(("blue",), traffic={"blue": 100})))
    assert result.returncode == 1
    assert f"endpoint '{NAME}' runs already, as process {up.process.pid}" in result.stderr


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "down"])
def test_it_ends_when_told_and_leaves_nothing(one: Up, how: str) -> None:
    """While a client keeps its connection open and says nothing: row 34 of the table of faults."""
    one.announcement()
    assert len(one.members) > 3
    idle = Client(one)
    assert idle.predict(POSITIVE)[0] == 200
    if how == "down":
        result = one.verb("down")
        assert (result.returncode, result.stdout) == (0, f"stopped  {NAME}\n")
        assert one.process.wait(timeout=60) == 0
    else:
        assert one.end(signal.Signals[how]) == 0
    assert one.left_behind() == []
    idle.close()


def test_a_killed_supervisor_takes_all_with_it_and_the_next_one_sweeps(one: Up, model_repository: Path) -> None:
    one.announcement()
    assert one.end(signal.SIGKILL) == -signal.SIGKILL
    _, alive = psutil.wait_procs(one.members, timeout=60)
    assert alive == []
    assert not is_running(one.run)
    again = Up(one.folder, model_repository, deployments=("blue",))
    again.announcement()
    assert again.end(signal.SIGTERM) == 0
    assert [*again.left_behind(), *one.left_behind()] == []


def test_one_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path, model_repository: Path) -> None:
    occupied = Up(tmp_path, model_repository, "--tls-cert", str(tmp_path / "none.pem"), deployments=("blue",))
    assert occupied.process.wait(timeout=120) == 1
    assert "TLS needs both" in (tmp_path / "up.err").read_text(encoding="utf-8")
    assert occupied.left_behind() == []
    occupied.close()


def test_every_text_of_the_load_is_labelled_as_the_tests_believe(up: Up) -> None:
    said = {text: up.predict(text)[2]["sentiment"] for text in LABELS}
    assert said == LABELS
