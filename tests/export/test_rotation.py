"""Promote, roll back, prune: which version serves afterwards, what is kept, what is refused."""

import fcntl
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.export.repositories import FACTS, make_repository, publish_version, put_plan
from tritext_export.errors import RepositoryError
from tritext_export.layout import CONFIG_FILE
from tritext_export.repository import published_versions, stage, versions_on_disk
from tritext_export.rotation import promote, prune, roll_back
from tritext_export.triton import from_text
from tritext_export.verification import verify
from tritext_serve.certified import doubts
from tritext_serve.repository import scan


def configs(root: Path) -> dict[str, list[int]]:
    """Every configuration with the versions it names."""
    return {
        str(path.relative_to(root)): list(from_text(path.read_text()).version_policy.specific.versions)
        for path in sorted(root.rglob("*.pbtxt"))
    }


def test_promoting_lets_every_configuration_name_the_version(tmp_path: Path) -> None:
    make_repository(tmp_path, 3)
    assert promote(tmp_path, "m", 2) == 3
    assert set(map(tuple, configs(tmp_path).values())) == {(2,)}
    assert {"m/configs/gpu.pbtxt", "m_classifier/configs/gpu-tensorrt-ep.pbtxt"} <= set(configs(tmp_path))
    assert doubts(tmp_path, scan(tmp_path)) == ()
    assert versions_on_disk(tmp_path, "m") == [1, 2, 3]


def test_a_version_of_other_limits_comes_back_with_them(tmp_path: Path) -> None:
    publish_version(tmp_path, replace(FACTS, max_length=24, max_batch_size=8))
    publish_version(tmp_path)
    promote(tmp_path, "m", 1)
    config = from_text((tmp_path / "m_classifier" / CONFIG_FILE).read_text())
    assert config.max_batch_size == 8
    assert {warmup.name for warmup in config.model_warmup} == {"8x16", "8x24"}


def test_a_users_own_configuration_gets_the_version_and_keeps_the_rest(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    own = tmp_path / "m_classifier" / "configs" / "mine.pbtxt"
    own.write_text('backend: "onnxruntime" max_batch_size: 5 version_policy { specific { versions: 2 } }')
    latest = tmp_path / "m" / "configs" / "latest.pbtxt"
    latest.write_text('backend: "tritext" version_policy { latest { num_versions: 1 } }')
    promote(tmp_path, "m", 1)
    config = from_text(own.read_text())
    assert (list(config.version_policy.specific.versions), config.max_batch_size) == ([1], 5)
    assert "latest" in latest.read_text()


def test_a_plan_brings_its_configuration_and_takes_it_away(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    assert "m_classifier/configs/tensorrt.pbtxt" not in configs(tmp_path)
    put_plan(tmp_path, 2)
    promote(tmp_path, "m", 2)
    assert configs(tmp_path)["m_classifier/configs/tensorrt.pbtxt"] == [2]
    assert configs(tmp_path)["m/configs/tensorrt.pbtxt"] == [2]
    assert [f for _, _, findings in verify(tmp_path) for f in findings] == []
    promote(tmp_path, "m", 1)
    assert not [name for name in configs(tmp_path) if "tensorrt.pbtxt" in name]


def test_rolling_back_skips_what_is_not_sound(tmp_path: Path) -> None:
    make_repository(tmp_path, 3)
    (tmp_path / "m_classifier" / "2" / "model.onnx").write_bytes(b"")
    assert roll_back(tmp_path, "m") == (3, 1)
    assert published_versions(tmp_path, "m") == published_versions(tmp_path, "m_classifier") == [1]
    with pytest.raises(RepositoryError, match="nothing to go back to from version 1: there is no older one"):
        roll_back(tmp_path, "m")


def test_rolling_back_to_nothing_sound_names_what_was_tried(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    shutil.rmtree(tmp_path / "m" / "1")
    with pytest.raises(RepositoryError, match="from version 2: 1 cannot be served"):
        roll_back(tmp_path, "m")
    assert published_versions(tmp_path, "m") == [2]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (
            "m_classifier/1/model.onnx",
            b"\x08\x08",
            r"m_classifier/1/model.onnx: its sha256 is [0-9a-f]{12}…, certified",
        ),
        ("m/1/certificate.json", b'{"passed": false}', "its certificate did not pass"),
        ("m/1/manifest.json", b'{"name": "m", "version": 7}', r"manifest.json is that of m 7"),
        ("m/1/manifest.json", b"[]", "holds a list, not an object"),
        ("m/1/model.py", b"print()", "m/1/model.py: is not in manifest.json: move it away"),
    ],
)
def test_what_is_not_as_certified_is_not_promoted(tmp_path: Path, file: str, content: bytes, words: str) -> None:
    make_repository(tmp_path, 2)
    before = configs(tmp_path)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(RepositoryError, match=f"m version 1 cannot be put in service: .*{words}"):
        promote(tmp_path, "m", 1)
    assert configs(tmp_path) == before


def test_versions_and_models_that_are_not_there_are_named(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    with pytest.raises(RepositoryError, match="m has no version 9; there are 1, 2"):
        promote(tmp_path, "m", 9)
    with pytest.raises(RepositoryError, match="no model 'x'; there are m"):
        promote(tmp_path, "x", 1)
    with pytest.raises(RepositoryError, match="no such directory"):
        prune(tmp_path / "nowhere", [], 1)


def test_nothing_is_changed_while_an_export_writes(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    with stage(tmp_path, "m"):
        for change in (lambda: promote(tmp_path, "m", 1), lambda: prune(tmp_path, [], 1)):
            with pytest.raises(RepositoryError, match="another export is writing to it"):
                change()
    assert published_versions(tmp_path, "m") == [2]


def test_pruning_keeps_the_newest_and_the_one_in_service(tmp_path: Path) -> None:
    make_repository(tmp_path, 5)
    promote(tmp_path, "m", 2)
    assert prune(tmp_path, [], 2, pretend=True) == [("m", 1, "would be removed"), ("m", 3, "would be removed")]
    assert versions_on_disk(tmp_path, "m") == [1, 2, 3, 4, 5]
    assert prune(tmp_path, ["m"], 2) == [("m", 1, "removed"), ("m", 3, "removed")]
    assert versions_on_disk(tmp_path, "m") == [2, 4, 5]
    assert {p.name for p in tmp_path.iterdir()} == {".lock", "m", "m_classifier"}
    assert [f for _, _, findings in verify(tmp_path) for f in findings] == []


def test_a_rehearsal_removes_nothing_that_a_killed_export_left(tmp_path: Path) -> None:
    left_over = make_repository(tmp_path, 2) / ".staging-dead" / "m"
    left_over.mkdir(parents=True)
    assert prune(tmp_path, [], 1, pretend=True) == [("m", 1, "would be removed")]
    assert left_over.is_dir()
    prune(tmp_path, [], 1)
    assert not list(tmp_path.glob(".staging-*"))


def test_pruning_leaves_what_a_running_server_holds(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    held = os.open(tmp_path / "m_classifier" / "1", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert prune(tmp_path, [], 1) == [("m", 1, "kept: a running server has it")]
    finally:
        os.close(held)
    assert prune(tmp_path, [], 1) == [("m", 1, "removed")]


def test_pruning_tidies_up_after_a_killed_export(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    shutil.copytree(tmp_path / "m_classifier" / "2", tmp_path / "m_classifier" / "3")
    for name in ("config.pbtxt", "configs/gpu.pbtxt"):
        path = tmp_path / "m_classifier" / name
        path.write_text(path.read_text().replace("versions: 2", "versions: 2 versions: 3"))
    assert prune(tmp_path, [], 2) == [("m", 3, "removed")]
    assert set(map(tuple, configs(tmp_path).values())) == {(2,)}
    assert versions_on_disk(tmp_path, "m") == [1, 2]


def test_a_version_that_would_break_clients_is_not_promoted(tmp_path: Path) -> None:
    make_repository(tmp_path, 2)
    manifest = tmp_path / "m" / "1" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"labels": ["yes", "no"]}))
    with pytest.raises(RepositoryError, match="has other labels, inputs or outputs"):
        promote(tmp_path, "m", 1)
