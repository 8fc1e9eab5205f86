"""How an endpoint stands at one moment, and what has happened between two. Pure.

The answer of the control verb ``verdict`` becomes a ``Look``; of two looks ``Evidence`` is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tritext_serve.endpoint.verdict.decision import Evidence
from tritext_serve.endpoint.verdict.join import Agreement
from tritext_serve.endpoint.verdict.served import Served

Shares = Mapping[str, int]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Look:
    """How an endpoint stands; all counts since it started.

    Attributes:
        traffic: Per cent by deployment.
        mirror: Per cent by deployment.
        models: The front that ``/predict`` asks, by deployment.
        agreements: By (live, candidate).
        served: What each deployment answered.
        revision: How many changes it had had.
        crews: A number by deployment: another one when other Tritons have taken over.
    """

    traffic: Shares
    mirror: Shares
    models: Mapping[str, str]
    agreements: Mapping[tuple[str, str], Agreement] = field(default_factory=dict)
    served: Mapping[str, Served] = field(default_factory=dict)
    revision: int = 0
    crews: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "Look":
        """Read the control verb ``verdict``'s answer."""
        return cls(
            said["traffic"],
            said["mirror"],
            said["models"],
            {(pair["live"], pair["candidate"]): Agreement.read(pair) for pair in said["pairs"]},
            {name: Served.read(served) for name, served in said["served"].items()},
            said["revision"],
            said["crews"],
        )

    def agreement(self, lives: Sequence[str], candidate: str) -> Agreement:
        """Say how far a candidate agrees with several live deployments together."""
        found = [self.agreements.get((live, candidate), Agreement()) for live in lives]
        compared = sum(each.compared for each in found)
        mean = sum(each.mean_score_difference * each.compared for each in found) / max(compared, 1)
        most = max((each.max_score_difference for each in found), default=0.0)
        return Agreement(
            compared,
            _add([each.pairs for each in found]),
            mean,
            most,
            _add([each.live_labels for each in found]),
            # Every live one is compared with the same answers of the candidate.
            max((each.candidate_labels for each in found), key=lambda labels: sum(labels.values()), default={}),
        )

    def splits_like(self, other: "Look") -> bool:
        """Whether traffic and mirror are the same; nought per cent is the same as none said."""
        return _shares(self.traffic) == _shares(other.traffic) and _shares(self.mirror) == _shares(other.mirror)

    def replaced(self, earlier: "Look", names: Sequence[str]) -> list[str]:
        """Name the deployments that are gone, or have other Tritons or another model than they had."""
        return [name for name in names if self._who(name) != earlier._who(name)]

    def _who(self, name: str) -> tuple[int | None, str | None]:
        return self.crews.get(name), self.models.get(name)


def evidence_between(first: Look, look: Look, lives: Sequence[str], candidate: str) -> Evidence:
    """Say what was seen of live deployments and candidate between two looks; the agreement is that of all times."""
    served = [_served(look, name).since(_served(first, name)) for name in lives]
    before, agreement = first.agreement(lives, candidate), look.agreement(lives, candidate)
    return Evidence(
        agreement=agreement,
        live=Served(
            sum(each.requests for each in served),
            sum(each.errors for each in served),
            _add([each.times for each in served]),
        ),
        candidate=_served(look, candidate).since(_served(first, candidate)),
        live_labels=_since(before.live_labels, agreement.live_labels),
        candidate_labels=_since(before.candidate_labels, agreement.candidate_labels),
    )


def _served(look: Look, name: str) -> Served:
    return look.served.get(name, Served())


def _since(before: Mapping[str, int], now: Mapping[str, int]) -> Mapping[str, int]:
    """Count what is new; all of it where the count has begun anew with another deployment of that name."""
    since = {label: count - before.get(label, 0) for label, count in now.items()}
    return now if any(count < 0 for count in since.values()) else since


def _shares(shares: Shares) -> Shares:
    return {name: share for name, share in shares.items() if share}


def _add(all_counts: Sequence[Mapping[Key, int]]) -> dict[Key, int]:
    total: dict[Key, int] = {}
    for counts in all_counts:
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total
