"""The flips: which texts are listed, in what words, and how many."""

import numpy as np

from tests.export.certificate.compared import ANYTHING, compare, rows


def test_several_labels_agree_only_as_a_set() -> None:
    reference = rows((2, 1, -1), (2, 1, -1), (-1, -2, -3), (2, 1, -1))
    exported = rows((2, 1, -1), (2, -0.1, -1), (-2, -1, -3), (1, 2, -1))
    certificate = compare(reference, exported, limits=ANYTHING, activation="sigmoid")
    assert certificate.agreement == 0.25
    assert [(flip.checkpoint, flip.export) for flip in certificate.flips] == [
        ("a + b", "a"),
        ("a (below 0.5)", "b (below 0.5)"),
        ("a + b", "b + a"),
    ]


def test_only_fifty_flips_are_listed_and_all_are_counted() -> None:
    reference = np.tile(rows((1, 0, 0)), (60, 1))
    certificate = compare(reference, reference[:, ::-1])
    assert (len(certificate.flips), certificate.flip_count) == (50, 60)
    assert certificate.flips[0].text == "text 0"
