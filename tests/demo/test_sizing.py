"""The sizing arithmetic: proportional, rounded up, and read from the bench that the document names."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sizing import EDGE_CORES, EDGE_FULL, POD_CORES, TRITON_FULL, Cost, read, size

BENCH = Path(__file__).parents[2] / "docs/bench.json"
COST = Cost(1, 2.5, 0.3, 330, 195)


def test_a_thousand_a_second() -> None:
    needed = size(1000, COST)
    assert (needed.cores, needed.pods) == (2.5, 2)
    assert needed.edges == 2
    assert [needed.edge_cores, needed.received_mbit, needed.sent_mbit] == pytest.approx([0.3, 2.64, 1.56])


@given(st.integers(1, 10**7), st.sampled_from([1, 8, 32]), st.floats(0.1, 20), st.floats(0.01, 5))
def test_what_is_bought_is_enough_and_not_one_pod_more(rate: int, texts: int, triton_ms: float, edge_ms: float) -> None:
    needed = size(rate, Cost(texts, triton_ms, edge_ms, 1, 1))
    assert needed.pods * POD_CORES * TRITON_FULL >= needed.cores * (1 - 1e-9)
    assert needed.edges * EDGE_CORES * EDGE_FULL >= needed.edge_cores * (1 - 1e-9)
    assert needed.pods == 2 or (needed.pods - 1) * POD_CORES * TRITON_FULL < needed.cores
    assert needed.edges == 2 or (needed.edges - 1) * EDGE_CORES * EDGE_FULL < needed.edge_cores


def test_the_bench_has_the_rows_that_are_read() -> None:
    costs = read(json.loads(BENCH.read_text(encoding="utf-8")))
    assert [cost.texts for cost in costs] == [1, 32]
    assert all(0.5 < cost.triton_ms < 20 for cost in costs)
