"""The simulated autoscaler: Kubernetes' arithmetic by example and by rule, and a pool that loses no request."""

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler import TOLERANCE, Autoscaler, Policy, Rule, asked_for
from autoscaling import RULES, STEP, Pod, day, simulate, summary, waiting, work
from tritext_serve.sizing import queue_size

SCALING = Path(__file__).parents[2] / "deploy/k8s/base/triton/scaling.yaml"
OURS = next(rule for rule in RULES if "deploy/k8s" in rule.name)
HOUR = 3600


@pytest.mark.parametrize(
    ("metrics", "ready", "starting", "pods"),
    [
        ({"cpu": 0.7}, 5, 0, 5),
        ({"cpu": 0.76}, 5, 0, 5),  # within a tenth
        ({"cpu": 0.78}, 5, 0, 6),
        ({"cpu": 1.0}, 5, 0, 8),
        ({"cpu": 0.35}, 6, 0, 3),
        ({"cpu": 0.35, "queue": 0.04}, 6, 0, 12),  # who asks for most
        ({"cpu": 1.0}, 5, 5, 10),  # five that start count as idle: 0.71 of ten needs no more
        ({"cpu": 1.4}, 5, 1, 10),
        ({"queue": 0.0}, 6, 0, 0),
    ],
)
def test_what_metrics_ask_for(metrics: dict[str, float], ready: int, starting: int, pods: int) -> None:
    targets = {name: {"cpu": 0.7, "queue": 0.02}[name] for name in metrics}
    assert asked_for(metrics, targets, ready, starting) == pods


def test_going_down_waits_for_the_window_and_going_up_does_not() -> None:
    scaler = Autoscaler(Rule("r", {}, least=2, most=40), 10)
    assert scaler.decide(0, 10) == 10
    assert [scaler.decide(at, 2) for at in range(15, 300, 15)] == [10] * 19
    assert scaler.decide(315, 2) == 7  # a quarter of ten in a minute
    assert scaler.decide(330, 2) == 7
    assert scaler.decide(375, 2) == 5
    assert scaler.decide(390, 30) == 10 + 4  # twice the seven of half a minute ago, less two that left since


@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=60),
    st.integers(2, 5),
    st.integers(5, 50),
    st.floats(0, 2),
    st.integers(1, 8),
)
def test_an_autoscaler_keeps_its_bounds_its_window_and_its_policies(
    recommended: list[int], least: int, most: int, share: float, pods: int
) -> None:
    rule = Rule("r", {}, least, most, up=Policy(share, pods, 30), down=Policy(0.25, 1, 60), steady=120)
    scaler, counts = Autoscaler(rule, least), [least]
    for number, wanted in enumerate(recommended):
        counts.append(scaler.decide(15 * number, wanted))
        before, now = counts[-2:]
        assert least <= now <= most
        recent = [min(max(each, least), most) for each in recommended[max(0, number - 8) : number + 1]]
        assert now >= min(before, max(recent))
        began = counts[max(0, len(counts) - 3)]
        assert now <= max(began, math.ceil(began * (1 + share)), began + pods, before)
        assert now <= max(before, min(max(wanted, least), most))


@given(st.integers(1, 30), st.floats(0, 1e6), st.floats(0, 1e4))
def test_a_pool_loses_no_request(ready: int, arrived: float, left: float) -> None:
    pod = Pod()
    left = min(left, pod.queue * ready)
    wait, busy, refused, after = work(pod, ready, arrived, left)
    served = busy * pod.cores * ready * STEP / pod.service
    assert served + refused + after == pytest.approx(arrived + left, rel=1e-6, abs=1e-6)
    assert 0 <= busy <= 1 + 1e-9
    assert 0 <= after <= pod.queue * ready
    assert 0 <= wait <= pod.queue * pod.service / pod.cores


@given(st.integers(1, 64), st.floats(0.01, 0.98))
def test_who_shares_a_queue_waits_longer_the_busier_it_is(cores: int, load: float) -> None:
    service = 0.003
    less, more = (waiting(part * cores / service, cores, service) for part in (load, load + 0.01))
    assert 0 <= less <= more
    if cores == 1:
        assert less == pytest.approx(load / (1 - load) * service)  # M/M/1


def test_the_rules_of_the_manifest_are_those_that_are_simulated() -> None:
    spec = yaml.safe_load(SCALING.read_text(encoding="utf-8"))["spec"]
    queue, cpu = spec["metrics"]
    assert queue["pods"]["target"]["averageValue"] == f"{1000 * OURS.targets['queue']:.0f}m"
    assert cpu["containerResource"]["target"]["averageUtilization"] == 100 * OURS.targets["cpu"]
    up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
    assert [(each["type"], each["value"], each["periodSeconds"]) for each in up["policies"]] == [
        ("Percent", 100 * OURS.up.share, OURS.up.period),
        ("Pods", OURS.up.pods, OURS.up.period),
    ]
    assert [(each["value"], each["periodSeconds"]) for each in down["policies"]] == [
        (100 * OURS.down.share, OURS.down.period)
    ]
    assert (up["stabilizationWindowSeconds"], down["stabilizationWindowSeconds"]) == (0, OURS.steady)
    longest = queue_size(Pod().cores) * Pod().service / Pod().cores
    assert OURS.targets["queue"] <= 0.6 * longest, "a target that a full queue hardly reaches adds no pod"
    assert (spec["minReplicas"], spec["maxReplicas"]) == (OURS.least, OURS.most)


def test_waiting_alone_flaps_and_both_together_do_not() -> None:
    told = {rule.name: summary(simulate(rule, day(7000), length=10 * HOUR)) for rule in RULES[1:]}
    both, queue, unsteady = (told[name] for name in (OURS.name, "queue time alone", "both, without stabilisation"))
    assert both["refused"] < 0.001
    assert both["changes"] < 30
    assert queue["changes"] > 5 * both["changes"]
    assert queue["refused"] > 10 * both["refused"]
    assert unsteady["changes"] > 5 * both["changes"]


@settings(max_examples=15, deadline=None)
@given(st.floats(1, 20_000), st.integers(5, 300))
def test_steady_traffic_settles_on_a_number_that_serves_it(rate: float, start: int) -> None:
    seen = simulate(OURS, lambda _: rate * STEP, Pod(start=start), length=2 * HOUR)
    last = seen[-HOUR // 2 // STEP :]
    assert len({each.pods for each in last}) == 1
    enough = math.ceil(rate * Pod().service / Pod().cores)
    assert last[-1].pods >= min(enough, OURS.most)
    if enough < OURS.most:
        assert last[-1].refused == 0
    if last[-1].pods < OURS.most:
        assert last[-1].busy <= 0.7 * (1 + TOLERANCE) + 1e-9


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    from autoscaling_picture import draw

    draw({OURS.name: simulate(OURS, day(2000), length=HOUR)}, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
