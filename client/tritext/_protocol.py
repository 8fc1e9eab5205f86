"""What the front model speaks: texts in, chunks and calls out; answers in, predictions out. No I/O, no numpy import.

    texts ──check──► texts ──chunks──► Call … Answer ──predictions──► Prediction, in the order of the texts

String outputs are slow in Triton's Python backend, so a call asks for numbers only and the label's id becomes a
name here. The names come from the classification extension, which Triton serves from the label file in C++:
``parse_labels`` reads its "value:index:label" strings.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from tritext._errors import InferenceFailed, InvalidInput
from tritext._prediction import Prediction
from tritext._transports.base import Answer, Array

NUMBERS = ("label_id", "score", "tokens", "truncated")
SCORES = "scores"
Item = str | tuple[str, str]  # one text, or the two that a model reads together
T = TypeVar("T")
# "All classes": Triton caps the count at the number of classes (measured on 2.51). It must fit 32 bits: 2**40
# came back as no classes at all.
ALL_CLASSES = 1_000_000


def check_items(texts: str | Iterable[str], pairs: str | Iterable[str] | None) -> tuple[Item, ...]:
    """Return the texts, each with its second one where there are ``pairs``, if every one can be sent.

    Raises:
        InvalidInput: as ``check_texts`` does, or there are more of the ones than of the others.
    """
    if isinstance(texts, str):
        texts, pairs = (texts,), None if pairs is None else (pairs,)  # type: ignore[assignment]  # checked below
    first = check_texts(texts)
    if pairs is None:
        return first
    if isinstance(pairs, str):
        raise InvalidInput("pairs: got one str for a list of texts: give a list that is as long")
    second = check_texts(pairs, "pairs")
    if len(first) != len(second):
        raise InvalidInput(f"pairs: got {len(second)} for {len(first)} texts: give one for each text")
    return tuple(zip(first, second, strict=True))


def split_items(items: Sequence[Item]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the texts and, where the items are pairs, the second texts."""
    pairs = [item for item in items if not isinstance(item, str)]
    if not pairs:
        return tuple(item for item in items if isinstance(item, str)), ()
    return tuple(first for first, _ in pairs), tuple(second for _, second in pairs)


def check_texts(texts: Iterable[str], name: str = "texts") -> tuple[str, ...]:
    """Return the texts as a tuple if every one can be sent; empty ones and NUL characters can.

    Args:
        texts: What the caller gave.
        name: What a refusal calls them.

    Raises:
        InvalidInput: ``texts`` is no collection of strings, or one holds a lone surrogate, which has no UTF-8.
    """
    if isinstance(texts, bytes | bytearray) or not isinstance(texts, Iterable):
        raise InvalidInput(f"{name}: got {type(texts).__name__}: give a str or a list of str")
    checked = tuple(texts)
    for index, text in enumerate(checked):
        if not isinstance(text, str):
            raise InvalidInput(f"{name}[{index}]: got {type(text).__name__}: give a str")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(
                f"{name}[{index}]: lone surrogate {text[error.start]!a} at character {error.start}: "
                "decode the text with the right encoding"
            ) from error
    return checked


def chunks(texts: Sequence[T], size: int) -> list[tuple[T, ...]]:
    """Cut texts into runs of at most ``size``, in order.

    Example:
        >>> chunks(["a", "b", "c"], 2)
        [('a', 'b'), ('c',)]
    """
    return [tuple(texts[start : start + size]) for start in range(0, len(texts), size)]


def parse_labels(answer: Answer) -> tuple[str, ...]:
    """Read the label names, in the order of their ids, from a classification answer for one text.

    Args:
        answer: Output ``scores`` as BYTES [1, labels], each "value:index:label"; a label may hold colons.

    Raises:
        InferenceFailed: a class has no name, or the strings are not of that form.
    """
    names: dict[int, str] = {}
    for entry in _rows(answer, SCORES, 1)[0]:
        words = entry.decode(errors="backslashreplace") if isinstance(entry, bytes) else str(entry)
        _, _, rest = words.partition(":")
        index, _, name = rest.partition(":")
        if not (index.isascii() and index.isdigit()):
            raise InferenceFailed(f"output {SCORES!r}: {words!r} is not of the form value:index:label")
        if not name:
            raise InferenceFailed(
                f"the model gives no name for label {index}: its config.pbtxt needs a label_filename "
                f"on the output {SCORES!r}, with one name a line"
            )
        names[int(index)] = name
    if sorted(names) != list(range(len(names))) or not names:
        raise InferenceFailed(f"output {SCORES!r}: got the label ids {sorted(names)}, expected 0, 1, 2, …")
    return tuple(names[index] for index in range(len(names)))


def predictions(items: Sequence[Item], answer: Answer, labels: Sequence[str]) -> list[Prediction]:
    """Turn the answer for n texts or pairs into n predictions, the i-th about the i-th of them.

    Args:
        items: What was sent.
        answer: The outputs ``NUMBERS``, each [n, 1], and ``scores`` [n, labels] if they were asked for.
        labels: The label names in the order of their ids.

    Raises:
        InferenceFailed: an output is missing or of another shape, or a label id has no name.
    """
    columns = [_column(answer, name, len(items)) for name in NUMBERS]
    rows: Sequence[Sequence[float] | None] = [None] * len(items)
    if SCORES in answer.arrays:
        rows = _rows(answer, SCORES, len(items))
    return [
        Prediction(
            text=item if isinstance(item, str) else item[0],
            label=_name(labels, int(label_id)),
            score=float(score),
            tokens=int(tokens),
            truncated=bool(truncated),
            model_version=answer.model_version,
            scores=None if row is None else _named(labels, row),
            pair=None if isinstance(item, str) else item[1],
        )
        for item, label_id, score, tokens, truncated, row in zip(items, *columns, rows, strict=True)
    ]


def _array(answer: Answer, name: str, n: int) -> Array:
    array = answer.arrays.get(name)
    if array is None:
        raise InferenceFailed(f"the answer has no output {name!r}: is this model a front that tritext wrote?")
    if array.ndim != 2 or len(array) != n:
        raise InferenceFailed(f"output {name!r} has the shape {list(array.shape)} for {n} texts")
    return array


def _column(answer: Answer, name: str, n: int) -> list[Any]:
    array = _array(answer, name, n)
    if array.shape[1] != 1:
        raise InferenceFailed(f"output {name!r} has the shape {list(array.shape)}, expected {[n, 1]}")
    column: list[Any] = array[:, 0].tolist()
    return column


def _rows(answer: Answer, name: str, n: int) -> list[list[Any]]:
    rows: list[list[Any]] = _array(answer, name, n).tolist()
    return rows


def _name(labels: Sequence[str], label_id: int) -> str:
    if not 0 <= label_id < len(labels):
        raise InferenceFailed(f"the answer has the label id {label_id}, the model names {len(labels)} labels")
    return labels[label_id]


def _named(labels: Sequence[str], row: Sequence[float]) -> dict[str, float]:
    if len(row) != len(labels):
        raise InferenceFailed(f"the answer has {len(row)} scores, the model names {len(labels)} labels")
    return dict(zip(labels, row, strict=True))
