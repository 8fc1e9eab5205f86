"""Ratios, intervals, the report and its tables: by definition, and on made-up findings."""

import threading
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tritext_loadtest.peers.arrivals import Latency, measure_latency
from tritext_loadtest.peers.errors import PeerError
from tritext_loadtest.peers.ratios import Entry, all_ratios, cheapest, interval, ratio
from tritext_loadtest.peers.report import GRPC, REST, Findings, Member, agreement, report
from tritext_loadtest.peers.table import BEGIN, END, markdown, replace_summary, summary
from tritext_loadtest.peers.targets import BATCH, ENGINE, SINGLE, Take

costs = st.lists(st.floats(0.1, 100.0), min_size=1, max_size=12)


@given(costs)
def test_an_interval_lies_within_the_values_and_around_the_median(values: list[float]) -> None:
    found = interval(values)
    assert min(values) <= found.low <= found.value <= found.high <= max(values)


@given(costs, st.floats(0.2, 5.0))
def test_a_steady_ratio_is_found_whatever_the_rounds_were_like(ours: list[float], factor: float) -> None:
    found = ratio(ours, [factor * cost for cost in ours])
    assert found.low == pytest.approx(factor)
    assert found.value == pytest.approx(factor)
    assert found.high == pytest.approx(factor)


@given(costs.filter(lambda c: len(c) > 2))
def test_ratios_turned_round_are_the_inverse(ours: list[float]) -> None:
    theirs = ours[::-1]
    if len(ours) % 2:
        assert ratio(ours, theirs).value * ratio(theirs, ours).value == pytest.approx(1.0)


def test_the_cheapest_peer_has_the_right_labels_and_the_right_form() -> None:
    entries = {
        "wrong": Entry((1.0,), "plain", 0.5),
        "torch": Entry((30.0, 31.0, 32.0), "torch", 1.0),
        "int8": Entry((9.0,), "plain", 0.97),
        "ours": Entry((4.0,), "ours", 0.99),
    }
    assert cheapest(entries, ("torch", "plain")) == "int8"
    assert cheapest(entries, ("ours",)) == "ours"
    assert cheapest({}, ("ours",)) is None


def test_the_five_ratios_say_who_is_cheaper_and_how_near_the_limit_is() -> None:
    peers = {"f": Entry((30.0,), "torch", 1.0), "m": Entry((6.0,), "plain", 1.0), "o": Entry((3.0,), "ours", 1.0)}
    found, chosen = all_ratios([2.0], [1.6], peers, "f", ([1.5], [1.5]))
    assert {name: one.value for name, one in found.items()} == {
        "vs_fastapi": 15.0,
        "vs_best_peer": 3.0,
        "vs_best_peer_same_model": 1.5,
        "of_engine_limit_batch": pytest.approx(0.9375),
        "of_engine_limit_single": 0.75,
    }
    assert chosen == {"vs_fastapi": "f", "vs_best_peer": "m", "vs_best_peer_same_model": "o"}
    assert all_ratios([2.0], None, {}, None, (None, None)) == ({}, {})


def take(cpu: float, labels: str = "ab") -> Take:
    """A measurement."""
    return Take(cpu, 100.0, 10.0, 20.0, tuple(labels))


def findings() -> Findings:
    """Two rounds of tritext, FastAPI, mosec with wrong labels, and the engine."""
    members = {
        GRPC: Member("tritext", "ours", "its defaults", tuned=False, memory_mib=150.0),
        REST: Member("tritext", "ours", "its defaults", tuned=False),
        "FastAPI": Member("fastapi", "torch", "1 × default threads", tuned=False),
        "mosec": Member("mosec", "ours", "2 × 1 thread", tuned=True),
        ENGINE: Member("engine", "ours", "2 × 1 thread", tuned=True),
    }
    takes = {
        (GRPC, SINGLE): [take(2.0), take(2.2)],
        (GRPC, BATCH): [take(1.7), take(1.7)],
        (REST, SINGLE): [take(2.5), take(2.5)],
        ("FastAPI", SINGLE): [take(40.0), take(44.0)],
        ("mosec", SINGLE): [take(3.0, "aa"), take(3.0, "bb")],
        (ENGINE, SINGLE): [take(1.5), take(1.5)],
        (ENGINE, BATCH): [take(1.36), take(1.36)],
    }
    latencies = {GRPC: [Latency(0.5, 90.0, 11.0, 25.0, 0.4), Latency(0.9, 162.0, 20.0, 95.0, 31.0)]}
    tuning = [{"peer": "mosec", "form": "default int8", "setting": "2 × 1 thread, batch 8", "best": False}]
    machine = {"rounds": 2, "cores": 2, "processor": "a test", "date": "2026-01-01", "onnxruntime": "1"}
    return Findings(members, takes, ("a", "b"), {"BentoML": "does not install"}, latencies, tuning, machine)


def test_the_report_holds_the_ratios_and_leaves_wrong_labels_out_of_them() -> None:
    found = report(findings())
    assert found["ratios"]["vs_fastapi"] == pytest.approx(20.0)
    assert "vs_best_peer_same_model" not in found["ratios"]
    assert found["compared_with"] == {"vs_fastapi": "FastAPI", "vs_best_peer": "FastAPI"}
    assert found["ratios_rest"]["vs_fastapi"] == pytest.approx(16.8)
    assert found["ratios"]["of_engine_limit_batch"] == pytest.approx(0.8)
    assert "of_engine_limit_batch" not in found["ratios_rest"]
    assert found["rows"][0]["name"] == ENGINE
    assert {row["agreement"] for row in found["rows"] if row["name"] == "mosec"} == {0.5}
    assert [one["void"] for one in found["latencies"][GRPC]] == [False, True]


def test_the_tables_say_all_of_it() -> None:
    text = markdown(report(findings()))
    assert "| FastAPI + `transformers.pipeline` | 20.0× | 20.00–20.00 |" in text
    assert "**wrong: 50.0%**" in text
    assert "31.0 (void)" in text
    assert "Intervals of fewer than 6 rounds are mere ranges." in text
    assert "- BentoML: does not install" in text
    assert "| mosec | default int8 | 2 × 1 thread, batch 8 | – | – |  |" in text


def test_the_summary_replaces_what_stood_between_the_marks() -> None:
    found = report(findings())
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    changed = replace_summary(document, found)
    assert changed == f"before\n{BEGIN}\n{summary(found)}\n{END}\nafter\n"
    assert replace_summary(changed, found) == changed
    with pytest.raises(ValueError, match="has no lines"):
        replace_summary("no marks", found)


def test_the_pictures_are_drawn(tmp_path: Path) -> None:
    from tritext_loadtest.peers.plots import draw

    files = draw(report(findings()), tmp_path / "plots")
    assert [file.name for file in files] == ["cpu.png", "latency.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_agreement_is_the_share_of_equal_labels() -> None:
    assert agreement(["a", "b", "a", "c"], ["a", "b", "b", "c"]) == 0.75
    assert agreement(["a", "b"], ["a", "c", "b"]) == 0.5


def test_latency_counts_from_the_moment_a_request_was_due() -> None:
    import time

    def answer(texts: object) -> list[str]:
        time.sleep(0.02)
        return ["a"]

    found = measure_latency(answer, ["x"], saturation=100.0, share=0.5, seconds=1.0)
    assert found.texts_per_second == 50.0
    assert 20.0 <= found.p50_milliseconds <= found.p99_milliseconds


@pytest.mark.parametrize("seconds", [1e9, float("inf"), float("nan")])
def test_a_load_without_end_is_refused_before_it_is_drawn(seconds: float) -> None:
    with pytest.raises(PeerError, match="give a shorter --latency"):
        measure_latency(lambda texts: ["a"], ["x"], 100.0, 0.5, seconds)


def test_ctrl_c_ends_a_load_and_its_senders(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tritext_loadtest.peers.arrivals.time.sleep", stop)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        measure_latency(lambda texts: asked.append(texts) or ["a"], ["x"], 1.0, 0.5, 100.0)  # type: ignore[func-returns-value]
    deadline = perf_counter() + 10
    while threading.active_count() > before and perf_counter() < deadline:
        threading.Event().wait(0.01)
    assert threading.active_count() <= before
    assert len(asked) <= 1


def test_refused_requests_are_counted_and_a_server_that_answers_none_is_an_error() -> None:
    answers = iter([True, False] * 1000)

    def refuse_some(texts: object) -> list[str]:
        if next(answers):
            return ["a"]
        raise PeerError("full")

    found = measure_latency(refuse_some, ["x"], saturation=200.0, share=0.5, seconds=1.0)
    assert found.failed == pytest.approx(0.5, abs=0.02)

    def refuse(texts: object) -> list[str]:
        raise PeerError("gone")

    with pytest.raises(PeerError, match="gone"):
        measure_latency(refuse, ["x"], saturation=200.0, share=0.5, seconds=0.5)
