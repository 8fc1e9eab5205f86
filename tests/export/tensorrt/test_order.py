"""From a model to a plan and its record on a device: the engine answers, and one that changes labels is not written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Silent
from tests.export.tensorrt.device import PaperDriver, paper_device
from tests.export.tensorrt.library import Library, Logits, PaperBuilder
from tritext._cli.main import main
from tritext_export import disk
from tritext_export.errors import CertificateError, EngineError
from tritext_export.sources import sha256
from tritext_export.tensorrt import order
from tritext_export.tensorrt.order import Engine, EngineRequest, make_engine
from tritext_export.tensorrt.proof import Texts
from tritext_export.triton_gpu import PLAN_RECORD
from tritext_export.verification import verify
from tritext_serve.triton_image import reasons


def findings(repository: Path) -> list[str]:
    """What `tritext repository verify` finds."""
    return [str(finding) for _, _, found in verify(repository) for finding in found]


def record(engine: Engine) -> dict[str, Any]:
    """What is known of an engine."""
    content = json.loads(engine.record.read_text(encoding="utf-8"))
    assert list(content["engines"]) == [sha256(engine.path)]
    entry: dict[str, Any] = content["engines"][sha256(engine.path)]
    return entry


def make(repository: Path, library: Library, texts: Path | None, **more: Any) -> Engine:
    """Make a plan where there is a device."""
    request = EngineRequest(repository, "tiny", **({"precision": "fp32"} | more), texts=Texts(texts) if texts else None)
    return make_engine(request, PaperBuilder(library, paper_device()), Silent())


def test_an_engine_that_keeps_the_labels_is_written_with_what_it_showed(repository: Path, tiny_texts: Path) -> None:
    library = Library()
    engine = make(repository, library, tiny_texts)
    entry = record(engine)
    assert engine.record.name == PLAN_RECORD
    assert (entry["passed"], entry["proved"], entry["ran"]) == (True, "engine", True)
    assert entry["device"] == "Paper GPU (compute capability 8.9)"
    assert entry["certificate"]["subject"]["precision"] == entry["precision"] == "fp32"
    assert entry["certificate"]["texts"] == 240
    assert [batch["size"] for batch in entry["certificate"]["batches"]] == [1, 16, 64]
    assert entry["graph_sha256"] == sha256(repository / entry["graph"])
    assert (entry["library"], entry["bytes"]) == ("Paper 1.0", engine.path.stat().st_size)
    assert entry["profiles"][0] == {"smallest": [1, 1], "typical": [64, 32], "largest": [64, 64]}
    assert entry["milliseconds"]["engine"] > 0
    assert {profile for profile, _ in library.used} == set(entry["profiles_run"]) == {0, 1}  # the texts are short
    assert findings(repository) == []
    assert reasons(repository, "tensorrt") == ()


def swap(profile: int, logits: Logits) -> Logits:
    """Answer with the other label."""
    return logits[:, ::-1]


def swap_in_the_narrowest(profile: int, logits: Logits) -> Logits:
    """Answer with the other label where Triton would not look unless told."""
    return logits[:, ::-1] if profile == 1 else logits


def overflow(profile: int, logits: Logits) -> Logits:
    """Answer with infinity in full batches only."""
    return logits + np.float32(np.inf if len(logits) == 64 else 0)


def drift(profile: int, logits: Logits) -> Logits:
    """Keep the labels and move the scores."""
    return logits * np.float32(1.05)


@pytest.mark.parametrize("tamper", [swap, swap_in_the_narrowest, overflow, drift])
def test_an_engine_that_does_not_is_not_written(
    repository: Path, tiny_texts: Path, tamper: Callable[[int, Logits], Logits]
) -> None:
    before = make(repository, Library(), tiny_texts)
    content, known = before.path.read_bytes(), before.record.read_text(encoding="utf-8")
    with pytest.raises(CertificateError, match="Nothing was published"):
        make(repository, Library(tamper), tiny_texts)
    assert (before.path.read_bytes(), before.record.read_text(encoding="utf-8")) == (content, known)


def test_the_devices_memory_is_given_back_after_a_refusal(repository: Path, tiny_texts: Path) -> None:
    driver = PaperDriver()
    request = EngineRequest(repository, "tiny", "fp32", Texts(tiny_texts))
    with pytest.raises(CertificateError):
        make_engine(request, PaperBuilder(Library(swap), paper_device(driver)), Silent())
    assert driver.memory == {}


@pytest.mark.parametrize(
    ("precision", "texts", "proved", "passed"),
    [("fp32", False, "graph", True), ("fp16", False, "nothing", False), ("fp16", True, "graph", True)],
)
def test_without_a_device_the_record_says_plainly_that_nothing_ran(
    repository: Path, tiny_texts: Path, precision: Any, texts: bool, proved: str, passed: bool
) -> None:
    request = EngineRequest(
        repository, "tiny", precision, Texts(tiny_texts) if texts else None, unproved=proved == "nothing"
    )
    entry = record(make_engine(request, PaperBuilder(Library(), None), Silent()))
    assert (entry["ran"], entry["device"]) == (False, "none")
    assert entry["reason"] == "no NVIDIA GPU answers on this machine"
    assert (entry["proved"], entry["passed"], entry["milliseconds"]) == (proved, passed, {})
    assert (entry["certificate"] is not None) is texts
    said = findings(repository)
    assert said == [] if passed else "model.plan was built without comparing labels" in said[0]


def test_a_device_is_left_alone_where_that_is_asked(repository: Path) -> None:
    library = Library(refuses=True)
    entry = record(make(repository, library, None, run=False))
    assert (entry["ran"], entry["reason"]) == (False, "it was not asked to (--no-run)")


@pytest.mark.parametrize(("precision", "device"), [("fp32", True), ("fp16", True), ("fp16", False)])
def test_labels_that_could_be_compared_are_asked_for(repository: Path, precision: Any, device: bool) -> None:
    builder = PaperBuilder(Library(refuses=True), paper_device() if device else None)
    with pytest.raises(EngineError, match=r"give --texts to prove the labels on, or say --unproved$") as said:
        make_engine(EngineRequest(repository, "tiny", precision), builder, Silent())
    assert ("which can be asked on Paper GPU" in str(said.value)) is device
    entry = record(make_engine(EngineRequest(repository, "tiny", precision, unproved=True), builder, Silent()))
    assert (entry["ran"], entry["proved"], entry["passed"]) == (False, "nothing", False)


@pytest.mark.parametrize("writes", [1, 2, 3])
def test_killed_between_two_files_the_engine_there_is_in_the_record(
    repository: Path, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make(repository, Library(), None, run=False)
    content = old.path.read_bytes()
    left = iter(range(writes))

    def write(path: Path, content: str | bytes) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        disk.write_atomically(path, content)

    monkeypatch.setattr(order, "write_atomically", write)
    try:
        make(repository, Library(), None, run=False, max_tokens=100)  # other profiles, another engine
    except KeyboardInterrupt:
        assert writes < 3
    assert (old.path.read_bytes() != content) is (writes > 1)
    assert findings(repository) == []


def test_the_command_says_what_ran_where_and_what_it_cost(
    repository: Path, tiny_texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tritext_export.commands.engine._builder", lambda args: PaperBuilder(Library(), paper_device()))
    words = ["engine", str(repository), "--name", "tiny", "--builder", "tensorrt", "--precision", "fp32"]
    assert main([*words, "--texts", str(tiny_texts)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("engine, certificate passed: 100.00% of 240 labels agree") for line in lines)
    assert "the engine ran on Paper GPU (compute capability 8.9)" in lines
    assert any(line.endswith(" ms a text: engine") for line in lines)
    assert f"record: {repository}/tiny_classifier/1/model.plan.json" in lines
