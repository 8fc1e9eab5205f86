"""The wording: no figure looks better than it is."""

import math

from tritext_export.certificate.wording import decimal, percent, small


def test_figures_are_written_so_that_none_looks_better_than_it_is() -> None:
    assert [percent(share) for share in (1.0, 0.99999, 0.995, 0.0, math.nan)] == [
        "100.00%", "99.99%", "99.50%", "0.00%", "NaN"
    ]  # fmt: skip
    assert [small(value) for value in (1.83e-6, 0.25, 0.0, math.nan, math.inf)] == [
        "1.8e-06",
        "0.25",
        "0",
        "NaN",
        "inf",
    ]
    assert [decimal(value) for value in (0.84841, math.nan)] == ["0.8484", "NaN"]
