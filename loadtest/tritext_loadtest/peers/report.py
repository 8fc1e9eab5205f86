"""What a comparison found, as data: takes in, one JSON object out, from which tables and pictures are drawn. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tritext_loadtest.load import Shape
from tritext_loadtest.peers.arrivals import Latency
from tritext_loadtest.peers.ratios import Entry, all_ratios, interval
from tritext_loadtest.peers.targets import BATCH, SINGLE, Take
from tritext_loadtest.statistics import median

Json = dict[str, Any]
SCHEMA = 1
GRPC, REST = "tritext, gRPC", "tritext, REST"


@dataclass(frozen=True, slots=True)
class Member:
    """What is known of a target beside its takes.

    Attributes:
        peer: The peer's name; ``tritext`` or ``engine`` for those that are none.
        form: Which form of the model it has.
        setting: How wide it is, in words.
        tuned: Whether that is its best setting.
        memory_mib: Proportional memory of its processes after the load; 0 where it is not known.
        idle_milliseconds: CPU time a second while nobody asked.
    """

    peer: str
    form: str
    setting: str
    tuned: bool
    memory_mib: float = 0.0
    idle_milliseconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a run found.

    Attributes:
        members: By target's name.
        takes: One a round, by target's name and shape.
        reference: The checkpoint's own labels.
        failures: Why members are missing, by name.
        latencies: At shares of saturation, by target's name.
        tuning: Rows of the tuning grid.
        machine: What it ran on.
    """

    members: Mapping[str, Member]
    takes: Mapping[tuple[str, Shape], Sequence[Take]]
    reference: Sequence[str]
    failures: Mapping[str, str]
    latencies: Mapping[str, Sequence[Latency]] = field(default_factory=dict)
    tuning: Sequence[Json] = ()
    machine: Mapping[str, Any] = field(default_factory=dict)


def report(findings: Findings) -> Json:
    """Lay the findings out, as `--json` writes them."""
    rows = [_row(findings, name, shape, takes) for (name, shape), takes in findings.takes.items()]
    through_client, through_rest = _ratios(findings, GRPC), _ratios(findings, REST)
    return {
        "schema": SCHEMA,
        "machine": dict(findings.machine),
        "texts": len(findings.reference),
        "single_texts": max(
            (len(t.labels) for (_, s), ts in findings.takes.items() if s == SINGLE for t in ts), default=0
        ),
        "ratios": {name: found.value for name, found in through_client[0].items()},
        "intervals": {name: [found.low, found.high] for name, found in through_client[0].items()},
        "compared_with": through_client[1],
        "ratios_rest": {name: found.value for name, found in through_rest[0].items()},
        "rows": sorted(rows, key=lambda row: (row["texts_a_request"], row["cpu_milliseconds"])),
        "latencies": {
            name: [asdict(one) | {"void": one.void} for one in found] for name, found in findings.latencies.items()
        },
        "tuning": list(findings.tuning),
        "failures": dict(findings.failures),
    }


def agreement(labels: Sequence[str], reference: Sequence[str]) -> float:
    """Give the share of labels that are the checkpoint's for the first texts, as many as there are labels."""
    return sum(map(str.__eq__, labels, reference)) / len(labels)


def _row(findings: Findings, name: str, shape: Shape, takes: Sequence[Take]) -> Json:
    cpu = [take.cpu_milliseconds for take in takes]
    middle = interval(cpu)
    return asdict(findings.members[name]) | {
        "name": name,
        "clients": shape.clients,
        "texts_a_request": shape.texts_per_request,
        "cpu_milliseconds": middle.value,
        "cpu_interval": [middle.low, middle.high],
        "cpu_rounds": cpu,
        "texts_per_second": median([take.texts_per_second for take in takes]),
        "p50_milliseconds": median([take.p50_milliseconds for take in takes]),
        "p99_milliseconds": median([take.p99_milliseconds for take in takes]),
        "agreement": min(agreement(take.labels, findings.reference) for take in takes),
    }


def _ratios(findings: Findings, name: str) -> Any:
    def cpu(who: str, shape: Shape) -> tuple[float, ...] | None:
        takes = findings.takes.get((who, shape))
        return tuple(take.cpu_milliseconds for take in takes) if takes else None

    single = cpu(name, SINGLE)
    if single is None:
        return {}, {}
    members = findings.members
    entries = {
        who: Entry(cpu(who, SINGLE) or (), members[who].form, _agreement(findings, who))
        for who in members
        if members[who].peer not in ("tritext", "engine") and cpu(who, SINGLE)
    }
    replaced = next((w for w in entries if members[w].peer == "fastapi" and not members[w].tuned), None)
    engine = next((w for w in members if members[w].peer == "engine"), None)
    limits = (cpu(engine, SINGLE), cpu(engine, BATCH)) if engine else (None, None)
    return all_ratios(single, cpu(name, BATCH), entries, replaced, limits)


def _agreement(findings: Findings, name: str) -> float:
    return min(agreement(take.labels, findings.reference) for take in findings.takes[name, SINGLE])
