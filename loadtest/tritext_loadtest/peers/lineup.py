"""All servers of a comparison, up at once: contenders in, targets out, and every process ended afterwards."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tritext import Client
from tritext_loadtest.peers.catalogue import OURS, Contender, Setting
from tritext_loadtest.peers.connections import Connections
from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.peers.launch import Material, launch, launch_tritext
from tritext_loadtest.peers.process import ServerProcess, free_ports
from tritext_loadtest.peers.report import GRPC, REST, Member
from tritext_loadtest.peers.routes import generate
from tritext_loadtest.peers.targets import ENGINE, EngineTarget, ServerTarget, Target, over_client, over_http

START_SECONDS = 180.0
IDLE_SECONDS = 3.0
# A machine that swaps measures its disk.
LEAST_FREE_MIB = 1500


class Lineup:
    """The servers that run, the ways into them, and what is known of each."""

    def __init__(self, material: Material, start_seconds: float = START_SECONDS) -> None:
        self.targets: list[Target] = []
        self.members: dict[str, Member] = {}
        self._material, self._start_seconds = material, start_seconds
        self._processes: dict[str, ServerProcess] = {}
        self._stack = ExitStack()

    def add_tritext(self) -> None:
        """Start ``tritext serve`` with its defaults; it is asked by gRPC and by REST.

        Raises:
            PeerError: it does not start.
        """
        served = self._material.served
        http, grpc, metrics = free_ports(3)
        process = launch_tritext(served, [http, grpc, metrics], self._material.scratch)
        self._stack.callback(process.stop)
        client = self._stack.enter_context(Client(f"grpc://127.0.0.1:{grpc}", served.name))
        connections = self._stack.enter_context(Connections(http))
        by_grpc, by_rest = over_client(client), over_http(connections, generate(served.name, served.label_output))
        for name, ask in ((GRPC, by_grpc), (REST, by_rest)):
            target = ServerTarget(name, process, ask, ask)
            target.wait(self._start_seconds)
            self._enter(target, Member("tritext", OURS, "its defaults", tuned=False))

    def add(self, contender: Contender, environment: Path) -> ServerTarget:
        """Start a peer and wait for its first answer.

        Raises:
            PeerError: it does not start, or there is no memory left for it.
        """
        free = psutil.virtual_memory().available / 2**20
        if free < LEAST_FREE_MIB:
            raise PeerError(f"{contender.name}: not started, {free:.0f} MiB of memory are left: name fewer --peers")
        (port,) = free_ports(1)
        process = launch(contender, self._material, environment, port)
        undo = self._stack.enter_context(ExitStack())
        undo.callback(process.stop)
        connections = undo.enter_context(Connections(port))
        batch = over_http(connections, contender.peer.batch) if contender.peer.batch else None
        target = ServerTarget(contender.name, process, over_http(connections, contender.peer.single), batch)
        try:
            target.wait(self._start_seconds)
        except PeerError:
            undo.close()
            raise
        self._enter(target, Member(contender.peer.name, contender.form, str(contender.setting), contender.tuned))
        return target

    def add_engine(self, environment: Path, cores: int) -> None:
        """Start the bare engine, one thread a core, with the file that tritext serves."""
        form = self._material.served.form
        setting = {
            "form": OURS,
            "folder": str(self._material.checkpoint),
            "file": str(form.file),
            "tokenizer": str(form.tokenizer),
            "level": form.level,
            "workers": cores,
            "threads": 1,
        }
        engine = EngineTarget(environment, setting, self._material.scratch / "engine.log")
        self._stack.callback(engine.stop)
        self.targets.append(engine)
        self.members[ENGINE] = Member("engine", OURS, str(Setting(cores, 1, 0)).partition(",")[0], tuned=True)

    def rest(self, seconds: float = IDLE_SECONDS) -> Mapping[str, float]:
        """Ask nobody for a while; give the CPU-milliseconds a second that each server took all the same."""
        before = {name: process.cost().cpu_seconds for name, process in self._processes.items()}
        time.sleep(seconds)
        after = {name: process.cost().cpu_seconds for name, process in self._processes.items()}
        return {name: 1e3 * (after[name] - before[name]) / seconds for name in before}

    def memory(self) -> Mapping[str, float]:
        """Give each server's proportional memory in MiB: pages that its processes share count once."""
        return {name: process.memory_mib() for name, process in self._processes.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _enter(self, target: ServerTarget, member: Member) -> None:
        self.targets.append(target)
        self.members[target.name] = member
        self._processes[target.name] = target.process
