"""The cluster's two Envoys: an endpoint's files in, what they read out.

::

    endpoint.yml, blue.yml, network.yml ─► ingress/  bootstrap, clusters, listeners   a ConfigMap, no secrets
                                           egress/   the names that may be reached    a ConfigMap
                                           secrets/  routes, which hold the keys      a Secret, for you alone

The manifests around them are in ``deploy/k8s``; ``python3 -m tritext_serve.endpoint.kubernetes`` writes the files.
"""
