"""Who decides on candidates: the checkpoint's answers kept, a candidate's file in, its certificate out.

The checkpoint is asked once, text by text without padding; every candidate is asked about every text alone and beside
neighbours drawn by lot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritext_export import certificate as certificates
from tritext_export.certificate import Activation, Certificate, Comparison, FloatArray, Subject
from tritext_export.encoding import Encoded
from tritext_export.errors import CertificateError, SourceError, first_line
from tritext_export.expectations import Expectations, expect
from tritext_export.labelled import Example
from tritext_export.manifest import Canary
from tritext_export.request import ExportRequest, Progress
from tritext_export.sources import sha256

if TYPE_CHECKING:
    from tritext_export.checkpoint import Checkpoint
    from tritext_export.session import ExportedModel

COMPARED_TOGETHER = 16
# The sizes of the batches in which an export is asked about every text, beside neighbours drawn by lot.
BATCH_SIZES = (1, 8, 32)


@dataclass(frozen=True)
class Judge:
    """One checkpoint and the texts that its exports are compared on.

    Attributes:
        request: What was asked for.
        checkpoint: The reference.
        labels: Label names.
        activation: What turns logits into probabilities.
        examples: The labelled texts.
        encoded: The same, tokenised by the tokenizer that will be published.
        progress: Where to tell how far it is.
    """

    request: ExportRequest
    checkpoint: "Checkpoint"
    labels: tuple[str, ...]
    activation: Activation
    examples: Sequence[Example]
    encoded: Sequence[Encoded]
    progress: Progress

    @cached_property
    def reference(self) -> FloatArray:
        """The checkpoint's logits, FP32 [texts, labels]."""
        require_known_ids(self.checkpoint, self.encoded, self.examples)
        batches = equal_lengths([len(ids) for ids in self.encoded])
        return self._run(self.checkpoint.logits, batches, "asking the checkpoint")

    def certify(self, exported: "ExportedModel", name: str, precision: str) -> tuple[Certificate, Canary, Expectations]:
        """Ask a candidate about every text.

        Args:
            exported: The candidate.
            name: What progress calls it.
            precision: Of its weights, which sets the limits.

        Raises:
            CertificateError: it breaks off.
        """
        reference = self.reference
        runs = {
            size: self._run(exported.logits, mixed_batches(len(self.encoded), size), f"asking {name}, {size} a batch")
            for size in BATCH_SIZES
        }
        lengths = [len(ids) for ids in self.encoded]
        comparison = Comparison(self.examples, lengths, reference, runs, self.labels, self.activation)
        request = self.request
        subject = Subject(request.name, precision, request.texts.name, sha256(request.texts), request.split)
        certificate = certificates.certify(comparison, certificates.limits_for(precision, request.limits), subject)
        return certificate, self._canary(comparison), expect(comparison)

    def _run(
        self, logits: Callable[[Sequence[Encoded]], FloatArray], batches: Sequence[Sequence[int]], what: str
    ) -> FloatArray:
        """Run batches of texts, given by their positions, and put the logits in the texts' order."""
        answers = np.empty((len(self.encoded), len(self.labels)), np.float32)
        for batch in self.progress.track(batches, len(batches), what):
            try:
                answers[batch] = logits([self.encoded[i] for i in batch])
            except Exception as error:  # torch's and ONNX Runtime's errors share no base class
                longest = max(len(self.encoded[i]) for i in batch)
                raise CertificateError(
                    f"{what}: it broke off at {len(batch)} texts of up to {longest} tokens: {first_line(error)}; "
                    "mend the model, or try a shorter --max-length"
                ) from error
        return answers

    def _canary(self, comparison: Comparison) -> Canary:
        """Choose the text whose label is least in doubt."""
        logits = comparison.alone
        ordered = np.sort(logits, axis=1)
        row = int((ordered[:, -1] - ordered[:, -2]).argmax()) if len(self.labels) > 1 else 0
        label_id = int(logits[row].argmax())
        score = certificates.probabilities(logits[row : row + 1], self.activation)[0, label_id]
        example = comparison.examples[row]
        return Canary(example.text, label_id, self.labels[label_id], float(score), example.pair)


def encode(checkpoint: "Checkpoint", tokenizer: Path, examples: Sequence[Example], max_length: int) -> list[Encoded]:
    """Tokenise with the published tokenizer, and make sure that it is the checkpoint's own.

    Raises:
        SourceError: the two read a text differently.
    """
    from tritext_export.session import ExportedTokenizer

    encoded = ExportedTokenizer(tokenizer, max_length).encode(examples)
    own = checkpoint.encode(examples, max_length)
    for example, ours, theirs in zip(examples, encoded, own, strict=True):
        same_types = list(ours.type_ids) == list(theirs.type_ids) or not checkpoint.reads_types
        if list(ours.ids) != list(theirs.ids) or not same_types:
            raise SourceError(
                f"{checkpoint.source.name}: tokenizer.json reads {example.text!r} otherwise than the checkpoint does"
            )
    return encoded


def require_known_ids(checkpoint: "Checkpoint", encoded: Sequence[Encoded], examples: Sequence[Example]) -> None:
    """Refuse token ids that the model has no embedding for: the tokenizer is another model's.

    Raises:
        SourceError: naming the text and the token.
    """
    size = getattr(checkpoint.model.config, "vocab_size", None)
    for one, example in zip(encoded, examples, strict=True):
        highest = max(one.ids, default=0)
        if size is not None and highest >= size:
            raise SourceError(
                f"{checkpoint.source.name}: its tokenizer reads {example.text!r} as token {highest}, its model knows "
                f"{size} tokens only: the tokenizer belongs to another model; put the model's own beside it"
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


def mixed_batches(count: int, size: int) -> list[list[int]]:
    """Draw neighbours by lot, the same every time: each position once, in batches of ``size`` at most."""
    order = np.random.default_rng(size).permutation(count).tolist()
    return [order[i : i + size] for i in range(0, count, size)]
