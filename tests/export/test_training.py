"""The averaging of weights over the last steps."""

from types import SimpleNamespace

import pytest
import torch

from tritext_export.training import WeightAverage


def run(share: float, values: list[float]) -> float:
    """Let a one-weight model take these values step by step, and give what it ends with."""
    model = torch.nn.Linear(1, 1, bias=False)
    average = WeightAverage(share)
    for step, value in enumerate(values, start=1):
        model.weight.data.fill_(value)
        average.on_step_end(None, SimpleNamespace(global_step=step, max_steps=len(values)), None, model=model)
    average.on_train_end(None, None, None, model=model)
    return model.weight.item()


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 4.0), (0.25, 4.0), (0.5, 3.5), (1.0, 2.5)], ids=["none", "last", "half", "all"]
)
def test_the_mean_of_the_last_steps_replaces_the_last(share: float, expected: float) -> None:
    assert run(share, [1.0, 2.0, 3.0, 4.0]) == pytest.approx(expected)


def test_frozen_weights_are_left_alone() -> None:
    model = torch.nn.Linear(1, 1)
    model.bias.requires_grad = False
    average = WeightAverage(1.0)
    average.on_step_end(None, SimpleNamespace(global_step=1, max_steps=1), None, model=model)
    model.bias.data.fill_(9.0)
    average.on_train_end(None, None, None, model=model)
    assert model.bias.item() == 9.0
