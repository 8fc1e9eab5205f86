"""Instances and threads from cores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.sizing import MAX_INSTANCES, Sizing, count_cores, queue_size, size, size_in_process, usable_cores


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


@given(st.integers(1, 512))
def test_an_engine_in_process_uses_all_cores_in_as_few_processes_as_can_feed_it(cores: int) -> None:
    chosen = size_in_process(cores)
    assert cores - chosen.instances < chosen.instances * chosen.threads <= cores
    assert chosen.threads <= 8
    assert chosen.instances == 1 or (chosen.instances - 1) * 8 < cores


def test_what_the_user_says_wins_in_process_too() -> None:
    assert size_in_process(8, 2, None) == Sizing(2, 4)
    assert size_in_process(2, 1, 3) == Sizing(1, 3)


def test_the_queue_grows_with_the_cores_and_has_room_for_some_clients_on_one() -> None:
    assert [queue_size(cores) for cores in (1, 2, 16)] == [20, 20, 160]


@pytest.mark.parametrize(
    ("affinity", "quota", "cores"),
    [(8, None, 8), (8, "max 100000", 8), (8, "150000 100000", 2), (8, "50000 100000", 1), (2, "800000 100000", 2)],
)
def test_a_control_groups_quota_counts(affinity: int, quota: str | None, cores: int) -> None:
    assert usable_cores(affinity, quota) == cores


def test_this_machine_has_a_core() -> None:
    assert count_cores() >= 1
