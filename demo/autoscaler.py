"""Kubernetes' horizontal autoscaler, ``autoscaling/v2``: metrics in, a number of pods out. Pure.

What counts is the larger of what each metric asks for. A ratio within a tenth of one changes nothing; pods that do not
serve yet count as idle; going down, the largest recommendation of the window of stabilisation counts; and a policy
bounds what may change in a while.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Policy:
    """How much may change within a while: the larger of a share and a number of pods.

    Attributes:
        share: Of the pods at its beginning.
        pods: A number.
        period: Seconds of the while.
    """

    share: float
    pods: int
    period: int


@dataclass(frozen=True, slots=True)
class Rule:
    """An autoscaler.

    Attributes:
        name: What the table calls it.
        targets: By metric: ``queue`` in seconds, ``cpu`` of 1.
        least: Pods at least.
        most: Pods at most.
        up: What it may add.
        down: What it may take away.
        steady: Seconds within which the largest recommendation counts when it goes down.
    """

    name: str
    targets: Mapping[str, float]
    least: int = 2
    most: int = 20
    up: Policy = Policy(1.0, 4, 30)
    down: Policy = Policy(0.25, 0, 60)
    steady: int = 300


def asked_for(metrics: Mapping[str, float], targets: Mapping[str, float], ready: int, starting: int) -> int:
    """Say how many pods the metrics ask for, as Kubernetes' replica calculator does.

    Args:
        metrics: Means over the pods that serve.
        targets: What each ought to be.
        ready: Pods that serve.
        starting: Pods that do not yet; they count as idle, so that one burst is not answered twice.
    """
    return max((_one(metrics[name] / target, ready, starting) for name, target in targets.items()), default=ready)


def _one(ratio: float, ready: int, starting: int) -> int:
    current = ready + starting
    if abs(ratio - 1) <= TOLERANCE:
        return current
    if ratio < 1 or not starting:
        return math.ceil(ratio * ready)
    diluted = ratio * ready / current
    return current if diluted <= 1 + TOLERANCE else math.ceil(diluted * current)


@dataclass
class Autoscaler:
    """What an autoscaler remembers.

    Attributes:
        rule: Its settings.
        pods: How many it wants now.
        wanted: Recommendations, by when.
        changes: What it changed, by when.
    """

    rule: Rule
    pods: int
    wanted: deque[tuple[int, int]] = field(default_factory=deque)
    changes: deque[tuple[int, int]] = field(default_factory=deque)

    def decide(self, now: int, recommended: int) -> int:
        """Take a recommendation and give how many pods there are to be from now on."""
        rule = self.rule
        bounded = min(max(recommended, rule.least), rule.most)
        self.wanted.append((now, bounded))
        while self.wanted[0][0] < now - rule.steady:
            self.wanted.popleft()
        goal = bounded
        if bounded < self.pods:
            goal = min(self.pods, max(each for _, each in self.wanted))
        goal = min(max(goal, self._floor(now)), self._ceiling(now))
        goal = min(max(goal, rule.least), rule.most)
        if goal != self.pods:
            self.changes.append((now, goal - self.pods))
        self.pods = goal
        return goal

    def _ceiling(self, now: int) -> int:
        policy = self.rule.up
        began = self._began(now, policy.period)
        return max(math.ceil(began * (1 + policy.share)), began + policy.pods)

    def _floor(self, now: int) -> int:
        policy = self.rule.down
        began = self._began(now, policy.period)
        return min(math.floor(began * (1 - policy.share)), began - policy.pods)

    def _began(self, now: int, period: int) -> int:
        """How many there were when the while began that ends now."""
        return self.pods - sum(change for at, change in self.changes if at > now - period)
