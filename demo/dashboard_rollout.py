"""Blue against green, the mirror, and the supervisor."""

from dashboard_queries import DEPLOYMENT, ENDPOINT, NAME, per_second, recorded
from grafana import Dashboard, Panel, Query, Row

ROLLOUT = Dashboard(
    "tritext-rollout",
    "tritext: blue against green",
    (
        Row(
            "Who gets what",
            (
                Panel(
                    "Traffic, as set",
                    (Query(f"tritext_traffic_share{{{DEPLOYMENT}}}", "{{deployment}}"),),
                    "percent",
                    stacked=True,
                ),
                Panel(
                    "Traffic, as it comes",
                    (Query(per_second("envoy_tritext_edge_requests", "deployment", DEPLOYMENT), "{{deployment}}"),),
                    "reqps",
                    stacked=True,
                ),
                Panel("Mirrored", (Query(f"tritext_mirror_share{{{DEPLOYMENT}}}", "{{deployment}}"),), "percent"),
            ),
        ),
        Row(
            "Side by side",
            (
                Panel(
                    "p99 in the front",
                    (Query(recorded("deployment:prediction_seconds:p99_5m"), NAME),),
                    "s",
                ),
                Panel(
                    "Errors at the edge",
                    (Query(recorded("deployment:edge_errors:ratio_rate5m", DEPLOYMENT), "{{deployment}}"),),
                    "percentunit",
                ),
                Panel(
                    "Labels",
                    (Query(recorded("deployment:label_share:ratio_rate1h"), f"{NAME} {{{{label}}}}"),),
                    "percentunit",
                ),
                Panel(
                    "Mirrored texts with another label",
                    (Query(recorded("candidate:mirror_disagreements:ratio_rate30m", ENDPOINT), "{{candidate}}"),),
                    "percentunit",
                    about="Of the mirrored texts of half an hour, those that live and candidate label differently.",
                ),
                Panel(
                    "Compared",
                    (Query(recorded("candidate:mirror_compared:increase30m", ENDPOINT), "{{candidate}}"),),
                    about="Texts in half an hour.",
                ),
                Panel(
                    "Which labels",
                    (
                        Query(
                            "sum by (live, candidate, live_label, candidate_label) "
                            f"(increase(tritext_mirror_disagreements_total{{{ENDPOINT}}}[$__range]))"
                        ),
                    ),
                    kind="table",
                ),
            ),
        ),
        Row(
            "Supervisor",
            (
                Panel(
                    "Instances",
                    (Query(f'tritext_instance_state{{{DEPLOYMENT}, state="serving"}}', "{{deployment}} {{number}}"),),
                    kind="state-timeline",
                    about="1: it answers its canary and gets requests.",
                ),
                Panel(
                    "Started again",
                    (
                        Query(
                            f"sum by (deployment, reason) (increase(tritext_restarts_total{{{DEPLOYMENT}}}[$__range]))",
                            "{{deployment}} {{reason}}",
                        ),
                    ),
                    kind="stat",
                ),
                Panel(
                    "Canaries",
                    (
                        Query(
                            "histogram_quantile(0.99, sum by (deployment, le) "
                            f"(rate(tritext_canary_seconds_bucket{{{DEPLOYMENT}}}[$__rate_interval])))",
                            "p99 {{deployment}}",
                        ),
                    ),
                    "s",
                ),
                Panel(
                    "Canaries that failed",
                    (
                        Query(
                            "sum by (deployment, reason) "
                            f"(increase(tritext_canary_failures_total{{{DEPLOYMENT}}}[$__rate_interval]))",
                            "{{deployment}} {{reason}}",
                        ),
                    ),
                ),
                Panel(
                    "In rotation",
                    (Query(f"tritext_deployment_up{{{DEPLOYMENT}}}", "{{deployment}}"),),
                    about="Instances that get requests.",
                ),
                Panel("Keys accepted", (Query(f"tritext_keys{{{ENDPOINT}}}", "{{endpoint}}"),), kind="stat"),
            ),
        ),
    ),
)
