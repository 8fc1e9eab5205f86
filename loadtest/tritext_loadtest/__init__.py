"""Load on a running server, and what it costs the server.

What flows where::

    labelled texts ──load──► tritext.Client × N ──► server
                       │                              │ process tree
                       ▼                              ▼
                    rates, latencies, answers      cost: CPU seconds, memory
                       └───────────► bench ◄──────────┘
"""
