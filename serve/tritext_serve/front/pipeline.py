"""A batch of texts through tokenizer, planner, classifier and activation; what fails, fails for its own texts only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tritext_serve.front.answers import Answers, FloatArray, decide
from tritext_serve.front.options import Options
from tritext_serve.front.planner import IndexArray, padding, plan
from tritext_serve.front.texts import TextInput
from tritext_serve.front.tokens import IdArray, TextTokenizer, Tokens

RunClassifier = Callable[[Sequence[IdArray]], FloatArray]


class ClassifierError(RuntimeError):
    """The classifier did not answer one sub-batch; the message is its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch of texts.

    Attributes:
        answers: One row a text; rows in ``failures`` mean nothing.
        failures: Message by row, for the texts whose sub-batch failed.
        padding: Padding tokens that were computed.
    """

    answers: Answers
    failures: dict[int, str]
    padding: int


class Pipeline:
    """One version of a classifier, ready to answer texts."""

    def __init__(self, options: Options, tokenizer: TextTokenizer, run: RunClassifier) -> None:
        """Keep the parts.

        Args:
            options: What the repository says of this version.
            tokenizer: Its tokenizer.
            run: Calls the classifier: arrays in the order of ``options.inputs`` to logits FP32 [texts, labels];
                raises ClassifierError.
        """
        self._options = options
        self._tokenizer = tokenizer
        self._run = run

    def classify(self, texts: Sequence[TextInput]) -> Outcome:
        """Answer every text or pair, all of one kind; empty input gives an empty outcome."""
        options = self._options
        tokens = self._tokenizer.encode(texts)
        batches = plan(tokens.lengths, options.max_batch_tokens, options.max_batch_texts)
        logits: FloatArray = np.zeros((len(texts), len(options.labels)), np.float32)
        failures: dict[int, str] = {}
        for batch in batches:
            try:
                logits[batch] = self._logits(tokens, batch)
            except ClassifierError as error:
                failures |= dict.fromkeys(batch.tolist(), str(error))
        answers = decide(logits, options.activation, tokens.lengths, tokens.truncated)
        return Outcome(answers, failures, padding(tokens.lengths, batches))

    def _logits(self, tokens: Tokens, batch: IndexArray) -> npt.NDArray[np.float32]:
        logits = self._run(self._tokenizer.arrays(tokens, batch, self._options.inputs))
        expected = (len(batch), len(self._options.labels))
        if logits.shape != expected:
            raise ClassifierError(f"the classifier gave logits of shape {logits.shape}, not {expected}")
        return logits
