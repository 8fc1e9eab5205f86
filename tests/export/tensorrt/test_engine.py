"""``tritext engine``: from a published model to an engine file, and what it refuses."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.conftest import Silent
from tritext._cli.main import main
from tritext_export.errors import CertificateError, EngineError
from tritext_export.labelled import Example, write_tsv
from tritext_export.sources import sha256
from tritext_export.tensorrt.device import find_device
from tritext_export.tensorrt.order import EngineRequest, make_engine
from tritext_export.tensorrt.profiles import plan_profiles
from tritext_export.tensorrt.proof import Texts
from tritext_export.tensorrt.runner import NotRun
from tritext_export.tensorrt.source import find_source
from tritext_serve.front.options import DEFAULT_MAX_BATCH_TOKENS
from tritext_serve.repository import scan

pytest.importorskip("tensorrt_rtx_bindings", reason="MISSING: tensorrt-rtx, of the extra tritext[tensorrt]")
from tritext_export.tensorrt.rtx import RtxBuilder  # only where the library is


def damage(repository: Path) -> None:
    """Make a weight too large for fp16 to carry on with, behind the manifest's back and then not."""
    path = repository / "tiny_classifier" / "1" / "model.onnx"
    model = onnx.load(path)
    weights = next(t for t in model.graph.initializer if len(t.dims) == 2 and "MatMul" in t.name)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(2e4), weights.name))
    onnx.save(model, path)


def relist(repository: Path) -> None:
    """Let the manifest know the files as they are."""
    path = repository / "tiny" / "1" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"] = {name: sha256(repository / name) for name in manifest["files"]}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_an_rtx_engine_is_written_whole_and_said(
    repository: Path, tiny_texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "engines" / "tiny.engine"
    words = ["engine", str(repository), "--name", "tiny", "--texts", str(tiny_texts), "--output", str(output)]
    assert main([*words, "--no-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{output}: tiny version 1, fp16, ")
    assert "TensorRT for RTX 1.7.1.116" in lines[0]
    assert lines[1] == "profile 0: 1×1 to 64×64 texts × tokens"
    assert "fp16 graph on the CPU, certificate passed: 100.00% of 240 labels agree" in lines[-3]
    assert lines[-2] == "the engine did not run: it was not asked to (--no-run)"
    assert lines[-1] == f"record: {output}.json"
    assert b"tiny:1:fp16:" in output.read_bytes()
    assert sorted(path.name for path in output.parent.iterdir()) == ["tiny.engine", "tiny.engine.json"]


def test_a_library_without_a_gpu_says_so() -> None:
    if find_device() is not None:
        pytest.skip("MISSING: a machine without an NVIDIA GPU, to say that there is none")
    assert RtxBuilder().runner() == NotRun("no NVIDIA GPU answers on this machine")


@pytest.mark.parametrize(
    ("chosen", "capability", "serves"),
    [((), "8.0", True), ((), "12.1", True), ((), "7.5", False), ((), "9.0", False), (("8.6",), "8.9", False)],
)
def test_an_rtx_engine_is_for_the_gpus_that_it_was_built_for(
    chosen: tuple[str, ...], capability: str, serves: bool
) -> None:
    assert RtxBuilder(chosen).serves(capability) is serves


def test_a_plan_is_written_where_triton_looks_and_the_repository_stays_servable(repository: Path) -> None:
    engine = make_engine(EngineRequest(repository, "tiny", "fp32", run=False), RtxBuilder(), Silent())
    assert engine.path == repository / "tiny_classifier" / "1" / "model.plan"
    assert engine.size == engine.path.stat().st_size
    assert engine.evidence.certificate is None
    assert engine.record == engine.path.with_name("model.plan.json")
    assert {model.name for model in scan(repository)} == {"tiny", "tiny_classifier"}


def test_profiles_cover_the_largest_budget_that_any_configuration_names(repository: Path) -> None:
    source = find_source(repository, "tiny")
    assert source.max_tokens >= DEFAULT_MAX_BATCH_TOKENS
    path = repository / "tiny" / "config.pbtxt"
    words = 'parameters { key: "max_batch_tokens" value { string_value: "70000" } }\n'
    path.write_text(path.read_text(encoding="utf-8") + words, encoding="utf-8")
    assert find_source(repository, "tiny").max_tokens == 70000


def test_a_smaller_budget_may_be_chosen(repository: Path, tmp_path: Path) -> None:
    request = EngineRequest(repository, "tiny", "fp32", run=False, max_tokens=100, output=tmp_path / "tiny.engine")
    engine = make_engine(request, RtxBuilder(), Silent())
    assert engine.profiles == plan_profiles(100, 64, 64)


def test_fp16_without_a_proof_must_be_asked_for(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["engine", str(repository), "--name", "tiny"]
    assert main(words) == 1
    assert "give --texts to prove the labels on, or say --unproved" in capsys.readouterr().err
    assert main([*words, "--unproved"]) == 0
    assert "labels were not compared" in capsys.readouterr().out
    assert (tmp_path / "tiny-1-fp16.engine").is_file()


def test_an_overflow_in_fp16_is_refused_and_nothing_is_written(repository: Path, tiny_texts: Path) -> None:
    damage(repository)
    relist(repository)
    request = EngineRequest(repository, "tiny", "fp16", Texts(tiny_texts))
    with pytest.raises(CertificateError, match="texts answered with NaN or infinity"):
        make_engine(request, RtxBuilder(), Silent())
    assert not (repository / "tiny_classifier" / "1" / "model.plan").exists()


def test_a_graph_that_was_changed_after_its_certificate_is_refused(repository: Path) -> None:
    damage(repository)
    with pytest.raises(EngineError, match=r"model\.onnx: it is not the file that was certified"):
        make_engine(EngineRequest(repository, "tiny", "fp32", run=False), RtxBuilder(), Silent())


@pytest.mark.parametrize(
    ("file", "key", "value", "words"),
    [
        ("manifest.json", "precision", "int8", "tiny version 1 is int8"),
        ("certificate.json", "passed", False, "did not pass"),
    ],
)
def test_only_a_certified_fp32_version_is_taken(
    repository: Path, file: str, key: str, value: object, words: str
) -> None:
    path = repository / "tiny" / "1" / file
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {key: value}), encoding="utf-8")
    with pytest.raises(EngineError, match=words):
        find_source(repository, "tiny")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--name", "nobody", "--precision", "fp32"], "no model 'nobody'"),
        (["--name", "tiny", "--precision", "fp32", "--capability", "9.0"], "compute capability '9.0'"),
        (["--name", "tiny", "--precision", "fp32", "--builder", "tensorrt", "--capability", "8.6"], "--capability"),
        (["--name", "tiny", "--precision", "fp32", "--builder", "tensorrt"], "in the Triton image"),
        (["--name", "tiny", "--texts", "nowhere.tsv"], "nowhere.tsv"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(
    repository: Path,
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main(["engine", str(repository), *words]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("·")]
    assert line.startswith("tritext engine: ")
    assert message in line
    assert list(tmp_path.rglob("*.engine")) == list(tmp_path.rglob("*.plan")) == []


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_demo_is_built(
    precision: str,
    gpu_repository: Path,
    test_examples: tuple[Example, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = tmp_path / "texts.tsv"
    write_tsv(texts, test_examples[:100])
    output = tmp_path / "sentiment.engine"
    words = ["engine", str(gpu_repository), "--name", "sentiment", "--precision", precision, "--output", str(output)]
    assert main([*words, "--texts", str(texts)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("profile")) == "profile 0: 1×1 to 64×512 texts × tokens"
    weights = (gpu_repository / "sentiment_classifier" / "1" / "model.onnx").stat().st_size
    # fp16 halves the weights; the rest is kernels and one set of constants a profile.
    assert output.stat().st_size < (1.3 if precision == "fp32" else 0.8) * weights
