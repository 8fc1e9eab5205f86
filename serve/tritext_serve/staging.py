"""A server's own folder: backends put together from the wheel and from here, and a view of the repository.

The view holds each model's ``config.pbtxt`` rewritten for this machine and links to the version folders that are
served, whose files have been checked, so the repository itself is never written to. The folders are locked, shared,
for as long as the server lives: `tritext repository prune` leaves them alone. ``configs/`` is for other servers.

A classifier that its front runs in its own process is no model of the server: it lies beside the view, where the front
is told to look for it.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tritext_serve import model_config
from tritext_serve.errors import RepositoryError, StartError
from tritext_serve.model_config import resize
from tritext_serve.repository import MODEL_FILES, Model
from tritext_serve.settings import child_environment, gpu_environment
from tritext_serve.sizing import Sizing
from tritext_serve.tuned import Tuned
from tritext_serve.wheel import STUB, TritonWheel

WARMUP_FOLDER = "warmup"
BACKENDS = Path(__file__).with_name("backends")
ENGINE_CONFIG = "config.json"
_PREFIX = "tritext-serve-"
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where the kernel shows POSIX shared memory

EngineKind = Literal["in-process", "triton"]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Where classifiers run.

    Attributes:
        engine: In the front's own process, or as models of the server.
        device: What computes.
        max_queue: Requests that may wait for a front; where it is None, as many as ``usual_queue`` and the repository
            allow.
        usual_queue: What suits this machine.
        tuned: What is to be served otherwise than its configuration says, by the front's name.
        witness: The ticket by which fronts tell what they answer, if they are to.
    """

    engine: EngineKind = "triton"
    device: Device = "cpu"
    max_queue: int | None = None
    usual_queue: int = 256
    tuned: Mapping[str, Tuned] = field(default_factory=dict)
    witness: Path | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a server finds its parts.

    Attributes:
        root: The folder that holds all of it, removed when the server has stopped.
        backends: What ``--backend-directory`` names.
        models: What ``--model-repository`` names.
        log: Where the server writes its log.
        engines: Where classifiers lie that are no models of the server.
        locks: Open descriptors of the version folders that are served.
    """

    root: Path
    backends: Path
    models: Path
    log: Path
    engines: Path
    locks: tuple[int, ...] = ()

    @property
    def regions(self) -> str:
        """How the names of the server's shared-memory regions begin: no other server's do."""
        return self.root.name


def build(
    wheel: TritonWheel,
    models: Sequence[Model],
    sizing: Callable[[Model], Sizing],
    arrangement: Arrangement = Arrangement(),
) -> Stage:
    """Make the folder; it is this user's alone.

    Args:
        wheel: Where Triton's parts are.
        models: What to serve.
        sizing: Chooses each model's processes and threads.
        arrangement: Where the classifiers run.

    Raises:
        RepositoryError: a version has been removed since it was checked.
        StartError: there is no room, or the folder has a name that Triton cannot take.
    """
    locks = _lock(models)
    try:
        root = _make_root()
    except BaseException:
        _unlock(locks)
        raise
    stage = Stage(root, root / "backends", root / "models", root / "triton.log", root / "engines", locks)
    try:
        _fill(stage, wheel, models, sizing, arrangement)
    except OSError as error:
        remove(stage)
        raise _no_room(root.parent, error) from error
    except BaseException:
        remove(stage)
        raise
    return stage


def _make_root() -> Path:
    try:
        base = tempfile.gettempdir()
        if shlex.quote(base) != base:  # Triton starts stubs by a shell, unquoted; and they read paths as ASCII
            raise StartError(
                f"{base!r}: Triton takes no such path: set TMPDIR to one of letters, digits and ./_- alone"
            )
        return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    except OSError as error:
        raise _no_room(Path(error.filename or ".").parent, error) from error


def _no_room(folder: Path, error: OSError) -> StartError:
    why = error.strerror
    if isinstance(error, shutil.Error):  # of several files, each with its reason: the first is as good as any
        why = str(error.args[0][0][-1]).partition("] ")[2].partition(": ")[0]
    return StartError(f"{folder}: {why or error}: make room there, or set TMPDIR to a folder that has some")


def _fill(
    stage: Stage,
    wheel: TritonWheel,
    models: Sequence[Model],
    sizing: Callable[[Model], Sizing],
    arrangement: Arrangement,
) -> None:
    _stage_backends(wheel, stage.backends)
    stage.models.mkdir()
    inside = {model.classifier for model in models if model.is_front and arrangement.engine == "in-process"}
    for model in models:
        if model.name in inside:
            _stage_engine(model, stage.engines / model.name, arrangement)
        else:
            _stage_model(model, stage, sizing(model), arrangement)
    (stage.root / "tmp").mkdir()


def remove(stage: Stage) -> None:
    """Remove the folder and all in it and the regions that a stopped server has left, and let go of the versions."""
    shutil.rmtree(stage.root, ignore_errors=True)
    for region in _SHARED_MEMORY.glob(f"{stage.regions}*"):
        region.unlink(missing_ok=True)
    _unlock(stage.locks)


def sweep() -> None:
    """Remove the folders and regions of servers whose process was killed before it could."""
    for left in (*Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"), *_SHARED_MEMORY.glob(f"{_PREFIX}*")):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(FileNotFoundError):  # another server sweeps, too
            if not pid.isdecimal() or Path("/proc", pid).exists() or left.lstat().st_uid != os.getuid():
                continue
            if left.parent == _SHARED_MEMORY:
                left.unlink()
            else:
                shutil.rmtree(left, ignore_errors=True)


def environment(parts: TritonWheel, stage: Stage, device: Device = "cpu") -> dict[str, str]:
    """Compose what the server and its stubs are told by their environment."""
    libraries = ":".join(map(str, parts.libraries))
    told = child_environment(
        LD_LIBRARY_PATH=libraries,
        PYTHONDONTWRITEBYTECODE="1",
        TMPDIR=str(stage.root / "tmp"),
        TOKENIZERS_PARALLELISM="false",
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
    )
    return told | (gpu_environment(libraries) if device == "cuda" else {})


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
        _unlock(descriptors)
        raise RepositoryError(f"{folder}: is being removed: serve again what is in service now") from error
    except OSError:  # a file system without locks: whoever prunes there must know what runs
        return tuple(descriptors)
    return tuple(descriptors)


def _unlock(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _stage_backends(wheel: TritonWheel, target: Path) -> None:
    python = target / "python"
    shutil.copytree(wheel.python_backend, python, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(wheel.stub, python / STUB)
    (python / STUB).chmod(0o700)
    shutil.copytree(BACKENDS, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def _stage_engine(model: Model, target: Path, arrangement: Arrangement) -> None:
    """Put a classifier where its front finds it; its threads are the front's, so that each session has but one."""
    target.mkdir(parents=True)
    config = resize(model.config, Sizing(1, 1), _told(model, arrangement))
    (target / ENGINE_CONFIG).write_text(model_config.to_json(config), encoding="utf-8")
    _link_versions(model, target)


def _told(model: Model, arrangement: Arrangement) -> dict[str, str]:
    """Say what a model must know of this server."""
    if model.config.backend == model_config.ENGINE_BACKEND:
        return {model_config.DEVICE: arrangement.device}
    usual = min(model_config.own_queue(model.config) or arrangement.usual_queue, arrangement.usual_queue)
    told = {model_config.MAX_QUEUE: str(usual if arrangement.max_queue is None else arrangement.max_queue)}
    return told | ({model_config.WITNESS: str(arrangement.witness)} if arrangement.witness else {})


def _stage_model(model: Model, stage: Stage, sizing: Sizing, arrangement: Arrangement) -> None:
    target = stage.models / model.name
    target.mkdir()
    told, tuned = _told(model, arrangement), arrangement.tuned.get(model.name)
    if tuned:
        told |= tuned.parameters
    if model.is_front and arrangement.engine == "in-process":
        directory = str(stage.engines / model.classifier)
        told |= {model_config.ENGINE_DIRECTORY: directory, model_config.LANES: str(sizing.threads)}
    config = resize(model.config, sizing, told)
    if tuned and tuned.max_queue_delay_microseconds is not None:
        config.dynamic_batching.max_queue_delay_microseconds = tuned.max_queue_delay_microseconds
    (target / "config.pbtxt").write_text(model_config.to_text(config), encoding="utf-8")
    for name in MODEL_FILES - {"config.pbtxt"}:
        if (model.directory / name).is_file():
            (target / name).symlink_to((model.directory / name).resolve())
    if (model.directory / WARMUP_FOLDER).is_dir():
        (target / WARMUP_FOLDER).symlink_to((model.directory / WARMUP_FOLDER).resolve())
    _link_versions(model, target)


def _link_versions(model: Model, target: Path) -> None:
    # The folder as a whole: ONNX Runtime refuses weights beside a model that are links of their own.
    for version in model.served_versions:
        (target / version.name).symlink_to(version.resolve())
