"""The GPU bench, on the CPU provider with a tiny encoder: the whole script, its arithmetic, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gpu_client import Order
from gpu_device import CUDA_MISSING, Rate, measure_graph, sheet_peak
from gpu_load import Child, LoadError, load
from gpu_models import ENCODERS, SPECIAL, Facts, read_facts, sentences, vocabulary
from gpu_report import goals, limit, markdown
from tests.conftest import ROOT, load_json, server_options
from tritext_serve.server import Server

SMALL = ["--models", "tiny", "--tokens", "25,40", "--sizes", "1,8", "--fronts", "1", "--clients", "2"]


def run(*arguments: str, blocked: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "demo/gpu.py", *arguments]
    if blocked:
        program = f"import runpy, sys; sys.path.insert(0, 'demo'); sys.argv = ['gpu.py', *{arguments!r}]; "
        program += "".join(f"sys.modules[{name!r}] = None; " for name in blocked.split())
        command = [sys.executable, "-c", program + "runpy.run_path('demo/gpu.py', run_name='__main__')"]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny encoder, prepared as on a machine without a GPU."""
    folder = tmp_path_factory.mktemp("gpu")
    result = run("--work", str(folder), *SMALL, "--prepare")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def facts(work: Path) -> Facts:
    """What was prepared."""
    found = read_facts(work / "tiny")
    assert found is not None
    return found


@pytest.mark.slow
def test_texts_have_exactly_the_tokens_that_they_should(work: Path, facts: Facts) -> None:
    (path,) = (work / "tiny" / "repository" / "tiny").glob("*/tokenizer.json")
    tokenizer = Tokenizer.from_file(str(path))
    for length, texts in facts.texts.items():
        assert len(set(texts)) > 100
        assert {len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))} == {length}
        assert tokenizer.token_to_id("[UNK]") not in {i for e in tokenizer.encode_batch(list(texts)) for i in e.ids}


@pytest.mark.slow
def test_operations_are_those_of_the_published_graph(facts: Facts) -> None:
    shape = ENCODERS["tiny"]
    # All of the first layer; of the last keys, values and the first token's look at them, as nothing else is read.
    layer = 2 * (4 * shape.hidden**2 + 2 * shape.hidden * shape.inner)
    assert facts.linear == layer + 2 * 2 * shape.hidden**2 + 2 * 2 * shape.hidden
    assert facts.square == 2 * 2 * shape.hidden
    assert facts.operations(10) == facts.fixed + 10 * facts.linear + 100 * facts.square


@pytest.mark.slow
@pytest.mark.e2e
def test_the_whole_script_on_a_cpu_without_torch(work: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"r.{name}" for name in ("json", "markdown")}
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    without = "torch transformers optimum peft datasets accelerate"
    more = ["--device", "cpu", "--seconds", "1", "--in-flight", "2"]
    result = run("--work", str(work), *SMALL, *more, *words, blocked=without)
    assert result.returncode == 0, result.stderr
    report = load_json(files["json"])
    (model,) = report["models"]
    shapes = [(1, 25), (8, 25), (1, 40), (8, 40)]
    assert [(row["texts"], row["tokens"]) for row in model["device"]] == shapes
    assert [(row["size"], row["tokens"]) for row in model["loads"]] == shapes
    assert all(0 < row["of_peak"] < 1 for row in model["device"])
    assert all(row["texts"] > 0 and row["wrong"] == 0 for row in model["loads"])
    assert all(row["server_milliseconds"] > 0 and row["busy"]["client"] > 0 for row in model["loads"])
    assert report["provider"] == "CPUExecutionProvider"
    assert report["goals"] == [], "goals are a GPU's"
    assert result.stdout == files["markdown"].read_text() == markdown(report)
    assert result.stdout.count("| tiny |") == 8


@pytest.mark.slow
def test_wrong_labels_are_counted(work: Path, facts: Facts) -> None:
    texts = facts.texts[25]
    with Server(work / "tiny" / "repository", server_options(instances={"": 1})) as server:
        order = Order(server.grpc_url, "tiny", texts, ("no such label",) * len(texts), 4, 1, 1.0)
        done = load(server, order, 25, 2)
    assert done.wrong == done.texts > 0


@pytest.mark.slow
def test_a_client_that_breaks_off_is_named() -> None:
    child = Child(Order("grpc://127.0.0.1:9", "tiny", ("a",), ("",), 1, 1, 0.1))
    try:
        child.expect()
        child.go()
        with pytest.raises(LoadError, match=r"client process broke off: .*127\.0\.0\.1:9"):
            child.expect()
    finally:
        child.stop()


def test_a_machine_without_the_provider_is_told_what_to_install(tmp_path: Path) -> None:
    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("MISSING: an onnxruntime without CUDA, which is what this is about")
    result = run("--work", str(tmp_path), "--models", "tiny")
    assert result.returncode == 1
    assert "gpu: this onnxruntime has" in result.stderr
    assert CUDA_MISSING in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir()), "nothing is exported before that is known"


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--models", "llama"], "'llama' is none of distilbert"), (["--sizes", "1,x"], "give whole numbers")],
)
def test_wrong_words_are_named(words: list[str], said: str) -> None:
    result = run(*words)
    assert result.returncode == 2
    assert said in result.stderr


@pytest.mark.slow
def test_a_graph_runs_on_arrays_that_stay_on_the_device(work: Path, facts: Facts) -> None:
    (rate,) = measure_graph(work / "tiny" / facts.onnx, "cpu", facts.vocabulary, [(4, 25)], 0.05)
    assert (rate.texts, rate.tokens) == (4, 25)
    assert rate.texts_per_second == pytest.approx(4e3 / rate.milliseconds)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("Tesla T4", 65e12),
        ("NVIDIA GeForce RTX 9999", None),
    ],
)
def test_data_sheets_are_found_by_whole_words(name: str, peak: float | None) -> None:
    assert sheet_peak(name) == peak


@given(st.dictionaries(st.sampled_from(["device", "front", "client", "cores"]), st.floats(0, 2), min_size=1))
def test_the_limit_is_what_was_used_most(shares: dict[str, float]) -> None:
    said = limit(shares)
    most = max(shares.values())
    named = said.removeprefix("none: ").split(" ")[0]
    assert said.startswith("none: ") == (most < 0.7)
    assert shares[named] == most or (named == "device" and shares["device"] >= 0.7)


def test_the_device_is_named_before_a_front_that_waits_for_it() -> None:
    assert limit({"device": 0.8, "front": 1.0}) == "device (80 %)"
    assert limit({"device": 0.5, "front": 1.7}) == "front (100 %)"
    assert limit({"device": 0.5, "front": 0.2}) == "none: device at 50 %, more clients would help"


@given(st.integers(3, 60), st.integers(1, 20), st.integers(0, 9))
def test_sentences_have_room_for_two_special_tokens(tokens: int, count: int, seed: int) -> None:
    drawn = sentences(["ba", "be"], tokens, count, seed)
    assert len(drawn) == count
    assert {len(text.split()) for text in drawn} == {tokens - 2}


def test_made_up_words_are_all_different() -> None:
    words = vocabulary(30_522)
    assert len(set(words)) == 30_522
    assert tuple(words[: len(SPECIAL)]) == SPECIAL


def test_goals_are_held_against_the_best_figures() -> None:
    device = [{"tokens": 128, "of_peak": 0.4}, {"tokens": 128, "of_peak": 0.62}, {"tokens": 25, "of_peak": 0.9}]
    loads = [{"size": 256, "texts_per_second": 41_000.0}, {"size": 32, "texts_per_second": 90_000.0}]
    models: list[dict[str, Any]] = json.loads(json.dumps([{"device": device, "loads": loads}]))
    assert goals(models) == [
        "roofline share at 128 tokens: 62 %, reached 50 %",
        "short texts a second, 256 a request: 41,000, short of 60,000",
    ]


def test_a_rate_is_texts_by_time() -> None:
    assert np.isclose(Rate(256, 128, 2.0).texts_per_second, 128_000)
