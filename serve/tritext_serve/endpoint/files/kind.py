"""What a file is of: told by its ``$schema``, or else by the fields that it has. Pure."""

from tritext_serve.endpoint.files.report import quote
from tritext_serve.endpoint.files.section import Section

ENDPOINT, DEPLOYMENT, WORKSPACE = KINDS = ("managedOnlineEndpoint", "managedOnlineDeployment", "workspace")
_END = ".schema.json"
# What only files of that kind have; an endpoint's file may have no more than a name.
_TELLTALES = {
    WORKSPACE: ("managed_network",),
    DEPLOYMENT: ("endpoint_name", "model", "instance_type", "instance_count", "request_settings"),
    ENDPOINT: ("auth_mode", "traffic", "mirror_traffic", "public_network_access", "name"),
}


def find_kind(section: Section) -> str | None:
    """Tell what a file is of; None, and a problem, where that cannot be served."""
    schema = section.plain("$schema")
    if schema is None:
        return _guess(section)
    name = schema.rpartition("/")[2]
    for kind in KINDS:
        if name.lower() == f"{kind}{_END}".lower():
            return kind
    if name.lower().startswith("kubernetes"):
        section.refuse(
            "$schema", f"{quote(name)} is for a Kubernetes cluster", f"write …/{ENDPOINT}{_END}, or {DEPLOYMENT}"
        )
    else:
        section.refuse(
            "$schema", f"{quote(schema)} is not known", f"end it in one of {', '.join(k + _END for k in KINDS)}"
        )
    return None


def _guess(section: Section) -> str | None:
    for kind, fields in _TELLTALES.items():
        if any(field in section for field in fields):
            return kind
    remedy = f"begin with `$schema: https://azuremlschemas.azureedge.net/latest/{ENDPOINT}{_END}`"
    section.refuse("$schema", "is missing, and no field tells what the file is of", remedy)
    return None
