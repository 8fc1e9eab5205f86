"""What an export is asked for and what it answers: plain data. No torch, no ONNX."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tritext_export.candidates import Precision, Target, candidates_for
from tritext_export.errors import SourceError
from tritext_export.labelled import Split
from tritext_export.quantisation.steps import INT8_STEPS
from tritext_export.sources import sha256
from tritext_export.trial import Trial
from tritext_export.triton import RESERVED_OUTPUTS

DEFAULT_OPSET = 17
# What torch's exporter writes and ONNX Runtime 1.23 and later read.
OPSETS = range(14, 21)
MAX_BATCH_SIZE = 4096
# The graph edits, see ``edits.pipeline``, which imports what a request must not.
EDITS = ("settled-shapes", "narrow-mask", "first-token", "cpu-fusions", "packed")
# All that may be left out.
STEPS = (*EDITS, *INT8_STEPS)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export, and where to.

    Attributes:
        source: A SOURCE, see ``sources``.
        name: The front's name.
        repository: The model repository.
        texts: A labelled file to compare on.
        split: Which of its splits.
        text_column: Its column with the texts.
        label_column: Its column with the labels.
        pairs: Whether the model reads two texts at a time.
        pair_column: The file's column with the second.
        labels: Label names, where the checkpoint has none worth the name.
        label_output: Name of the output that carries the label.
        max_length: Longest input in tokens; the checkpoint's own limit where it is None.
        max_batch_size: Most texts in a request.
        opset: ONNX operator set.
        target: Where it is to run.
        precision: Of the weights; ``auto`` tries all that suit the target and takes the fastest that passes.
        without: Graph edits and steps of int8 to leave out, of ``STEPS``.
        limits: What the certificate must show, where the user chose: figures by their names in ``Limits``. The others
            are the precision's own.
        report: A folder outside the repository that gets the certificate and its report too, passed or not.
        force: Publish again even where the same version is in service.
        cache: The folder where int8 keeps what its search finds; None keeps nothing.
    """

    source: str
    name: str
    repository: Path
    texts: Path
    split: Split = "all"
    text_column: str = "text"
    label_column: str = "label"
    pairs: bool = False
    pair_column: str = "text_pair"
    labels: tuple[str, ...] | None = None
    label_output: str = "label"
    max_length: int | None = None
    max_batch_size: int = 64
    opset: int = DEFAULT_OPSET
    target: Target = "cpu"
    precision: Precision = "fp32"
    without: tuple[str, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    report: Path | None = None
    force: bool = False
    cache: Path | None = None

    def options(self) -> dict[str, Any]:
        """Give the choices that change the files, as the manifest records them."""
        return {
            "labels": list(self.labels) if self.labels else None,
            "label_output": self.label_output,
            "max_length": self.max_length,
            "pairs": self.pairs,
            "max_batch_size": self.max_batch_size,
            "opset": self.opset,
            "target": self.target,
            "precision": self.precision,
            "without": sorted(self.without),
            "texts_sha256": sha256(self.texts),
            "columns": [self.text_column, self.label_column, *([self.pair_column] if self.pairs else [])],
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
        trials: What was tried for it; empty where it stood there already.
    """

    directory: Path
    version: int
    line: str
    fresh: bool
    trials: tuple[Trial, ...] = ()


class Progress(Protocol):
    """Where the export tells how far it is."""

    def step(self, what: str) -> None:
        """Begin a step."""

    def track(self, items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        """Hand on items while counting them."""


def check(request: ExportRequest) -> None:
    """Refuse what Triton, ONNX Runtime or a URL would stumble over.

    Raises:
        SourceError: naming the option and what it may be.
    """
    name = request.name
    if not (
        0 < len(name) <= 64 and name[0].isalpha() and all(c.isascii() and (c.isalnum() or c in "-_.") for c in name)
    ):
        raise SourceError(f"--name {name!r}: take a letter, then letters, digits, '-', '_' or '.', 64 at most")
    if name.endswith("_classifier"):
        raise SourceError(f"--name {name!r}: names ending in _classifier belong to the models behind the fronts")
    if request.label_output in RESERVED_OUTPUTS or not request.label_output.isidentifier():
        raise SourceError(
            f"--label-output {request.label_output!r}: take a word other than {', '.join(RESERVED_OUTPUTS)}"
        )
    if request.report and request.report.resolve().is_relative_to(request.repository.resolve()):
        raise SourceError(f"--report {request.report}: it lies in the repository: choose a folder outside of it")
    if not 1 <= request.max_batch_size <= MAX_BATCH_SIZE:
        raise SourceError(f"--max-batch-size {request.max_batch_size}: take 1 to {MAX_BATCH_SIZE}")
    candidates_for(request.target, request.precision)
    unknown = sorted(set(request.without) - set(STEPS))
    if unknown:
        raise SourceError(f"--without {unknown[0]}: there is no such step: take of {', '.join(STEPS)}")
    if request.opset not in OPSETS:
        raise SourceError(f"--opset {request.opset}: take {OPSETS.start} to {OPSETS.stop - 1}")
