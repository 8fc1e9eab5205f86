"""Several labels at once: a certificate's counts in; the labels worth showing, the checkpoint beside the export, out.

Pure.
"""

from dataclasses import dataclass

from tritext_export.certificate import Certificate, Tally
from tritext_export.report.matrix import MAX_LABELS


@dataclass(frozen=True, slots=True)
class Line:
    """One label, as the checkpoint and as the export give it."""

    before: Tally
    after: Tally

    @property
    def label(self) -> str:
        """The label."""
        return self.before.label

    @property
    def true(self) -> int:
        """Texts that have it."""
        return self.before.true_positives + self.before.false_negatives


def shown_lines(certificate: Certificate) -> tuple[Line, ...]:
    """Choose the labels to list: all, or the twenty with the most mistakes, in their own order.

    Empty for a model that gives one label a text.
    """
    both = zip(certificate.checkpoint_tallies, certificate.export_tallies, strict=True)
    lines = [Line(before, after) for before, after in both]
    ranked = sorted(range(len(lines)), key=lambda i: -(lines[i].before.mistakes + lines[i].after.mistakes))
    return tuple(lines[i] for i in sorted(ranked[:MAX_LABELS]))
