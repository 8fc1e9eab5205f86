"""Who may speak to whom: an endpoint's network in, namespaces and packet filters out.

::

    model.Endpoint ─ outbound ─► names, private endpoints ─┐
                   └─────────────────────────── layout ────┴─► plan.Plan ─ filters ─► nft's text
                                                                 │
                                                                 └─ namespaces ─► the kernel's namespaces (root)

    matrix: what must pass and what must not, as data; prober asks it from inside a namespace or a container
"""
