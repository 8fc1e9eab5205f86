"""An endpoint's file: a section in, an endpoint without its deployments out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from tritext_serve.endpoint.files.names import read_name
from tritext_serve.endpoint.files.section import Section
from tritext_serve.endpoint.files.traffic import mirror_faults, traffic_faults
from tritext_serve.endpoint.model import Access, Deployment, Endpoint, Network

ACCESS = ("enabled", "disabled")
TOKENS = ("aml_token", "aad_token")
_IGNORED = {
    "$schema": "",
    "description": "",
    "tags": "",
    "properties": "",
    "id": "it names a resource of Azure",
    "identity": "there is no directory of identities here",
    "kind": "it is what Azure answers",
    "location": "it is served on this machine",
    "openapi_uri": "it is what Azure answers",
    "provisioning_state": "it is what Azure answers",
    "scoring_uri": "it is what Azure answers",
}


@dataclass(frozen=True, slots=True)
class EndpointDraft:
    """An endpoint as its own file has it.

    Attributes:
        endpoint: Without deployments, traffic or mirror.
        traffic: Values by deployment, of any type.
        mirror: Likewise.
        section: The file.
    """

    endpoint: Endpoint
    traffic: Mapping[str, object]
    mirror: Mapping[str, object]
    section: Section


def read_endpoint(section: Section) -> EndpointDraft:
    """Read the file; whether its traffic may be waits for the deployments that it names."""
    name = read_name(section, "name", "my-endpoint")
    _check_auth(section)
    access = cast(Access, section.choice("public_network_access", ACCESS, "enabled"))
    traffic, mirror = section.values("traffic"), section.values("mirror_traffic")
    section.ignore(_IGNORED)
    if "compute" in section:
        section.refuse("compute", "belongs to a Kubernetes endpoint", "remove it: deployments run on this machine")
    section.ignore({"compute": ""})
    section.close()
    return EndpointDraft(Endpoint(name=name, public_network_access=access), traffic, mirror, section)


def _check_auth(section: Section) -> None:
    mode = section.choice("auth_mode", ("key", *TOKENS), "key")
    if mode in TOKENS:
        section.refuse("auth_mode", f"{mode} needs Azure's identity service", "write `auth_mode: key`")


def finish(
    draft: EndpointDraft, deployments: Mapping[str, Deployment], network: Network, complete: bool = True
) -> Endpoint:
    """Put an endpoint together, and refuse traffic and a mirror that it must not have.

    Args:
        draft: The endpoint's own file.
        deployments: By name.
        network: What may leave.
        complete: Whether every file could be read; if not, a share of a deployment that is not there is let pass.
    """
    bare = replace(draft.endpoint, deployments=deployments, network=network)
    for fault in traffic_faults(bare, draft.traffic):
        if complete or fault.deployment in ("", *deployments):
            draft.section.refuse_key("traffic", fault.deployment, fault.what, fault.remedy)
    live = replace(bare, traffic=_whole(draft.traffic))
    for fault in mirror_faults(live, draft.mirror):
        if complete or fault.deployment in ("", *deployments):
            draft.section.refuse_key("mirror_traffic", fault.deployment, fault.what, fault.remedy)
    if deployments and not any(live.traffic.values()):
        draft.section.note("traffic", "no deployment has any: only requests that name a deployment are answered")
    return replace(live, mirror_traffic=_whole(draft.mirror))


def _whole(shares: Mapping[str, object]) -> dict[str, int]:
    return {name: share for name, share in shares.items() if isinstance(share, int)}
