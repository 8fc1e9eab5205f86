"""``tritext export`` as a user types it: what is tried, what is printed, what is recorded, what is refused."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import load_json
from tests.export.traced import WIDE
from tests.families import TEXTS, make_family
from tritext._cli.main import main
from tritext_export import checkpoint
from tritext_export.commands import console
from tritext_export.commands.console import ConsoleProgress, print_trials
from tritext_export.errors import GraphError
from tritext_export.labelled import Example, write_tsv
from tritext_export.request import EDITS
from tritext_export.sources import resolve
from tritext_export.trial import Trial

INSTALL = "install the exporter with `pip install 'tritext[export]'`"
# Random weights give labels that are easily in doubt; these tests are about what is tried and recorded.
LENIENT = (
    *("--min-agreement", "0.9", "--max-difference", "0.5", "--max-accuracy-drop", "0.1"),
    *("--max-unstable", "5", "--max-calibration-rise", "0.2"),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model wide enough for int8."""
    return make_family("bert", tmp_path_factory.mktemp("source"), **WIDE)


@pytest.fixture(scope="module")
def labelled(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with the labels that the model itself gives them."""
    loaded = checkpoint.load(resolve(str(source)))
    texts = [f"{text} {words}" for words in ("", "good", "dull plot", "not bad", "a film") for text in TEXTS]
    encoded = loaded.encode([Example(text, "x") for text in texts], 64)
    ids = [int(loaded.logits([one]).argmax()) for one in encoded]
    path = tmp_path_factory.mktemp("texts") / "texts.tsv"
    write_tsv(path, [Example(text, ("negative", "positive")[i]) for text, i in zip(texts, ids, strict=True)])
    return path


@pytest.fixture
def words(source: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that succeeds, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repository = str(tmp_path / "repository")
    return ["export", str(source), "--name", "m", "--texts", str(labelled), "--repository", repository, *LENIENT]


def manifest(repository: Path, version: int = 1) -> dict[str, object]:
    """What was recorded."""
    return load_json(repository / "m" / str(version) / "manifest.json")


def test_a_target_tries_all_that_suits_it_and_publishes_one(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--target", "cpu"]) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if "passed" in line and "certificate" not in line]
    assert {"int8", "fp32"} <= {word for line in rows for word in line.split()}
    assert sum(line.startswith("→") for line in out.splitlines()) == 1
    assert "m: published version 1" in out
    recorded = manifest(tmp_path / "repository")
    chosen = next(line for line in out.splitlines() if line.startswith("→"))
    assert str(recorded["precision"]) in chosen
    assert recorded["target"] == "cpu"
    assert recorded["graph_edits"] == list(EDITS)
    assert main([*words, "--target", "cpu"]) == 0
    assert "m: unchanged since version 1" in capsys.readouterr().out
    assert main([*words, "--target", "cpu", "--without", "first-token"]) == 0
    assert "m: published version 2" in capsys.readouterr().out
    assert "first-token" not in str(manifest(tmp_path / "repository", 2)["graph_edits"])


def test_int8_is_recorded_layer_by_layer(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--precision", "int8"]) == 0
    recorded = manifest(tmp_path / "repository")
    assert (recorded["precision"], recorded["target"]) == ("int8", "cpu")
    layers = recorded["layers"]
    assert isinstance(layers, dict)
    assert len(layers) == 9
    assert set(layers.values()) <= {"static int8", "int8 per token", "fp32"}
    assert set(layers.values()) != {"fp32"}
    certificate = load_json(tmp_path / "repository" / "m" / "1" / "certificate.json")
    assert certificate["passed"]
    assert certificate["texts"] < 240, "some texts are set aside to calibrate on"
    capsys.readouterr()


def test_fp16_for_a_gpu(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--precision", "fp16", "--target", "h100"]) == 0
    recorded = manifest(tmp_path / "repository")
    assert (recorded["precision"], recorded["target"]) == ("fp16", "gpu")
    assert recorded["graph_edits"] == [*EDITS[:-2], "fp16"]
    assert recorded["layers"] == {}
    capsys.readouterr()


def test_what_suits_a_gpu_is_tried_and_told(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--target", "h100"]) == 0
    table = capsys.readouterr().out.splitlines()[:3]
    assert table[0].split() == ["candidate", "accuracy", "agreement", "unstable", "MB", "ms", "a", "text"]
    assert [line.replace("→", " ").split()[0] for line in table[1:]] == ["fp16", "fp32"]
    assert manifest(tmp_path / "repository")["precision"] in ("fp16", "fp32")


def test_fp32_is_what_one_gets_without_asking(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert "→" not in capsys.readouterr().out, "one candidate needs no table"
    recorded = manifest(tmp_path / "repository")
    assert (recorded["precision"], recorded["graph_edits"]) == ("fp32", list(EDITS))


def test_a_model_too_small_for_int8_is_published_in_fp32(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words[1] = str(make_family("bert", tmp_path / "narrow"))
    # Other weights give other labels: agreement counts, accuracy does not.
    assert main([*words, "--target", "cpu", "--max-accuracy-drop", "1"]) == 0
    out = capsys.readouterr().out
    assert "refused: int8: the model has no matrix" in " ".join(out.split())
    assert manifest(tmp_path / "repository")["precision"] == "fp32"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--precision", "fp16"], "--precision fp16: a CPU computes it in fp32 anyway: use --target gpu"),
        (["--precision", "int8", "--target", "gpu"], "--precision int8: it is made for CPUs: use --target cpu"),
        (["--without", "first-tokens"], "--without first-tokens: there is no such step: take of settled-shapes"),
    ],
)
def test_what_does_not_go_together_is_named(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main([*words, *more]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "repository").exists()


@pytest.mark.parametrize("more", [["--target", "tpu"], ["--precision", "int4"]])
def test_what_there_is_not_is_wrong_usage(
    words: list[str], capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert main([*words, *more]) == 2
    assert more[1] in capsys.readouterr().err


def test_too_few_texts_for_int8_are_counted(
    words: list[str], labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.tsv"
    few.write_text("\n".join(labelled.read_text().splitlines()[:40]) + "\n")
    words[words.index("--texts") + 1] = str(few)
    assert main([*words, "--precision", "int8"]) == 1
    assert "int8 needs at least 16 texts to calibrate on" in capsys.readouterr().err
    assert not (tmp_path / "repository" / "m").exists()


def test_words_of_a_library_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_trials([Trial("int8", "int8", (), 0, None, None, None, 0, passed=False, reason="no kernel for [/bert/x]")])
    ConsoleProgress().step("loading ./my[v2]")
    captured = capsys.readouterr()
    assert "int8 was refused: no kernel for [/bert/x]" in captured.out
    assert "loading ./my[v2]" in captured.err


def test_the_search_of_int8_is_kept_unless_told_otherwise(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--precision", "int8", "--no-cache"]) == 0
    assert not (tmp_path / "cache").exists()
    assert "trying int8 layer by layer" in capsys.readouterr().err
    assert main([*words, "--precision", "int8", "--without", "int8-embeddings"]) == 0
    assert list((tmp_path / "cache" / "tritext" / "int8").iterdir())
    recorded = manifest(tmp_path / "repository", 2)
    assert "int8-embeddings" in str(recorded["options"])
    assert "watching activations" in capsys.readouterr().err
    assert main([*words, "--precision", "int8", "--force"]) == 0
    assert "watching activations" not in (said := capsys.readouterr().err)
    files = [tmp_path / "repository" / "m_classifier" / version / "model.onnx" for version in "123"]
    assert len({file.read_bytes() for file in files}) == 1, "its table is too small for int8, so nothing differs"
    assert "· took " in said.splitlines()[-1]


def test_the_time_of_every_step_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctest.testmod(console).failed == 0
    assert console.durations([], 1.0) == {}
    ConsoleProgress().finish()
    assert capsys.readouterr().err == "· took 0 s\n", "of steps that are over at once there is nothing to say"


def test_without_the_exporters_packages_the_command_says_what_to_install(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optimum.exporters.onnx", None)
    assert main(words) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith(f": {INSTALL}")
    monkeypatch.setitem(sys.modules, "onnx_ir", None)
    for module in ("tritext_export.variants", "tritext_export.edits.pipeline"):
        importlib.import_module(module)
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(GraphError, match=re.escape(INSTALL)):
        importlib.import_module("tritext_export.variants")


def test_without_the_reports_package_the_command_does_not_load() -> None:
    """In a process of its own, as a module is imported once."""
    program = "import sys; sys.modules['jinja2'] = None; from tritext._cli.main import main; sys.exit(main(['export']))"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"tritext export: .*jinja2.*: run `pip install 'tritext\[export\]'`\n", ended.stderr)
