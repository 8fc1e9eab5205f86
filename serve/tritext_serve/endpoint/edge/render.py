"""An edge in, the texts of Envoy's files out. Pure."""

import json
from typing import Any

from tritext_serve.endpoint.edge.bootstrap import bootstrap
from tritext_serve.endpoint.edge.clusters import TYPE, clusters
from tritext_serve.endpoint.edge.listeners import listeners
from tritext_serve.endpoint.edge.model import Edge
from tritext_serve.endpoint.edge.routes import routes

BOOTSTRAP, CLUSTERS, ROUTES, LISTENERS = "bootstrap.json", "cds.json", "rds.json", "lds.json"


def render(edge: Edge) -> dict[str, str]:
    """Give the files that run an edge, by name.

    Only ``bootstrap.json`` is read once; the others are watched, and the change of one is atomic.
    """
    resources = {
        CLUSTERS: [{"@type": TYPE + "envoy.config.cluster.v3.Cluster"} | each for each in clusters(edge)],
        ROUTES: [routes(edge)],
        LISTENERS: listeners(edge),
    }
    texts = {name: _text({"resources": found}) for name, found in resources.items()}
    return {BOOTSTRAP: _text(bootstrap(edge))} | texts


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"
