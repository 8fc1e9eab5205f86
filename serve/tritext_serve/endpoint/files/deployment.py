"""A deployment's file: a section in, a deployment whose model is not yet looked up out. Pure."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tritext_serve.endpoint.files.endpoint import ACCESS
from tritext_serve.endpoint.files.names import read_name
from tritext_serve.endpoint.files.report import quote
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.model import Access, Deployment, Probe, RequestSettings

# Azure's table of limits (how-to-manage-quotas): 180 seconds for managed online endpoints, 50 instances a deployment.
LONGEST_TIMEOUT_MS = 180_000
MOST_INSTANCES = 50
MOST_CONCURRENT = 10_000
LONGEST_PROBE_S = 86_400
FRONT_TAG = "tritext_model"
TRITON = "triton_model"
_REMOTE = ("azureml:", "http:", "https:", "wasbs:", "abfss:", "adl:", "file:", "runs:")
_IGNORED = {
    "$schema": "",
    "description": "",
    "properties": "",
    "id": "it names a resource of Azure",
    "app_insights_enabled": "metrics and logs are the endpoint's own",
    "code_configuration": "nothing that a deployment brings is run",
    "creation_context": "it is what Azure answers",
    "data_collector": "no text is kept",
    "environment": "the server is this machine's",
    "model_mount_path": "the repository is read where it lies",
    "private_network_connection": "outbound rules say what may leave",
    "provisioning_state": "it is what Azure answers",
    "scale_settings": "a deployment has `instance_count` instances",
}
_PROBE = ("initial_delay", "period", "timeout", "success_threshold", "failure_threshold")
_MODEL_IGNORED = dict.fromkeys(
    ("name", "version", "description", "properties", "tags", "stage", "flavors", "datastore", "job_name"), ""
)


@dataclass(frozen=True, slots=True)
class DeploymentDraft:
    """A deployment as its file has it.

    Attributes:
        deployment: Without its model and variants; ``repository`` may be relative.
        front: The front that the file asks for; "" where it asks for none.
        section: The file.
        model: The file's ``model``; None where there is none to look up.
    """

    deployment: Deployment
    front: str
    section: Section
    model: Section | None


def read_deployment(section: Section, folder: Path) -> DeploymentDraft:
    """Read the file.

    Args:
        section: The file.
        folder: Where it lies: relative paths begin there.
    """
    name = read_name(section, "name", "blue")
    endpoint = read_name(section, "endpoint_name", "my-endpoint")
    model, repository = _read_model(section, folder)
    deployment = Deployment(
        name=name,
        endpoint_name=endpoint,
        repository=repository,
        model="",
        instance_count=section.whole("instance_count", 1, 1, MOST_INSTANCES),
        request_settings=_read_settings(section.section("request_settings")),
        liveness=_read_probe(section, "liveness_probe"),
        readiness=_read_probe(section, "readiness_probe"),
        egress=cast(Access, section.choice("egress_public_network_access", ACCESS, "enabled")),
    )
    front = _read_front(section)
    _check_target(section)
    section.close()
    return DeploymentDraft(deployment, front, section, model)


def _read_model(section: Section, folder: Path) -> tuple[Section | None, Path]:
    """Find the repository; where the file names none that could be read, there is nothing to look up."""
    example = "model: {path: ../model_repository, type: triton_model}"
    if "model" not in section:
        section.refuse("model", "is missing", f"write `{example}`")
        section.ignore({"model": ""})
        return None, folder
    if (reference := section.plain("model")) is not None:
        what = "is a model of a workspace, which is not on this machine" if ":" in reference else "is no table"
        section.refuse("model", f"{quote(reference)} {what}", f"write `{example}`")
        return None, folder
    model = section.section("model")
    if model is None:
        return None, folder
    path = model.text("path", "../model_repository")
    kind = model.text("type", TRITON, "" if "environment" in section else None)
    if kind not in (None, "", TRITON):
        model.refuse("type", f"{quote(kind)} is not served here", f"write `type: {TRITON}`")
    model.ignore(_MODEL_IGNORED)
    model.close()
    if path is not None and path.lower().startswith(_REMOTE):
        model.refuse("path", f"{quote(path)} is not on this machine", "fetch it, and give the folder's path")
        path = None
    return (model, folder / path) if path is not None else (None, folder)


def _read_settings(section: Section | None) -> RequestSettings:
    if section is None:
        return RequestSettings()
    timeout = section.whole("request_timeout_ms", RequestSettings().request_timeout_ms, 1, LONGEST_TIMEOUT_MS)
    name = "max_concurrent_requests_per_instance"
    concurrent = section.whole(name, 0, 1, MOST_CONCURRENT)
    section.ignore({"max_queue_wait_ms": "Azure gave it up too: raise `request_timeout_ms`"})
    section.close()
    return RequestSettings(timeout, concurrent or None)


def _read_probe(deployment: Section, name: str) -> Probe:
    section = deployment.section(name)
    if section is None:
        return Probe()
    fields = {each: section.whole(each, getattr(Probe(), each), 1, LONGEST_PROBE_S) for each in _PROBE}
    section.close()
    probe = Probe(**fields)
    if probe != Probe():
        deployment.note(name, "ignored: an instance is judged by its canary, once a second")
    return probe


def _read_front(section: Section) -> str:
    """Find the front that the file's tags ask for; the other tags may be anything."""
    front = section.values("tags").get(FRONT_TAG, "")
    if isinstance(front, str):
        return front
    section.refuse_key("tags", FRONT_TAG, f"is {quote(front)}", f"write `tags: {{{FRONT_TAG}: sentiment}}`")
    return ""


def _check_target(section: Section) -> None:
    """Refuse what is meant for another kind of machine; note what this one has no use for."""
    if section.choice("type", ("managed", "kubernetes"), "managed") == "kubernetes" or "resources" in section:
        field = "resources" if "resources" in section else "type"
        section.refuse(field, "belongs to a Kubernetes deployment", "remove it: it is served on this machine")
    # Azure's client refuses a file without it, so the same file would not do there.
    section.text("instance_type", "Standard_F4s_v2")
    # LD_PRELOAD is one of them: a variable can be code.
    for name in section.values("environment_variables"):
        section.note_key("environment_variables", name, "ignored: no process gets a variable from a file")
    section.ignore({**_IGNORED, "resources": ""})
