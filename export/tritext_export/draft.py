"""A version in the making: a loaded checkpoint in; model, tokenizer, certificate and manifest, published, out."""

import datetime
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tritext_export import certificate as certificates
from tritext_export.candidates import candidates_for
from tritext_export.certificate import Activation, Certificate
from tritext_export.errors import SourceError
from tritext_export.expectations import write_expectations
from tritext_export.judge import Judge, encode, require_known_ids
from tritext_export.labelled import Example
from tritext_export.manifest import Manifest, tool_versions
from tritext_export.report import file_evidence
from tritext_export.repository import STAGING, Staging, publish
from tritext_export.request import ExportRequest, Progress, Published
from tritext_export.sources import Source, sha256
from tritext_export.trial import Trial
from tritext_export.triton import ModelFacts, classifier_name

if TYPE_CHECKING:
    from tritext_export.checkpoint import Checkpoint
    from tritext_export.selection import Tried


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
        least = max(2, self.checkpoint.tokenizer.num_special_tokens_to_add(pair=self.request.pairs))
        if not least <= chosen <= limit:
            raise SourceError(f"--max-length {chosen}: the model takes from {least} to {limit} tokens")
        return chosen

    @property
    def pad_token_id(self) -> int:
        """What fills a row up."""
        return int(self.checkpoint.tokenizer.pad_token_id or 0)

    def publish(self, examples: Sequence[Example], calibration: Sequence[Example], progress: Progress) -> Published:
        """Write the candidates, certify them, and publish the fastest that passes.

        Args:
            examples: What the certificate is about.
            calibration: Other texts, for int8 to measure activations on.
            progress: Where to tell how far it is.
        """
        name = self.request.name
        front, classifier = (self.staging.version_directory(model) for model in (name, classifier_name(name)))
        tokenizer = front / "tokenizer.json"
        tokenizer.write_text(self.checkpoint.tokenizer.backend_tokenizer.to_str(pretty=True), encoding="utf-8")
        encoded = encode(self.checkpoint, tokenizer, examples, self.max_length)
        require_known_ids(self.checkpoint, encoded, examples)
        judge = Judge(self.request, self.checkpoint, self.labels, self.activation, examples, encoded, progress)
        with tempfile.TemporaryDirectory(prefix=STAGING, dir=self.request.repository) as folder:
            tried, trials = self._try(Path(folder), judge, tokenizer, calibration)
            self._require(tried.certificate, front, trials, progress)
            shutil.move(tried.variant.path, classifier / "model.onnx")
        write_expectations(front, tried.expectations, name, self.staging.version)
        facts = self._facts(tried)
        _write_json(front / "manifest.json", self._manifest(facts, tried).to_json())
        directory = publish(self.request.repository, self.staging, facts, self.labels)
        return Published(directory, self.staging.version, tried.certificate.line, fresh=True, trials=trials)

    def _try(
        self, folder: Path, judge: Judge, tokenizer: Path, calibration: Sequence[Example]
    ) -> tuple["Tried", tuple[Trial, ...]]:
        """Trace the model, and try every candidate for the target."""
        from tritext_export.graph import export_onnx
        from tritext_export.inspection import inspect
        from tritext_export.selection import try_candidates
        from tritext_export.variants import Traced, Variants, require_one_file

        request = self.request
        judge.progress.step("exporting to ONNX")
        path = export_onnx(self.checkpoint, folder, request.opset)
        inspect(path)
        require_one_file(path)
        vocabulary = int(getattr(self.checkpoint.model.config, "vocab_size", 1))
        variants = Variants(
            Traced(path, self.pad_token_id, vocabulary, self.max_length),
            lambda: encode(self.checkpoint, tokenizer, calibration, self.max_length),
            self.activation,
            request.without,
            judge.progress,
            request.cache,
        )
        groups = candidates_for(request.target, request.precision)
        return try_candidates(groups, variants, judge, self.pad_token_id)

    def _require(self, certificate: Certificate, front: Path, trials: Sequence[Trial], progress: Progress) -> None:
        """File the evidence beside the version and where the user wants it, and refuse what did not pass.

        Raises:
            CertificateError: a limit does not hold.
        """
        kept = self.request.report
        for directory in filter(None, (front, kept)):
            file_evidence(directory, certificate, trials)
        if not certificate.passed and len(trials) > 1:
            for trial in trials:
                progress.step(f"tried {trial.name}: {trial.reason or 'passed'}")
        evidence = f"the evidence is in {kept / 'report.html'}" if kept else "see why with --report DIR"
        certificates.require(certificate, evidence)

    def _facts(self, tried: "Tried") -> ModelFacts:
        request = self.request
        return ModelFacts(
            request.name,
            tried.inputs,
            len(self.labels),
            request.label_output,
            request.max_batch_size,
            pairs=request.pairs,
            max_length=self.max_length,
        )

    def _manifest(self, facts: ModelFacts, tried: "Tried") -> Manifest:
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
            pairs=facts.pairs,
            inputs=facts.inputs,
            pad_token_id=self.pad_token_id,
            target=tried.candidate.target,
            precision=tried.candidate.precision,
            graph_edits=tried.variant.edits,
            layers=tried.variant.layers,
            options=self.request.options(),
            canary=tried.canary,
            tools=tool_versions(),
            files={str(p.relative_to(root)): sha256(p) for p in sorted(root.rglob("*")) if p.is_file()},
        )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
