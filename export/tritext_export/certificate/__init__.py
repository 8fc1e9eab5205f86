"""Does the export still give the checkpoint's answers? Logits in, a certificate out. Pure numpy.

A version is published with a passing certificate or not at all::

    comparison ──► claims ──► readings ──► figures ──► limits ──┐
         │                        ├──────► flips                │
         │                        ├──────► calibration          ├──► verdict (Certificate)
         │                        └──────► tallies              │
         └───────────────────────────────► diagnosis ───────────┘
"""

from tritext_export.certificate.calibration import Bin
from tritext_export.certificate.comparison import (
    Activation,
    Comparison,
    FloatArray,
    activation_of,
    probabilities,
)
from tritext_export.certificate.figures import Batch, Bucket, Figures
from tritext_export.certificate.flips import Cell, Flip
from tritext_export.certificate.limits import Check, Limits, limits_for
from tritext_export.certificate.tallies import Tally
from tritext_export.certificate.verdict import Certificate, Subject, certify, require

__all__ = [
    "Activation",
    "Batch",
    "Bin",
    "Bucket",
    "Cell",
    "Certificate",
    "Check",
    "Comparison",
    "Figures",
    "Flip",
    "FloatArray",
    "Limits",
    "Subject",
    "Tally",
    "activation_of",
    "certify",
    "limits_for",
    "probabilities",
    "require",
]
