"""The rules of traffic and mirroring: an endpoint and a wish in, what forbids it out. Pure.

They are Azure ML's: weights are whole per cents that sum to 100, or to 0 where only targeted requests are to be
answered; a mirror copies at most half of the live requests to one deployment, and never to a live one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tritext_serve.endpoint.files.report import quote
from tritext_serve.endpoint.model import Endpoint

MOST_MIRRORED = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that a wish breaks.

    Attributes:
        deployment: The deployment that it is about; "" for the wish as a whole.
        what: What is wrong.
        remedy: What to do.
    """

    deployment: str
    what: str
    remedy: str


def check_traffic(endpoint: Endpoint, traffic: Mapping[str, int]) -> list[str]:
    """Say what forbids a traffic split; nothing where it may be.

    Args:
        endpoint: With its deployments and its mirror as they are.
        traffic: Per cent by deployment.
    """
    return [_sentence("traffic", fault) for fault in traffic_faults(endpoint, traffic)]


def check_mirror(endpoint: Endpoint, mirror: Mapping[str, int]) -> list[str]:
    """Say what forbids a mirror; nothing where it may be.

    Args:
        endpoint: With its deployments and its traffic as they are.
        mirror: Per cent by deployment; empty or zero for none.
    """
    return [_sentence("mirror_traffic", fault) for fault in mirror_faults(endpoint, mirror)]


def traffic_faults(endpoint: Endpoint, traffic: Mapping[str, object]) -> Iterator[Fault]:
    """Find the rules of traffic that a split breaks; its values may be anything."""
    yield from _value_faults(endpoint, traffic, 100)
    shares = _shares(traffic)
    total = sum(shares.values())
    if len(shares) == len(traffic) and total not in (0, 100):
        yield Fault(
            "", f"sums to {total}", "let the deployments' shares sum to 100, or to 0 for targeted requests only"
        )
    for name in _both(shares, _shares(endpoint.mirror_traffic)):
        remedy = "a deployment is live or mirrored, not both: take its mirror away first, or give it traffic 0"
        yield Fault(name, "would be live and mirrored at once", remedy)


def mirror_faults(endpoint: Endpoint, mirror: Mapping[str, object]) -> Iterator[Fault]:
    """Find the rules of mirroring that a wish breaks; its values may be anything."""
    yield from _value_faults(endpoint, mirror, MOST_MIRRORED)
    shares = _shares(mirror)
    if (count := sum(share != 0 for share in shares.values())) > 1:
        yield Fault("", f"names {count} deployments", "mirror to one deployment")
    for name in _both(shares, _shares(endpoint.traffic)):
        remedy = "a deployment is live or mirrored, not both: take its traffic away first, or mirror to another"
        yield Fault(name, "would be live and mirrored at once", remedy)


def _value_faults(endpoint: Endpoint, wish: Mapping[str, object], most: int) -> Iterator[Fault]:
    """Find deployments that are not there and shares that are none."""
    for name, share in wish.items():
        if name not in endpoint.deployments:
            known = ", ".join(endpoint.deployments) or "none"
            yield Fault(name, f"endpoint {endpoint.name!r} has no such deployment", f"deployments are: {known}")
        if not isinstance(share, int) or isinstance(share, bool) or not 0 <= share <= most:
            yield Fault(name, f"is {quote(share)}", f"give a whole number of per cent from 0 to {most}")


def _shares(wish: Mapping[str, object]) -> dict[str, int]:
    return {name: share for name, share in wish.items() if isinstance(share, int) and not isinstance(share, bool)}


def _both(shares: Mapping[str, int], others: Mapping[str, int]) -> list[str]:
    return [name for name, share in shares.items() if share and others.get(name)]


def _sentence(field: str, fault: Fault) -> str:
    name = f"{field}.{fault.deployment}" if fault.deployment else field
    return f"{name}: {fault.what}: {fault.remedy}"
