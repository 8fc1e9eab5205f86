"""The limits: each precision's own, and the user's before them."""

import pytest

from tritext_export.certificate import Limits, limits_for
from tritext_export.errors import CertificateError


def test_limits_depend_on_the_precision_and_what_was_chosen_wins() -> None:
    assert limits_for("fp32") == Limits(1.0, 1e-4, 0.0, 0, 0.001)
    assert limits_for("fp16") == Limits(0.998, 0.02, 0.002, 0, 0.01)
    assert limits_for("int8") == Limits(0.995, 0.25, 0.005, 0, 0.02)
    assert limits_for("int8", {"agreement": 0.9}) == Limits(0.9, 0.25, 0.005, 0, 0.02)
    with pytest.raises(CertificateError, match="no limits for precision 'int4': use fp32, fp16, int8"):
        limits_for("int4")
    with pytest.raises(CertificateError, match="the limit 'speed' is unknown: use agreement"):
        limits_for("int8", {"speed": 1})
