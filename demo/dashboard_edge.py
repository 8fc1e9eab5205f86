"""What clients get, and how Envoy is."""

from dashboard_queries import DEPLOYMENT, ENDPOINT, buckets, per_second, recorded
from grafana import Dashboard, Panel, Query, Row

EDGE = Dashboard(
    "tritext-edge",
    "tritext: the edge",
    (
        Row(
            "What clients get",
            (
                Panel(
                    "Answers by status",
                    (Query(per_second("envoy_tritext_edge_requests", "code", ENDPOINT), "{{code}}"),),
                    "reqps",
                    about="0: the client hung up before an answer.",
                    stacked=True,
                ),
                Panel(
                    "Errors of ours",
                    (
                        Query(recorded("endpoint:edge_errors:ratio_rate5m", ENDPOINT), "{{endpoint}}"),
                        Query(recorded("deployment:edge_errors:ratio_rate5m", DEPLOYMENT), "{{deployment}}"),
                    ),
                    "percentunit",
                    about="5xx, 424, and 408 where a deployment took too long.",
                ),
                Panel(
                    "Response flags",
                    (
                        Query(
                            per_second("envoy_tritext_edge_requests", "flags", f'{ENDPOINT}, flags!="-"'), "{{flags}}"
                        ),
                    ),
                    "reqps",
                    about="Why Envoy answered itself or gave up: UH none is well, UF no connection, UT time-out, "
                    "UO circuit breaker, RL rate limit, NR no route, DC the client went.",
                ),
                Panel(
                    "Latency at the edge",
                    (Query(recorded("deployment:edge_seconds:p99_5m", DEPLOYMENT), "p99 {{deployment}}"),),
                    "s",
                ),
                Panel(
                    "Latency (ms)",
                    (Query(buckets("envoy_tritext_edge_duration", DEPLOYMENT), "{{le}}"),),
                    "ms",
                    "heatmap",
                ),
                Panel(
                    "Routes",
                    (Query(per_second("envoy_tritext_edge_requests", "route", ENDPOINT), "{{route}}"),),
                    "reqps",
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Envoy",
            (
                Panel(
                    "Connections",
                    (
                        Query(f"sum(envoy_http_downstream_cx_active{{{ENDPOINT}}})", "clients"),
                        Query(
                            f"sum by (envoy_cluster_name) (envoy_cluster_upstream_cx_active{{{ENDPOINT}}})",
                            "{{envoy_cluster_name}}",
                        ),
                    ),
                ),
                Panel(
                    "Instances in rotation",
                    (
                        Query(
                            f"sum by (envoy_cluster_name) (envoy_cluster_membership_healthy{{{ENDPOINT}}})",
                            "{{envoy_cluster_name}}",
                        ),
                    ),
                ),
                Panel(
                    "Turned away",
                    (
                        Query(
                            per_second("envoy_cluster_upstream_rq_pending_overflow", "envoy_cluster_name", ENDPOINT),
                            "circuit breaker {{envoy_cluster_name}}",
                        ),
                        Query(
                            per_second("envoy_cluster_upstream_rq_timeout", "envoy_cluster_name", ENDPOINT),
                            "time-out {{envoy_cluster_name}}",
                        ),
                        Query(
                            per_second("envoy_cluster_upstream_cx_connect_fail", "envoy_cluster_name", ENDPOINT),
                            "no connection {{envoy_cluster_name}}",
                        ),
                    ),
                    "reqps",
                ),
                Panel(
                    "Configuration",
                    (
                        Query(
                            f"sum(increase(envoy_http_rds_update_success{{{ENDPOINT}}}[$__rate_interval]))", "routes"
                        ),
                        Query(
                            f"sum(increase(envoy_http_rds_update_rejected{{{ENDPOINT}}}[$__rate_interval]))",
                            "routes refused",
                        ),
                        Query(
                            f"sum(increase(envoy_cluster_manager_cds_update_rejected{{{ENDPOINT}}}[$__rate_interval]))",
                            "clusters refused",
                        ),
                        Query(
                            f"sum(increase(envoy_listener_manager_lds_update_rejected{{{ENDPOINT}}}[$__rate_interval]))",
                            "listeners refused",
                        ),
                    ),
                    about="A shift of traffic or a new key is one update of the routes.",
                ),
                Panel("Memory", (Query(f"envoy_server_memory_allocated{{{ENDPOINT}}}", "{{instance}}"),), "bytes"),
                Panel(
                    "Days until a certificate ends",
                    (Query(f"envoy_server_days_until_first_cert_expiring{{{ENDPOINT}}}", "{{instance}}"),),
                    kind="stat",
                    about="A number beyond all reason: there is no certificate.",
                ),
            ),
        ),
    ),
    ("endpoint", "deployment"),
)
