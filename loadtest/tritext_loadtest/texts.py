"""A file's texts, repeated or cut to a number."""

import csv
import itertools
from pathlib import Path

from tritext_loadtest.errors import TextsError


def read_texts(path: Path, count: int) -> list[str]:
    """Read the ``text`` column of a TSV file.

    Args:
        path: The file.
        count: How many to return; they start over when the file is used up.

    Raises:
        TextsError: the file cannot be read or has no such column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            texts = [row["text"] for row in itertools.islice(csv.DictReader(file, delimiter="\t", strict=True), count)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TextsError(f"{path}: {error}: give a TSV file with a column `text`") from error
    except KeyError as error:
        raise TextsError(f"{path}: has no column `text`") from error
    if not texts:
        raise TextsError(f"{path}: holds no texts")
    return list(itertools.islice(itertools.cycle(texts), count))
