"""A day of an autoscaled deployment, simulated: traffic and rules in, pods, waits and refusals out. Pure.

::

    arrivals ─► pods that serve ─► waits, refusals ─► metrics of the last minute ─► Kubernetes' rule ─► pods that start

    python demo/autoscaling.py [--picture docs/scaling.png]      # a few seconds; a table in Markdown

The pods are a pool of cores with one bounded queue, which Envoy's choice of the pod with the fewest requests comes
close to. What a request costs is measured (docs/bench.md); what a pod needs to start is its four seconds and a guess at
the rest.
"""

import argparse
import math
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from autoscaler import Autoscaler, Policy, Rule, asked_for

STEP, SYNC, DAY = 5, 15, 86_400
USUAL = 0.7  # of the cores


@dataclass(frozen=True, slots=True)
class Pod:
    """What one pod can do.

    Attributes:
        cores: Requests at work at once.
        service: CPU seconds a request.
        queue: Requests that may wait; more are refused.
        start: Seconds from the decision until Envoy sends the first request.
    """

    cores: int = 2
    service: float = 0.00297
    queue: int = 20
    start: int = 45


QUEUE, BUSY = {"queue": 0.01}, {"cpu": USUAL}
RULES = (
    Rule("17 pods, always", {}, least=17, most=17),
    Rule("queue time alone", QUEUE),
    Rule("CPU alone", BUSY),
    Rule("both, as in deploy/k8s", QUEUE | BUSY),
    Rule("both, without stabilisation", QUEUE | BUSY, down=Policy(1.0, 0, 15), steady=0),
)


@dataclass(frozen=True, slots=True)
class Second:
    """How the pool stood in one step.

    Attributes:
        at: Seconds of the day.
        rate: Requests a second.
        ready: Pods that serve.
        pods: Pods that are wanted.
        wait: Seconds that a request waited, in the mean.
        busy: Share of the cores that worked.
        refused: Requests that found the queue full.
        left: Requests that wait at its end.
    """

    at: int
    rate: float
    ready: int
    pods: int
    wait: float
    busy: float
    refused: float
    left: float


def waiting(rate: float, cores: int, service: float) -> float:
    """Mean seconds in the queue of ``cores`` that share one, in the long run (Sakasegawa's approximation of M/M/c)."""
    load = min(rate * service / cores, 0.999)
    return float(load ** (math.sqrt(2 * (cores + 1)) - 1) / (1 - load) * service / cores)


def work(pod: Pod, ready: int, arrived: float, left: float) -> tuple[float, float, float, float]:
    """Let a pool work for a step.

    Returns:
        Mean wait in seconds, share of the cores at work, requests refused, and those left in the queue.
    """
    cores = pod.cores * ready
    room = cores * STEP / pod.service
    served = min(left + arrived, room)
    after = left + arrived - served
    kept = min(after, float(pod.queue * ready))
    piled = (left + kept) / 2 * pod.service / cores
    longest = pod.queue * pod.service / pod.cores  # a full queue's: nobody is let in behind it
    wait = min(piled + waiting(arrived / STEP, cores, pod.service), longest)
    return wait, served / room, after - kept, kept


def simulate(rule: Rule, traffic: Callable[[int], float], pod: Pod = Pod(), length: int = DAY) -> list[Second]:
    """Run a day.

    Args:
        rule: The autoscaler.
        traffic: Requests of the step that begins at a second.
        pod: What one pod can do.
        length: Seconds.
    """
    fitting = math.ceil(traffic(0) / STEP * pod.service / pod.cores / USUAL)  # the day before has brought it there
    ready, left = min(max(fitting, rule.least), rule.most), 0.0
    scaler, starting = Autoscaler(rule, ready), list[int]()
    seen: list[Second] = []
    for now in range(0, length, STEP):
        ready += sum(1 for at in starting if at <= now)
        starting = [at for at in starting if at > now]
        arrived = traffic(now)
        wait, busy, refused, left = work(pod, ready, arrived, left)
        seen.append(Second(now, arrived / STEP, ready, ready + len(starting), wait, busy, refused, left))
        if now % SYNC == 0 and rule.targets:
            goal = scaler.decide(now, asked_for(last_minute(seen), rule.targets, ready, len(starting)))
            starting += [now + pod.start] * max(goal - ready - len(starting), 0)
            starting = starting[: max(goal - ready, 0)]
            ready = min(ready, goal)
    return seen


def last_minute(seen: list[Second]) -> dict[str, float]:
    """Give what the autoscaler is told: means of a minute that ended a scrape ago."""
    told = seen[-60 // STEP - 3 : -3] or seen[:1]
    requests = sum(each.rate for each in told)
    queue = sum(each.rate * each.wait for each in told) / requests if requests else 0.0
    return {"queue": queue, "cpu": sum(each.busy for each in told) / len(told)}


def day(peak: float, seed: int = 7) -> Callable[[int], float]:
    """A day's traffic: a quarter of the peak at night, all of it at two, a rush at eight in the evening.

    Args:
        peak: Requests a second at two in the afternoon.
        seed: Of the noise.
    """
    chance = random.Random(seed)

    def arrivals(at: int) -> float:
        hour = at / 3600
        usual = 0.625 + 0.375 * math.cos((hour - 14) / 12 * math.pi)
        rush = 0.9 if 20 <= hour < 20.5 else 0.0
        mean = peak * (usual + rush) * STEP
        return max(0.0, chance.gauss(mean, math.sqrt(mean)))

    return arrivals


def summary(seen: Iterable[Second]) -> dict[str, float]:
    """Add a day up: pod hours, what was refused, how long the others waited, and how often the number changed."""
    steps = list(seen)
    requests = sum(each.rate for each in steps) * STEP
    waits = sorted((each.wait, each.rate) for each in steps)
    slow = sum(rate for wait, rate in waits if wait > 0.01) * STEP
    total, p99 = 0.0, 0.0
    for wait, rate in waits:
        total += rate * STEP
        if total >= 0.99 * requests:
            p99 = wait
            break
    return {
        "pod hours": sum(each.pods for each in steps) * STEP / 3600,
        "refused": sum(each.refused for each in steps) / requests,
        "p99 wait ms": 1000 * p99,
        "over 10 ms": slow / requests,
        "changes": sum(1 for one, two in pairwise(steps) if one.pods != two.pods),
    }


def main() -> None:
    """Print the table, and draw it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peak", type=float, default=7000.0, help="requests a second at two (default: 7000)")
    parser.add_argument("--start", type=int, default=45, help="seconds until a pod serves (default: 45)")
    parser.add_argument("--picture", type=Path, help="a PNG")
    args = parser.parse_args()
    days = {rule.name: simulate(rule, day(args.peak), Pod(start=args.start)) for rule in RULES}
    print("| autoscaler | pod hours | refused | p99 of the wait | waited over 10 ms | changes |")
    print("|---|---|---|---|---|---|")
    for name, seen in days.items():
        told = summary(seen)
        print(
            f"| {name} | {told['pod hours']:.0f} | {told['refused']:.3%} | {told['p99 wait ms']:.0f} ms "
            f"| {told['over 10 ms']:.3%} | {told['changes']:.0f} |"
        )
    if args.picture:
        from autoscaling_picture import draw

        draw(days, args.picture)


if __name__ == "__main__":
    main()
