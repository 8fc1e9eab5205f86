"""What a served version must answer: the certificate's comparison in, ``expectations.json`` out.

A load test holds every answer against it. It knows texts by a hash only: who has a text can ask for
its label, but the texts are not in it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tritext_export.certificate import Comparison, probabilities
from tritext_export.labelled import Example

SCHEMA = 1
EXPECTATIONS_FILE = "expectations.json"
# Other cores and other batches round otherwise; in fp32 no score was ever seen to move by more than a tenth of this.
LEAST_NOISE = 1e-4
_HASH_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Expectations:
    """The labels that an export gave while it was certified.

    Attributes:
        labels: Label names in the order of their ids.
        noise: How far a score may move with the batch; a margin up to it is a tie.
        texts: By the text's hash, the label's id and how far its score leads the next.
    """

    labels: tuple[str, ...]
    noise: float
    texts: Mapping[str, tuple[int, float]]

    def to_json(self, model: str, version: int) -> dict[str, Any]:
        """Give the file's content."""
        head = {"schema": SCHEMA, "model": model, "version": version, "labels": list(self.labels)}
        return head | {"noise": self.noise, "texts": {key: list(value) for key, value in self.texts.items()}}


def hash_example(example: Example) -> str:
    """Name a text, or a pair of them, by half of a sha256; what is hashed tells where the first text ends."""
    texts = [part.encode(errors="surrogatepass") for part in (example.text, example.pair) if part is not None]
    content = b"".join(b"%d:%b" % (len(part), part) for part in texts)
    return hashlib.sha256(content).hexdigest()[:_HASH_CHARACTERS]


def expect(comparison: Comparison) -> Expectations:
    """Read the labels off a comparison: the export's, alone; a label that changed with the batch leads by nothing.

    Args:
        comparison: Logits, FP32 [texts, labels], of each run.
    """
    scores = np.stack([probabilities(run, comparison.activation) for run in comparison.runs.values()])
    sound = np.isfinite(scores).all(axis=(0, 2))
    label_ids = comparison.alone.argmax(axis=1)
    rows = np.flatnonzero(sound)
    spread = float(np.ptp(scores[:, rows], axis=0).max()) if len(rows) else 0.0
    texts = {
        hash_example(comparison.examples[row]): (int(label_ids[row]), _lead(scores[:, row], int(label_ids[row])))
        for row in map(int, rows)
    }
    return Expectations(tuple(comparison.labels), max(LEAST_NOISE, round(2 * spread, 6)), texts)


def write_expectations(directory: Path, expectations: Expectations, model: str, version: int) -> None:
    """Write the file beside the certificate, one line long."""
    content = json.dumps(expectations.to_json(model, version), ensure_ascii=False, separators=(",", ":"))
    (directory / EXPECTATIONS_FILE).write_text(content + "\n", encoding="utf-8")


def _lead(scores: Any, label_id: int) -> float:
    """Say how far a label leads the next in the run where it leads least, FP64 [runs, labels]; 1 where it is alone."""
    others = np.delete(scores, label_id, axis=1)
    if not others.shape[1]:
        return 1.0
    return max(0.0, round(float((scores[:, label_id] - others.max(axis=1)).min()), 6))
