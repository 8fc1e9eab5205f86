"""The whole comparison: a repository, a checkpoint and texts in, a report out. Starts everything and stops it all."""

import datetime
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from tritext_loadtest.cores import count_cores
from tritext_loadtest.course import Course, Show
from tritext_loadtest.peers.agenda import LATENCY, ROUNDS, START, TUNE, WARM_UP, stages
from tritext_loadtest.peers.arrivals import SHARES, Latency, measure_latency
from tritext_loadtest.peers.catalogue import PLAIN, Contender, contenders
from tritext_loadtest.peers.comparison import Outcome, compare
from tritext_loadtest.peers.environments import Workshop
from tritext_loadtest.peers.errors import BenchError, PeerError
from tritext_loadtest.peers.files import check_checkpoint, find_served, plain_form, reference_labels
from tritext_loadtest.peers.launch import Material
from tritext_loadtest.peers.lineup import Lineup
from tritext_loadtest.peers.report import Findings, Json, report
from tritext_loadtest.peers.request import BenchRequest
from tritext_loadtest.peers.targets import SINGLE, ServerTarget
from tritext_loadtest.peers.tuning import Trial, apply, rows, to_try, tune
from tritext_loadtest.statistics import median

EXPORT_ENVIRONMENT = "export"
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class _Bench:
    """What the stages hand on to each other."""

    request: BenchRequest
    course: Course
    failures: dict[str, str] = field(default_factory=dict)
    environments: dict[str, Path] = field(default_factory=dict)

    def prepare(self, scratch: Path) -> tuple[Material, list[str]]:
        """Make the environments and the files; whoever cannot be had is noted and left out."""
        served = find_served(self.request.repository, self.request.name)
        checkpoint = check_checkpoint(self.request.checkpoint)
        for name in (EXPORT_ENVIRONMENT, *(peer.name for peer in self.request.peers)):
            self.course.step(f"environment of {name}")
            self.attempt(name, self._make, name)
        if EXPORT_ENVIRONMENT not in self.environments:
            raise BenchError(f"the checkpoint cannot be asked: {self.failures[EXPORT_ENVIRONMENT]}")
        python = self.environments[EXPORT_ENVIRONMENT] / "bin" / "python"
        root = self.request.workshop.root
        self.course.step("asking the checkpoint itself")
        labels = reference_labels(checkpoint, python, self.request.texts, root)
        self.course.step("exporting the usual int8 file")
        plain = self.attempt("default int8 export", plain_form, checkpoint, python, root)
        return Material(checkpoint, served, plain, scratch), labels

    def attempt(self, name: str, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do something for one member; note why not, and give None, where it fails."""
        try:
            return action(*args, **kwargs)
        except PeerError as error:
            self.failures[name] = str(error)
            return None

    def members(self, material: Material) -> list[Contender]:
        """List who can take part."""
        able = [peer for peer in self.request.peers if peer.name in self.environments]
        found = contenders(able, self.request.quick)
        return [one for one in found if one.form != PLAIN or material.plain is not None]

    def tune(self, material: Material, members: Sequence[Contender]) -> list[Trial]:
        """Try every peer's grid, if that is wanted."""
        if not self.request.tune:
            return []
        cores, texts = count_cores(), self.request.texts
        peers = dict.fromkeys(one.peer for one in members)
        if material.plain is None:
            peers = dict.fromkeys(replace(p, forms=tuple(f for f in p.forms if f != PLAIN)) for p in peers)
        self.course.expect(TUNE, sum(len(to_try(p, cores)) for p in peers))
        return [t for p in peers for t in tune(p, material, self.environments[p.name], cores, texts, self.course.step)]

    def start(self, lineup: Lineup, members: Sequence[Contender]) -> None:
        """Start everybody."""
        self.course.expect(START, 2 + len(members))
        self.course.step("starting tritext")
        try:
            lineup.add_tritext()
        except PeerError as error:
            raise BenchError(f"tritext itself does not run: {error}") from error
        for one in members:
            self.course.step(f"starting {one.name}")
            self.attempt(one.name, lineup.add, one, self.environments[one.peer.name])
        lineup.add_engine(self.environments[EXPORT_ENVIRONMENT], count_cores())

    def compare(self, lineup: Lineup) -> Outcome:
        """Give everybody who is up a turn under each shape, in every round."""
        request, turns = self.request, sum(len(target.shapes) for target in lineup.targets)
        self.course.expect(WARM_UP, turns)
        self.course.expect(ROUNDS, turns * request.rounds)
        return compare(lineup.targets, request.texts, request.rounds, request.seed, self.course.step, request.singles)

    def latencies(self, lineup: Lineup, outcome: Outcome) -> dict[str, list[Latency]]:
        """Load everybody at shares of what it took at most, arrivals on a schedule."""
        found: dict[str, list[Latency]] = {}
        targets = [t for t in lineup.targets if isinstance(t, ServerTarget) and t.name not in outcome.failures]
        self.course.expect(LATENCY, len(SHARES) * len(targets))
        for target in targets:
            saturation = median([take.texts_per_second for take in outcome.takes[target.name, SINGLE]])
            for share in SHARES:
                name = f"{target.name}, {share:.0%} of {saturation:.0f} texts a second"
                self.course.step(name)
                one = self.attempt(
                    name,
                    measure_latency,
                    target.single,
                    self.request.texts,
                    saturation,
                    share,
                    self.request.latency_seconds,
                )
                found.setdefault(target.name, []).extend([one] if one else [])
        return found

    def _make(self, name: str) -> None:
        self.environments[name] = self.request.workshop.make(name)


def run_bench(request: BenchRequest, show: Show = lambda _what, _standing: None) -> Json:
    """Compare.

    Args:
        request: What and how.
        show: Hears what goes on, and how far it is.

    Returns:
        The report; members that could not be measured stand under ``failures``.

    Raises:
        BenchError: tritext or the checkpoint cannot be run, a file is not what it should be, or texts come twice.
    """
    _refuse_repeats(request.texts)
    with tempfile.TemporaryDirectory(prefix="tritext-bench-") as folder:
        bench = _Bench(request, Course(stages(request, count_cores()), show))
        material, labels = bench.prepare(Path(folder))
        members = bench.members(material)
        trials = bench.tune(material, members)
        with Lineup(material, request.start_seconds) as lineup:
            bench.start(lineup, [apply(member, trials) for member in members])
            bench.course.step("nobody asks")
            idle = lineup.rest()
            outcome = bench.compare(lineup)
            memory = lineup.memory()
            latencies = bench.latencies(lineup, outcome) if request.latency_seconds else {}
            known = {
                name: replace(one, memory_mib=memory.get(name, 0.0), idle_milliseconds=idle.get(name, 0.0))
                for name, one in lineup.members.items()
            }
    machine, failures = describe_machine(request.rounds, request.workshop), bench.failures | outcome.failures
    return report(Findings(known, outcome.takes, labels, failures, latencies, rows(trials), machine))


def _refuse_repeats(texts: Sequence[str]) -> None:
    """Refuse texts that come twice: tritext computes equal ones of a batch once, its peers do not."""
    different = len(set(texts))
    if different < len(texts):
        raise BenchError(
            f"the file has {different} different texts where {len(texts)} are wanted: give --count {different}, or a "
            "larger file without repeats; a server that knows equal texts again would look cheaper than it is"
        )


def describe_machine(rounds: int, workshop: Workshop) -> Mapping[str, object]:
    """Say what the figures were taken on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cores": count_cores(),
        "processor": names[0] if names else platform.machine(),
        "load_average": os.getloadavg()[0],
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": rounds,
        "onnxruntime": workshop.version(EXPORT_ENVIRONMENT, "onnxruntime"),
        "python": platform.python_version(),
    }
