"""Logits to answers: labels, probabilities and the output arrays a request asked for. Pure numpy.

``softmax`` is for one label of several, ``sigmoid`` for several labels at once, ``none`` for regression, where the
one logit is the score.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tritext_serve.front.options import Activation, Options

FloatArray = npt.NDArray[np.float32]
OutputArray = npt.NDArray[Any]


class Answers:
    """Everything that can be said about a batch of texts; row i belongs to text i.

    Probabilities are computed when they are first asked for.

    Attributes:
        tokens: INT32 [texts].
        truncated: BOOL [texts].
    """

    def __init__(
        self,
        logits: FloatArray,
        activation: Activation,
        tokens: Sequence[int] | npt.NDArray[np.int32],
        truncated: npt.NDArray[np.bool_],
    ) -> None:
        """Keep what the classifier said.

        Args:
            logits: FP32 [texts, labels].
            activation: What turns them into probabilities.
            tokens: Tokens of each text.
            truncated: Which texts were cut, BOOL [texts].
        """
        self._logits = logits
        self._activation: Activation = activation
        self.tokens = np.asarray(tokens, np.int32)
        self.truncated = truncated

    @cached_property
    def label_ids(self) -> npt.NDArray[np.int32]:
        """Each text's label, INT32 [texts]; by the logits, as probabilities of several may round to the same 1.0."""
        best: npt.NDArray[np.int32] = self._logits.argmax(axis=1).astype(np.int32)
        return best

    @cached_property
    def scores(self) -> FloatArray:
        """Probabilities, FP32 [texts, labels]."""
        return activate(self._logits, self._activation)

    @cached_property
    def score(self) -> FloatArray:
        """Score of each text's label, the highest, FP32 [texts]."""
        best: FloatArray = self.scores.max(axis=1, initial=-np.inf)
        return best

    def followed_by(self, other: "Answers") -> "Answers":
        """Put another batch's answers behind these."""
        return Answers(
            np.concatenate([self._logits, other._logits]),
            self._activation,
            np.concatenate([self.tokens, other.tokens]),
            np.concatenate([self.truncated, other.truncated]),
        )

    def spread(self, origins: npt.NDArray[np.intp]) -> "Answers":
        """Give text i the answer of row ``origins[i]``."""
        return Answers(self._logits[origins], self._activation, self.tokens[origins], self.truncated[origins])


def activate(logits: FloatArray, activation: Activation) -> FloatArray:
    """Turn logits into probabilities, FP32 [texts, labels] both."""
    if activation == "none":
        return logits
    if activation == "sigmoid":
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


Builder = Callable[[Answers], OutputArray]


def output_builders(options: Options) -> Mapping[str, Builder]:
    """Give, for each output but the echoed text, what builds its array for a whole batch.

    Arrays are [texts, 1], ``scores`` [texts, labels]; strings are objects holding UTF-8 bytes, as Triton wants them.
    """
    names = np.array([label.encode() for label in options.labels], dtype=np.object_)
    return {
        options.label_output: lambda answers: names[answers.label_ids][:, None],
        "score": lambda answers: answers.score[:, None],
        "scores": lambda answers: answers.scores,
        "label_id": lambda answers: answers.label_ids[:, None],
        "tokens": lambda answers: answers.tokens[:, None],
        "truncated": lambda answers: answers.truncated[:, None],
    }


class Columns(dict[str, OutputArray]):
    """A batch's output arrays by name, each built when the first request asks for it."""

    def __init__(self, builders: Mapping[str, Builder], answers: Answers) -> None:
        """Begin with none.

        Args:
            builders: What ``output_builders`` gave.
            answers: The batch's.
        """
        super().__init__()
        self._builders = builders
        self._answers = answers

    def __missing__(self, name: str) -> OutputArray:
        self[name] = column = self._builders[name](self._answers)
        return column
