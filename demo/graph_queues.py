"""What dropping padding inside the graph is worth: queues of texts, each planned as the front plans them, in turn.

The front cuts what has queued up into sub-batches, and the shorter the queue the more padding is left. So the same
int8 graph is run with padding and packed, each by its own plan, on the same queues.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from tritext_export.cost import Costs, feeds, open_session
from tritext_export.encoding import Encoded, padded
from tritext_export.request import Progress
from tritext_serve.front.options import DEFAULT_MAX_BATCH_TOKENS, DEFAULT_PACKED_TOKENS
from tritext_serve.front.planner import Costs as PlannedCosts
from tritext_serve.front.planner import padding, plan

QUEUES = (1, 4, 8, 16, 32, 64)
MIXED = "80 % of 25, 20 % of 180 tokens"
MOST_TEXTS, TEXTS_A_QUEUE, ROUNDS = 640, 64, 2
PLANS = {
    "padded": (DEFAULT_MAX_BATCH_TOKENS, PlannedCosts()),
    "packed": (DEFAULT_PACKED_TOKENS, PlannedCosts(packed=True)),
}
Numbers = npt.NDArray[np.float64]


def measure_queues(
    files: Mapping[str, Path], encoded: Sequence[Encoded], longest: int, pad_token_id: int, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Run both forms on queues of every length.

    Args:
        files: The ONNX files ``padded`` and ``packed``.
        encoded: The texts.
        longest: Most tokens that the model takes.
        pad_token_id: What fills a row up.
        progress: Where to tell how far it is.

    Returns:
        By mix of lengths and length of the queue: computed tokens a real one of the padded form, milliseconds a text
        of both, and how many times as much the padded one costs.
    """
    sessions = {name: open_session(files[name]) for name in PLANS}
    mixes = {"these texts": list(encoded), MIXED: _mixed(encoded, longest)}
    work = [(mix, queue) for mix in mixes for queue in QUEUES]
    found: dict[str, dict[str, Any]] = {mix: {} for mix in mixes}
    for mix, queue in progress.track(work, len(work), "measuring queues"):
        groups = _queues(mixes[mix], queue)
        seconds = {name: np.full(len(groups), np.inf) for name in PLANS}
        for _ in range(ROUNDS):
            for place, group in enumerate(groups):
                for name, session in sessions.items():
                    took = _run(session, name, group, pad_token_id)
                    seconds[name][place] = min(seconds[name][place], took)
        found[mix][str(queue)] = _figures(groups, seconds)
    return found


def _queues(texts: Sequence[Encoded], queue: int) -> list[list[Encoded]]:
    chance = np.random.default_rng(queue)
    count = max(TEXTS_A_QUEUE, MOST_TEXTS // queue * queue) if queue > 1 else MOST_TEXTS // 4
    drawn = chance.integers(0, len(texts), count // queue * queue)
    return [[texts[i] for i in drawn[start : start + queue]] for start in range(0, len(drawn), queue)]


def _mixed(encoded: Sequence[Encoded], longest: int) -> list[Encoded]:
    """Cut and join the texts to lengths of another mix; what a text costs hangs on its length alone."""
    chance = np.random.default_rng(0)
    lengths = np.clip(chance.gamma(4.0, np.where(chance.random(1024) < 0.8, 25, 180) / 4), 3, longest).astype(int)
    ids = [number for text in encoded for number in text.ids]
    starts = chance.integers(0, max(1, len(ids) - longest), len(lengths))
    rows = [
        np.resize(ids[start : start + length], length).tolist() for start, length in zip(starts, lengths, strict=True)
    ]
    return [Encoded(row, [0] * len(row)) for row in rows]


def _run(session: ort.InferenceSession, name: str, group: Sequence[Encoded], pad_token_id: int) -> float:
    most, costs = PLANS[name]
    batches = plan([len(text) for text in group], most, len(group), costs)
    inputs = [feeds(session, padded([group[i] for i in batch], pad_token_id)) for batch in batches]
    started = time.thread_time()
    for arrays in inputs:
        session.run(["logits"], arrays)
    return time.thread_time() - started


def _figures(groups: Sequence[Sequence[Encoded]], seconds: Mapping[str, Numbers]) -> dict[str, Any]:
    most, costs = PLANS["padded"]
    lengths = [[len(text) for text in group] for group in groups]
    wasted = sum(padding(each, plan(each, most, len(each), costs)) for each in lengths)
    real = sum(map(sum, lengths))
    measured = Costs(np.array([len(group) for group in groups]), dict(seconds))
    ratio = measured.ratio("padded", "packed")
    return {
        "computed / real tokens": 1 + wasted / real,
        "milliseconds": {name: measured.milliseconds(name) for name in PLANS},
        "padded to packed": {"value": ratio.value, "low": ratio.low, "high": ratio.high},
    }
