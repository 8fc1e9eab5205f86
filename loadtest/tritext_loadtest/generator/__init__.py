"""The processes that make the load, on Locust: a plan in, records out. Only these are patched by gevent.

__main__ ── patches, then ──► process: Locust's environment, runner, web UI
                                 │
                                 ▼
                              visitor: walks the schedule ──► sender: one request, its labels held against the plan
"""
