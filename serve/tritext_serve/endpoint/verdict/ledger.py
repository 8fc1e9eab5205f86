"""All that the fronts have told of the deployments that are compared: datagrams in, agreements out."""

import threading
from collections.abc import Collection, Mapping
from typing import NamedTuple

from tritext_serve.endpoint.model import Deployment
from tritext_serve.endpoint.verdict.join import Agreement, Join, Seen, Side, Tallied
from tritext_serve.front.witness import Told

# Routes that are told apart; a front that makes up names must not fill the memory.
MOST_ROLES = 32


class Pair(NamedTuple):
    """Who is compared with whom.

    Attributes:
        live: A deployment that clients are answered by.
        candidate: The one that may take its place.
    """

    live: str
    candidate: str


class Ledger:
    """Remembers answers until the other side's come, and counts; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pairs: tuple[Pair, ...] = ()
        self._tallied: dict[Pair, Tallied] = {}
        self._joins: dict[tuple[Pair, str], Join] = {}
        self._deployments: Mapping[str, Deployment] = {}

    def compare(self, pairs: Collection[Pair], deployments: Mapping[str, Deployment]) -> None:
        """Compare these from now on; what is known of others stays known.

        Args:
            pairs: Who is compared with whom.
            deployments: By name; they say which model stands behind which route.
        """
        with self._lock:
            self._pairs, self._deployments = tuple(pairs), dict(deployments)
            self._joins = {key: join for key, join in self._joins.items() if key[0] in self._pairs}

    def forget(self, deployment: str) -> None:
        """Drop what is known of a deployment: it is another one now."""
        with self._lock:
            self._tallied = {pair: tallied for pair, tallied in self._tallied.items() if deployment not in pair}
            self._joins = {key: join for key, join in self._joins.items() if deployment not in key[0]}

    def take(self, deployment: str, told: Told, now: float) -> None:
        """Take a datagram.

        Args:
            deployment: Whose socket it came by.
            told: What it says.
            now: Seconds by a monotonic clock.
        """
        names = dict(enumerate(told.labels))
        answers = [
            (digest, Seen(names.get(label_id, str(label_id)), score)) for digest, label_id, score in told.rows.tolist()
        ]
        with self._lock:
            role = role_of(self._deployments.get(deployment), told.model)
            for pair in self._pairs:
                join = self._join(pair, role) if deployment in pair else None
                if join is not None:
                    side: Side = "candidate" if deployment == pair.candidate else "live"
                    for digest, seen in answers:
                        join.see(side, digest, seen, now)

    def agreements(self) -> dict[Pair, Agreement]:
        """Say how far each candidate agrees with each live deployment."""
        with self._lock:
            return {pair: tallied.agreement() for pair, tallied in self._tallied.items()}

    def _join(self, pair: Pair, role: str) -> Join | None:
        if (pair, role) not in self._joins:
            if len(self._joins) >= MOST_ROLES:
                return None
            tallied = self._tallied.setdefault(pair, Tallied())
            self._joins[pair, role] = Join(tallied)
        return self._joins[pair, role]


def role_of(deployment: Deployment | None, model: str) -> str:
    """Say behind which route a deployment's model stands: ``/predict``, ``/predict/VARIANT`` or its own name.

    Models of two deployments are compared by their routes, since their names may differ.
    """
    if deployment is None:
        return model
    if model == deployment.model:
        return "/predict"
    return next((f"/predict/{name}" for name, other in deployment.variants.items() if other == model), model)
