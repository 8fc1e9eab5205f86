"""What Triton may load in its own image: asked about are the configurations that it is started with, and no others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.export.repositories import make_repository, put_plan
from tritext_serve.triton_image import main, reasons

TENSORRT = """\
backend: "tensorrt"
default_model_filename: "model.plan"
version_policy { specific { versions: 1 } }
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One version, which can also be served from an engine."""
    make_repository(tmp_path, 1)
    (tmp_path / "m_classifier" / "configs" / "tensorrt.pbtxt").write_text(TENSORRT)
    return tmp_path


def test_what_was_published_is_served_by_any_configuration(root: Path) -> None:
    put_plan(root, 1)
    assert [reasons(root, name) for name in ("", "gpu", "gpu-tensorrt-ep", "tensorrt", "absent")] == [()] * 5


def unproved(root: Path) -> None:
    put_plan(root, 1, passed=False)


def of_another_graph(root: Path) -> None:
    put_plan(root, 1, graph_sha256="0")


def changed(root: Path) -> None:
    put_plan(root, 1)
    (root / "m_classifier" / "1" / "model.plan").write_bytes(b"another")


def without_record(root: Path) -> None:
    put_plan(root, 1)
    (root / "m_classifier" / "1" / "model.plan.json").unlink()


def with_a_broken_record(root: Path) -> None:
    put_plan(root, 1)
    (root / "m_classifier" / "1" / "model.plan.json").write_text('{"engines": []}')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (unproved, "m_classifier/1/model.plan was built without comparing labels"),
        (of_another_graph, "model.plan was built from another graph than the certified model.onnx"),
        (changed, "model.plan is not the engine of its model.plan.json: its sha256 is "),
        (without_record, "model.plan has no record that can be read: model.plan.json: No such file"),
        (with_a_broken_record, "model.plan is not the engine of its model.plan.json"),
        (lambda root: None, "m_classifier/1/model.plan is missing: build it"),
    ],
)
def test_an_engine_is_refused_only_where_it_is_what_is_loaded(
    root: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(root)
    (reason,) = reasons(root, "tensorrt")
    assert reason.startswith("m version 1: ")
    assert words in reason
    assert reasons(root, "gpu") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("backend: ", "m_classifier/configs/mine.pbtxt: "),
        ('backend: "python"', "m_classifier/configs/mine.pbtxt: backend 'python': only models of tritext"),
        ('platform: "tensorrt_plan"', "backend 'tensorrt_plan'"),
        ('backend: "tensorrt" default_model_filename: "x.plan"', "mine.pbtxt: 'x.plan' instead of model.plan"),
        ('backend: "tensorrt" cc_model_filenames { key: "9.0" value: "y.plan" }', "mine.pbtxt: 'y.plan' instead of"),
        ('backend: "onnxruntime" model_operations { op_library_filename: "x.so" }', "mine.pbtxt: model_operations"),
        ('backend: "onnxruntime" version_policy { specific { versions: 7 } }', "mine.pbtxt: names version 7"),
    ],
)
def test_a_configuration_that_loads_something_else_is_refused(root: Path, text: str, words: str) -> None:
    (root / "m_classifier" / "configs" / "mine.pbtxt").write_text(text)
    (reason,) = reasons(root, "mine")
    assert words in reason
    assert reasons(root) == ()


@pytest.mark.parametrize(
    ("policy", "doubtful"),
    [
        ("all {}", True),
        ("latest { num_versions: 2 }", True),
        ("latest { num_versions: 1 }", False),
        ("latest {}", False),
    ],
)
def test_every_version_that_the_policy_loads_is_asked_about(tmp_path: Path, policy: str, doubtful: bool) -> None:
    make_repository(tmp_path, 2)
    for model in ("m", "m_classifier"):
        text = (tmp_path / model / "config.pbtxt").read_text()
        before, _, rest = text.partition("version_policy {")
        _, _, after = rest.partition("\n}\n")
        (tmp_path / model / "config.pbtxt").write_text(f"{before}{after}\nversion_policy {{ {policy} }}")
    assert reasons(tmp_path) == ()
    (tmp_path / "m_classifier" / "1" / "model.onnx").write_bytes(b"x")
    assert bool(reasons(tmp_path)) is doubtful


def test_the_server_s_other_flags_are_passed_over(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--model-repository={root}", "--model-control-mode=none", "--log-verbose", "1", "--help", "-h"]
    assert main(words) == 0
    (root / "m" / "1" / "certificate.json").unlink()
    assert main(words) == 1
    assert capsys.readouterr().err.startswith("tritext: refused: m version 1: certificate.json: No such file")
    assert main([*words, "--allow-uncertified"]) == 0
    assert capsys.readouterr().err.startswith("tritext: not certified: m version 1: ")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (reason,) = reasons(tmp_path / "absent")
    assert reason.endswith("no such directory: make one with `tritext export`")
