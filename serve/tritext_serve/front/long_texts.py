"""What becomes of a text longer than the model takes: cut, refused, or read in windows that overlap. Pure.

The version's configuration says which, and each request may say otherwise by parameters of the same names::

    long_texts       truncate | refuse | window
    window_stride    tokens that a window shares with the one before it
    window_pooling   mean | max: how the windows' logits become the text's
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from tritext_serve.front.texts import TextError
from tritext_serve.front.tokens import Tokens, cut_windows

Mode = Literal["truncate", "refuse", "window"]
Pooling = Literal["mean", "max"]
NAMES = ("long_texts", "window_stride", "window_pooling")
DEFAULT_STRIDE = 32
# Of one text, and of all texts of one request together: some five seconds of a core for a MiniLM of 512 tokens.
DEFAULT_MAX_WINDOWS, DEFAULT_MAX_REQUEST_WINDOWS = 32, 128
FloatArray = npt.NDArray[np.float32]


class LongTextsError(TextError):
    """A parameter that says how to take long texts has a value that means nothing."""


@dataclass(frozen=True, slots=True)
class LongTexts:
    """How long texts are taken.

    Attributes:
        mode: Cut them, refuse them, or read them in windows.
        stride: Tokens that a window shares with the one before it.
        pooling: How the windows' logits become the text's.
    """

    mode: Mode = "truncate"
    stride: int = DEFAULT_STRIDE
    pooling: Pooling = "mean"


TRUNCATE = LongTexts()


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds them.

    Attributes:
        max_length: Longest row in tokens.
        pairs: Whether texts come in pairs, which are not read in windows: every window of one text would have to meet
            every window of the other.
        max_windows: Most windows of one text.
        max_request_windows: Most windows of the texts of one request together, those not counted that need but one.
    """

    max_length: int
    pairs: bool = False
    max_windows: int = DEFAULT_MAX_WINDOWS
    max_request_windows: int = DEFAULT_MAX_REQUEST_WINDOWS


def read_long_texts(values: Mapping[str, Any], default: LongTexts, limits: Limits) -> LongTexts:
    """Read parameters of the names above; other names are none of ours, and what is missing stays as it was.

    Raises:
        LongTextsError: a value means nothing; the message names it and what would do.
    """
    mode = _choice(values, "long_texts", default.mode, get_args(Mode))
    pooling = _choice(values, "window_pooling", default.pooling, get_args(Pooling))
    if mode == "window" and limits.pairs:
        raise LongTextsError("long_texts is 'window', but pairs are not read in windows: take truncate or refuse")
    most = limits.max_length // 2
    stride = values.get("window_stride", min(default.stride, most))
    text = str(stride)
    if not text.isdecimal() or len(text) > 9 or int(text) > most:
        raise LongTextsError(f"window_stride is {repr(stride)[:40]}: take a whole number of tokens from 0 to {most}")
    return LongTexts(cast(Mode, mode), int(text), cast(Pooling, pooling))


def _choice(values: Mapping[str, Any], name: str, default: str, choices: Sequence[str]) -> str:
    value = values.get(name, default)
    if value not in choices:
        raise LongTextsError(f"{name} is {value!r}: take {', '.join(choices)}")
    return str(value)


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch in which every text has been taken as it wants.

    Attributes:
        tokens: First one row a text, then the further windows of those that have several.
        windows: The rows of such texts, by text.
        refused: Why a text is not taken at all, by text.
    """

    tokens: Tokens
    windows: Mapping[int, Sequence[int]] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many texts there are."""
        return len(self.tokens.ids) - sum(len(rows) - 1 for rows in self.windows.values())

    @property
    def token_counts(self) -> list[int]:
        """Tokens of each text that count for its answer: those of its row, or all of a text in windows."""
        counts = self.tokens.lengths[: self.count]
        for text in self.windows:
            counts[text] = self.tokens.whole[text]
        return counts

    @property
    def truncated(self) -> npt.NDArray[np.bool_]:
        """Which texts were cut, BOOL [texts]."""
        flags = self.tokens.truncated[: self.count]
        flags[list(self.windows)] = False
        return flags

    def texts(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Tell whose rows these are."""
        if not self.windows:
            return rows
        owners: npt.NDArray[np.intp] = np.arange(len(self.tokens.ids))
        for text, places in self.windows.items():
            owners[places] = text
        texts: npt.NDArray[np.intp] = np.unique(owners[rows])
        return texts


def take(tokens: Tokens, ways: Sequence[LongTexts], limits: Limits, requests: Sequence[Collection[int]] = ()) -> Rows:
    """Refuse the texts that must not be cut, and give further rows to those that are read in windows.

    Args:
        tokens: One row a text.
        ways: How each text is taken if it is long.
        limits: What bounds that.
        requests: The texts of each request, which together may have so many windows and no more.
    """
    refused, further = _cut(tokens, ways, limits)
    refused |= _excess(further, requests, limits)
    windows: dict[int, Sequence[int]] = {}
    ids, lengths = list(tokens.ids), list(tokens.lengths)
    for text, more in further.items():
        if text not in refused:
            windows[text] = [text, *range(len(ids), len(ids) + len(more))]
            ids += more
            lengths += map(len, more)
    return Rows(replace(tokens, ids=ids, lengths=lengths), windows, refused)


def _cut(
    tokens: Tokens, ways: Sequence[LongTexts], limits: Limits
) -> tuple[dict[int, str], dict[int, list[list[int]]]]:
    """Say which long texts are refused and why, and what windows the others have besides their first."""
    refused: dict[int, str] = {}
    further: dict[int, list[list[int]]] = {}
    for text in sorted(tokens.whole):
        way = ways[text]
        if way.mode == "refuse":
            refused[text] = _too_long(tokens.whole[text], limits)
        elif way.mode == "window":
            more = cut_windows(tokens.cut[text], limits.max_length, way.stride)[1:]
            if len(more) < limits.max_windows:
                further[text] = more
            else:
                refused[text] = _too_many(len(more) + 1, tokens.whole[text], limits)
    return refused, further


def _excess(
    further: Mapping[int, Sequence[object]], requests: Sequence[Collection[int]], limits: Limits
) -> dict[int, str]:
    """Refuse the texts in windows that nobody wants but requests that want too many.

    What another request wants too is computed anyway.
    """
    wanted: set[int] = set()
    refused: dict[int, str] = {}
    for texts in requests:
        windowed = further.keys() & texts
        windows = sum(len(further[text]) + 1 for text in windowed)
        if windows <= limits.max_request_windows:
            wanted |= windowed
        else:
            refused |= dict.fromkeys(sorted(windowed), _too_many_together(windows, limits))
    return {text: why for text, why in refused.items() if text not in wanted}


def pool(logits: FloatArray, rows: Rows, ways: Sequence[LongTexts]) -> None:
    """Make each windowed text's logits, in its first row, of those of all its rows."""
    for text, places in rows.windows.items():
        of = logits[places]
        logits[text] = of.mean(axis=0) if ways[text].pooling == "mean" else of.max(axis=0)


def _too_long(tokens: int, limits: Limits) -> str:
    remedy = "shorten it, or let long_texts be truncate" + ("" if limits.pairs else " or window")
    return f"has {tokens} tokens, more than the {limits.max_length} that the model takes: {remedy}"


def _too_many(windows: int, tokens: int, limits: Limits) -> str:
    return (
        f"has {tokens} tokens, which make {windows} windows, more than the {limits.max_windows} allowed: "
        "shorten it, or let window_stride be smaller"
    )


def _too_many_together(windows: int, limits: Limits) -> str:
    return (
        f"and the other long texts of its request make {windows} windows, more than the "
        f"{limits.max_request_windows} allowed: send fewer of them at a time"
    )
