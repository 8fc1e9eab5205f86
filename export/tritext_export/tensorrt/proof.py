"""Does the fp16 form of a graph give the certified one's labels? Asked on the user's texts before an engine is built.

What runs here is the graph as ``half.emulate`` writes it: it rounds and overflows where a GPU does. What it cannot show
is what a GPU's own kernels add to that, in the last bits; where a GPU is at hand, ask the engine itself.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritext_export.certificate import Certificate, Comparison, FloatArray, Subject, certify, limits_for
from tritext_export.encoding import Encoded
from tritext_export.errors import TextsError
from tritext_export.labelled import Example, Split, read_examples, select
from tritext_export.request import Progress
from tritext_export.sources import sha256
from tritext_export.tensorrt.source import EngineSource

if TYPE_CHECKING:
    from onnx import ModelProto

    from tritext_export.session import ExportedModel

# One text alone, and enough neighbours that most rows are padded.
_BATCH_SIZES = (1, 16)


@dataclass(frozen=True, slots=True)
class Texts:
    """What labels are compared on.

    Attributes:
        file: Labelled texts.
        split: Which of its splits.
        text_column: Its column with the texts.
        label_column: Its column with the labels.
        pair_column: Its column with the second texts; read for a model that takes pairs.
    """

    file: Path
    split: Split = "all"
    text_column: str = "text"
    label_column: str = "label"
    pair_column: str = "text_pair"

    def read(self, *, pairs: bool) -> tuple[Example, ...]:
        """Read them.

        Raises:
            TextsError: they cannot be read, or there are none.
        """
        columns = (self.text_column, self.label_column, self.pair_column if pairs else None)
        found = select(read_examples(self.file, *columns), self.split)
        if not found:
            raise TextsError(f"{self.file}: its {self.split} split is empty: use --split all")
        return found


def prove_half(source: EngineSource, half: "ModelProto", texts: Texts, progress: Progress) -> Certificate:
    """Compare an fp16 graph with the certified fp32 graph that it was made from.

    Args:
        source: The certified version.
        half: Its graph as ``to_half`` gave it.
        texts: What to compare on.
        progress: Where to tell how far it is.

    Returns:
        A certificate whose "checkpoint" is the certified graph; it may not have passed.

    Raises:
        ExportError: the texts or one of the graphs cannot be used.
    """
    import onnx

    from tritext_export.half import emulate
    from tritext_export.session import ExportedModel, ExportedTokenizer

    examples = texts.read(pairs=bool(source.manifest.get("pairs")))
    encoded = ExportedTokenizer(source.front / "tokenizer.json", source.max_length).encode(examples)
    pad = int(source.manifest["pad_token_id"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "half.onnx")
        onnx.save(emulate(half), path)
        rounded = ExportedModel(path, pad)
        certified = ExportedModel(source.model, pad)
        reference = _ask(certified, encoded, 1, progress, "asking the certified graph")
        runs = {
            size: _ask(rounded, encoded, size, progress, f"asking the fp16 graph, {size} a batch")
            for size in _BATCH_SIZES
        }
    lengths = [len(one) for one in encoded]
    manifest = source.manifest
    comparison = Comparison(examples, lengths, reference, runs, manifest["labels"], manifest["activation"])
    subject = Subject(source.name, "fp16", texts.file.name, sha256(texts.file), texts.split)
    return certify(comparison, limits_for("fp16"), subject)


def _ask(model: "ExportedModel", encoded: Sequence[Encoded], size: int, progress: Progress, what: str) -> FloatArray:
    """Give the logits of every text, FP32 [texts, labels], asked for in batches of neighbours drawn by lot."""
    order = np.random.default_rng(size).permutation(len(encoded))
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    parts = [model.logits([encoded[i] for i in batch]) for batch in progress.track(batches, len(batches), what)]
    logits: FloatArray = np.concatenate(parts)[np.argsort(order)]
    return logits
