"""What was trained, how, and how well: plain data, written beside every model that `tritext finetune` makes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Method = Literal["full", "lora", "head"]
METHODS: tuple[Method, ...] = ("full", "lora", "head")
RECIPE_FILE = "recipe.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the outcome of a fine-tuning, bar the machine's arithmetic.

    Attributes:
        base: The SOURCE that training starts from.
        data: The labelled texts: a file, or ``hub:NAME``.
        labels: Label names; their order is their id.
        method: ``full`` trains every weight, ``lora`` a low-rank adapter on all linear layers and the head,
            ``head`` the last linear layer alone.
        rank: Rank of the LoRA matrices; their scale alpha is twice that.
        epochs: Passes over the training split.
        batch_size: Texts a step.
        learning_rate: Peak of a linear schedule with warm-up over 6 % of the steps.
        averaged: Share of the last steps whose weights are averaged into the result (Izmailov et al., "Averaging
            Weights Leads to Wider Optima and Better Generalization", 2018); 0 keeps the last step's.
        label_smoothing: Share of each label's weight that is spread over the others.
        max_length: Longest text in tokens, special tokens counted.
        seed: Of every random generator.
    """

    base: str
    data: str
    labels: tuple[str, ...]
    method: Method = "lora"
    rank: int = 16
    epochs: float = 2.0
    batch_size: int = 16
    learning_rate: float = 5e-4
    averaged: float = 0.0
    label_smoothing: float = 0.0
    max_length: int = 128
    seed: int = 42


def write_recipe(directory: Path, recipe: Recipe, metrics: dict[str, Any]) -> None:
    """Write ``recipe.json`` with the recipe and what came of it."""
    content = {"recipe": asdict(recipe), "metrics": metrics}
    (directory / RECIPE_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
