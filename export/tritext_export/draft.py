"""A version in the making: a loaded checkpoint in; model, tokenizer, certificate and manifest, published, out."""

import datetime
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tritext_export import certificate as certificates
from tritext_export.certificate import Activation, Certificate, Comparison, FloatArray
from tritext_export.errors import SourceError
from tritext_export.labelled import Example
from tritext_export.manifest import Canary, Manifest, tool_versions
from tritext_export.repository import Staging, publish
from tritext_export.request import ExportRequest, Progress, Published
from tritext_export.sources import Source, sha256
from tritext_export.triton import ModelFacts, classifier_name

if TYPE_CHECKING:
    from tritext_export.checkpoint import Checkpoint
    from tritext_export.session import ExportedModel

COMPARED_TOGETHER = 16


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

        name = self.request.name
        front, classifier = (self.staging.version_directory(model) for model in (name, classifier_name(name)))
        progress.step("exporting to ONNX")
        exported = ExportedModel(self._write_model(classifier), self.pad_token_id)
        tokenizer = self.checkpoint.tokenizer.backend_tokenizer.to_str(pretty=True)
        (front / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
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
        ordered = np.sort(comparison.exported, axis=1)
        row = int((ordered[:, -1] - ordered[:, -2]).argmax()) if len(self.labels) > 1 else 0
        label_id = int(comparison.exported[row].argmax())
        score = certificates.probabilities(comparison.exported[row : row + 1], self.activation)[0, label_id]
        return Canary(comparison.examples[row].text, label_id, self.labels[label_id], float(score))

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


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
