"""A server's own folder: backends put together from the wheel and from here, and a view of the repository.

The view holds each model's ``config.pbtxt`` rewritten for this machine and links to the version folders that are
served, whose files have been checked, so the repository itself is never written to.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritext_serve.model_config import resize
from tritext_serve.repository import MODEL_FILES, Model
from tritext_serve.sizing import Sizing
from tritext_serve.wheel import STUB, TritonWheel

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
    """

    root: Path
    backends: Path
    models: Path
    log: Path


def build(wheel: TritonWheel, models: Sequence[Model], sizing: Callable[[Model], Sizing]) -> Stage:
    """Make the folder; it is this user's alone."""
    root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    stage = Stage(root, root / "backends", root / "models", root / "triton.log")
    _stage_backends(wheel, stage.backends)
    for model in models:
        _stage_model(model, stage.models / model.name, sizing(model))
    (root / "tmp").mkdir()
    return stage


def remove(stage: Stage) -> None:
    """Remove the folder and all in it."""
    shutil.rmtree(stage.root, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of servers whose process was killed before it could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


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
    # The folder as a whole: ONNX Runtime refuses weights beside a model that are links of their own.
    for version in model.served_versions:
        (target / version.name).symlink_to(version.resolve())
