"""Labelled texts from the Hugging Face hub: a data set's name in, examples by split out. Imports datasets."""

from collections.abc import Iterable
from typing import Any

from tritext_export.errors import TextsError, first_line
from tritext_export.labelled import Example

PREFIX = "hub:"


def load_splits(name: str, text_column: str, label_column: str) -> dict[str, tuple[Example, ...]]:
    """Download a data set.

    Args:
        name: As the hub calls it, such as ``stanfordnlp/imdb``.
        text_column: Its column with the text.
        label_column: Its column with the label: a class label or a string.

    Returns:
        The examples of each of the data set's own splits.

    Raises:
        TextsError: the hub cannot be reached, has no such data set, or it has no such columns.
    """
    try:
        import datasets
    except ImportError as error:
        raise TextsError(f"{error}: install the exporter with `pip install 'tritext[export]'`") from error
    try:
        loaded = datasets.load_dataset(name)
    except Exception as error:  # datasets raises many unrelated types for a hub that does not answer
        raise TextsError(
            f"{PREFIX}{name}: the hub did not give this data set: {first_line(error)}. Check the name and the "
            "network, or give a labelled .tsv, .csv or .jsonl file with --data"
        ) from error
    return {
        split: _examples(rows, name, text_column, label_column)
        for split, rows in loaded.items()
        if split != "unsupervised"
    }


def _examples(rows: Any, name: str, text_column: str, label_column: str) -> tuple[Example, ...]:
    if not {text_column, label_column} <= set(rows.column_names):
        raise TextsError(
            f"{PREFIX}{name}: has the columns {', '.join(rows.column_names)}: choose with --text-column, --label-column"
        )
    feature = rows.features[label_column]
    label_name = getattr(feature, "int2str", str)
    texts: Iterable[str] = rows[text_column]
    return tuple(Example(text, label_name(label)) for text, label in zip(texts, rows[label_column], strict=True))
