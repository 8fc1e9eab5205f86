"""The configurations as written, read by a real Triton: the default with its warm-up, and those for GPUs by name."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.raw import infer
from tests.export.repositories import FACTS, make_repository
from tritext_export.layout import config_path
from tritext_export.triton_gpu import GPU, TENSORRT_EP
from tritext_serve import processes, staging, wheel
from tritext_serve.canary import is_ready
from tritext_serve.flags import Address, region_flags, triton_flags
from tritext_serve.ports import steady_ports
from tritext_serve.repository import Model
from tritext_serve.server import environment
from tritext_serve.sizing import Sizing

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
IDS = [{"name": name, "shape": [1, 3], "datatype": "INT64", "data": [4, 5, 6]} for name in FACTS.inputs]


class Triton:
    """The wheel's server on a folder as it is: nothing checked, nothing rewritten."""

    def __init__(self, repository: Path, log: Path, *flags: str) -> None:
        parts = wheel.find()
        self.log = log
        self.stage = staging.build(parts, (), _no_model)
        http, grpc, metrics = steady_ports(3)
        self.url = f"http://127.0.0.1:{http}"
        address = Address("127.0.0.1", http, grpc, metrics)
        command = [
            *triton_flags(address, repository, self.stage.backends, parts.caches, locked_by="x"),
            *region_flags(self.stage.regions),
        ]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(parts.binary), *command, *flags],
                env=environment(parts, self.stage),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def starts(self) -> bool:
        """Wait until it is ready or has ended."""
        deadline = time.monotonic() + 120
        while self.process.poll() is None and time.monotonic() < deadline:
            if is_ready(self.url):
                return True
            time.sleep(0.05)
        return False

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """Stop it and all that it started."""
        members = processes.of_session(self.process.pid)
        processes.end(members, timeout=10)
        self.process.wait(10)
        staging.remove(self.stage)


def _no_model(model: Model) -> Sizing:
    return Sizing(1, 1)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a classifier alone: its front's tokenizer is none."""
    root = make_repository(tmp_path / "repository", 1)
    (root / "m").rename(tmp_path / "front")
    return root


@pytest.fixture
def running(repository: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Triton]:
    """Triton on that classifier with the flags of the test's parameter."""
    triton = Triton(repository, tmp_path / "log", *request.param)
    yield triton
    triton.end()


@pytest.mark.parametrize("running", [()], indirect=True, ids=["default"])
def test_the_default_warms_up_and_answers(running: Triton) -> None:
    assert running.starts(), running.said()
    status, answer = infer(running.url, "m_classifier", IDS)
    assert (status, answer["outputs"][0]["shape"]) == (200, [1, 2])


@pytest.mark.parametrize("running", [(f"--model-config-name={n}",) for n in (GPU, TENSORRT_EP)], indirect=True)
def test_those_for_gpus_are_found_and_read_and_want_nothing_but_a_gpu(running: Triton) -> None:
    assert not running.starts()
    assert "has kind KIND_GPU but no GPUs are available" in running.said()
    assert "text proto" not in running.said()


def test_every_shape_of_the_gpus_warm_up_runs(repository: Path, tmp_path: Path) -> None:
    path = repository / "m_classifier" / config_path(GPU)
    path.write_text(path.read_text().replace("KIND_GPU", "KIND_CPU"))
    triton = Triton(repository, tmp_path / "log", f"--model-config-name={GPU}")
    try:
        assert triton.starts(), triton.said()
    finally:
        triton.end()


def test_a_warm_up_that_fails_keeps_the_model_from_being_ready(repository: Path, tmp_path: Path) -> None:
    """So a warm-up is not only accepted, it is run."""
    (repository / "m_classifier" / "warmup" / "ones_16").write_bytes(b"short")
    triton = Triton(repository, tmp_path / "log")
    try:
        assert not triton.starts()
        assert "ones_16" in triton.said() or "warmup" in triton.said().lower()
    finally:
        triton.end()
