"""Does an engine, or the fp16 graph that it is built from, give the certified graph's labels on the user's texts?

::

    texts ──► Questions: token ids, the certified graph's own answers on the CPU
                  ├── a GPU is at hand ──► prove_engine: the engine itself answers, on it
                  └── none is          ──► prove_half: the graph as ``half.emulate`` writes it, which rounds and
                                           overflows where a GPU does, but not in a GPU's own last bits
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tritext_export.certificate import Certificate, Comparison, FloatArray, Subject, certify, limits_for
from tritext_export.encoding import Encoded, padded
from tritext_export.errors import TextsError
from tritext_export.labelled import Example, Split, read_examples, select
from tritext_export.request import Progress
from tritext_export.sources import sha256
from tritext_export.tensorrt.runner import LoadedEngine
from tritext_export.tensorrt.source import EngineSource

if TYPE_CHECKING:
    from onnx import ModelProto

Answer = Callable[[Sequence[Encoded]], FloatArray]

# One text alone, and enough neighbours that most rows are padded; an engine is also asked for full batches.
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

    def read(self, *, pairs: bool, several: bool = False) -> tuple[Example, ...]:
        """Read them.

        Args:
            pairs: Whether the model reads two texts at a time.
            several: Whether it gives any number of labels at once.

        Raises:
            TextsError: they cannot be read, or there are none.
        """
        columns = (self.text_column, self.label_column, self.pair_column if pairs else None)
        found = select(read_examples(self.file, *columns, several=several), self.split)
        if not found:
            raise TextsError(f"{self.file}: its {self.split} split is empty: use --split all")
        return found


@dataclass(frozen=True, slots=True)
class Questions:
    """Texts as the model reads them, and what the certified graph says of each.

    Attributes:
        source: The certified version.
        texts: Where the examples are from.
        examples: The labelled texts.
        encoded: Their token ids.
        reference: The certified graph's logits, FP32 [texts, labels].
    """

    source: EngineSource
    texts: Texts
    examples: tuple[Example, ...]
    encoded: Sequence[Encoded]
    reference: FloatArray

    @property
    def pad(self) -> int:
        """What fills a row up."""
        return int(self.source.manifest["pad_token_id"])

    def certify(self, answer: Answer, precision: str, sizes: Sequence[int], progress: Progress) -> Certificate:
        """Compare somebody's answers with the certified graph's, at each batch size."""
        runs = {size: _ask(answer, self.encoded, size, progress, f"asking it, {size} a batch") for size in sizes}
        manifest, lengths = self.source.manifest, [len(one) for one in self.encoded]
        comparison = Comparison(
            self.examples, lengths, self.reference, runs, manifest["labels"], manifest["activation"]
        )
        subject = Subject(self.source.name, precision, self.texts.file.name, sha256(self.texts.file), self.texts.split)
        return certify(comparison, limits_for(precision), subject)


def ask_certified(source: EngineSource, texts: Texts, progress: Progress) -> Questions:
    """Ask the certified graph about every text.

    Raises:
        ExportError: the texts or the graph cannot be used.
    """
    from tritext_export.session import ExportedModel, ExportedTokenizer

    several = source.manifest.get("problem_type") == "multi_label_classification"
    examples = texts.read(pairs=bool(source.manifest.get("pairs")), several=several)
    encoded = ExportedTokenizer(source.front / "tokenizer.json", source.max_length).encode(examples)
    certified = ExportedModel(source.model, int(source.manifest["pad_token_id"]))
    reference = _ask(certified.logits, encoded, 1, progress, "asking the certified graph")
    return Questions(source, texts, examples, encoded, reference)


def prove_half(questions: Questions, half: "ModelProto", progress: Progress) -> Certificate:
    """Compare an fp16 graph, rounded as a GPU rounds, with the certified fp32 graph that it was made from.

    Args:
        questions: What to compare on.
        half: The graph as ``to_half`` gave it.
        progress: Where to tell how far it is.

    Returns:
        A certificate whose "checkpoint" is the certified graph; it may not have passed.

    Raises:
        ExportError: the graph cannot be run.
    """
    import onnx

    from tritext_export.half import emulate
    from tritext_export.session import ExportedModel

    progress.step("rounding the graph as a GPU does")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "half.onnx")
        onnx.save(emulate(half), path)
        return questions.certify(ExportedModel(path, questions.pad).logits, "fp16", _BATCH_SIZES, progress)


def prove_engine(questions: Questions, engine: LoadedEngine, precision: str, progress: Progress) -> Certificate:
    """Compare an engine, on its device, with the certified graph.

    Every batch is run with the profile that Triton uses and, where there is a narrower one for its shape, with that
    one too: each has kernels of its own.

    Returns:
        The worse of the two certificates; it may not have passed.

    Raises:
        EngineError: the engine does not take a shape, or the device fails.
    """
    largest = engine.profiles[0].largest[0]
    sizes = sorted({min(size, largest) for size in (*_BATCH_SIZES, largest)})

    def answer_with(which: int) -> Answer:
        def answer(encoded: Sequence[Encoded]) -> FloatArray:
            batch = padded(encoded, questions.pad)
            texts, tokens = batch["input_ids"].shape
            return engine.logits(batch, engine.covering((texts, tokens))[which])

        return answer

    ways = (0, -1) if len(engine.profiles) > 1 else (0,)
    found = [questions.certify(answer_with(which), precision, sizes, progress) for which in ways]
    return max(found, key=lambda certificate: (not certificate.passed, certificate.max_probability_difference))


def _ask(answer: Answer, encoded: Sequence[Encoded], size: int, progress: Progress, what: str) -> FloatArray:
    """Give the logits of every text, FP32 [texts, labels], asked for in batches of neighbours drawn by lot."""
    order = np.random.default_rng(size).permutation(len(encoded))
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    parts = [answer([encoded[i] for i in batch]) for batch in progress.track(batches, len(batches), what)]
    logits: FloatArray = np.concatenate(parts)[np.argsort(order)]
    return logits
