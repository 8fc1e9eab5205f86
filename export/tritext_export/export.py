"""The export from end to end: a request in, a published and certified version out, or a refusal and nothing changed."""

import datetime
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tritext_export import certificate as certificates
from tritext_export.certificate import Activation, Certificate, Comparison, FloatArray, Limits
from tritext_export.errors import SourceError, TextsError
from tritext_export.labelled import Example, Split, label_ids, read_examples, select
from tritext_export.manifest import Canary, Manifest, tool_versions
from tritext_export.repository import Staging, publish, published_manifest, published_version, stage
from tritext_export.sources import Source, resolve, sha256
from tritext_export.triton import RESERVED_OUTPUTS, ModelFacts

if TYPE_CHECKING:
    from tritext_export.checkpoint import Checkpoint
    from tritext_export.session import ExportedModel

COMPARED_TOGETHER = 16
DEFAULT_OPSET = 17


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export, and where to.

    Attributes:
        source: A SOURCE, see ``sources``.
        name: The front's name.
        repository: The model repository.
        texts: A labelled file to compare on.
        split: Which of its splits.
        labels: Label names, where the checkpoint has none worth the name.
        label_output: Name of the output that carries the label.
        max_length: Longest input in tokens; the checkpoint's own limit where it is None.
        max_batch_size: Most texts in a request.
        opset: ONNX operator set.
        limits: What the certificate must show.
        force: Publish again even where the same version is in service.
    """

    source: str
    name: str
    repository: Path
    texts: Path
    split: Split = "all"
    labels: tuple[str, ...] | None = None
    label_output: str = "label"
    max_length: int | None = None
    max_batch_size: int = 64
    opset: int = DEFAULT_OPSET
    limits: Limits = field(default_factory=Limits)
    force: bool = False

    def options(self) -> dict[str, Any]:
        """Give the choices that change the files, as the manifest records them."""
        return {
            "labels": list(self.labels) if self.labels else None,
            "label_output": self.label_output,
            "max_length": self.max_length,
            "max_batch_size": self.max_batch_size,
            "opset": self.opset,
            "texts_sha256": sha256(self.texts),
            "split": self.split,
        }


@dataclass(frozen=True, slots=True)
class Published:
    """What an export led to.

    Attributes:
        directory: The front's version folder.
        version: Its number.
        line: The certificate in one line.
        fresh: Whether it was published now, or stood there already.
    """

    directory: Path
    version: int
    line: str
    fresh: bool


class Progress(Protocol):
    """Where the export tells how far it is."""

    def step(self, what: str) -> None:
        """Begin a step."""

    def track(self, items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        """Hand on items while counting them."""


def export_model(request: ExportRequest, progress: Progress) -> Published:
    """Export, compare, publish.

    Raises:
        ExportError: anything that keeps the version from being published; the repository is as it was.
    """
    _check_names(request)
    source = resolve(request.source)
    examples = _read_texts(request)
    if not request.force and (standing := _standing(request, source)):
        return standing
    from tritext_export import checkpoint as checkpoints

    progress.step(f"loading {request.source}")
    loaded = checkpoints.load(source)
    labels = choose_labels(loaded.model.config.id2label, request.labels)
    activation = certificates.activation_of(loaded.model.config.problem_type, len(labels))
    if activation != "none":
        label_ids(examples, labels)
    with stage(request.repository, request.name) as staging:
        draft = Draft(request, source, loaded, labels, activation, staging)
        return draft.publish(examples, progress)


def choose_labels(id2label: dict[int, str], chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Settle the label names.

    Args:
        id2label: The checkpoint's own.
        chosen: The user's, which win.

    Raises:
        SourceError: the checkpoint has only placeholders, or the count is wrong.
    """
    own = tuple(id2label[i] for i in sorted(id2label))
    if chosen is not None:
        if len(chosen) != len(own) or len(set(chosen)) != len(chosen):
            raise SourceError(f"--labels names {len(chosen)} labels ({', '.join(chosen)}), the model has {len(own)}")
        return tuple(chosen)
    if len(own) > 1 and own == tuple(f"LABEL_{i}" for i in range(len(own))):
        raise SourceError(
            f"the checkpoint has no label names, only {own[0]} to {own[-1]}: name them in order with --labels, "
            "such as --labels negative,positive"
        )
    return own


@dataclass(frozen=True, slots=True)
class Draft:
    """An export under way: everything known of it, and the staging folder it is written to."""

    request: ExportRequest
    source: Source
    checkpoint: "Checkpoint"
    labels: tuple[str, ...]
    activation: Activation
    staging: Staging

    @property
    def max_length(self) -> int:
        """Longest input in tokens."""
        limit = self.checkpoint.max_length
        chosen = self.request.max_length or limit
        if not 1 < chosen <= limit:
            raise SourceError(f"--max-length {chosen}: the model takes from 2 to {limit} tokens")
        return chosen

    @property
    def pad_token_id(self) -> int:
        """What fills a row up."""
        return int(self.checkpoint.tokenizer.pad_token_id or 0)

    def publish(self, examples: Sequence[Example], progress: Progress) -> Published:
        """Write, certify and publish the version."""
        from tritext_export.session import ExportedModel

        front, classifier = (self.staging.version_directory(m) for m in (self.request.name, self._facts(()).classifier))
        progress.step("exporting to ONNX")
        exported = ExportedModel(self._write_model(classifier), self.pad_token_id)
        self.checkpoint.tokenizer.backend_tokenizer.save(str(front / "tokenizer.json"))
        certificate, canary = self._certify(exported, front / "tokenizer.json", examples, progress)
        certificates.require(certificate)
        _write_json(front / "certificate.json", certificate.to_json())
        facts = self._facts(exported.inputs)
        _write_json(front / "manifest.json", self._manifest(facts, canary).to_json())
        directory = publish(self.request.repository, self.staging, facts, self.labels)
        return Published(directory, self.staging.version, certificate.line, fresh=True)

    def _write_model(self, directory: Path) -> Path:
        from tritext_export.graph import export_onnx

        return export_onnx(self.checkpoint, directory, self.request.opset)

    def _certify(
        self, exported: "ExportedModel", tokenizer: Path, examples: Sequence[Example], progress: Progress
    ) -> tuple[Certificate, Canary]:
        """Ask both about every text: the checkpoint without padding, the export padded beside whatever comes."""
        from tritext_export.session import ExportedTokenizer

        encoded = self._encode(ExportedTokenizer(tokenizer, self.max_length).encode, examples)
        count = len(examples)
        lengths = [len(ids) for ids in encoded]
        reference = self._run(
            self.checkpoint.logits, encoded, equal_lengths(lengths), progress, "asking the checkpoint"
        )
        mixed = [list(range(i, min(i + COMPARED_TOGETHER, count))) for i in range(0, count, COMPARED_TOGETHER)]
        answers = self._run(exported.logits, encoded, mixed, progress, "asking the export")
        comparison = Comparison(examples, lengths, reference, answers, self.labels, self.activation)
        texts = self.request.texts
        certificate = certificates.certify(
            comparison, self.request.limits, texts_file=texts.name, texts_sha256=sha256(texts), split=self.request.split
        )
        return certificate, self._canary(comparison)

    def _run(
        self,
        logits: Callable[[Sequence[Sequence[int]]], FloatArray],
        encoded: Sequence[Sequence[int]],
        batches: Sequence[Sequence[int]],
        progress: Progress,
        what: str,
    ) -> FloatArray:
        """Run batches of texts, given by their positions, and put the logits in the texts' order."""
        answers = np.empty((len(encoded), len(self.labels)), np.float32)
        for batch in progress.track(batches, len(batches), what):
            answers[batch] = logits([encoded[i] for i in batch])
        return answers

    def _encode(
        self, encode: Callable[[Sequence[str]], list[list[int]]], examples: Sequence[Example]
    ) -> list[list[int]]:
        """Tokenise with the published tokenizer, and make sure that it is the checkpoint's own."""
        texts = [e.text for e in examples]
        encoded = encode(texts)
        own = self.checkpoint.tokenizer(texts, truncation=True, max_length=self.max_length)["input_ids"]
        for text, ours, theirs in zip(texts, encoded, own, strict=True):
            if ours != theirs:
                raise SourceError(
                    f"{self.source.name}: tokenizer.json reads {text!r} otherwise than the checkpoint does"
                )
        return encoded

    def _canary(self, comparison: Comparison) -> Canary:
        """Choose the text whose label is least in doubt."""
        scores = certificates.probabilities(comparison.exported, self.activation)
        row = int(scores.max(axis=1).argmax())
        label_id = int(scores[row].argmax())
        return Canary(comparison.examples[row].text, label_id, self.labels[label_id], float(scores[row, label_id]))

    def _facts(self, inputs: tuple[str, ...]) -> ModelFacts:
        request = self.request
        return ModelFacts(request.name, inputs, len(self.labels), request.label_output, request.max_batch_size)

    def _manifest(self, facts: ModelFacts, canary: Canary) -> Manifest:
        config = self.checkpoint.model.config
        root = self.staging.root
        return Manifest(
            name=facts.name,
            version=self.staging.version,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            source=self.source.name,
            base=self.source.base.name if self.source.base else None,
            source_files=self.source.digests(),
            labels=self.labels,
            problem_type=config.problem_type,
            activation=self.activation,
            max_length=self.max_length,
            inputs=facts.inputs,
            pad_token_id=self.pad_token_id,
            precision="fp32",
            graph_edits=(),
            options=self.request.options(),
            canary=canary,
            tools=tool_versions(),
            files={str(p.relative_to(root)): sha256(p) for p in sorted(root.rglob("*")) if p.is_file()},
        )


def equal_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Group positions of equal length, at most sixteen together."""
    by_length: dict[int, list[int]] = {}
    for position, length in enumerate(lengths):
        by_length.setdefault(length, []).append(position)
    return [
        group[i : i + COMPARED_TOGETHER]
        for group in by_length.values()
        for i in range(0, len(group), COMPARED_TOGETHER)
    ]


def _check_names(request: ExportRequest) -> None:
    """Refuse names that Triton or a URL would stumble over."""
    name = request.name
    if not (
        0 < len(name) <= 64 and name[0].isalpha() and all(c.isascii() and (c.isalnum() or c in "-_.") for c in name)
    ):
        raise SourceError(f"--name {name!r}: take a letter, then letters, digits, '-', '_' or '.', 64 at most")
    if request.label_output in RESERVED_OUTPUTS or not request.label_output.isidentifier():
        raise SourceError(
            f"--label-output {request.label_output!r}: take a word other than {', '.join(RESERVED_OUTPUTS)}"
        )


def _read_texts(request: ExportRequest) -> tuple[Example, ...]:
    examples = select(read_examples(request.texts), request.split)
    if not examples:
        raise TextsError(f"{request.texts}: its {request.split} split is empty: use --split all")
    return examples


def _standing(request: ExportRequest, source: Source) -> Published | None:
    """Find out whether the version in service came from the very same files and choices."""
    manifest = published_manifest(request.repository, request.name)
    version = published_version(request.repository, request.name)
    if manifest is None or version is None:
        return None
    now = {"source_files": source.digests(), "options": request.options(), "tools": tool_versions()}
    if any(manifest.get(key) != value for key, value in now.items()):
        return None
    directory = request.repository / request.name / str(version)
    stored = json.loads((directory / "certificate.json").read_text(encoding="utf-8"))
    certificate = Certificate(**stored)
    if stored["limits"] != asdict(request.limits):
        return None
    return Published(directory, version, certificate.line, fresh=False)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
