"""The exported model as the server runs it: token ids in, logits out. Imports onnxruntime and tokenizers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tritext_export.encoding import INPUTS, Encoded, padded
from tritext_export.errors import CertificateError, first_line
from tritext_export.labelled import Example

try:
    import onnxruntime as ort
    from tokenizers import Tokenizer
except ImportError as missing:
    raise CertificateError(f"{missing}: install the exporter with `pip install 'tritext[export]'`") from missing

FloatArray = npt.NDArray[np.float32]


class ExportedModel:
    """An ONNX model with one session on the CPU."""

    def __init__(self, path: Path, pad_token_id: int) -> None:
        """Load the model.

        Args:
            path: The ``model.onnx``.
            pad_token_id: What fills a row up.

        Raises:
            CertificateError: ONNX Runtime refuses it, or it reads an input that the front does not give.
        """
        options = ort.SessionOptions()
        # As the published configuration asks: the graph that is certified is the one that is served.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise CertificateError(f"ONNX Runtime does not load the export: {first_line(error)}") from error
        unknown = set(self.inputs) - set(INPUTS)
        if unknown:
            raise CertificateError(
                f"the model reads {sorted(unknown)[0]!r}, and the front gives only {', '.join(INPUTS)}"
            )
        self._pad_token_id = pad_token_id

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of its inputs, in its own order."""
        return tuple(node.name for node in self._session.get_inputs())

    def logits(self, encoded: Sequence[Encoded]) -> FloatArray:
        """Run one padded batch.

        Args:
            encoded: The texts, or pairs of texts.

        Returns:
            FP32 [texts, labels].
        """
        arrays = padded(encoded, self._pad_token_id)
        logits: FloatArray = self._session.run(["logits"], {name: arrays[name] for name in self.inputs})[0]
        return logits


class ExportedTokenizer:
    """The ``tokenizer.json`` that is published, used as the front uses it."""

    def __init__(self, path: Path, max_length: int) -> None:
        """Load the file and set the truncation."""
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length)

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Tokenise the text, or the pair of texts, of each example."""
        if any(e.pair is not None for e in examples):
            # The library keeps every way to cut a long pair at once: one pair at a time.
            pairs = (self._tokenizer.encode(e.text, e.pair) for e in examples)
            return [Encoded(encoding.ids, encoding.type_ids) for encoding in pairs]
        encodings = self._tokenizer.encode_batch([e.text for e in examples])
        return [Encoded(encoding.ids, encoding.type_ids) for encoding in encodings]
