"""A fine-tuning from end to end: a request in, a trained model with its recipe out; or a refusal, nothing written."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tritext_export import hub
from tritext_export.errors import SourceError, TextsError
from tritext_export.labelled import Example, label_ids, label_names, read_examples, select
from tritext_export.recipe import Recipe, write_recipe
from tritext_export.sources import resolve

SplitTexts = dict[str, tuple[Example, ...]]


@dataclass(frozen=True, slots=True)
class FinetuneRequest:
    """What to train, and where to write it.

    Attributes:
        recipe: How to train; its empty ``labels`` are filled from the texts.
        output: The folder to create.
        text_column: Column of the texts.
        label_column: Column of the labels.
        overwrite: Whether an existing folder may be replaced.
    """

    recipe: Recipe
    output: Path
    text_column: str = "text"
    label_column: str = "label"
    overwrite: bool = False


def finetune(request: FinetuneRequest) -> dict[str, Any]:
    """Train, and write the model with ``recipe.json`` beside it.

    Returns:
        The metrics.

    Raises:
        ExportError: nothing was written.
    """
    if request.output.exists() and not request.overwrite:
        raise SourceError(f"{request.output}: exists already: choose another --output, or add --overwrite")
    texts = read_splits(request)
    labels = request.recipe.labels or label_names(texts["train"])
    if len(labels) < 2:
        raise TextsError(f"{request.recipe.data}: only the label {labels[0]!r} occurs: training needs two at least")
    for examples in texts.values():
        label_ids(examples, labels)
    recipe = replace(request.recipe, labels=labels)
    resolve(recipe.base)
    from tritext_export import training

    with new_directory(request.output) as directory:
        metrics = training.train(recipe, training.Splits(**texts), directory)
        write_recipe(directory, replace(recipe, data=_shown(recipe.data)), metrics)
    return metrics


@contextlib.contextmanager
def new_directory(output: Path) -> Iterator[Path]:
    """Give a hidden folder beside ``output`` that takes its place when all has gone well, and is gone otherwise.

    Made before the work begins, so that a place that cannot be written is known at once and not hours later.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
        try:
            partial.chmod(0o755)
            yield partial
            if output.exists():
                shutil.rmtree(output)
            partial.rename(output)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise SourceError(
            f"{output}: {error.strerror or error}: nothing was written; choose another --output"
        ) from error


def read_splits(request: FinetuneRequest) -> SplitTexts:
    """Read the texts and split them.

    A file is split by the hash of each text, 80:10:10. A hub data set keeps its own test split where it has one, and
    its own validation split or else a tenth of its training split for dev.
    """
    data = request.recipe.data
    if not data.startswith(hub.PREFIX):
        return split_by_hash(read_examples(Path(data), request.text_column, request.label_column), data)
    own = hub.load_splits(data.removeprefix(hub.PREFIX), request.text_column, request.label_column)
    if "test" not in own:
        return split_by_hash(tuple(e for examples in own.values() for e in examples), data)
    dev = own.get("validation") or select(own["train"], "dev")
    return {"train": tuple(set_aside(own["train"], dev)), "dev": dev, "test": own["test"]}


def split_by_hash(examples: tuple[Example, ...], data: str) -> SplitTexts:
    """Split texts by their own hash.

    Raises:
        TextsError: a split has no text at all.
    """
    splits: SplitTexts = {
        "train": select(examples, "train"),
        "dev": select(examples, "dev"),
        "test": select(examples, "test"),
    }
    empty = [name for name, part in splits.items() if not part]
    if empty:
        raise TextsError(f"{data}: {len(examples)} texts leave the {empty[0]} split empty: give more texts")
    return splits


def set_aside(examples: tuple[Example, ...], held_out: tuple[Example, ...]) -> list[Example]:
    """Take the held-out texts out of a training split."""
    texts = {e.text for e in held_out}
    return [e for e in examples if e.text not in texts]


def _shown(data: str) -> str:
    """Name the data without the folders of the machine that it was on."""
    return data if data.startswith(hub.PREFIX) else Path(data).name
