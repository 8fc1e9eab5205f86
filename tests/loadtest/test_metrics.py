"""Triton's counters: added up over versions, taken from one another, divided by what they are about."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tritext_loadtest.metrics import Counters, parse
from tritext_loadtest.watch import local_server, look_at, metrics_url, scrape

EXPOSITION = """\
# HELP nv_inference_request_success Number of successful inference requests
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="m",version="1"} 10
nv_inference_request_success{model="m",version="2"} 30
nv_inference_request_success{model="other",version="1"} 99
# TYPE nv_inference_count counter
nv_inference_count{model="m",version="1"} 160
# TYPE nv_inference_exec_count counter
nv_inference_exec_count{model="m",version="1"} 20
# TYPE nv_inference_queue_duration_us counter
nv_inference_queue_duration_us{model="m",version="1"} 80000
# TYPE something_else gauge
something_else{model="m"} 1
"""


def test_versions_are_added_up_and_other_models_left_out() -> None:
    found = parse(EXPOSITION, ["m", "m_classifier"])
    assert list(found) == ["m"]
    assert found["m"] == Counters(requests=40, texts=160, batches=20, queue=80_000)
    assert found["m"].batch_size == 8
    assert found["m"].milliseconds("queue") == 2


def test_a_front_s_own_batches_take_the_place_of_triton_s_and_its_queue_comes_on_top() -> None:
    front = """\
prediction_batch_texts_sum{model="m",version="1"} 150
prediction_batch_texts_count{model="m",version="1"} 15
prediction_queue_seconds_sum{model="m",version="1"} 0.2
prediction_duration_seconds_sum{model="m",version="1"} 0.6
prediction_duration_seconds_count{model="m",version="1"} 40
"""
    found = parse(EXPOSITION + front, ["m"])["m"]
    assert found.batch_size == 10
    assert found.milliseconds("queue") == pytest.approx(2 + 5)
    assert found.milliseconds("compute") == pytest.approx(10)
    assert found.requests == 40


def test_what_happened_between_two_readings() -> None:
    before, after = Counters(requests=10, texts=20, batches=5), Counters(requests=14, texts=60, batches=7)
    assert after.since(before) == Counters(requests=4, texts=40, batches=2)
    assert before.since(after) == before  # a server that started anew


def test_each_time_is_divided_by_the_count_that_was_told_with_it() -> None:
    """A front tells its figures later than Triton: sixty requests of the second before, in one of only two."""
    late = Counters(requests=2, queue=4e3, compute=6e6, front_requests=60, front_queue=1.2e6)
    assert late.milliseconds("compute") == 100
    assert late.milliseconds("queue") == 2 + 20
    assert Counters(front_requests=2, front_queue=2e3).milliseconds("queue") == 1
    assert late.milliseconds("input") is late.milliseconds("output") is None


def test_nothing_done_has_no_means() -> None:
    assert Counters().batch_size is None
    assert Counters().milliseconds("compute") is None


@pytest.mark.parametrize(
    ("url", "metrics"),
    [
        ("grpc://127.0.0.1:8001", "http://127.0.0.1:8002/metrics"),
        ("https://triton.internal:443/v", "http://triton.internal:8002/metrics"),
        ("grpc://[::1]:8001", "http://[::1]:8002/metrics"),
    ],
)
def test_metrics_are_looked_for_beside_the_server(url: str, metrics: str) -> None:
    assert metrics_url(url) == metrics


@pytest.mark.parametrize(
    ("words", "port"), [(["--metrics-port=18002"], 18002), (["--metrics-port=none"], 8002), ([], 8002)]
)
def test_a_server_of_this_machine_says_its_metrics_port_itself(words: list[str], port: int) -> None:
    with asleep(*words) as process:
        assert metrics_url("grpc://127.0.0.1:8001", process) == f"http://127.0.0.1:{port}/metrics"
    assert metrics_url("grpc://127.0.0.1:8001", process) == "http://127.0.0.1:8002/metrics"


def test_a_stub_is_named_by_its_model(tmp_path: Path) -> None:
    stub = tmp_path / "triton_python_backend_stub"
    shutil.copy(Path(sys.executable).resolve(), stub)
    with asleep("/models/sentiment/3/model.py", program=str(stub)) as process:
        (own,) = look_at(process)
    assert own.name == "sentiment 3"
    with asleep(program=str(stub)) as process:
        (own,) = look_at(process)
    assert own.name == stub.name


@contextlib.contextmanager
def asleep(*words: str, program: str = sys.executable) -> Iterator[psutil.Process]:
    """Run a process that does nothing, under such a command line; it is there to be read once it has said a word."""
    command = [program, "-c", "import sys; print(flush=True); sys.stdin.read()", *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


def test_a_server_that_cannot_be_seen_is_left_unseen() -> None:
    assert scrape("http://127.0.0.1:9/metrics", ["m"]) == {}
    assert scrape("no address", ["m"]) == {}
    assert local_server("grpc://127.0.0.1:9") is None
    assert local_server("grpc://192.0.2.1:8001") is None


def test_this_process_can_be_looked_at() -> None:
    (own, *_) = look_at(psutil.Process())
    assert own.rss > 1
    assert own.files is not None
    assert own.files > 1
