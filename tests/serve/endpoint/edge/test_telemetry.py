"""What the edge counts and samples, as configuration; tests/e2e/test_metrics.py and test_tracing.py see it at work."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from tritext_serve.endpoint.edge.model import Tracing
from tritext_serve.endpoint.edge.telemetry import request_counter, tracer, upstream_filters


def test_no_client_can_make_a_new_metric() -> None:
    formats = re.findall(r"%(\w+)(?:\(([^)]*)\))?%", json.dumps(request_counter()))
    assert {name for name, _ in formats} == {"RESPONSE_CODE", "RESPONSE_FLAGS", "ROUTE_NAME", "RESP", "DURATION"}
    assert {header for name, header in formats if name == "RESP"} == {"azureml-model-deployment"}


@given(st.floats(0, 100))
def test_a_share_of_the_requests_is_sampled_to_a_millionth(per_cent: float) -> None:
    made = tracer(Tracing("collector", sampling=per_cent), "otlp")
    sampler = made["provider"]["typed_config"]["sampler"]["typed_config"]["wrapped_sampler"]["typed_config"]
    share = sampler["sampling_percentage"]
    assert share["denominator"] == "MILLION"
    assert abs(share["numerator"] / 1e4 - per_cent) <= 0.5e-4
    assert 0 <= share["numerator"] <= 10**6


def test_nobody_draws_from_the_request_id_which_clients_choose() -> None:
    assert "random_sampling" not in tracer(Tracing("collector"), "otlp")


def test_the_context_goes_whole_or_not_at_all() -> None:
    made = json.dumps(upstream_filters())
    assert re.findall(r'"remove": "(\w+)"', made) == ["traceparent", "tracestate"]
    assert '"suffix": "-00"' in made
