"""The supervisor of one container: one deployment, one Triton, and who asks how it is.

::

    docker stop ─► SIGTERM ─► Watcher ─► Instance ─► Triton       canaries, restarts with back-off
                                 │          │
    the ingress, probes ─ /health/NAME/0 ◄──┤
    Prometheus ────────── /metrics ◄────────┘

A container's process 1: it reaps what others leave. ``tritext endpoint watch`` is the embedded Triton's, ``python3 -m
tritext_serve.endpoint.watch.image`` that of NVIDIA's image.
"""
