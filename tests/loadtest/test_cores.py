"""Cores that may be used: a set, a quota, and never fewer than one."""

import pytest

from tritext_loadtest.cores import count_cores, usable_cores


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [
        (8, "max", 8),
        (8, "max 100000", 8),
        (8, "200000 100000", 2),
        (8, "150000 100000", 2),
        (2, "900000 100000", 2),
        (8, "1000 100000", 1),
    ],
)
def test_the_smaller_limit_counts(affinity: int, quota: str, cores: int) -> None:
    assert usable_cores(affinity, quota) == cores


def test_this_process_has_a_core() -> None:
    assert count_cores() >= 1
