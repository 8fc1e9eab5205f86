"""Whether a candidate gives the labels that the live deployments give, and what is done about it.

::

    fronts ──► listener ──► ledger (join by digest) ──┐
    Envoy's statistics ──────────────────────────────► comparison ──► metrics, report, the control verb ``verdict``
                                                                      │
                                       promotion ◄── decision ◄───────┘
                                           └──► the control verb ``split``

What the supervisor does with it::

    comparison = Comparison(run.path / "witness", run.envoy / "admin.sock")
    ServerOptions(..., witness=comparison.ticket("blue"))  # for every Triton, before it starts
    registry.register(comparison)
    comparison.follow(endpoint)     # at the start and after every change of deployments, traffic or mirror
    comparison.forget("green")      # when a deployment is replaced: other files, other evidence
    comparison.handle(request)      # the control verb "verdict"
    comparison.close()
"""
