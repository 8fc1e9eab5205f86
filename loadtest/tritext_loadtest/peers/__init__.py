"""The side-by-side benchmark: tritext, other servers and the bare engine on the same texts in the same run.

What flows where::

    catalogue: what each peer is ─┐
    settings: threads, batches ───┼─► contenders ──► servers, each in its environment ──► targets
    files: checkpoint, ONNX ──────┘   (programs/ holds what runs there)                     │
                                                                                            ▼
    report ◄── ratios ◄── takes: CPU time, labels, latencies ◄── comparison: rounds, every target in turn

Nothing in ``programs/`` is imported here: it runs in the peers' environments.
"""
