"""From a model's name to an engine file: published graph, precision, proof, profiles, builder, file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tritext_export.certificate import Certificate, require
from tritext_export.disk import explained, locked, write_atomically
from tritext_export.errors import EngineError
from tritext_export.request import Progress
from tritext_export.tensorrt.builder import Builder
from tritext_export.tensorrt.profiles import Profile, plan_profiles
from tritext_export.tensorrt.proof import Texts, prove_half
from tritext_export.tensorrt.source import EngineSource, find_source

Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """What engine to make.

    Attributes:
        repository: The model repository.
        name: The front's name.
        precision: What the engine computes in.
        texts: Labelled texts that an fp16 graph must give the same labels on; None goes without that proof.
        max_tokens: Budget of a sub-batch that the engine must take; None for what the front's configurations name.
        output: The file to write; None for ``model.plan`` in the classifier's version folder, where Triton looks.
    """

    repository: Path
    name: str
    precision: Precision = "fp16"
    texts: Texts | None = None
    max_tokens: int | None = None
    output: Path | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that was made.

    Attributes:
        path: Its file.
        version: The version of the model that it is of.
        library: What built it; it runs with no other.
        size: Bytes.
        profiles: The shapes it takes.
        certificate: How its fp16 graph compares; None where that was not asked.
    """

    path: Path
    version: int
    library: str
    size: int
    profiles: tuple[Profile, ...]
    certificate: Certificate | None


def make_engine(request: EngineRequest, builder: Builder, progress: Progress) -> Engine:
    """Make an engine from the version in service.

    Raises:
        ExportError: anything that keeps it from being made; the file is as it was.
    """
    source = find_source(request.repository, request.name)
    profiles = plan_profiles(request.max_tokens or source.max_tokens, source.max_texts, source.max_length)
    onnx, certificate = _graph(request, source, progress)
    progress.step(f"building the {request.precision} engine with {builder.version}")
    # What an engine is of can be read from it, wherever it is copied to.
    digest = hashlib.sha256(onnx).hexdigest()[:16]
    engine = builder.build(onnx, profiles, f"{source.name}:{source.version}:{request.precision}:{digest}")
    path = _write(request, source, engine)
    return Engine(path, source.version, builder.version, len(engine), profiles, certificate)


def _graph(request: EngineRequest, source: EngineSource, progress: Progress) -> tuple[bytes, Certificate | None]:
    """Give the graph in its precision, serialised, and the proof that it was asked for."""
    model = source.load()
    certificate = None
    if request.precision == "fp16":
        from tritext_export.half import to_half

        progress.step("turning the graph to fp16")
        model = to_half(model)
        if request.texts:
            certificate = prove_half(source, model, request.texts, progress)
            require(certificate)
    try:
        return model.SerializeToString(), certificate
    except ValueError as error:  # protobuf's bound
        raise EngineError(
            f"{source.model}: over 2 GB in {request.precision}, which TensorRT's parser cannot take"
        ) from error


def _write(request: EngineRequest, source: EngineSource, engine: bytes) -> Path:
    from tritext_export.triton_gpu import PLAN_FILE

    if request.output is None:
        with locked(request.repository):
            write_atomically(source.classifier / PLAN_FILE, engine)
        return source.classifier / PLAN_FILE
    with explained(request.output):
        request.output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(request.output, engine)
    return request.output
