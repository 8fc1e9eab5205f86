"""The files for ``az ml``: an endpoint's own in, the same in the form that Azure's service wants out. Pure.

What differs, and why:

- Azure's own Triton image has no backend of ours, so a deployment names our image and its routes. Its model is then a
  ``custom_model``, mounted below ``MOUNT`` by name and version; ``triton_model`` would have Azure ignore the image.
- Azure lets an instance work on one request at a time unless told otherwise, so the limit is always written.
- A deployment is tagged with the model that it answers as, so that whoever reads the file alone sees it.
- Traffic and mirroring cannot be set when an endpoint is made: they are shifted afterwards.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from tritext_serve.azure.cloud import Cloud
from tritext_serve.azure.sources import Source
from tritext_serve.endpoint.files.deployment import FRONT_TAG

MOUNT = "/var/tritext"
MODELS_VARIABLE = "TRITEXT_MODELS"
CUSTOM = "custom_model"
PORT = 8000
ROUTES = {"liveness_route": "/v2/health/live", "readiness_route": "/v2/health/ready", "scoring_route": "/"}
# As many as the front's largest batch: two of them are in flight before Azure says 429, and Triton's own queue follows.
CONCURRENT, CONCURRENT_FIELD = 64, "max_concurrent_requests_per_instance"
# Tags for a machine of one's own.
_OWN_TAGS = "tritext_address_"
_ENDPOINT = ("$schema", "name", "description", "auth_mode", "public_network_access", "tags", "properties")
_DEPLOYMENT = (
    "$schema", "name", "endpoint_name", "description", "tags", "properties", "instance_type", "instance_count",
    "app_insights_enabled", "scale_settings", "liveness_probe", "readiness_probe",
)  # fmt: skip
_WORKSPACE = ("$schema", "name", "location", "description", "display_name", "managed_network")
_NEVER = {
    "code_configuration": "a deployment brings no code: all of it is in the image",
    "data_collector": "it would keep the texts of requests",
}


def endpoint(source: Source, cloud: Cloud) -> dict[str, Any]:
    """Write the endpoint's file: closed to the public, and somebody of its own."""
    kept = _keep(source, _ENDPOINT)
    for field in ("traffic", "mirror_traffic"):
        if field in source.section:
            source.section.note(field, "is for after the deployments: see names.env")
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    identity = [{"resource_id": cloud.resource(kind, cloud.endpoint_identity)}]
    return {**kept, "identity": {"type": "user_assigned", "user_assigned_identities": identity}}


def deployment(source: Source, cloud: Cloud, repository: PurePosixPath, front: str) -> dict[str, Any]:
    """Write a deployment's file.

    Args:
        source: The deployment's own file.
        cloud: For the image.
        repository: The model repository, as the rendered file's folder sees it.
        front: The model that it answers as.
    """
    section, model = source.section, source.fields["model"]
    for field, reason in _NEVER.items():
        if field in section:
            section.refuse(field, reason, "remove it")
    if "environment" in section:
        section.note("environment", f"replaced by the image of the cloud's file, {cloud.image}")
    name, version = str(model.get("name", front)), str(model.get("version", 1))
    settings = dict(source.fields.get("request_settings", {}))
    if CONCURRENT_FIELD not in settings:
        section.note("request_settings", f"{CONCURRENT_FIELD}: {CONCURRENT} is written; Azure would take 1")
    section.note("model", f"type {CUSTOM} is written: triton_model would run in Azure's image, without our backend")
    kept = _keep(source, _DEPLOYMENT)
    return {
        **kept,
        "tags": {**kept.get("tags", {}), FRONT_TAG: front},
        "model": {"name": name, "version": version, "path": str(repository), "type": CUSTOM},
        "model_mount_path": MOUNT,
        "environment": {
            "name": f"{name}-triton",
            "image": cloud.image,
            "inference_config": {route: {"path": path, "port": PORT} for route, path in ROUTES.items()},
        },
        "environment_variables": {
            **source.fields.get("environment_variables", {}),
            MODELS_VARIABLE: f"{MOUNT}/{name}/{version}",
        },
        "request_settings": {**settings, CONCURRENT_FIELD: settings.get(CONCURRENT_FIELD, CONCURRENT)},
    }


def workspace(source: Source, cloud: Cloud) -> dict[str, Any]:
    """Write the workspace's file: closed to the public, and on the group's own resources.

    It is for those who make the workspace by ``az ml``; ``main.bicep`` makes the same.
    """
    storage, registry = "Microsoft.Storage/storageAccounts", "Microsoft.ContainerRegistry/registries"
    return {
        **_keep(source, _WORKSPACE),
        "storage_account": cloud.resource(storage, cloud.storage_account),
        "container_registry": cloud.resource(registry, cloud.registry),
        "key_vault": cloud.resource("Microsoft.KeyVault/vaults", cloud.key_vault),
        "public_network_access": "disabled",
        "system_datastores_auth_mode": "identity",
    }


def _keep(source: Source, fields: tuple[str, ...]) -> dict[str, Any]:
    """Take what Azure is to see; note what it is not."""
    known = (*fields, "model", "environment", "environment_variables", "request_settings", "traffic", "mirror_traffic")
    for field in source.fields:
        if field not in known and field not in _NEVER:
            source.section.note(field, "left out: it is set by the cloud's file, or by Azure")
    kept = {field: source.fields[field] for field in fields if field in source.fields}
    if "tags" in kept:
        kept["tags"] = _tags(kept["tags"])
    return {field: value for field, value in kept.items() if value != {}}


def _tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Azure's are all texts, and those for a machine of one's own mean nothing there."""
    return {name: str(value) for name, value in tags.items() if not name.startswith(_OWN_TAGS)}
