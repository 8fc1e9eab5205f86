"""Logits to answers: labels, probabilities and the output arrays a request asked for. Pure numpy.

``softmax`` is for one label of several, ``sigmoid`` for several labels at once, ``none`` for regression, where the
one logit is the score.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tritext_serve.front.options import Activation, Options

FloatArray = npt.NDArray[np.float32]
OutputArray = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything that can be said about a batch of texts; row i belongs to text i.

    Attributes:
        scores: FP32 [texts, labels].
        label_ids: INT32 [texts], the highest score's.
        tokens: INT32 [texts].
        truncated: BOOL [texts].
    """

    scores: FloatArray
    label_ids: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.int32]
    truncated: npt.NDArray[np.bool_]

    @property
    def score(self) -> FloatArray:
        """Score of each text's label, FP32 [texts]."""
        best: FloatArray = np.take_along_axis(self.scores, self.label_ids[:, None], axis=1)[:, 0]
        return best


def activate(logits: FloatArray, activation: Activation) -> FloatArray:
    """Turn logits into probabilities, FP32 [texts, labels] both."""
    if activation == "none":
        return logits
    if activation == "sigmoid":
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


def decide(
    logits: FloatArray, activation: Activation, lengths: Sequence[int], truncated: npt.NDArray[np.bool_]
) -> Answers:
    """Choose each text's label.

    Args:
        logits: FP32 [texts, labels].
        activation: What turns them into probabilities.
        lengths: Tokens of each text.
        truncated: Which texts were cut.
    """
    scores = activate(logits, activation)
    # By the logits: probabilities of several labels may round to the same 1.0.
    return Answers(scores, logits.argmax(axis=1).astype(np.int32), np.asarray(lengths, np.int32), truncated)


Builder = Callable[[Answers, slice], OutputArray]


def output_builders(options: Options) -> Mapping[str, Builder]:
    """Give, for each output but the echoed text, what builds its array for a slice of the texts.

    Arrays are [texts, 1], ``scores`` [texts, labels]; strings are objects holding UTF-8 bytes, as Triton wants them.
    """
    names = np.array([label.encode() for label in options.labels], dtype=np.object_)
    return {
        options.label_output: lambda answers, rows: names[answers.label_ids[rows]][:, None],
        "score": lambda answers, rows: answers.score[rows][:, None],
        "scores": lambda answers, rows: answers.scores[rows],
        "label_id": lambda answers, rows: answers.label_ids[rows][:, None],
        "tokens": lambda answers, rows: answers.tokens[rows][:, None],
        "truncated": lambda answers, rows: answers.truncated[rows][:, None],
    }
