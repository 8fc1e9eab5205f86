"""Run by the Python that has azure-ai-ml: files in, a line of JSON for each out. It signs in nowhere and sends nothing.

A line holds the file, what the client has against it (null for nothing), and the body that it would send.
"""

import importlib
import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import yaml

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
ml = importlib.import_module("azure.ai.ml")  # by name, since the tests' own environment does not have it


def load(path: Path) -> Any:
    """Load a file as what its schema says it is."""
    schema = str(yaml.safe_load(path.read_text(encoding="utf-8")).get("$schema", ""))
    if "Endpoint" in schema:
        return ml.load_online_endpoint(path)._to_rest_online_endpoint("westeurope").as_dict()
    if "Deployment" in schema:
        deployment = ml.load_online_deployment(path)
        environment, mount = deployment.environment, deployment.model_mount_path
        deployment.model = deployment.environment = "/subscriptions/s/of/an/asset"  # uploaded by then
        sent = deployment._to_rest_object(location="westeurope").as_dict()
        routes = environment and environment.inference_config and environment.inference_config.as_dict()
        return {**sent, "routes": routes, "image": environment and environment.image, "mount": mount}
    workspace = ml.load_workspace(path)
    network = workspace.managed_network
    return {"mode": network and network.isolation_mode, "access": workspace.public_network_access}


for name in sys.argv[1:]:
    try:
        said, body = None, load(Path(name))
    except Exception as error:  # whatever the client raises is its verdict
        said, body = f"{type(error).__name__}: {error}", None
    print(json.dumps({"file": name, "problem": said, "body": body}, default=str))
