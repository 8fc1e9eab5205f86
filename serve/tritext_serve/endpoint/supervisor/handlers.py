"""What the control socket's verbs do: a request in, the supervisor told, an answer out."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tritext_serve.endpoint import keys
from tritext_serve.endpoint.control import Say
from tritext_serve.endpoint.files.load import load
from tritext_serve.endpoint.isolation.asked import refuse_unwalled
from tritext_serve.endpoint.supervisor.supervisor import Supervisor
from tritext_serve.errors import EndpointError, ServeError

Answer = Mapping[str, Any]


class Handlers:
    """The verbs of one supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Know whom to tell."""
        self._supervisor = supervisor
        self._verbs: dict[str, Callable[[Mapping[str, Any], Say], Answer]] = {
            "show": self._show,
            "traffic": self._traffic,
            "mirror": self._mirror,
            "split": self._split,
            "apply": self._apply,
            "keys": self._keys,
            "rotate": self._keys,
            "verdict": self._verdict,
            "down": self._down,
        }

    def __call__(self, request: Mapping[str, Any], say: Say) -> Answer:
        """Do what a request says.

        Raises:
            ServeError: it is refused, and all stays as it was.
        """
        verb = request.get("verb")
        handler = self._verbs.get(verb) if isinstance(verb, str) else None
        if handler is None:
            raise EndpointError(f"no verb {verb!r}: there are {', '.join(self._verbs)}")
        try:
            return handler(request, say)
        except ServeError:
            self._supervisor.metrics.refused(str(verb))
            raise

    def _show(self, request: Mapping[str, Any], say: Say) -> Answer:
        return self._supervisor.snapshot()

    def _traffic(self, request: Mapping[str, Any], say: Say) -> Answer:
        self._supervisor.split(_shares(request, "traffic"), force=request.get("force") is True)
        return {"traffic": dict(self._supervisor.endpoint.traffic)}

    def _mirror(self, request: Mapping[str, Any], say: Say) -> Answer:
        self._supervisor.split(mirror=_shares(request, "mirror"))
        return {"mirror": dict(self._supervisor.endpoint.mirror_traffic)}

    def _split(self, request: Mapping[str, Any], say: Say) -> Answer:
        """Both at once, and only if nobody has changed the endpoint since it was looked at (``verdict``)."""
        seen = request.get("seen")
        if type(seen) is not int:
            raise EndpointError("split: `seen` is the revision that was seen, a number")
        traffic, mirror = _shares(request, "traffic"), _shares(request, "mirror")
        self._supervisor.split(traffic, mirror, force=request.get("force") is True, seen=seen)
        return {}

    def _apply(self, request: Mapping[str, Any], say: Say) -> Answer:
        files = request.get("files")
        if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
            raise EndpointError("apply: `files` is a list of paths")
        loaded = load([Path(file) for file in files])
        for note in loaded.notes:
            say(note)
        walls = self._supervisor.plan.walls
        (walls.check if walls else refuse_unwalled)(loaded.endpoint)
        keep = request.get("keep_traffic") is True
        changed = self._supervisor.apply(loaded.endpoint, say, keep_traffic=keep)
        return dict(changed) | ({"traffic": dict(self._supervisor.endpoint.traffic)} if keep else {})

    def _keys(self, request: Mapping[str, Any], say: Say) -> Answer:
        return keys.handle(request, self._supervisor.plan.keys_file, self._supervisor.rekey)

    def _verdict(self, request: Mapping[str, Any], say: Say) -> Answer:
        """What stands is read first, so that the evidence beside it is never of those that were there before."""
        revision = self._supervisor.revision
        crews = {name: crew.number for name, crew in self._supervisor.crews.items()}
        return {"revision": revision, "crews": crews} | self._supervisor.comparison.handle(request)

    def _down(self, request: Mapping[str, Any], say: Say) -> Answer:
        self._supervisor.stopping.set()
        return {"stopping": True}


def _shares(request: Mapping[str, Any], name: str) -> dict[str, int]:
    """Read whole per cents by deployment; which ones are allowed is checked behind."""
    shares = request.get(name)
    if not isinstance(shares, dict) or not all(type(share) is int for share in shares.values()):
        raise EndpointError(f"{name}: give whole per cents by deployment, such as {{'blue': 90, 'green': 10}}")
    return {str(deployment): share for deployment, share in shares.items()}
