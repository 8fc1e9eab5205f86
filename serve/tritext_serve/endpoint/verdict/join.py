"""Two deployments' answers to the same texts, joined by the texts' digests: observations in, an agreement out. Pure.

A text counts once: the first answer of each side within the window is compared, in whichever order the two come, and
further answers to it are passed over until the window has gone by. So a text that everybody asks, or that the
supervisor asks every second as its canary, is one piece of evidence, and memory is bounded by the window and by a
number of texts, whichever is less.
"""

import math
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Side = Literal["live", "candidate"]
WINDOW_SECONDS = 300.0
MOST_TEXTS = 1 << 15
# Labels, and pairs of them, that are told apart; a front that makes up labels must not fill the memory.
MOST_LABELS, MOST_PAIRS = 1024, 1024
OTHER, OTHERS = "other", ("other", "other")


class Seen(NamedTuple):
    """What one side answered.

    Attributes:
        label: The label's name.
        score: Its score.
    """

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two deployments agree.

    Attributes:
        compared: Texts that both answered.
        pairs: How many texts got which labels, by (live label, candidate label), where those differ.
        mean_score_difference: Mean of |live score - candidate score| over the texts whose labels are the same.
        max_score_difference: Their maximum.
        live_labels: How many texts the live one gave each label, whether or not the other has answered them.
        candidate_labels: The same of the candidate.
    """

    compared: int = 0
    pairs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    mean_score_difference: float = 0.0
    max_score_difference: float = 0.0
    live_labels: Mapping[str, int] = field(default_factory=dict)
    candidate_labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def disagreements(self) -> int:
        """Texts whose labels differ."""
        return sum(self.pairs.values())

    @property
    def share(self) -> float:
        """Which part of the compared texts that is; 0 of none."""
        return self.disagreements / self.compared if self.compared else 0.0

    def described(self) -> dict[str, Any]:
        """Say it as JSON does."""
        pairs = [{"live": a, "candidate": b, "texts": n} for (a, b), n in sorted(self.pairs.items())]
        return {
            "compared": self.compared,
            "disagreements": self.disagreements,
            "pairs": pairs,
            "mean_score_difference": self.mean_score_difference,
            "max_score_difference": self.max_score_difference,
            "live_labels": dict(self.live_labels),
            "candidate_labels": dict(self.candidate_labels),
        }

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Agreement":
        """Read what ``described`` said."""
        pairs = {(pair["live"], pair["candidate"]): int(pair["texts"]) for pair in said["pairs"]}
        return cls(
            int(said["compared"]),
            pairs,
            float(said["mean_score_difference"]),
            float(said["max_score_difference"]),
            said["live_labels"],
            said["candidate_labels"],
        )


class Tallied:
    """An agreement that grows."""

    def __init__(self) -> None:
        self._compared = 0
        self._scored = 0
        self._sum = self._max = 0.0
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._labels: dict[Side, Counter[str]] = {"live": Counter(), "candidate": Counter()}

    def count(self, side: Side, seen: Seen) -> None:
        """Count one side's first answer to a text."""
        counts = self._labels[side]
        counts[seen.label if seen.label in counts or len(counts) < MOST_LABELS else OTHER] += 1

    def add(self, live: Seen, candidate: Seen) -> None:
        """Compare one text's answers."""
        self._compared += 1
        if live.label != candidate.label:
            pair = (live.label, candidate.label)
            self._pairs[pair if pair in self._pairs or len(self._pairs) < MOST_PAIRS else OTHERS] += 1
            return
        difference = abs(live.score - candidate.score)
        if math.isfinite(difference):
            self._scored += 1
            self._sum += difference
            self._max = max(self._max, difference)

    def agreement(self) -> Agreement:
        """Say how it stands."""
        mean = self._sum / self._scored if self._scored else 0.0
        live, candidate = self._labels["live"], self._labels["candidate"]
        return Agreement(self._compared, dict(self._pairs), mean, self._max, dict(live), dict(candidate))


class _Text:
    """One text of the window."""

    __slots__ = ("candidate", "live", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.live: Seen | None = None
        self.candidate: Seen | None = None


class Join:
    """Waits for the second answer to each text."""

    def __init__(self, tallied: Tallied, window: float = WINDOW_SECONDS, most: int = MOST_TEXTS) -> None:
        """Begin with no text.

        Args:
            tallied: Takes what is compared.
            window: Seconds for which a text is remembered.
            most: Texts that are remembered at most; the oldest go first.
        """
        self._tallied, self._window, self._most = tallied, window, most
        # In the order of their first answers. A plain dict looks past all that was forgotten to find the oldest.
        self._texts: OrderedDict[int, _Text] = OrderedDict()

    def __len__(self) -> int:
        return len(self._texts)

    def see(self, side: Side, digest: int, seen: Seen, now: float) -> None:
        """Take one answer.

        Args:
            side: Whose it is.
            digest: Of the text.
            seen: The answer.
            now: Seconds by a monotonic clock.
        """
        self._forget(now)
        text = self._texts.get(digest)
        if text is None:
            text = self._texts[digest] = _Text(now)
        if getattr(text, side) is not None:
            return
        setattr(text, side, seen)
        self._tallied.count(side, seen)
        if text.live is not None and text.candidate is not None:
            self._tallied.add(text.live, text.candidate)

    def _forget(self, now: float) -> None:
        """Forget what is too old, and the oldest where there is no room for one more."""
        while self._texts:
            oldest = next(iter(self._texts))
            if len(self._texts) < self._most and self._texts[oldest].since > now - self._window:
                return
            del self._texts[oldest]
