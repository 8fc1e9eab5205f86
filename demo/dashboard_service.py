"""What a deployment does: latency, work, answers, machine."""

from dashboard_queries import DEPLOYMENT, NAME, OF, WHOSE, buckets, per_second, recorded
from grafana import Dashboard, Panel, Query, Row

SERVICE = Dashboard(
    "tritext-service",
    "tritext: the service",
    (
        Row(
            "Requests",
            (
                Panel(
                    "Latency in the front",
                    (
                        Query(recorded("deployment:prediction_seconds:p50_5m"), f"p50 {NAME}"),
                        Query(recorded("deployment:prediction_seconds:p90_5m"), f"p90 {NAME}"),
                        Query(recorded("deployment:prediction_seconds:p99_5m"), f"p99 {NAME}"),
                    ),
                    "s",
                    about="prediction_duration_seconds: from a request's arrival in the front to its answer.",
                ),
                Panel(
                    "Texts per second",
                    (Query(recorded("deployment:texts:rate5m"), NAME),),
                    "short",
                    about="Canaries count too: one a second of each instance and model.",
                    stacked=True,
                ),
                Panel(
                    "Requests by outcome",
                    (Query(per_second("prediction_requests_total", "outcome"), "{{outcome}}"),),
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Where the time goes",
                    (
                        Query(recorded("deployment:queue_time:ratio_rate5m"), f"waiting {NAME}"),
                        Query(recorded("deployment:slow_predictions:ratio_rate5m"), f"over 250 ms {NAME}"),
                    ),
                    "percentunit",
                    width=6,
                    about="The share of requests' time spent in the queue, and of requests that miss the objective.",
                ),
                Panel("Latency", (Query(buckets("prediction_duration_seconds"), "{{le}}"),), "s", "heatmap", width=6),
                Panel(
                    "Waiting in Triton",
                    (Query(f"sum by ({WHOSE}) (nv_inference_pending_request_count{{{OF}}})", NAME),),
                    about="Requests that Triton has not handed over yet.",
                    width=6,
                ),
                Panel(
                    "Failed and turned away",
                    (
                        Query(recorded("deployment:failed_requests:ratio_rate5m"), f"failed or too late {NAME}"),
                        Query(recorded("deployment:rejected_requests:ratio_rate5m"), f"queue full {NAME}"),
                    ),
                    "percentunit",
                    width=6,
                ),
            ),
        ),
        Row(
            "Work",
            (
                Panel(
                    "Texts in a batch",
                    (Query(recorded("deployment:batch_texts:mean5m"), f"mean {NAME}"),),
                    about="More texts at once cost less each, while requests wait for one another a little.",
                ),
                Panel("Batch sizes", (Query(buckets("prediction_batch_texts"), "{{le}}"),), "short", "heatmap"),
                Panel(
                    "Padding",
                    (Query(recorded("deployment:padding_tokens:ratio_rate5m"), NAME),),
                    "percentunit",
                    about="Of the tokens that dense layers compute, those that are padding.",
                ),
                Panel("Tokens of a text", (Query(buckets("prediction_tokens"), "{{le}}"),), "short", "heatmap"),
                Panel(
                    "Texts cut",
                    (Query(recorded("deployment:truncated_texts:ratio_rate30m"), NAME),),
                    "percentunit",
                    about="Texts longer than the model's longest input, classified by their beginnings.",
                ),
                Panel(
                    "Time in Triton",
                    tuple(
                        Query(
                            f"{per_second(f'nv_inference_{part}_duration_us')} / 1e6",
                            f"{part} {NAME}",
                        )
                        for part in ("queue", "compute_input", "compute_infer", "compute_output")
                    ),
                    "s",
                    about="Seconds per second, by part, over all requests.",
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Answers",
            (
                Panel(
                    "Labels",
                    (Query(recorded("deployment:label_share:ratio_rate1h"), f"{NAME} {{{{label}}}}"),),
                    "percentunit",
                    about="Shares of the last hour.",
                ),
                Panel("Confidence", (Query(buckets("sentiment_score"), "{{le}}"),), "short", "heatmap"),
                Panel(
                    "Drift from the certificate",
                    (
                        Query(recorded("deployment:label_drift:tv1h"), f"at least {NAME}"),
                        Query(recorded("deployment:label_distance:tv1h"), f"as counted {NAME}"),
                    ),
                    "percentunit",
                    about="Half the sum of the differences between the label shares of the last hour and those of the "
                    "certificate's texts. Canaries are in the counts; `at least` takes their share off.",
                ),
            ),
        ),
        Row(
            "Machine",
            (
                Panel(
                    "Memory",
                    (
                        Query(f"nv_cpu_memory_used_bytes{{{DEPLOYMENT}}}", "used {{instance}}"),
                        Query(f"nv_cpu_memory_total_bytes{{{DEPLOYMENT}}}", "there is {{instance}}"),
                        Query(f"tritext_memory_bytes{{{DEPLOYMENT}}}", "Tritons of {{deployment}}"),
                    ),
                    "bytes",
                ),
                Panel(
                    "CPU",
                    (Query(f"nv_cpu_utilization{{{DEPLOYMENT}}}", "{{instance}}"),),
                    "percentunit",
                    about="Of the whole machine.",
                ),
                Panel(
                    "GPU",
                    (
                        Query(f"nv_gpu_utilization{{{DEPLOYMENT}}}", "work {{instance}} {{gpu_uuid}}"),
                        Query(
                            recorded("instance:gpu_memory_used:ratio", DEPLOYMENT), "memory {{instance}} {{gpu_uuid}}"
                        ),
                    ),
                    "percentunit",
                    about="Empty without a GPU.",
                ),
            ),
        ),
    ),
)
