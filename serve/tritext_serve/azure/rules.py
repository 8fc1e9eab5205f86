"""What Azure's client lets pass and its service does not, or nobody should: files in, mistakes by file and line out.

azure-ai-ml 1.35.2 takes shares that sum to 60, a mirror of 80 %, no instances, a time-out of ten minutes, names of two
letters; and it cannot see whether routes fit the image, or whether a closed workspace has an open endpoint. These rules
can. Files are read here; the rules themselves are in ``deployment_rules`` and ``place_rules``, and pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritext_serve.azure.cloud import TELLTALE, read_cloud
from tritext_serve.azure.deployment_rules import another_model, judge_deployment
from tritext_serve.azure.place_rules import judge_endpoint, judge_parameters, judge_workspace
from tritext_serve.azure.sources import plain, read_table
from tritext_serve.endpoint.files.deployment import FRONT_TAG
from tritext_serve.endpoint.files.kind import DEPLOYMENT, ENDPOINT, WORKSPACE, find_kind
from tritext_serve.endpoint.files.report import Report
from tritext_serve.endpoint.files.section import Section
from tritext_serve.errors import EndpointFileError

_PARAMETERS = "deploymentParameters.json#"
_EGRESS = "egress_public_network_access"


@dataclass(frozen=True, slots=True)
class _File:
    """One file that could be read."""

    kind: str
    section: Section
    fields: Mapping[str, Any]
    report: Report


def problems(paths: Sequence[Path]) -> tuple[str, ...]:
    """Judge files for Azure: endpoints', deployments', workspaces', the cloud's own, and ``main.bicep``'s parameters.

    Returns:
        A line for each mistake: ``FILE:LINE: field: what is wrong: remedy``.
    """
    lines: list[str] = []
    files: list[_File] = []
    for path in paths:
        try:
            files.append(_judge_alone(path))
        except EndpointFileError as error:
            lines += str(error).splitlines()
    _judge_together(files)
    for file in files:
        lines += [str(remark) for remark in sorted(file.report.problems, key=lambda remark: remark.line)]
    return tuple(lines)


def _judge_alone(path: Path) -> _File:
    """Judge one file by itself.

    Raises:
        EndpointFileError: it cannot be read.
    """
    report = Report(str(path))
    table = read_table(path, report)
    section, fields = Section(table, report), plain(table)
    if str(fields.get("$schema")).endswith(_PARAMETERS):
        judge_parameters(section, fields)
        return _File("parameters", section, fields, report)
    if TELLTALE in section:
        read_cloud(section)
        return _File("cloud", section, fields, report)
    kind = find_kind(section) or ""
    if kind == ENDPOINT:
        judge_endpoint(section)
    elif kind == DEPLOYMENT:
        judge_deployment(section)
    elif kind == WORKSPACE:
        judge_workspace(section, fields)
    return _File(kind, section, fields, report)


def _judge_together(files: Sequence[_File]) -> None:
    """Judge what one file says against another."""
    deployments = [file for file in files if file.kind == DEPLOYMENT]
    named = [file for file in files if file.kind == ENDPOINT and not file.report.problems]
    for endpoint in [file.fields.get("name") for file in named][:1]:
        for each in deployments:
            if (theirs := each.fields.get("endpoint_name")) not in (None, endpoint):
                remedy = f"write `endpoint_name: {endpoint}`"
                each.section.refuse("endpoint_name", f"{theirs!r} is not the endpoint {endpoint!r}", remedy)
    _compare_models(deployments)
    if any(file.kind == WORKSPACE for file in files):
        for each in deployments:
            if _EGRESS in each.fields:
                remedy = "remove it: the network's rules hold"
                each.section.refuse(_EGRESS, "cannot stand beside a managed network", remedy)


def _compare_models(deployments: Sequence[_File]) -> None:
    """Refuse deployments of one endpoint that answer as different models, as far as their tags tell."""
    first: dict[object, tuple[str, str]] = {}
    for each in deployments:
        tags = each.fields.get("tags")
        model = tags.get(FRONT_TAG) if isinstance(tags, dict) else None
        if not isinstance(model, str):
            continue
        ours, file = first.setdefault(each.fields.get("endpoint_name"), (model, each.report.file))
        if model != ours:
            remedy = f"let both serve {ours}"
            each.section.refuse_key("tags", FRONT_TAG, another_model(model, ours, file), remedy)
