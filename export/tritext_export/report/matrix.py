"""Confusion matrices: a certificate's counts in; the labels worth showing, a picture and the worst pairs out. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tritext_export.certificate import Cell, Certificate
from tritext_export.certificate.flips import NOT_A_NUMBER
from tritext_export.report.svg import element, label, picture, squeezed

MAX_LABELS = 20
MAX_PAIRS = 12
_MAX_LABEL_CHARACTERS = 20
_CHARACTER = 7.5
# Strong enough to see a difference, weak enough for the number on it to be read in both themes.
_FAINTEST, _STRONGEST = 0.04, 0.55


@dataclass(frozen=True, slots=True)
class Pair:
    """One kind of mistake: a true label, another given for it, and how often before and after."""

    true: str
    given: str
    before: int
    after: int


def shown_labels(certificate: Certificate) -> tuple[str, ...]:
    """Choose the labels to draw: all, or the twenty that take part in the most mistakes, in their own order."""
    if len(certificate.labels) <= MAX_LABELS:
        return certificate.labels
    mistakes: Counter[str] = Counter()
    for cell in (*certificate.checkpoint_confusion, *certificate.export_confusion):
        if cell.true != cell.given:
            mistakes.update({cell.true: cell.texts, cell.given: cell.texts})
    ranked = sorted(certificate.labels, key=lambda name: -mistakes[name])
    chosen = set(ranked[:MAX_LABELS])
    return tuple(name for name in certificate.labels if name in chosen)


def worst_pairs(certificate: Certificate) -> tuple[Pair, ...]:
    """List the mistakes that changed most, then those made most."""
    before, after = _mistakes(certificate.checkpoint_confusion), _mistakes(certificate.export_confusion)
    pairs = [Pair(true, given, before[true, given], after[true, given]) for true, given in before.keys() | after.keys()]
    pairs.sort(key=lambda p: (-abs(p.after - p.before), -p.after, p.true, p.given))
    return tuple(pairs[:MAX_PAIRS])


def given_labels(certificate: Certificate, labels: Sequence[str]) -> tuple[str, ...]:
    """Add a column for texts without an answer, where there are any."""
    lost = any(cell.given == NOT_A_NUMBER for cell in certificate.export_confusion)
    return (*labels, NOT_A_NUMBER) if lost else tuple(labels)


def draw_matrix(name: str, title: str, cells: Sequence[Cell], rows: Sequence[str], columns: Sequence[str]) -> Markup:
    """Draw a matrix: true labels down, given ones across, each row shaded by its shares.

    Args:
        name: An identifier of its own on the page.
        title: What it is.
        cells: The counts.
        rows: The true labels to draw.
        columns: The given ones: the same, and perhaps one for no answer.
    """
    side = 84 if len(columns) <= 3 else max(26, 360 // len(columns))
    names = max(len(squeezed(word, _MAX_LABEL_CHARACTERS)) for word in columns) * _CHARACTER + 12
    upright = len(columns) > 3 or names > side
    top = names + 26 if upright else 44
    left = names + 24
    size = left + side * len(columns) + 4, top + side * len(rows) + 4
    counts = {(cell.true, cell.given): cell.texts for cell in cells}
    totals = Counter[str]()
    for cell in cells:
        totals[cell.true] += cell.texts
    parts: list[Markup] = [
        label(left + side * len(columns) / 2, 12, "the model's label", "middle", class_="axis"),
        _turned(12, top + side * len(rows) / 2, "true label", "middle", "axis"),
    ]
    parts += _names(rows, columns, left, top, side, upright=upright)
    for i, true in enumerate(rows):
        for j, given in enumerate(columns):
            count = counts.get((true, given), 0)
            parts += _cell(left + j * side, top + i * side, side, count, totals[true], (true, given))
    right = sum(counts.get((word, word), 0) for word in rows)
    description = f"Of {sum(totals[word] for word in rows):,} texts {right:,} have the true label."
    return picture(name, size, title, description, *parts)


def _mistakes(cells: Iterable[Cell]) -> Counter[tuple[str, str]]:
    return Counter({(cell.true, cell.given): cell.texts for cell in cells if cell.true != cell.given})


def _names(
    rows: Sequence[str], columns: Sequence[str], left: float, top: float, side: float, *, upright: bool
) -> list[Markup]:
    short = [squeezed(word, _MAX_LABEL_CHARACTERS) for word in columns]
    down = [label(left - 8, top + (i + 0.5) * side + 4, word, "end") for i, word in enumerate(short[: len(rows)])]
    across = [
        _turned(left + (j + 0.5) * side + 4, top - 8, word, "start", "")
        if upright
        else label(left + (j + 0.5) * side, top - 10, word, "middle")
        for j, word in enumerate(short)
    ]
    return down + across


def _turned(x: float, y: float, words: str, anchor: str, kind: str) -> Markup:
    return label(x, y, words, anchor, class_=kind, transform=f"rotate(-90 {x:.1f} {y:.1f})")


def _cell(x: float, y: float, side: float, count: int, total: int, place: tuple[str, str]) -> list[Markup]:
    true, given = place
    share = count / total if total else 0.0
    kind = "hit" if true == given else "miss"
    opacity = f"{_FAINTEST + (_STRONGEST - _FAINTEST) * share:.2f}"
    words = element("title", f"true {true}, given {given}: {count:,} of {total:,} texts")
    box = element("rect", words, x=x + 1, y=y + 1, width=side - 2, height=side - 2, class_=kind, fill_opacity=opacity)
    if not count:
        return [box]
    large = side >= 60
    number = label(
        x + side / 2, y + side / 2 + (2 if large else 4), f"{count:,}", "middle", class_="large" if large else "count"
    )
    if not large:
        return [box, number]
    return [box, number, label(x + side / 2, y + side / 2 + 20, f"{share:.1%}", "middle", class_="axis")]
