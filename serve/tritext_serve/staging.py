"""A server's own folder: backends put together from the wheel and from here, and a view of the repository.

The view holds each model's ``config.pbtxt`` rewritten for this machine and links to the version folders that are
served, whose files have been checked, so the repository itself is never written to. The folders are locked, shared,
for as long as the server lives: `tritext repository prune` leaves them alone. ``configs/`` is for other servers.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritext_serve.errors import RepositoryError
from tritext_serve.model_config import resize
from tritext_serve.repository import MODEL_FILES, Model
from tritext_serve.sizing import Sizing
from tritext_serve.wheel import STUB, TritonWheel

WARMUP_FOLDER = "warmup"
BACKENDS = Path(__file__).with_name("backends")
_PREFIX = "tritext-serve-"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a server finds its parts.

    Attributes:
        root: The folder that holds all of it, removed when the server has stopped.
        backends: What ``--backend-directory`` names.
        models: What ``--model-repository`` names.
        log: Where the server writes its log.
        locks: Open descriptors of the version folders that are served.
    """

    root: Path
    backends: Path
    models: Path
    log: Path
    locks: tuple[int, ...] = ()


def build(wheel: TritonWheel, models: Sequence[Model], sizing: Callable[[Model], Sizing]) -> Stage:
    """Make the folder; it is this user's alone.

    Raises:
        RepositoryError: a version has been removed since it was checked.
    """
    locks = _lock(models)
    root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    stage = Stage(root, root / "backends", root / "models", root / "triton.log", locks)
    _stage_backends(wheel, stage.backends)
    for model in models:
        _stage_model(model, stage.models / model.name, sizing(model))
    (root / "tmp").mkdir()
    return stage


def remove(stage: Stage) -> None:
    """Remove the folder and all in it, and let go of the versions."""
    shutil.rmtree(stage.root, ignore_errors=True)
    for descriptor in stage.locks:
        os.close(descriptor)


def sweep() -> None:
    """Remove the folders of servers whose process was killed before it could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


def _lock(models: Sequence[Model]) -> tuple[int, ...]:
    """Open and lock every version folder that is served; the kernel unlocks them when this process is gone."""
    descriptors: list[int] = []
    try:
        for folder in (version for model in models for version in model.served_versions):
            descriptors.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
            fcntl.flock(descriptors[-1], fcntl.LOCK_SH | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(descriptors[-1]), folder.stat()):
                raise FileNotFoundError
    except (FileNotFoundError, BlockingIOError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise RepositoryError(f"{folder}: is being removed: serve again what is in service now") from error
    except OSError:  # a file system without locks: whoever prunes there must know what runs
        return tuple(descriptors)
    return tuple(descriptors)


def _stage_backends(wheel: TritonWheel, target: Path) -> None:
    python = target / "python"
    shutil.copytree(wheel.python_backend, python, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(wheel.stub, python / STUB)
    (python / STUB).chmod(0o700)
    shutil.copytree(BACKENDS, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def _stage_model(model: Model, target: Path, sizing: Sizing) -> None:
    target.mkdir(parents=True)
    (target / "config.pbtxt").write_text(resize(model.config, sizing), encoding="utf-8")
    for name in MODEL_FILES - {"config.pbtxt"}:
        if (model.directory / name).is_file():
            (target / name).symlink_to((model.directory / name).resolve())
    if (model.directory / WARMUP_FOLDER).is_dir():
        (target / WARMUP_FOLDER).symlink_to((model.directory / WARMUP_FOLDER).resolve())
    # The folder as a whole: ONNX Runtime refuses weights beside a model that are links of their own.
    for version in model.served_versions:
        (target / version.name).symlink_to(version.resolve())
