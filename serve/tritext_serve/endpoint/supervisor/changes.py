"""What a change makes of an endpoint: how it stands and a wish in, how it is to be out, or why it may not be. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from tritext_serve.endpoint.files.traffic import check_mirror, check_traffic
from tritext_serve.endpoint.model import Endpoint
from tritext_serve.errors import EndpointError

Shares = Mapping[str, int]


def split(endpoint: Endpoint, traffic: Shares | None = None, mirror: Shares | None = None) -> Endpoint:
    """Split traffic and mirror otherwise.

    Args:
        endpoint: As it stands.
        traffic: Per cent by deployment; None for what it is.
        mirror: Likewise; empty for none.

    Raises:
        EndpointError: the rules forbid it.
    """
    wanted = replace(
        endpoint,
        traffic=dict(endpoint.traffic if traffic is None else traffic),
        mirror_traffic=dict(endpoint.mirror_traffic if mirror is None else mirror),
    )
    problems = [] if traffic is None else check_traffic(wanted, wanted.traffic)
    problems += [] if mirror is None else check_mirror(wanted, wanted.mirror_traffic)
    if problems:
        raise EndpointError("; ".join(problems))
    return wanted


def keep_split(now: Endpoint, wanted: Endpoint) -> Endpoint:
    """Take all of another endpoint but its traffic and its mirror: they stay, and who is new gets none.

    Args:
        now: The endpoint as it stands, which the rules allow.
        wanted: What it is to be.

    Raises:
        EndpointError: a deployment with traffic or a mirror is not in it; nobody else is given its share unasked.
    """
    problems = [
        f"traffic.{name}: has {share} % and is in none of these files: give its file, too, or first give its share to "
        "others with `tritext endpoint traffic`"
        for name, share in _gone(now.traffic, wanted)
    ] + [
        f"mirror_traffic.{name}: gets {share} % of the requests mirrored and is in none of these files: give its file, "
        "too, or first end that with `tritext endpoint mirror off`"
        for name, share in _gone(now.mirror_traffic, wanted)
    ]
    if problems:
        raise EndpointError("; ".join(problems))
    return replace(wanted, traffic=_kept(now.traffic, wanted), mirror_traffic=_kept(now.mirror_traffic, wanted))


def check_seen(revision: int, seen: int | None) -> None:
    """Refuse what was decided on how an endpoint stood before its latest change.

    Args:
        revision: How many changes it has had.
        seen: How many it had when that was decided; None where it does not matter.

    Raises:
        EndpointError: there were others since.
    """
    if seen not in (None, revision):
        raise EndpointError(f"the endpoint was changed meanwhile (change {revision}, seen was {seen}): look again")


def _gone(shares: Shares, wanted: Endpoint) -> list[tuple[str, int]]:
    return [(name, share) for name, share in shares.items() if share and name not in wanted.deployments]


def _kept(shares: Shares, wanted: Endpoint) -> dict[str, int]:
    return {name: share for name, share in shares.items() if name in wanted.deployments}
