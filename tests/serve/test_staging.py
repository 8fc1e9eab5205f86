"""A server's own folder: private, complete, and swept when its owner is gone."""

import contextlib
import errno
import json
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.serve.small_disk import small_disk
from tests.serve.test_repository import make
from tritext_export.disk import in_use
from tritext_serve import staging, wheel
from tritext_serve.errors import RepositoryError, StartError
from tritext_serve.model_config import parse
from tritext_serve.repository import scan
from tritext_serve.sizing import Sizing

SHARED_MEMORY = Path("/dev/shm")
OPEN = Path("/proc/self/fd")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> staging.Stage:
    """A staged server in a temporary folder of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    repository = make(tmp_path / "repository", "m/2/model.onnx", "m/configs/gpu.pbtxt", "m/warmup/ones_16")
    return staging.build(wheel.find(), scan(repository), lambda model: Sizing(1, 1))


def test_the_folder_is_private_and_the_stub_can_run(stage: staging.Stage) -> None:
    assert stat.S_IMODE(stage.root.stat().st_mode) == 0o700
    assert (stage.backends / "python" / wheel.STUB).stat().st_mode & stat.S_IXUSR
    assert {p.name for p in stage.backends.iterdir()} == {"python", "tritext", "onnxruntime"}


def test_the_view_links_served_versions_only(stage: staging.Stage) -> None:
    model = stage.models / "m"
    assert {p.name for p in model.iterdir()} == {"config.pbtxt", "labels.txt", "warmup", "2"}
    assert (model / "warmup" / "ones_16").is_file()
    assert {p.name for p in (model / "2").iterdir()} == {"manifest.json", "model.onnx"}
    assert (model / "2").is_symlink()


def test_a_folder_that_cannot_be_filled_goes_with_its_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    repository = make(tmp_path / "repository", "m/2/model.onnx")

    def no_room(model: object) -> Sizing:
        assert held_open(tmp_path), "its versions are locked by now"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StartError, match=f"^{tmp_path}: No space left on device: make room there, or set TMPDIR"):
        staging.build(wheel.find(), scan(repository), no_room)
    assert not list(tmp_path.glob("tritext-serve-*"))
    assert held_open(tmp_path) == []


def test_a_full_disk_is_told_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make(tmp_path / "repository", "m/2/model.onnx")
    with small_disk(tmp_path / "small", 1 << 20) as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with pytest.raises(StartError, match=rf"^{folder}: No space left on device: make room there, or set TMPDIR"):
            staging.build(wheel.find(), scan(repository), lambda model: Sizing(1, 1))
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["two words", "größe", "a;b", "$HOME"])
def test_a_folder_that_a_shell_would_read_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Triton starts its backends' processes by `bash -c`, and quotes nothing."""
    repository = make(tmp_path / "repository", "m/2/model.onnx")
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    with pytest.raises(StartError, match="Triton takes no such path: set TMPDIR to one of letters"):
        staging.build(wheel.find(), scan(repository), lambda model: Sizing(1, 1))
    assert list((tmp_path / name).iterdir()) == []
    assert held_open(tmp_path) == []


def held_open(folder: Path) -> list[str]:
    """What this process holds open there; other threads of it open and close what is elsewhere."""
    found = []
    for descriptor in OPEN.iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(descriptor.readlink()))
    return [path for path in found if path.startswith(str(folder))]


def test_a_dead_owners_folder_is_swept_and_a_living_ones_is_not(stage: staging.Stage, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left_over, region = tmp_path / f"tritext-serve-{ended.pid}-abc", SHARED_MEMORY / f"tritext-serve-{ended.pid}-abc1"
    left_over.mkdir()
    region.touch()
    own = SHARED_MEMORY / f"{stage.regions}2"
    own.touch()
    staging.sweep()
    assert not left_over.exists()
    assert not region.exists()
    assert stage.root.is_dir()
    assert own.is_file()
    staging.remove(stage)
    assert not own.exists()


def test_a_classifier_in_its_fronts_process_is_no_model_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    repository = make(tmp_path / "repository", "m/2/tokenizer.json", "m_classifier/2/model.onnx")
    said = {
        "m": 'backend: "tritext" parameters { key: "classifier" value { string_value: "m_classifier" } }',
        "m_classifier": 'backend: "onnxruntime"',
    }
    for name, config in said.items():
        (repository / name / "config.pbtxt").write_text(config)
    arrangement = staging.Arrangement("in-process", "cuda", max_queue=7, witness=tmp_path / "ticket")
    stage = staging.build(wheel.find(), scan(repository), lambda model: Sizing(1, 3), arrangement)
    assert [path.name for path in stage.models.iterdir()] == ["m"]
    engine = stage.engines / "m_classifier"
    assert (engine / "2" / "model.onnx").is_file()
    assert json.loads((engine / "config.json").read_text())["parameters"]["device"] == {"string_value": "cuda"}
    front = parse((stage.models / "m" / "config.pbtxt").read_text(), "m")
    told = {key: value.string_value for key, value in front.parameters.items() if key != "classifier"}
    assert told == {
        "engine_directory": str(engine), "lanes": "3", "max_queue": "7", "witness": str(tmp_path / "ticket"),
    }  # fmt: skip
    staging.remove(stage)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", "20"),
        ("dynamic_batching { default_queue_policy { max_queue_size: 3 } }", "3"),
        ('parameters { key: "max_queue" value { string_value: "4" } }', "4"),
        ('parameters { key: "max_queue" value { string_value: "99" } }', "20"),
    ],
)
def test_a_repository_may_shorten_the_queue_and_not_lengthen_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, expected: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    repository = make(tmp_path / "repository")
    (repository / "m" / "config.pbtxt").write_text(f'backend: "tritext" {own}')
    arrangement = staging.Arrangement(usual_queue=20)
    stage = staging.build(wheel.find(), scan(repository), lambda model: Sizing(1, 1), arrangement)
    assert (
        f'key: "max_queue"\n  value {{\n    string_value: "{expected}"'
        in (stage.models / "m" / "config.pbtxt").read_text()
    )
    staging.remove(stage)


def test_removal_leaves_nothing(stage: staging.Stage) -> None:
    staging.remove(stage)
    assert not stage.root.exists()


def test_served_versions_are_held_until_the_end(stage: staging.Stage, tmp_path: Path) -> None:
    served, other = (tmp_path / "repository" / "m" / version for version in ("2", "1"))
    assert (in_use(served), in_use(other)) == (True, False)
    staging.remove(stage)
    assert not in_use(served)


def test_a_version_that_is_removed_meanwhile_is_named(tmp_path: Path) -> None:
    models = scan(make(tmp_path / "repository"))
    (tmp_path / "repository" / "m" / "2").rename(tmp_path / "pruned")
    with pytest.raises(RepositoryError, match="m/2: is being removed: serve again what is in service now"):
        staging.build(wheel.find(), models, lambda model: Sizing(1, 1))
