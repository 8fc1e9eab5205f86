"""From a model's name to an engine file: published graph, precision, builder, proof, file and record.

::

    published version ──► graph in its precision ──► Builder ──► engine ──► file, and a record beside it
                                   │                                │
                      no GPU: the fp16 graph, rounded,    a GPU: the engine itself
                      answers on the CPU                  answers on it
                                   └──── certificate: passes, or nothing is written ────┘
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tritext_export.certificate import require
from tritext_export.disk import explained, locked, write_atomically
from tritext_export.errors import EngineError, first_line
from tritext_export.request import Progress
from tritext_export.tensorrt.builder import Builder
from tritext_export.tensorrt.profiles import Profile, plan_profiles
from tritext_export.tensorrt.proof import Questions, Texts, ask_certified, prove_engine, prove_half
from tritext_export.tensorrt.record import RECORD_SUFFIX, Built, Evidence, find_entry, to_entry, to_text
from tritext_export.tensorrt.runner import LoadedEngine, NotRun, Runner
from tritext_export.tensorrt.source import EngineSource, find_source
from tritext_export.tensorrt.timing import measure_engine

if TYPE_CHECKING:
    from onnx import ModelProto

Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """What engine to make.

    Attributes:
        repository: The model repository.
        name: The front's name.
        precision: What the engine computes in.
        texts: Labelled texts that the engine must give the same labels on, or, where it cannot run, its fp16 graph;
            None goes without that proof.
        max_tokens: Budget of a sub-batch that the engine must take; None for what the front's configurations name.
        output: The file to write; None for ``model.plan`` in the classifier's version folder, where Triton looks.
        run: Whether to run the engine where there is a GPU for it.
        unproved: Whether an engine is taken whose labels nobody compares, though they could be.
    """

    repository: Path
    name: str
    precision: Precision = "fp16"
    texts: Texts | None = None
    max_tokens: int | None = None
    output: Path | None = None
    run: bool = True
    unproved: bool = False


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that was made.

    Attributes:
        path: Its file; the record lies beside it.
        version: The version of the model that it is of.
        library: What built it; it runs with no other.
        size: Bytes.
        profiles: The shapes it takes.
        evidence: What speaks for its labels.
    """

    path: Path
    version: int
    library: str
    size: int
    profiles: tuple[Profile, ...]
    evidence: Evidence

    @property
    def record(self) -> Path:
        """What is known of it, as JSON."""
        return _record_path(self.path)


def make_engine(request: EngineRequest, builder: Builder, progress: Progress) -> Engine:
    """Make an engine from the version in service.

    Raises:
        ExportError: anything that keeps it from being made, or labels that changed; the file is as it was.
    """
    source = find_source(request.repository, request.name)
    profiles = plan_profiles(request.max_tokens or source.max_tokens, source.max_texts, source.max_length)
    runner = builder.runner() if request.run else NotRun("it was not asked to (--no-run)")
    questions = _questions(request, source, runner, progress)
    graph = _graph(request.precision, source, progress)
    onnx = _serialised(graph, request.precision, source)
    built = _describe(request, source, builder.version, profiles, hashlib.sha256(onnx).hexdigest())
    if isinstance(runner, NotRun):  # nothing is built of a graph that does not pass
        evidence = _ask_graph(request, graph, questions, runner, progress)
        engine = _build(builder, onnx, built, progress)
    else:
        engine = _build(builder, onnx, built, progress)
        evidence = _ask_engine(request, engine, questions, runner, progress)
    path = _write(request, source, engine, to_entry(built, evidence, len(engine)))
    return Engine(path, source.version, builder.version, len(engine), profiles, evidence)


def _build(builder: Builder, onnx: bytes, built: Built, progress: Progress) -> bytes:
    progress.step(f"building the {built.precision} engine with {builder.version}")
    # What an engine is of can be read from it, wherever it is copied to.
    name = f"{built.model}:{built.version}:{built.precision}:{built.parsed_sha256[:16]}"
    return builder.build(onnx, built.profiles, name)


def _questions(
    request: EngineRequest, source: EngineSource, runner: Runner | NotRun, progress: Progress
) -> Questions | None:
    """Prepare what is to be compared; nothing where the engine is of the certified graph itself and cannot run."""
    absent = isinstance(runner, NotRun)
    if request.texts is None and not request.unproved and not (absent and request.precision == "fp32"):
        where = "" if isinstance(runner, NotRun) else f", which can be asked on {runner.device}"
        raise EngineError(
            f"an {request.precision} engine{where}: give --texts to prove the labels on, or say --unproved"
        )
    if request.texts is None or (absent and request.precision == "fp32"):
        return None
    return ask_certified(source, request.texts, progress)


def _graph(precision: Precision, source: EngineSource, progress: Progress) -> "ModelProto":
    model = source.load()
    if precision == "fp32":
        return model
    from tritext_export.half import to_half

    progress.step("turning the graph to fp16")
    return to_half(model)


def _serialised(graph: "ModelProto", precision: Precision, source: EngineSource) -> bytes:
    try:
        return bytes(graph.SerializeToString())
    except ValueError as error:  # protobuf's bound
        raise EngineError(f"{source.model}: over 2 GB in {precision}, which TensorRT's parser cannot take") from error


def _ask_graph(
    request: EngineRequest, graph: "ModelProto", questions: Questions | None, runner: NotRun, progress: Progress
) -> Evidence:
    """Gather what can be known of an engine that does not run."""
    if questions is None:
        return Evidence("graph" if request.precision == "fp32" else "nothing", reason=runner.reason)
    certificate = prove_half(questions, graph, progress)
    require(certificate)
    return Evidence("graph", reason=runner.reason, certificate=certificate)


def _ask_engine(
    request: EngineRequest, engine: bytes, questions: Questions | None, runner: Runner, progress: Progress
) -> Evidence:
    """Let an engine answer, and refuse one that changes labels."""
    if questions is None:
        return Evidence("nothing", reason="no texts were given (--unproved)")
    progress.step(f"running the engine on {runner.device}")
    with runner.load(engine) as loaded:
        certificate = prove_engine(questions, loaded, request.precision, progress)
        require(certificate)
        costs = _time(questions, loaded, progress)
        used = sorted(loaded.used)
    return Evidence("engine", runner.device, certificate=certificate, milliseconds=costs, profiles_run=used)


def _time(questions: Questions, loaded: LoadedEngine, progress: Progress) -> dict[str, float]:
    """Time a proved engine; what keeps it from being timed does not keep it from being written."""
    try:
        return measure_engine(questions, loaded, progress)
    except Exception as error:  # the GPU's memory may do for the engine and not for ONNX Runtime beside it
        progress.step(f"not timed: {first_line(error)}")
        return {}


def _describe(
    request: EngineRequest, source: EngineSource, library: str, profiles: tuple[Profile, ...], digest: str
) -> Built:
    graph = str(source.model.relative_to(request.repository))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    certified = str(source.manifest["files"][graph])
    return Built(source.name, source.version, request.precision, library, profiles, graph, certified, digest, now)


def _write(request: EngineRequest, source: EngineSource, engine: bytes, entry: Mapping[str, Any]) -> Path:
    from tritext_export.triton_gpu import PLAN_FILE

    if request.output is None:
        with locked(request.repository), explained(request.repository):
            _replace(source.classifier / PLAN_FILE, engine, entry)
        return source.classifier / PLAN_FILE
    with explained(request.output):
        request.output.parent.mkdir(parents=True, exist_ok=True)
        _replace(request.output, engine, entry)
    return request.output


def _replace(path: Path, engine: bytes, entry: Mapping[str, Any]) -> None:
    """Write an engine and its record so that at no moment one lies there without the other."""
    record, digest = _record_path(path), hashlib.sha256(engine).hexdigest()
    write_atomically(record, to_text(_entry_there(path, record) | {digest: entry}))
    write_atomically(path, engine)
    write_atomically(record, to_text({digest: entry}))


def _entry_there(path: Path, record: Path) -> dict[str, Any]:
    """Read what the record says of the engine that is about to be replaced; nothing where they do not fit."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {digest: find_entry(record.read_text(encoding="utf-8"), digest)}
    except (OSError, UnicodeDecodeError, EngineError):
        return {}


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + RECORD_SUFFIX)
