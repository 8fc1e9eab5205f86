"""Publishing: what stands on disk at every moment, and what is refused."""

import contextlib
import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.export.repositories import make_repository, publish_version
from tritext_export import repository as repositories
from tritext_export.errors import RepositoryError
from tritext_export.repository import publish, published_version, stage
from tritext_export.rotation import promote, prune
from tritext_export.triton import ModelFacts, from_text
from tritext_export.verification import model_problems, verify
from tritext_serve.certified import doubts
from tritext_serve.repository import scan

FACTS = ModelFacts("m", ("input_ids", "attention_mask"), 2)
LABELS = ("no", "yes")


def fill(staging: repositories.Staging) -> None:
    """Put a version's files into the staging folder."""
    (staging.version_directory("m") / "manifest.json").write_text(f'{{"version": {staging.version}}}')
    (staging.version_directory("m_classifier") / "model.onnx").write_bytes(b"onnx" * staging.version)


def export(root: Path, facts: ModelFacts = FACTS, labels: tuple[str, ...] = LABELS) -> Path:
    """Publish one more version."""
    with stage(root, facts.name) as staging:
        fill(staging)
        return publish(root, staging, facts, labels)


def served_versions(root: Path, model: str) -> list[int]:
    """The versions that a model's config names; none where there is no such model."""
    path = root / model / "config.pbtxt"
    return list(from_text(path.read_text()).version_policy.specific.versions) if path.exists() else []


def require_loadable(root: Path) -> list[int]:
    """Check what Triton needs of a repository, and give the front's versions."""
    for folder in root.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            for version in served_versions(root, folder.name):
                assert any((folder / str(version)).iterdir()), f"{folder.name} {version} is named but not there"
            assert (folder / "labels.txt").read_text() == "no\nyes\n"
    front = served_versions(root, "m")
    assert set(front) <= set(served_versions(root, "m_classifier"))
    return front


def test_the_first_version(tmp_path: Path) -> None:
    directory = export(tmp_path / "new" / "repository")
    assert directory == tmp_path / "new" / "repository" / "m" / "1"
    assert require_loadable(tmp_path / "new" / "repository") == [1]


def test_a_second_version_replaces_the_first_which_stays_on_disk(tmp_path: Path) -> None:
    export(tmp_path)
    export(tmp_path)
    assert require_loadable(tmp_path) == [2]
    assert served_versions(tmp_path, "m_classifier") == [2]
    assert (tmp_path / "m" / "1").is_dir()
    assert published_version(tmp_path, "m") == 2


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["publish", "promote", "rollback", "prune"])
def test_killed_at_any_moment_the_old_version_or_the_new_one_can_be_served(tmp_path: Path, operation: str) -> None:
    source = make_repository(tmp_path / "source", 3)
    (tmp_path / "killed").mkdir()
    command = [sys.executable, "-m", "tests.export.dying", operation, str(source), str(tmp_path / "killed")]
    assert subprocess.run(command, check=False, timeout=200, cwd=Path(__file__).parents[2]).returncode == 0
    (before,) = served_versions(source, "m")
    (after,) = served_versions(tmp_path / "killed" / "whole", "m")
    assert len(list((tmp_path / "killed").iterdir())) > 10, "too few moments"
    seen = set()
    for root in (tmp_path / "killed").iterdir():
        assert doubts(root, scan(root)) == ()
        assert list(model_problems(root, "m")) == []
        seen |= set(require_loadable(root))
        prune(root, [], keep=1)
        assert [finding for _, _, findings in verify(root) for finding in findings] == [], "what is left can be tidied"
        assert not list(root.glob(".staging-*"))
    assert seen == {before, after}


@pytest.mark.slow
def test_a_first_export_that_is_killed_shows_nothing_or_all(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "killed").mkdir()
    command = [
        sys.executable,
        "-m",
        "tests.export.dying",
        "publish",
        str(tmp_path / "source"),
        str(tmp_path / "killed"),
    ]
    assert subprocess.run(command, check=False, timeout=200, cwd=Path(__file__).parents[2]).returncode == 0
    seen = set()
    for root in (tmp_path / "killed").iterdir():
        front = require_loadable(root)
        seen.add(tuple(front))
        if front:
            assert doubts(root, scan(root)) == ()
        publish_version(root)
        assert len(require_loadable(root)) == 1
    assert seen == {(), (1,)}


def test_a_failed_export_leaves_no_trace(tmp_path: Path) -> None:
    export(tmp_path)
    with pytest.raises(ZeroDivisionError):
        fail_while_staging(tmp_path)
    assert require_loadable(tmp_path) == [1]
    assert {p.name for p in tmp_path.iterdir()} == {".lock", "m", "m_classifier"}


def fail_while_staging(root: Path) -> None:
    """An export that breaks off when its files are written."""
    with stage(root, "m") as staging:
        fill(staging)
        raise ZeroDivisionError


def test_two_exports_at_once(tmp_path: Path) -> None:
    with stage(tmp_path, "m"), pytest.raises(RepositoryError, match="another export is writing"), stage(tmp_path, "m"):
        pass


def test_the_lock_of_a_dead_export_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    assert export(tmp_path).name == "1"
    with (tmp_path / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("facts", "labels"),
    [
        (ModelFacts("m", FACTS.inputs, 3), ("no", "yes", "maybe")),
        (ModelFacts("m", (*FACTS.inputs, "token_type_ids"), 2), LABELS),
        (ModelFacts("m", FACTS.inputs, 2, "mood"), LABELS),
        (FACTS, ("yes", "no")),
    ],
    ids=["more labels", "another input", "another output", "labels swapped"],
)
def test_a_version_that_would_break_the_models_clients_is_refused(
    tmp_path: Path, facts: ModelFacts, labels: tuple[str, ...]
) -> None:
    export(tmp_path)
    with pytest.raises(RepositoryError, match="publish this one under another --name"):
        export(tmp_path, facts, labels)
    assert require_loadable(tmp_path) == [1]


def test_a_left_over_classifier_of_another_shape_is_not_taken_over(tmp_path: Path) -> None:
    export(tmp_path)
    shutil.rmtree(tmp_path / "m")
    with pytest.raises(RepositoryError, match="m_classifier: the published model has other labels"):
        export(tmp_path, ModelFacts("m", FACTS.inputs, 3), ("no", "yes", "maybe"))


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RepositoryError, match="a file is in the way"):
        export(tmp_path / "file")


@contextlib.contextmanager
def mounted(directory: Path, *options: str) -> Iterator[Path]:
    """A small file system of its own."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True, timeout=10).returncode:
        pytest.skip("MISSING: the right to mount a tmpfs (root), so a full disk was not tried")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True, timeout=10)


def overfill(root: Path) -> None:
    """An export of more than the disk holds."""
    with stage(root, "m") as staging:
        fill(staging)
        (staging.version_directory("m") / "model.onnx").write_bytes(b"x" * 300_000)


def test_a_full_disk_keeps_the_version_in_service(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        make_repository(disk / "repository", 2)
        fill_up(disk)
        with pytest.raises(RepositoryError, match="No space left on device: free some space"):
            promote(disk / "repository", "m", 1)
        assert doubts(disk / "repository", scan(disk / "repository")) == ()
        assert require_loadable(disk / "repository") == [2]
        (disk / "ballast").unlink()
        promote(disk / "repository", "m", 1)
        assert require_loadable(disk / "repository") == [1]


def fill_up(disk: Path) -> None:
    """Leave not a page."""
    with (disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_limit_on_file_sizes_keeps_the_old_version(tmp_path: Path) -> None:
    """Where no disk can be filled, the kernel's own limit on a file's size stops a write half-way."""
    export(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
        with pytest.raises(RepositoryError, match=r"File too large: raise the limit on a file's size \(ulimit -f\)"):
            export(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert require_loadable(tmp_path) == [1]
    assert export(tmp_path).parent == tmp_path / "m"


def test_a_full_disk_keeps_the_old_version(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=256k") as disk:
        export(disk)
        with pytest.raises(RepositoryError, match="No space left on device: free some space"):
            overfill(disk)
        assert require_loadable(disk) == [1]
        assert export(disk).name == "2"


def test_a_read_only_repository(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "ro") as disk, pytest.raises(RepositoryError, match="mounted read-only"):
        export(disk / "repository")


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)  # a network file system would be needed to see it for real
    with pytest.raises(RepositoryError, match="No locks available: its file system keeps no locks"):
        export(tmp_path)


def test_a_repository_that_belongs_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere, so the kernel cannot be asked
    with pytest.raises(RepositoryError, match="Permission denied: give yourself the right"):
        export(tmp_path / "repository")
