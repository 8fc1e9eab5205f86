"""Instances and threads from cores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.sizing import MAX_INSTANCES, Sizing, count_cores, size, usable_cores


@given(st.integers(1, 512))
def test_instances_times_threads_never_exceed_the_cores(cores: int) -> None:
    chosen = size(cores)
    assert chosen.instances * chosen.threads <= cores
    assert 1 <= chosen.instances <= MAX_INSTANCES


@pytest.mark.parametrize(
    ("cores", "instances", "threads", "expected"),
    [
        (2, None, None, Sizing(2, 1)),
        (64, None, None, Sizing(8, 8)),
        (8, 2, None, Sizing(2, 4)),
        (8, 2, 1, Sizing(2, 1)),
        (1, 4, None, Sizing(4, 1)),
    ],
)
def test_what_the_user_says_wins(cores: int, instances: int | None, threads: int | None, expected: Sizing) -> None:
    assert size(cores, instances, threads) == expected


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [(8, None, 8), (8, "max 100000", 8), (8, "150000 100000", 2), (8, "50000 100000", 1), (2, "800000 100000", 2)],
)
def test_a_control_groups_quota_counts(affinity: int, quota: str | None, cores: int) -> None:
    assert usable_cores(affinity, quota) == cores


def test_this_machine_has_a_core() -> None:
    assert count_cores() >= 1
