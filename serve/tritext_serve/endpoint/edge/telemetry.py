"""What the edge counts of its answers, and which of its traces Triton joins: pieces of Envoy's configuration. Pure.

Envoy's own metrics count an upstream's answers before they are rewritten, and the edge's own by class alone. The
counter made here counts what clients got: by status, response flags, deployment and route, all of which are few.

A request is sampled if its client's trace context says so, and by chance if it has none. Envoy's ``random_sampling``
would draw that from the request id, which clients choose, and without the request id it samples everything; the
tracer's own sampler does neither. Triton 24.10 traces every request that brings a trace context, sampled or not, and
Envoy sends a context with every request once tracing is on. So what was not sampled goes on without one.
"""

from typing import Any

from tritext_serve.endpoint.edge.model import Tracing

_TYPE = "type.googleapis.com/envoy"
PREFIX = "tritext_edge"
DEPLOYMENT_HEADER = "azureml-model-deployment"
UNSAMPLED = "-00"  # how a traceparent ends
MILLIONTHS_A_PER_CENT = 10_000
_FILTERS = "extensions.filters.http"
_SAMPLERS = "extensions.tracers.opentelemetry.samplers.v3"


def request_counter() -> dict[str, Any]:
    """Make the entry of an HTTP connection manager's ``access_log`` that counts answers.

    Prometheus sees ``envoy_tritext_edge_requests{code, flags, deployment, route}`` and the histogram
    ``envoy_tritext_edge_duration{deployment}`` in milliseconds. ``deployment`` is "" for what the edge itself answered.
    """
    deployment = _tag("deployment", f"%RESP({DEPLOYMENT_HEADER})%")
    whose = [
        _tag("code", "%RESPONSE_CODE%"),
        _tag("flags", "%RESPONSE_FLAGS%"),
        deployment,
        _tag("route", "%ROUTE_NAME%"),
    ]
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {
            "@type": f"{_TYPE}.extensions.access_loggers.stats.v3.Config",
            "stat_prefix": PREFIX,
            "counters": [{"stat": {"name": "requests", "tags": whose}, "value_fixed": 1}],
            "histograms": [
                {
                    "stat": {"name": "duration", "tags": [deployment]},
                    "unit": "Milliseconds",
                    "value_format": "%DURATION%",
                }
            ],
        },
    }


def tracer(tracing: Tracing, collector: str) -> dict[str, Any]:
    """Make an HTTP connection manager's ``tracing``.

    Args:
        tracing: What the edge is called, and how much is sampled.
        collector: The cluster that takes OTLP over gRPC.
    """
    share = {"numerator": round(tracing.sampling * MILLIONTHS_A_PER_CENT), "denominator": "MILLION"}
    by_chance = {
        "name": "by_chance",
        **_typed(f"{_SAMPLERS}.TraceIdRatioBasedSamplerConfig", sampling_percentage=share),
    }
    as_its_client = _typed(f"{_SAMPLERS}.ParentBasedSamplerConfig", wrapped_sampler=by_chance)
    config = _typed(
        "config.trace.v3.OpenTelemetryConfig",
        grpc_service={"envoy_grpc": {"cluster_name": collector}, "timeout": "1s"},
        service_name=tracing.service,
        sampler={"name": "as_its_client", **as_its_client},
    )
    return {"provider": {"name": "envoy.tracers.opentelemetry", **config}, "spawn_upstream_span": True}


def upstream_filters() -> list[dict[str, Any]]:
    """Make the router's ``upstream_http_filters``, which take the context off requests that are not sampled."""
    mutations = {"request_mutations": [{"remove": name} for name in ("traceparent", "tracestate")]}
    remover = _typed(f"{_FILTERS}.header_mutation.v3.HeaderMutation", mutations=mutations)
    action = _typed(f"{_FILTERS}.composite.v3.ExecuteFilterAction", typed_config={"name": "remove", **remover})
    context = _typed("type.matcher.v3.HttpRequestHeaderMatchInput", header_name="traceparent")
    unsampled = {"input": {"name": "context", **context}, "value_match": {"suffix": UNSAMPLED}}
    matcher = {"predicate": {"single_predicate": unsampled}, "on_match": {"action": {"name": "remove", **action}}}
    conditional = _typed(
        "extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config={"name": "composite", **_typed(f"{_FILTERS}.composite.v3.Composite")},
        xds_matcher={"matcher_list": {"matchers": [matcher]}},
    )
    codec = _typed(f"{_FILTERS}.upstream_codec.v3.UpstreamCodec")
    return [{"name": "unsampled_context_remover", **conditional}, {"name": "codec", **codec}]


def _typed(kind: str, **fields: Any) -> dict[str, Any]:
    return {"typed_config": {"@type": f"{_TYPE}.{kind}", **fields}}


def _tag(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value_format": value}
