"""An endpoint as clouds give it, on the user's own machines: one name, keys, deployments, a traffic split.

::

    endpoint.yml, blue.yml, …  ─ files ─►  model  ─ edge ─►  Envoy's configuration  ──►  Envoy
                                             │                                            │ keys, limits, split, mirror
                                             └─ supervisor ─►  a Triton a deployment  ◄───┘
                                                  canaries, restarts, health, metrics

Envoy answers every request; nothing here stands between it and Triton.
"""
