"""Pushes at once, request by request in any order and days apart: the index in force always finds its contents."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.store.memory import Memory, MemoryObjects
from tests.store.repositories import FRONT, Unseen
from tritext_store.errors import Changed
from tritext_store.index import INDEX_NAME, decode
from tritext_store.push import push

SEEDS = 6
DAY = 86_400.0
PATIENCE = 30.0


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Repositories that share nothing but their configuration."""
    folders = [tmp_path_factory.mktemp("repository") for _ in range(SEEDS)]
    for seed, folder in enumerate(folders):
        (folder / FRONT).mkdir()
        (folder / FRONT / "config.pbtxt").write_text("name: 'films'", encoding="utf-8")
        (folder / FRONT / "labels.txt").write_text(f"label {seed}", encoding="utf-8")
    return folders


@dataclass(eq=False)
class Pusher:
    """A push in a thread of its own that makes one request whenever it is let."""

    memory: Memory
    repository: Path
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    allowed: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    failed: Exception | None = None
    done: bool = False

    def start(self) -> None:
        """Push up to the first request."""
        threading.Thread(target=self._run, daemon=True).start()
        self._settle()

    def step(self) -> None:
        """Let one request happen."""
        self.allowed.release()
        self._settle()

    def _settle(self) -> None:
        assert self.waiting.acquire(timeout=PATIENCE), "a push neither asks nor ends"

    def _turn(self) -> None:
        self.waiting.release()
        assert self.allowed.acquire(timeout=PATIENCE)

    def _run(self) -> None:
        try:
            push(self.repository, MemoryObjects(self.memory, self._turn), Unseen())
        except Changed:
            pass
        except Exception as error:  # told in the test's own thread
            self.failed = error
        self.done = True
        self.waiting.release()


def whole(memory: Memory) -> bool:
    """Whether the index in force finds every content that it names."""
    if INDEX_NAME not in memory.blobs:
        return True
    index = decode(memory.blobs[INDEX_NAME][0], "")
    return all(entry.blob in memory.blobs for entry in index.files)


def run(memory: Memory, repositories: list[Path], script: list[tuple[int, int, float]]) -> Iterator[str]:
    """Play a script: which push (another repository each) makes how many requests, and how much time then passes."""
    under_way: dict[int, Pusher] = {}
    for seed, requests, pause in [*script, *((seed, 1000, 0.0) for seed in range(SEEDS))]:
        if requests == 1000 and seed not in under_way:
            continue  # the end: whoever is under way ends
        if seed not in under_way:
            under_way[seed] = Pusher(memory, repositories[seed])
            under_way[seed].start()
        pusher = under_way[seed]
        for _ in range(requests):
            if pusher.done:
                break
            pusher.step()
            yield f"push {seed}"
        if pusher.done:
            assert pusher.failed is None
            del under_way[seed]
        memory.now += pause


# Four states make the first one's contents old. The fifth push lists them and is slow to write its index or to tidy up;
# meanwhile the first state is pushed again.
RACE = [(0, 99, 1.0), (1, 99, 1.0), (2, 99, 1.0), (3, 99, 2 * DAY), (4, 6, 0.0), (0, 99, 0.0), (4, 99, 0.0)]
SLOWER = [*RACE[:4], (4, 7, 0.0), (0, 99, 0.0), (4, 99, 0.0)]
TOLD = [*RACE[:4], (0, 3, 0.0), (4, 99, 0.0), (0, 99, 0.0)]


@example(RACE)
@example(SLOWER)
@example(TOLD)
@given(
    st.lists(
        st.tuples(st.integers(0, SEEDS - 1), st.integers(1, 12), st.sampled_from([0.0, 1.0, 0.6 * DAY, 2 * DAY])),
        min_size=5,
        max_size=16,
    )
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_the_index_in_force_always_finds_its_contents(
    repositories: list[Path], script: list[tuple[int, int, float]]
) -> None:
    memory = Memory()
    for step in run(memory, repositories, script):
        assert whole(memory), step


def test_what_was_condemned_goes_in_the_end(repositories: list[Path]) -> None:
    memory = Memory()
    for _ in range(3):
        for _ in run(memory, repositories, [(seed, 99, 2 * DAY) for seed in range(SEEDS)]):
            pass
    named = decode(memory.blobs[INDEX_NAME][0], "").needed()
    stored = {name.partition("/")[2] for name in memory.blobs if name != INDEX_NAME}
    assert named <= stored
    assert len(stored - named) <= 1  # it was young when the last index was written
