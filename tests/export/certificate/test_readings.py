"""From logits to probabilities: which activation a checkpoint asks for, and that it is torch's."""

import numpy as np
import pytest
from hypothesis import given, settings

from tests.export.certificate.compared import FloatArray, logits_arrays
from tritext_export.certificate import activation_of, probabilities
from tritext_export.errors import CertificateError


@pytest.mark.parametrize(
    ("problem_type", "labels", "activation"),
    [
        ("single_label_classification", 2, "softmax"),
        ("multi_label_classification", 5, "sigmoid"),
        ("regression", 1, "none"),
        (None, 3, "softmax"),
        (None, 1, "sigmoid"),
    ],
)
def test_the_problem_type_decides_the_activation(problem_type: str | None, labels: int, activation: str) -> None:
    assert activation_of(problem_type, labels) == activation


def test_an_unknown_problem_type_is_named() -> None:
    with pytest.raises(CertificateError, match="problem_type 'ranking' is unknown"):
        activation_of("ranking", 2)


@settings(deadline=None)
@given(logits_arrays)
def test_probabilities_are_those_of_torch(logits: FloatArray) -> None:
    import torch

    wide = torch.from_numpy(logits).double()
    np.testing.assert_allclose(probabilities(logits, "softmax"), wide.softmax(1).numpy(), atol=1e-12)
    np.testing.assert_allclose(probabilities(logits, "sigmoid"), wide.sigmoid().numpy(), atol=1e-12)
