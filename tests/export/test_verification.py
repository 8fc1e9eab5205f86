"""`verify` finds what was changed, one line a finding, and nothing where all is as certified."""

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.export.repositories import graph, make_repository, publish_version, put_plan
from tritext_export.errors import RepositoryError
from tritext_export.sources import sha256
from tritext_export.verification import require_sound, verify

Damage = Callable[[Path], object]


def findings(root: Path) -> list[str]:
    """Every finding, as it is printed."""
    return [str(finding) for _, _, found in verify(root) for finding in found]


def write(file: str, content: bytes) -> Damage:
    """Put something else in place of a file."""
    return lambda root: (root / file).write_bytes(content)


def link(file: str) -> Damage:
    """Put a link to the same content in place of a file."""

    def damage(root: Path) -> None:
        (root / file).rename(root / "elsewhere")
        (root / file).symlink_to(root / "elsewhere")

    return damage


def disagree(root: Path) -> None:
    """Let the front name a version that the classifier does not."""
    path = root / "m_classifier" / "configs" / "gpu.pbtxt"
    path.write_text(path.read_text().replace("versions: 2", "versions: 1"))


def relabel(root: Path) -> None:
    """Swap the labels that clients read."""
    (root / "m" / "labels.txt").write_text("yes\nno\n")


def certified_anew(root: Path, model: onnx.ModelProto) -> None:
    """Put another graph in place, and its hash in the manifest: only looking into it can tell."""
    path, manifest = root / "m_classifier" / "2" / "model.onnx", root / "m" / "2" / "manifest.json"
    path.write_bytes(model.SerializeToString())
    content = json.loads(manifest.read_text())
    content["files"]["m_classifier/2/model.onnx"] = sha256(path)
    manifest.write_text(json.dumps(content))


def hostile(root: Path) -> None:
    """A graph that needs somebody's library."""
    model = graph()
    model.graph.node.append(onnx.helper.make_node("Thing", ["logits"], ["unused"], "odd", domain="custom"))
    certified_anew(root, model)


def other_inputs(root: Path) -> None:
    """A graph that reads something else."""
    model = graph()
    model.graph.node[0].input[1] = model.graph.input[1].name = "token_type_ids"
    certified_anew(root, model)


def repad(root: Path) -> None:
    """Let the manifest pad with something that is no id."""
    manifest = root / "m" / "2" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"pad_token_id": "none"}))


def test_models_of_others_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    make_repository(tmp_path, 1)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.pbtxt").write_text('backend: "python"')
    assert findings(tmp_path) == []


def test_what_was_published_is_as_certified(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    assert [(name, version) for name, version, _ in verify(tmp_path)] == [("m", None), ("m", 1), ("m", 2)]
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (write("m_classifier/2/model.onnx", b"x"), "m 2: m_classifier/2/model.onnx: its sha256 is 2d711642b726…"),
        (write("m/1/tokenizer.json", b"x"), "m 1: m/1/tokenizer.json: its sha256 is"),
        (lambda root: (root / "m/2/tokenizer.json").unlink(), "m 2: m/2/tokenizer.json: is missing"),
        (write("m/2/libtriton_python.so", b"x"), "m 2: m/2/libtriton_python.so: is not in manifest.json"),
        (link("m_classifier/2/model.onnx"), "m 2: m_classifier/2/model.onnx: is a link or a folder"),
        (write("m/2/manifest.json", b"{}"), "m 2: manifest.json lists no files"),
        (write("m/2/certificate.json", b"{}"), "m 2: its certificate did not pass"),
        (hostile, "custom.Thing needs a library of custom operators"),
        (other_inputs, "m 2: model.onnx reads input_ids, token_type_ids, manifest.json says otherwise"),
        (relabel, "m: version 2 does not fit the model's configuration: .* has other labels"),
        (disagree, "m: configs/gpu.pbtxt: m names version 2 and m_classifier does not"),
        (lambda root: (root / "m/config.pbtxt").unlink(), "^m: m/config.pbtxt: No such file"),
        (write("m/config.pbtxt", b""), "^m: m/config.pbtxt: names no backend: export the model again"),
        (write("m/config.pbtxt", b"name: "), "^m: m/config.pbtxt: config.pbtxt: "),
        (write("m/config.pbtxt", b"\xff"), "^m: m/config.pbtxt: .* can't decode"),
        (lambda root: (root / "m").rename(root / ".m"), "^m_classifier: there is no model 'm' that takes texts"),
        (lambda root: (root / "x").mkdir(), "^x: x/config.pbtxt: No such file"),
        (repad, "^m 2: manifest.json: pad_token_id is 'none', not a number"),
        (write("m_classifier/config.pbtxt", b"name: "), "m: m_classifier/config.pbtxt: config.pbtxt: "),
    ],
)
def test_each_damage_is_found(tmp_path: Path, damage: Damage, words: str) -> None:
    make_repository(tmp_path, 2)
    damage(tmp_path)
    import re

    assert [line for line in findings(tmp_path) if re.search(words, line)], findings(tmp_path)


def test_an_engine_with_its_record_is_as_certified(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    put_plan(tmp_path, 2)
    assert findings(tmp_path) == []
    require_sound(tmp_path, "m", 2)


REBUILD = "build it again with `tritext engine --builder tensorrt`, or remove it and its record"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda plan: plan.write_bytes(b"x"), "its record is of another engine: its sha256 is 2d711642b726…"),
        (lambda plan: plan.with_name("model.plan.json").unlink(), "has no record model.plan.json that can be read"),
        (lambda plan: plan.with_name("model.plan.json").write_text("{"), "its record is not valid JSON"),
        (lambda plan: plan.with_name("model.plan.json").write_text("[]"), "its record is of another engine"),
        (lambda plan: plan.unlink(), "is missing, and model.plan.json speaks of it"),
        (lambda plan: put_plan(plan.parents[2], 2, graph_sha256="0"), "was built from another graph than m_classifier"),
    ],
)
def test_an_engine_that_is_not_the_one_of_its_record_is_found_and_kept_from_service(
    tmp_path: Path, damage: Damage, words: str
) -> None:
    make_repository(tmp_path, 2)
    damage(put_plan(tmp_path, 2))
    (finding,) = findings(tmp_path)
    assert finding.startswith("m 2: m_classifier/2/model.plan: ")
    assert words in finding
    assert finding.endswith(REBUILD)
    with pytest.raises(RepositoryError, match=r"^m version 2 cannot be put in service: m_classifier/2/model\.plan: "):
        require_sound(tmp_path, "m", 2)


def test_an_engine_whose_labels_nobody_compared_is_found_and_left_to_the_server(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    put_plan(tmp_path, 2, passed=False)
    assert findings(tmp_path) == [
        "m 2: model.plan was built without comparing labels: build it again without --unproved, or remove it"
    ]
    require_sound(tmp_path, "m", 2)


def test_a_failed_certificate_is_found(tmp_path: Path) -> None:
    publish_version(tmp_path, passed=False)
    (line,) = findings(tmp_path)
    assert "m 1: its certificate did not pass" in line


def test_a_version_that_is_named_and_gone_is_found(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    (tmp_path / "m" / "2").rename(tmp_path / "aside")
    assert [line for line in findings(tmp_path) if "m/2: is named and not there" in line]


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    make_repository(tmp_path, 1)
    with pytest.raises(RepositoryError, match="no model 'x'; there are m"):
        list(verify(tmp_path, ["x"]))


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_changed_byte_of_any_certified_file_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = make_repository(tmp_path_factory.mktemp("repository"), 1)
    files = sorted(p for folder in ("m/1", "m_classifier/1") for p in (root / folder).iterdir())
    path = data.draw(st.sampled_from([p for p in files if p.name != "manifest.json"]))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert findings(root)
