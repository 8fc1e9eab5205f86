"""What several kinds of tests share: the corpus, exported repositories, a running server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tritext_export.export import export_model
from tritext_export.labelled import Example, read_examples, select
from tritext_export.request import ExportRequest
from tritext_serve.flags import Address
from tritext_serve.server import Server, ServerOptions, free_ports

ROOT = Path(__file__).parent.parent
ADAPTERS = {"sentiment": ROOT / "demo" / "sentiment", "sentiment_naive": ROOT / "demo" / "naive"}

# Nothing that a test loads may come from the hub: this must be set before transformers is first imported.
os.environ["HF_HUB_OFFLINE"] = "1"

# What is drawn is the same every time, so that a submission is not refused by chance; to draw anew, run pytest with
# --hypothesis-profile=default.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


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
    repository = tmp_path_factory.mktemp("exported") / "model_repository"
    for name, source in ADAPTERS.items():
        export_model(
            ExportRequest(str(source), name, repository, corpus, split="test", label_output="sentiment"), Silent()
        )
    return repository


@pytest.fixture(scope="session")
def gpu_repository(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model with standard operators only, as TensorRT and CUDA want it."""
    repository = tmp_path_factory.mktemp("for_gpus") / "model_repository"
    source = str(ADAPTERS["sentiment"])
    export_model(ExportRequest(source, "sentiment", repository, corpus, split="test", target="gpu"), Silent())
    return repository


@pytest.fixture(scope="session")
def int8_repository(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model as `tritext export --target cpu` publishes it."""
    repository = tmp_path_factory.mktemp("for_cpus") / "model_repository"
    source = str(ADAPTERS["sentiment"])
    request = ExportRequest(source, "sentiment", repository, corpus, split="test", precision="auto")
    export_model(request, Silent())
    return repository


@pytest.fixture(scope="session")
def server(model_repository: Path) -> Iterator[Server]:
    """A real Triton on that repository, ready."""
    with Server(model_repository, server_options()) as running:
        yield running


def server_options(**more: Any) -> ServerOptions:
    """Options with ports of its own, and one process for the naive model as in the demo."""
    once = {"sentiment_naive": 1, "sentiment_naive_classifier": 1}
    return ServerOptions(address=Address("127.0.0.1", *free_ports(3)), instances=more.pop("instances", once), **more)


def load_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
