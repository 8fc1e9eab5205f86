"""The edge: what an endpoint is, in; Envoy's configuration and a running Envoy, out.

::

    Edge ── render ──► {bootstrap, lds, cds, rds}.json ── files.write ──► a folder ── process.Envoy ──► listeners
             pure        text                                  atomic                   keys, limits, routes, split

``refusals`` is the one table of status codes; the Lua under ``lua/`` is generated from it and runs inside Envoy.
"""

from tritext_serve.endpoint.edge.model import Edge, Limits, Listener, Tls, Tracing
from tritext_serve.endpoint.edge.render import render

__all__ = ["Edge", "Limits", "Listener", "Tls", "Tracing", "render"]
