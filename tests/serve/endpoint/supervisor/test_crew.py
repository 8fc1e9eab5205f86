"""A deployment's Tritons and what they are held in, before any of them is started."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.serve.endpoint.supervisor.test_instance import Quiet
from tests.serve.test_repository import make
from tritext_serve.endpoint.model import Deployment
from tritext_serve.endpoint.supervisor import limits
from tritext_serve.endpoint.supervisor.crew import Site, gather
from tritext_serve.endpoint.supervisor.instance import Shop
from tritext_serve.endpoint.supervisor.state import Phase, State
from tritext_serve.server import ServerOptions


def test_who_takes_over_is_held_in_limits_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while both run: under one limit, the kernel would kill one for the other's memory."""
    made: list[tuple[str, int | None]] = []

    def note(run: str, name: str, memory_bytes: int | None) -> limits.Group:
        made.append((name, memory_bytes))
        return limits.Group()

    monkeypatch.setattr(limits, "make", note)
    repository = make(tmp_path / "repository", "m/2/model.onnx")
    site = Site("demo", tmp_path, ServerOptions(allow_uncertified=True), 1 << 30, "127.0.0.1", 1)
    blue, numbers = Deployment("blue", "demo", repository, "m", instance_count=2), count()
    with ThreadPoolExecutor(1) as spawner:
        crews = [gather(blue, site, Shop(spawner, Quiet()), numbers) for _ in range(2)]
    assert made == [("blue-0", 1 << 30), ("blue-2", 1 << 30)]
    assert [[each.number for each in crew.instances] for crew in crews] == [[0, 1], [2, 3]]
    ports = [port for crew in crews for up in crew.upstreams for port in (up.http, up.grpc)]
    assert len(ports) == len(set(ports))


WELL, LATE, ILL = State(Phase.SERVING), State(Phase.SERVING, suspect=True), State(Phase.ILL)


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        ((WELL, WELL), [True, True]),
        ((WELL, LATE), [True, False]),
        ((LATE, LATE), [True, True]),
        ((LATE, ILL), [True, False]),
        ((ILL, ILL), [False, False]),
        ((LATE,), [False]),
    ],
)
def test_all_that_are_late_at_once_are_asked_all_the_same(
    tmp_path: Path, states: tuple[State, ...], asked: list[bool]
) -> None:
    """It is the machine that is busy; but who is alone may hang, and then it is better to be told so."""
    site = Site("demo", tmp_path, ServerOptions(allow_uncertified=True), None, "127.0.0.1", 1, isolate=False)
    repository = make(tmp_path / "repository", "m/2/model.onnx")
    blue = Deployment("blue", "demo", repository, "m", instance_count=len(states))
    with ThreadPoolExecutor(1) as spawner:
        crew = gather(blue, site, Shop(spawner, Quiet()), count())
    for instance, state in zip(crew.instances, states, strict=True):
        instance.state = state
    assert [crew.serves(instance) for instance in crew.instances] == asked
