"""The diagnosis: planted faults are named, noise is not."""

from typing import Any

import numpy as np
import pytest

from tests.export.certificate.compared import compare


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda logits: logits[:, [1, 0, 2]],
            "the labels are swapped: where the checkpoint says 'b' the export says 'a'",
        ),
        (lambda logits: logits * 3 + 1, "the logits are 3 times the checkpoint's"),
        (lambda logits: logits * 0 + 1, "the export answers every text alike"),
        (lambda logits: np.where(logits > 2, np.inf, logits), "infinity in the logits: a number overflowed"),
    ],
)
def test_a_likely_cause_is_named(damage: Any, words: str) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (50, 3)).astype(np.float32)
    assert words in compare(logits, damage(logits).astype(np.float32)).reason


def test_noise_has_no_cause() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (50, 3)).astype(np.float32)
    assert compare(logits, random.normal(0, 2, (50, 3)).astype(np.float32)).diagnosis == ""
