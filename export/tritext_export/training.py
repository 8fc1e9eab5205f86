"""Fine-tuning itself: a recipe and labelled texts in, a trained model directory out. Imports torch and peft.

The loop is transformers' own Trainer; what is ours is which weights move and what is left on disk.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tritext_export import checkpoint
from tritext_export.errors import SourceError
from tritext_export.labelled import Example, label_ids
from tritext_export.recipe import Recipe
from tritext_export.sources import Source, resolve

import torch  # isort: skip  # after checkpoint, which says what to install where torch is missing
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

WARMUP_RATIO = 0.06
WEIGHT_DECAY = 0.01
# Torch draws the masks on one thread, which took half of a forward pass here. A run without them overfitted sooner (dev
# 0.835 after two epochs, but with another batch size and learning rate too), so they stay.
LORA_DROPOUT = 0.1


@dataclass(frozen=True)
class Splits:
    """The three sets of labelled texts that a training uses."""

    train: Sequence[Example]
    dev: Sequence[Example]
    test: Sequence[Example]


class TokenizedTexts(torch.utils.data.Dataset[dict[str, Any]]):
    """Examples as token ids and label ids, padded by the collator and not here."""

    def __init__(self, examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> None:
        """Tokenise everything once."""
        texts = [e.text for e in examples]
        self._ids = tokenizer(texts, truncation=True, max_length=recipe.max_length, padding=False)["input_ids"]
        self._labels = label_ids(examples, recipe.labels)

    def __len__(self) -> int:
        """Count the examples."""
        return len(self._labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Give one example in the form the Trainer collates."""
        return {"input_ids": self._ids[index], "labels": self._labels[index]}


class WeightAverage(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """The mean of the trained weights over the last steps, put in their place when training ends."""

    def __init__(self, share: float) -> None:
        """Choose the steps.

        Args:
            share: Share of all steps, counted from the end; 0 for none.
        """
        self._share = share
        self._count = 0
        self._mean: dict[str, torch.Tensor] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take one step's weights into the mean."""
        if state.global_step <= (1 - self._share) * state.max_steps:
            return
        self._count += 1
        for name, parameter in _trained(kwargs["model"]):
            mean = self._mean.setdefault(name, torch.zeros_like(parameter))
            mean += (parameter.detach() - mean) / self._count

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put the mean in the weights' place."""
        with torch.no_grad():
            for name, parameter in _trained(kwargs["model"]):
                if name in self._mean:
                    parameter.copy_(self._mean[name])


def _trained(model: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def train(recipe: Recipe, splits: Splits, directory: Path) -> dict[str, Any]:
    """Fine-tune, choose nothing on the test split, measure on it once, and save.

    Args:
        recipe: What to train and how.
        splits: Labelled texts; accuracy on ``dev`` is printed each epoch.
        directory: Where to write: an adapter for ``lora`` and ``head``, a whole checkpoint for ``full``.

    Returns:
        Accuracy on dev and test, and the sizes of the splits.

    Raises:
        SourceError: the base cannot be trained so.
    """
    set_seed(recipe.seed)
    base = resolve(recipe.base)
    tokenizer = checkpoint.load_tokenizer(base)
    model = build_model(base, recipe)
    limit = checkpoint.Checkpoint(base, model, tokenizer).max_length
    if not 2 < recipe.max_length <= limit:
        raise SourceError(f"--max-length {recipe.max_length}: {recipe.base} takes from 3 to {limit} tokens")
    sets = {name: TokenizedTexts(getattr(splits, name), tokenizer, recipe) for name in ("train", "dev", "test")}
    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=model,
            args=_arguments(recipe, Path(scratch)),
            train_dataset=sets["train"],
            eval_dataset=sets["dev"],
            data_collator=DataCollatorWithPadding(tokenizer),
            compute_metrics=_accuracy,
            callbacks=[WeightAverage(recipe.averaged)],
        )
        trainer.train()
        metrics = {f"{name}_accuracy": _evaluate(trainer, sets[name]) for name in ("dev", "test")}
    _save(model, tokenizer, directory)
    return metrics | {f"{name}_texts": len(sets[name]) for name in sets}


def build_model(base: Source, recipe: Recipe) -> PreTrainedModel | PeftModel:
    """Load the base with a new head and freeze what the method does not train."""
    config = checkpoint.load_config(base)
    config.id2label = dict(enumerate(recipe.labels))
    config.label2id = {name: i for i, name in enumerate(recipe.labels)}
    config.problem_type = "single_label_classification"
    model, _ = checkpoint.load_model(base, config)
    if recipe.method == "full":
        return model
    adapted = get_peft_model(model, _lora(model, recipe))
    adapted.peft_config["default"].base_model_name_or_path = recipe.base
    if recipe.method == "head":
        # PEFT cannot save a head alone, so a rank-1 adapter goes along that stays at its zero start.
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.requires_grad = False
    return adapted


def _lora(model: PreTrainedModel, recipe: Recipe) -> LoraConfig:
    if recipe.method == "head":
        first = next(n for n, m in model.base_model.named_modules() if isinstance(m, torch.nn.Linear))
        return LoraConfig(task_type="SEQ_CLS", r=1, target_modules=[first])
    return LoraConfig(
        task_type="SEQ_CLS",
        r=recipe.rank,
        lora_alpha=2 * recipe.rank,
        lora_dropout=LORA_DROPOUT,
        target_modules="all-linear",
    )


def _arguments(recipe: Recipe, scratch: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="linear",
        warmup_ratio=WARMUP_RATIO,
        weight_decay=WEIGHT_DECAY,
        label_smoothing_factor=recipe.label_smoothing,
        group_by_length=True,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=50,
        report_to=[],
        seed=recipe.seed,
        dataloader_pin_memory=False,
    )


def _accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float(np.mean(prediction.predictions.argmax(-1) == prediction.label_ids))}


def _evaluate(trainer: Trainer, texts: TokenizedTexts) -> float:
    return round(float(trainer.evaluate(texts)["eval_accuracy"]), 4)


def _save(model: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    if isinstance(model, PeftModel):
        model.save_pretrained(str(directory), safe_serialization=True, save_embedding_layers=False)
        (directory / "README.md").unlink(missing_ok=True)  # peft's empty model-card template
    else:
        model.save_pretrained(str(directory), safe_serialization=True)
        tokenizer.save_pretrained(str(directory))
    model.config.to_json_file(str(directory / "config.json"), use_diff=True)
