"""Predictions for the command line: windows of them in, lines on a stream out, as JSON lines, TSV or a table."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Protocol, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tritext._prediction import Prediction

# Longer texts are cut in a table before it is laid out, which takes time for every character.
_SHOWN = 400
_GAP = 2


class Writer(Protocol):
    """What all formats do."""

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Write one window of predictions; the first one also writes what stands above them all."""


class JsonWriter:
    """One JSON object a line, with every field of a prediction."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Write one object for each prediction."""
        for prediction in predictions:
            fields = {name: value for name, value in asdict(prediction).items() if value is not None}
            self._stream.write(json.dumps(fields, ensure_ascii=False) + "\n")


class TsvWriter:
    """A header and one row a text; texts with tabs, quotes or line breaks are quoted as the csv module reads them."""

    def __init__(self, stream: TextIO) -> None:
        self._plain = csv.writer(stream, delimiter="\t", lineterminator="\n")
        self._quoted = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._begun = False

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Write one row for each prediction."""
        if predictions and not self._begun:
            names = predictions[0].scores or ()
            pair = () if predictions[0].pair is None else ("text_pair",)
            columns = ("text", *pair, "label", "score", "tokens", "truncated")
            self._row(*columns, *(f"score:{name}" for name in names))
            self._begun = True
        for p in predictions:
            scores = (f"{score:.6f}" for score in (p.scores or {}).values())
            texts = (p.text,) if p.pair is None else (p.text, p.pair)
            self._row(*texts, p.label, f"{p.score:.6f}", str(p.tokens), str(p.truncated).lower(), *scores)

    def _row(self, *cells: str) -> None:
        # The csv module leaves a lone carriage return bare, and then does not read its own line back.
        writer = self._quoted if any("\r" in cell for cell in cells) else self._plain
        writer.writerow(cells)


class TableWriter:
    """A table for people; long texts are shortened, and what a terminal would obey is made harmless."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._begun = False

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Write the window as a table, the first with a header."""
        if not predictions:
            return
        names = list(predictions[0].scores or ())
        label_width = max(10, *(cell_len(p.label) for p in predictions))
        texts = ("text",) if predictions[0].pair is None else ("text", "text_pair")
        rest = _GAP * len(texts) + label_width + sum(_GAP + max(6, cell_len(name)) for name in ("score", *names))
        table = Table(show_header=not self._begun, box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        # rich shrinks all columns alike when a line is too long; only the text may give way
        width = max(20, (self._console.width - rest) // len(texts))
        for name in texts:
            table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=width)
        table.add_column("label", no_wrap=True, min_width=label_width)
        for name in ("score", *names):
            table.add_column(Text(name), justify="right", no_wrap=True, min_width=6)
        for p in predictions:
            scores = (f"{score:.4f}" for score in (p.scores or {}).values())
            shown = [_harmless(text) for text in (p.text, p.pair) if text is not None]
            table.add_row(*shown, Text(p.label), f"{p.score:.4f}", *scores)
        self._console.print(table)
        self._begun = True


def _harmless(text: str) -> Text:
    shown = "".join(c if c.isprintable() else " " for c in text[:_SHOWN])
    return Text(shown + "…" if len(text) > _SHOWN else shown)


WRITERS: dict[str, Callable[[TextIO], Writer]] = {"table": TableWriter, "json": JsonWriter, "tsv": TsvWriter}
